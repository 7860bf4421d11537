//! From a batch to lines, by the files that they are for.

use std::collections::HashMap;
use std::path::PathBuf;

use jiff::Timestamp;

use super::template::PathTemplate;
use crate::codecs::Encoder;
use crate::component::{Acknowledgement, Batch};

/// The lines of a batch.
#[derive(Debug)]
pub(super) struct Lines {
    /// By file, in the order in which files are first named.
    pub(super) of_files: Vec<(PathBuf, Vec<u8>)>,
    /// Answers for all of them.
    pub(super) acknowledgement: Acknowledgement,
}

impl Lines {
    /// How many bytes they are.
    pub(super) fn bytes(&self) -> usize {
        self.of_files.iter().map(|(_, lines)| lines.len()).sum()
    }
}

/// Makes lines of batches. Copies make the same lines.
#[derive(Debug, Clone)]
pub(super) struct LineEncoder {
    template: PathTemplate,
    encoder: Encoder,
}

impl LineEncoder {
    pub(super) fn new(template: PathTemplate, encoder: Encoder) -> Self {
        LineEncoder { template, encoder }
    }

    /// The folder that all files are below.
    pub(super) fn folder(&self) -> PathBuf {
        self.template.folder()
    }

    /// The lines of a batch. Those of the first file are put into `buffer`, which is empty.
    pub(super) fn lines(&mut self, mut batch: Batch, buffer: Vec<u8>) -> Lines {
        let acknowledgement = batch.take_acknowledgement();
        let now = Timestamp::now();
        let mut buffer = with_room(buffer, batch.event_bytes());
        if self.template.is_fixed()
            && let Some(first) = batch.event(0)
        {
            let path = self.template.path(&first, now).to_owned();
            self.encoder.encode_all(&batch, &mut buffer);
            return Lines { of_files: vec![(path, buffer)], acknowledgement };
        }
        let mut buffer = Some(buffer);
        let mut of_files: Vec<(PathBuf, Vec<u8>)> = Vec::new();
        let mut places: HashMap<PathBuf, usize> = HashMap::new();
        let mut place = 0;
        batch.for_each(|event| {
            let path = self.template.path(event, now);
            // Mostly the same as before, which is seen sooner than looked up.
            if of_files.get(place).is_none_or(|(current, _)| current.as_os_str() != path.as_os_str()) {
                place = places.get(path).copied().unwrap_or(of_files.len());
                if place == of_files.len() {
                    places.insert(path.to_owned(), place);
                    of_files.push((path.to_owned(), buffer.take().unwrap_or_default()));
                }
            }
            self.encoder.encode(event, &mut of_files[place].1);
        });
        Lines { of_files, acknowledgement }
    }
}

/// An empty buffer with room for the lines of events of so many bytes.
fn with_room(buffer: Vec<u8>, bytes: usize) -> Vec<u8> {
    // Flow logs as JSON are a quarter larger than their envelopes. Growing on the way would take twice as much. Batches differ by
    // a little, so that room for a little more serves the next as well.
    let room = bytes.saturating_mul(4) / 3;
    // One that grew would take along what it had, of which nothing is wanted.
    if buffer.capacity() >= room { buffer } else { Vec::with_capacity(room + room / 8) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::component::Changes;

    #[test]
    fn every_line_is_in_its_file_in_order_however_files_take_turns() {
        let mut encoding = LineEncoder::new(PathTemplate::parse("out/{{ file }}").unwrap(), Encoder::Text);
        let mut builder = Batch::builder(Arc::default());
        for (file, message) in [("a", "1"), ("a", "2"), ("b", "3"), ("a", "4"), ("c", "5"), ("b", "6")] {
            let mut members = Changes::default();
            members.set("file", file);
            members.set("message", message);
            builder.event(None, members);
        }
        let lines = encoding.lines(builder.build(Acknowledgement::none()), Vec::with_capacity(1 << 16));
        assert_eq!(lines.bytes(), 12);
        let shown: Vec<(String, String)> = lines
            .of_files
            .iter()
            .map(|(path, lines)| (path.display().to_string(), String::from_utf8(lines.clone()).unwrap()))
            .collect();
        let expected = [("out/a", "1\n2\n4\n"), ("out/b", "3\n6\n"), ("out/c", "5\n")];
        assert_eq!(shown, expected.map(|(path, lines)| (path.to_owned(), lines.to_owned())));
        assert!(lines.of_files[0].1.capacity() == 1 << 16, "in the buffer that was given");
    }
}
