//! Every fuzz target over its seeds, what was found before, and mutations of both: what a clone can check in seconds.

use kinesis_logs_fuzz_targets::{Target, regressions};

/// How many mutations are tried of all of a target's inputs together.
const MUTATIONS: usize = 12_000;

fn try_all(name: &str) {
    let target = Target::named(name).expect("a target of that name");
    let mut inputs = (target.seeds)();
    inputs.extend(regressions(name).expect("regressions that can be read"));
    for input in &inputs {
        (target.run)(input);
    }
    let mut rng = fastrand::Rng::with_seed(0x6b69_6e65_7369_7321);
    for n in 0..MUTATIONS {
        let mut input = inputs[n % inputs.len()].clone();
        for _ in 0..rng.usize(1..4) {
            mutate(&mut input, &inputs, &mut rng);
        }
        let tried = std::panic::catch_unwind(|| (target.run)(&input));
        assert!(tried.is_ok(), "see above; the input was {}", input.escape_ascii());
    }
}

/// One of the changes that fuzzers make.
fn mutate(input: &mut Vec<u8>, others: &[Vec<u8>], rng: &mut fastrand::Rng) {
    let at = rng.usize(..=input.len());
    match rng.u8(..7) {
        0 => input.truncate(at),
        1 => drop(input.drain(..at)),
        2 => input.insert(at, rng.u8(..)),
        3 => {
            // A piece of it once more.
            let end = rng.usize(at..=input.len());
            input.extend_from_within(at..end);
        }
        4 => {
            // Another one's end.
            let other = &others[rng.usize(..others.len())];
            input.truncate(at);
            input.extend_from_slice(&other[rng.usize(..=other.len())..]);
        }
        5 => {
            if let Some(byte) = input.get_mut(at) {
                *byte = *rng.choice(b"\0\xff\"\\{}[]:, -0919.$").unwrap_or(&0);
            }
        }
        _ => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << rng.u8(..8);
            }
        }
    }
}

#[test]
fn compressed_data_is_read_as_other_inflaters_read_it() {
    try_all("gzip");
}

#[test]
fn a_container_holds_what_its_parts_are() {
    try_all("kpl");
}

#[test]
fn envelopes_are_read_as_serde_json_reads_them() {
    try_all("envelope");
}

#[test]
fn flow_log_lines_are_read_as_the_standard_library_reads_them() {
    try_all("flow_line");
}

#[test]
fn formats_come_back_as_they_were_printed() {
    try_all("format_string");
}

#[test]
fn any_bytes_keep_to_the_limits_and_leave_nothing_behind_in_a_decoder() {
    try_all("record");
}
