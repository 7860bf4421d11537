//! Rows, their rounds, and what is printed of them.

use std::time::{Duration, Instant};

use crate::corpus::{Corpus, Found};

/// Something to be timed.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// What exactly it does.
    pub(crate) does: &'static str,
    /// Whether it is another implementation, which is also compared with `typed`.
    pub(crate) is_peer: bool,
    /// One in how many records it is given.
    pub(crate) share: usize,
    pub(crate) work: Work,
}

/// Goes through the first so many records of a corpus.
pub(crate) type Work = Box<dyn FnMut(&Corpus, usize) -> Outcome>;

/// What a row found in the records that it was given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    pub(crate) found: Check,
    /// How long it says that it took, if it runs in another process.
    pub(crate) took: Option<Duration>,
}

/// What a row can be checked by: the number of events, or a sum that it cannot have without having done its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    /// Bytes of JSON.
    JsonLen(u64),
    /// Events, and bytes of their messages.
    Messages(u64, u64),
    /// Events, and the sum of their `bytes`.
    Bytes(u64, u64),
    /// Events that match, and the sum of their `bytes`.
    Rejected(u64, u64),
    /// Events, and bytes of NDJSON.
    Ndjson(u64, u64),
}

impl Check {
    fn expected(self, found: Found) -> Check {
        match self {
            Check::JsonLen(_) => Check::JsonLen(found.json_len),
            Check::Messages(..) => Check::Messages(found.events, found.message_len),
            Check::Bytes(..) => Check::Bytes(found.events, found.bytes),
            Check::Rejected(..) => Check::Rejected(found.rejected, found.rejected_bytes),
            Check::Ndjson(..) => Check::Ndjson(found.events, found.ndjson_len),
        }
    }
}

impl From<Check> for Outcome {
    fn from(found: Check) -> Outcome {
        Outcome { found, took: None }
    }
}

/// Rounds are run until this time has passed, but not more than `ROUNDS`.
const TIME: Duration = Duration::from_secs(20);
const ROUNDS: usize = 60;
const FEWEST_ROUNDS: usize = 7;

/// Times all rows in rounds, the first of which does not count, and prints a table.
pub(crate) fn run(corpus: &Corpus, mut rows: Vec<Row>) {
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); rows.len()];
    let begin = Instant::now();
    for round in 0..=ROUNDS {
        if round > FEWEST_ROUNDS && begin.elapsed() > TIME {
            break;
        }
        for (row, times) in rows.iter_mut().zip(&mut times) {
            let records = (corpus.records.len() / row.share).max(1);
            let start = Instant::now();
            let outcome = (row.work)(corpus, records);
            let took = outcome.took.unwrap_or_else(|| start.elapsed());
            let expected = corpus.found(records);
            assert_eq!(outcome.found, outcome.found.expected(expected), "what {} found", row.name);
            if round > 0 {
                times.push(took.as_secs_f64() * 1e9 / expected.events as f64);
            }
        }
    }
    print(corpus, &rows, &times);
}

fn print(corpus: &Corpus, rows: &[Row], times: &[Vec<f64>]) {
    let of = |name: &str| rows.iter().position(|row| row.name == name).map(|row| &times[row]);
    let inflate = of("inflate").expect("the row that all others are compared with");
    println!("\n{}\n{}, {} rounds", corpus.name, corpus.sizes(), inflate.len());
    println!("\n  row            ns/event  / inflate                 / typed");
    for (row, times) in rows.iter().zip(times) {
        let ns = Spread::of(times.clone()).median;
        let to_inflate = Spread::of_ratios(times, inflate);
        let to_typed = match of("typed") {
            Some(typed) if row.is_peer => format!("{:7.1}", Spread::of_ratios(times, typed).median),
            _ => " ".repeat(7),
        };
        println!("  {:14} {ns:8.1}  {to_inflate}  {to_typed}   {}", row.name, row.does);
    }
    if let (Some(inflate_2), Some(typed), Some(typed_2)) = (of("inflate-2"), of("typed"), of("typed-2")) {
        let inflate = ratios(inflate, inflate_2);
        let typed = ratios(typed, typed_2);
        println!("  two threads do {} times as much of inflate as one", Spread::of(inflate.clone()));
        println!("  two threads do {} times as much of typed as one", Spread::of(typed.clone()));
        println!("  typed scales {} times as well as inflate", Spread::of_ratios(&typed, &inflate));
    }
}

/// Of each round, as rounds differ more than what is in one.
fn ratios(times: &[f64], others: &[f64]) -> Vec<f64> {
    times.iter().zip(others).map(|(time, other)| time / other).collect()
}

/// The median, and between what four of five values lie.
struct Spread {
    median: f64,
    low: f64,
    high: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Spread {
        values.sort_by(f64::total_cmp);
        let at = |part: f64| values[((values.len() - 1) as f64 * part).round() as usize];
        Spread { median: at(0.5), low: at(0.1), high: at(0.9) }
    }

    fn of_ratios(times: &[f64], others: &[f64]) -> Spread {
        Spread::of(ratios(times, others))
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:6.2} ({:6.2}..{:6.2})", self.median, self.low, self.high)
    }
}
