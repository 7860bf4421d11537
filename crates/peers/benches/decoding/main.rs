//! What decoding costs, as multiples of inflating the same bytes with libdeflate, and beside what others do.
//!
//! ```sh
//! cargo bench -p kinesis-logs-peers --bench decoding                  # all rows on all corpora
//! cargo bench -p kinesis-logs-peers --bench decoding -- typed,ndjson  # these rows, on the first corpus
//! ```
//!
//! All rows of a round go over the same bytes, one after the other; a ratio is the median of the rounds' ratios, with
//! what four of five rounds lie between. So that slow peers do not make rounds long they are given a sixth of the records.
//! Every row must find what the generator put in: as many events, and the same sum.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on should stop")]

mod corpus;
mod ours;
mod peers;
mod python;
mod table;

#[path = "../../tests/peers/python.rs"]
mod environment;
#[path = "../../tests/peers/vector.rs"]
mod vector;

fn main() {
    let selected = std::env::args().nth(1).filter(|argument| !argument.starts_with('-'));
    let mut corpora = corpus::all();
    if selected.is_some() {
        corpora.truncate(1);
    }
    for corpus in &corpora {
        let mut rows = ours::rows(corpus);
        match &selected {
            None => {
                rows.extend(peers::rows(corpus));
                rows.extend(python::rows(corpus));
            }
            Some(selected) => {
                let is_selected = |name: &str| selected.split(',').any(|selected| selected == name);
                if ["usual-rust", "vrl-loop", "vrl-per-event"].into_iter().any(is_selected) {
                    rows.extend(peers::rows(corpus));
                }
                if ["python", "python-fast"].into_iter().any(is_selected) {
                    rows.extend(python::rows(corpus));
                }
                rows.retain(|row| row.name == "inflate" || is_selected(row.name));
            }
        }
        table::run(corpus, rows);
    }
}
