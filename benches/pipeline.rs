//! CPU time of `run` from recorded records to an NDJSON file: events that a condition keeps, all events, and all with a member
//! that a program adds.
//!
//! ```sh
//! cargo bench --workspace --bench pipeline
//! ```
//!
//! Counted is the command's CPU time, user and system, for 2,000 records of 500 default flow log events, less what it takes
//! for one record. Inflating the same records with libdeflate, buffers reused, is the unit. Rounds are interleaved; ratios are
//! medians of the rounds' ratios.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on should stop")]

mod measure;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use kinesis_logs_generator::FlowLogs;
use kinesis_logs_pipeline::captured;
use kinesis_logs_source::Record;

use measure::{children, inflate};

const RECORDS: usize = 2000;
const EVENTS_PER_RECORD: usize = 500;
const ROUNDS: usize = 7;

/// What is done on the way, and what that is called.
const JOBS: [(&str, &str); 3] = [
    (
        "filter, VRL: .action == \"REJECT\" && .dstport == 22",
        "type = 'filter'\ncondition = '.action == \"REJECT\" && .dstport == 22'",
    ),
    ("all events", ""),
    (
        "remap, VRL: .service = if .dstport == 443 { \"https\" } else { \"other\" }",
        "type = 'remap'\nsource = '.service = if .dstport == 443 { \"https\" } else { \"other\" }'",
    ),
];

fn main() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pipeline-bench");
    std::fs::create_dir_all(&folder).unwrap();
    let mut flow_logs = FlowLogs::new(1).events_per_record(EVENTS_PER_RECORD);
    let records: Vec<Vec<u8>> = (0..RECORDS).map(|_| flow_logs.next_record().data).collect();
    let (all, one) = (capture(&folder, "all", &records), capture(&folder, "one", &records[..1]));
    let mut ratios: [Vec<f64>; 3] = Default::default();
    println!("round  inflate  {}", JOBS.map(|(name, _)| format!("{:>12}", &name[..6])).join("  "));
    for round in 1..=ROUNDS {
        let unit = inflate(&records).as_secs_f64();
        let mut shown = format!("{round:5}  {unit:7.3}");
        for (job, (_, transform)) in JOBS.iter().enumerate() {
            let cpu = [&all, &one].map(|input| run(&folder, input, transform).as_secs_f64());
            let cpu = cpu[0] - cpu[1];
            ratios[job].push(cpu / unit);
            shown.push_str(&format!("  {cpu:12.3}"));
        }
        println!("{shown}");
    }
    println!();
    for ((name, _), ratios) in JOBS.iter().zip(&mut ratios) {
        ratios.sort_by(f64::total_cmp);
        println!("{:5.2} of inflating: {name}", ratios[ROUNDS / 2]);
    }
}

/// Records as the command writes them.
fn capture(folder: &Path, name: &str, records: &[Vec<u8>]) -> PathBuf {
    let path = folder.join(format!("{name}.ndjson"));
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path).unwrap());
    for (number, data) in records.iter().enumerate() {
        let record = Record::new("flow-logs", "shardId-000000000000", number.to_string(), data.clone());
        writeln!(file, "{}", captured::to_json(&record, "")).unwrap();
    }
    file.flush().unwrap();
    path
}

/// The CPU time of the command for a pipeline from `input` to a file.
fn run(folder: &Path, input: &Path, transform: &str) -> Duration {
    let out = folder.join("out.ndjson");
    let _ = std::fs::remove_file(&out);
    let (transform, of) = match transform {
        "" => (String::new(), "in"),
        transform => (format!("[transforms.it]\ninputs = ['in']\n{transform}\n"), "it"),
    };
    let config = folder.join("pipeline.toml");
    let toml = format!(
        "[sources.in]\ntype = 'file'\ninclude = ['{}']\n{transform}[sinks.out]\ntype = 'file'\ninputs = ['{of}']\n\
         path = '{}'\nencoding.codec = 'json'\n",
        input.display(),
        out.display()
    );
    std::fs::write(&config, toml).unwrap();
    let before = children();
    let mut command = Command::new(env!("CARGO_BIN_EXE_kinesis-logs-reader"));
    let status = command.arg("run").arg(&config).stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(status.unwrap().success(), "{command:?}");
    children() - before
}
