//! How much sooner two processors are done than one.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::{JOBS, ROUNDS, capture, configured, median};

/// Prints how often as fast two processors are as one, for pipelines, less what they take for one record, and for inflating. Needs
/// `taskset`. Files lie in memory, where there is such a place: how long a disk takes is no processor's.
pub(crate) fn measure(folder: &Path, records: &[Vec<u8>]) {
    if Command::new("taskset").arg("-V").output().is_err() {
        return println!("\nno taskset: what two processors bring is not measured");
    }
    let shared_memory = Path::new("/dev/shm/kinesis-logs-reader-bench");
    let is_there = std::fs::create_dir_all(shared_memory).is_ok();
    let folder = if is_there { shared_memory } else { folder };
    let inputs = [capture(folder, "all", records), capture(folder, "one", &records[..1])];
    let mut of_inflating = Vec::new();
    let mut of_jobs: [Vec<f64>; 3] = Default::default();
    for _ in 0..ROUNDS {
        let two = time(|| crate::inflate_on(2, records));
        of_inflating.push(time(|| crate::inflate(records)).as_secs_f64() / two.as_secs_f64());
        for (job, ratios) in JOBS.iter().zip(&mut of_jobs) {
            let [one, two] = ["0", "0,1"].map(|processors| {
                let [all, start] = inputs.each_ref().map(|input| {
                    let source = format!("type = 'file'\ninclude = ['{}']\n", input.display());
                    let mut command = Command::new("taskset");
                    command.args(["-c", processors, env!("CARGO_BIN_EXE_kinesis-logs-reader")]);
                    let mut command = configured(folder, &source, job.transform, &mut command);
                    time(|| assert!(command.status().unwrap().success())).as_secs_f64()
                });
                all - start
            });
            ratios.push(one / two);
        }
    }
    println!("\ntwo processors beside one:");
    println!("{:5.2} times as fast: inflating", median(&mut of_inflating));
    for (job, ratios) in JOBS.iter().zip(&mut of_jobs) {
        println!("{:5.2} times as fast: {}", median(ratios), job.name);
    }
    if is_there {
        // What is left there takes memory.
        let _ = std::fs::remove_dir_all(shared_memory);
    }
}

fn time<T>(work: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}
