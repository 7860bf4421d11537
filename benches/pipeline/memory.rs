//! What memory the command takes while it reads a stream of four shards as fast as it can.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use kinesis_logs_testkit::Emulator;

use crate::{JOBS, configured};

const STREAM: &str = "flow-logs";

/// Prints the most that was resident, where the system tells.
pub(crate) fn measure(folder: &Path, records: &[Vec<u8>]) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let emulator = runtime.block_on(async {
        let emulator = Emulator::start().await;
        emulator.create_stream(STREAM, 4).await;
        let keyed = records.iter().enumerate().map(|(number, data)| (number.to_string(), data.clone()));
        emulator.put(STREAM, keyed).await;
        emulator
    });
    println!("\nmemory, a stream of 4 shards:");
    for job in &JOBS {
        let source = format!(
            "type = 'aws_kinesis_streams'\nstreams = ['{STREAM}']\nendpoint = '{}'\nregion = 'eu-west-1'\n\
             start = 'trim_horizon'\nstop = 'at_tip'\ncheckpoint.type = 'memory'\n",
            emulator.endpoint()
        );
        let mut command = Command::new(env!("CARGO_BIN_EXE_kinesis-logs-reader"));
        let mut command = configured(folder, &source, job.transform, &mut command);
        command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
        let mut child = command.spawn().unwrap();
        let mut most = 0;
        let status = loop {
            most = most.max(resident(child.id()));
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        assert!(status.success(), "{command:?}");
        println!("{:5} MB: {}", most / 1_000_000, job.name);
    }
}

/// The most bytes that were resident of a process.
fn resident(process: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or(0, |line| line.trim().trim_end_matches(" kB").parse::<usize>().unwrap_or(0) << 10)
}
