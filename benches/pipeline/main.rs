//! What `run` costs from recorded records to an NDJSON file: events that a condition keeps, all events, and all with a member that
//! a program adds.
//!
//! ```sh
//! cargo bench --workspace --bench pipeline
//! ```
//!
//! Counted is the command's CPU time, user and system, for 2,000 records of 500 default flow log events, less what it takes
//! for one record. Inflating the same records with libdeflate, buffers reused, is the unit. Both have one processor; and then
//! all of them, on which as many threads inflate at once: processors that work at once hold each other up. Beside it the same job
//! is done with the crate `vrl` alone, for a twentieth of the records: as short as can be, and as users of Vector write it. Rounds
//! are interleaved; ratios are medians of the rounds' ratios.
//!
//! Then: how much sooner two processors are done than one, beside inflating on two threads; and what memory the command takes
//! while it reads a stream of four shards as fast as it can. `-- cpu`, `-- scaling` and `-- memory` measure one of them alone.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on should stop")]

#[path = "../measure.rs"]
mod measure;
mod memory;
mod scaling;
#[path = "../../crates/peers/tests/peers/vector.rs"]
mod vector;
mod vrl_alone;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use kinesis_logs_generator::FlowLogs;
use kinesis_logs_pipeline::captured;
use kinesis_logs_source::Record;

use measure::{children, inflate, inflate_on, on_one_processor};
use vrl_alone::VrlAlone;

const RECORDS: usize = 2000;
const EVENTS_PER_RECORD: usize = 500;
const ROUNDS: usize = 7;
/// How many records VRL alone is given.
const FEW: usize = RECORDS / 20;

/// What is done with every event.
struct Job {
    name: &'static str,
    /// The transform in a pipeline, if there is one.
    transform: &'static str,
    /// The program that does it for VRL alone, once the line is read; it ends with whether the event is written.
    program: &'static str,
}

const JOBS: [Job; 3] = [
    Job {
        name: "filter: .action == \"REJECT\" && .dstport == 22",
        transform: "type = 'filter'\ncondition = '.action == \"REJECT\" && .dstport == 22'",
        program: ".action == \"REJECT\" && .dstport == 22",
    },
    Job { name: "all events", transform: "", program: "true" },
    Job {
        name: "remap: .service = if .dstport == 443 { \"https\" } else { \"other\" }",
        transform: "type = 'remap'\nsource = '.service = if .dstport == 443 { \"https\" } else { \"other\" }'",
        program: ".service = if .dstport == 443 { \"https\" } else { \"other\" }\ntrue",
    },
];

fn main() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pipeline-bench");
    std::fs::create_dir_all(&folder).unwrap();
    let mut flow_logs = FlowLogs::new(1).events_per_record(EVENTS_PER_RECORD);
    let records: Vec<Vec<u8>> = (0..RECORDS).map(|_| flow_logs.next_record().data).collect();
    let is_wanted = |part: &str| {
        let mut wanted = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).peekable();
        wanted.peek().is_none() || wanted.any(|wanted| wanted == part)
    };
    if is_wanted("cpu") {
        measure_cpu(&folder, &records);
    }
    if is_wanted("scaling") {
        scaling::measure(&folder, &records);
    }
    if is_wanted("memory") {
        memory::measure(&folder, &records);
    }
}

/// What is compared in every round.
#[derive(Default)]
struct Ratios {
    /// Of inflating, on one processor and on all.
    of_inflating: [Vec<f64>; 2],
    /// VRL alone, short and as usual, beside this on one processor.
    vrl: [Vec<f64>; 2],
}

fn measure_cpu(folder: &Path, records: &[Vec<u8>]) {
    let inputs = [capture(folder, "all", records), capture(folder, "one", &records[..1])];
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let mut ratios: [Ratios; 3] = Default::default();
    println!(
        "{} events, CPU seconds on one processor / all: this; VRL alone, as users of Vector write it",
        RECORDS * EVENTS_PER_RECORD
    );
    println!(
        "round       inflate                        filter                           all                         remap"
    );
    for round in 1..=ROUNDS {
        let spread = inflate_on(processors, records).as_secs_f64();
        let unit = on_one_processor(|| inflate(records)).as_secs_f64();
        let mut shown = format!("{round:5} {unit:6.3}/{spread:6.3}");
        for (job, ratios) in JOBS.iter().zip(&mut ratios) {
            let cpu = || {
                let [all, one] =
                    inputs.each_ref().map(|input| run(&mut pipeline(folder, input, job.transform)).as_secs_f64());
                all - one
            };
            let (on_all, on_one) = (cpu(), on_one_processor(cpu));
            let few = &records[..FEW];
            let vrl =
                on_one_processor(|| [VrlAlone::short(job.program).run(few), VrlAlone::usual(job.program).run(few)]);
            let [short, usual] = vrl.map(|time| time.as_secs_f64() * (RECORDS / FEW) as f64);
            ratios.of_inflating[0].push(on_one / unit);
            ratios.of_inflating[1].push(on_all / spread);
            ratios.vrl[0].push(short / on_one);
            ratios.vrl[1].push(usual / on_one);
            shown.push_str(&format!("  {on_one:6.3}/{on_all:6.3} {short:6.2} {usual:6.2}"));
        }
        println!("{shown}");
    }
    println!();
    for (job, Ratios { of_inflating, vrl }) in JOBS.iter().zip(&mut ratios) {
        let [one, all] = of_inflating.each_mut().map(|ratios| median(ratios));
        let [short, usual] = vrl.each_mut().map(|ratios| median(ratios));
        println!(
            "{one:5.2} of inflating, {all:5.2} on all processors; VRL alone {short:4.1} and {usual:4.1} times as much: {}",
            job.name
        );
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
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

/// The configuration of a pipeline from recorded records to a file.
fn pipeline(folder: &Path, input: &Path, transform: &str) -> Command {
    let source = format!("type = 'file'\ninclude = ['{}']\n", input.display());
    configured(folder, &source, transform, &mut Command::new(env!("CARGO_BIN_EXE_kinesis-logs-reader")))
}

/// Lets a command that may have arguments already run a pipeline from a source to a file, which is not there yet.
fn configured(folder: &Path, source: &str, transform: &str, command: &mut Command) -> Command {
    let (out, config) = (folder.join("out.ndjson"), folder.join("pipeline.toml"));
    let _ = std::fs::remove_file(&out);
    let (transform, of) = match transform {
        "" => (String::new(), "in"),
        transform => (format!("[transforms.it]\ninputs = ['in']\n{transform}\n"), "it"),
    };
    let toml = format!(
        "[sources.in]\n{source}{transform}[sinks.out]\ntype = 'file'\ninputs = ['{of}']\npath = '{}'\nencoding.codec = 'json'\n",
        out.display()
    );
    std::fs::write(&config, toml).unwrap();
    let mut configured = Command::new(command.get_program());
    configured.args(command.get_args()).arg("run").arg(&config).stdout(Stdio::null()).stderr(Stdio::null());
    configured
}

/// The CPU time of a command.
fn run(command: &mut Command) -> Duration {
    let before = children();
    let status = command.status();
    assert!(status.unwrap().success(), "{command:?}");
    children() - before
}
