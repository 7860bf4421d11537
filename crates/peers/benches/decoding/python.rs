//! Python beside us: a process that has the corpus, and is told when to go through it.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::rc::Rc;
use std::time::Duration;

use crate::corpus::Corpus;
use crate::environment;
use crate::table::{Check, Outcome, Row};

/// The rows for a corpus. Timed is what Python says itself, so that talking to it does not count.
pub(crate) fn rows(corpus: &Corpus) -> Vec<Row> {
    let peer = Rc::new(RefCell::new(Peer::start(corpus)));
    let row = |name, does, command: &'static str, check: fn(u64, u64) -> Check| {
        let peer = Rc::clone(&peer);
        let work = move |_: &Corpus, records| peer.borrow_mut().ask(command, records, check);
        Row { name, does, is_peer: true, share: 6, work: Box::new(work) }
    };
    vec![
        row("python", "gzip.decompress, json.loads, a loop over the events; no line is read", "usual", Check::Messages),
        row("python-fast", "isal, orjson, split(' '), int(), a dict for each line", "fast", Check::Bytes),
    ]
}

struct Peer {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Peer {
    /// Gives the script the names of the format's fields, and all records.
    fn start(corpus: &Corpus) -> Peer {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/decoding/peer.py");
        let mut command = environment::python(script);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("Python starts");
        let mut stdin = child.stdin.take().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let names: Vec<&str> = corpus.format.columns().iter().map(|column| column.name()).collect();
        writeln!(stdin, "{}\n{}", names.join(" "), corpus.records.len()).unwrap();
        for record in &corpus.records {
            writeln!(stdin, "{}", record.len()).unwrap();
            stdin.write_all(record).unwrap();
        }
        Peer { child, stdin, stdout }
    }

    fn ask(&mut self, command: &str, records: usize, check: fn(u64, u64) -> Check) -> Outcome {
        writeln!(self.stdin, "{command} {records}").unwrap();
        let mut answer = String::new();
        self.stdout.read_line(&mut answer).unwrap();
        let [nanos, events, sum] =
            answer.split_whitespace().map(|number| number.parse().unwrap()).collect::<Vec<u64>>()[..]
        else {
            panic!("Python answered {answer:?}")
        };
        Outcome { found: check(events, sum), took: Some(Duration::from_nanos(nanos)) }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
