//! `stdin`: records and lines from standard input, until it ends.

use std::io::{self, Read};
use std::ops::ControlFlow;
use std::thread;

use async_trait::async_trait;
use serde::Deserialize;
use tokio::sync::mpsc;

use super::content::{Content, Step, is_damage};
use super::framer::Framer;
use super::pending::Pending;
use super::unit::{Cutting, MaxLineBytes, Taken};
use crate::codecs::{DecodingAhead, DecodingConfig, RecordDecoder, UNDECODABLE};
use crate::component::{BuildContext, BuildError, ComponentError, Source, SourceConfig, SourceContext};

/// Reads standard input to its end, in all forms that the source `file` knows. What comes over it cannot be read again: if it
/// does not reach all sinks, the source fails.
///
/// ```toml
/// [sources.input]
/// type = "stdin"
/// decoding.codec = "lines"
/// ```
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct StdinConfig {
    /// The longest that a line, a JSON value, or an input that is one record may be, in bytes, after inflating; the beginning
    /// of a longer one goes to `undecodable`. Default: 16777216.
    max_line_bytes: MaxLineBytes,
    /// How records are decoded.
    decoding: DecodingConfig,
}

impl SourceConfig for StdinConfig {
    fn build(&self, _: &BuildContext) -> Result<Box<dyn Source>, BuildError> {
        let mut problems: Vec<_> = self.max_line_bytes.problem().into_iter().collect();
        match self.decoding.build() {
            Ok(decoder) if problems.is_empty() => {
                let cutting = Cutting { max_bytes: self.max_line_bytes.0, objects_are_lines: decoder.takes_lines() };
                Ok(Box::new(Stdin { cutting, decoder }))
            }
            decoder => {
                problems.extend(decoder.err());
                Err(BuildError { problems })
            }
        }
    }

    fn outputs(&self) -> Vec<String> {
        vec![UNDECODABLE.to_owned()]
    }

    fn needs_alone(&self) -> Option<&'static str> {
        Some("standard input")
    }
}

struct Stdin {
    cutting: Cutting,
    decoder: RecordDecoder,
}

/// How many batches wait for their turn.
const WAITING: usize = 2;

#[async_trait]
impl Source for Stdin {
    async fn run(self: Box<Self>, context: SourceContext) -> Result<(), ComponentError> {
        let SourceContext { outputs, mut shutdown, .. } = context;
        let Stdin { cutting, decoder } = *self;
        let mut decoding = DecodingAhead::new(decoder, outputs);
        let pending = Pending::default();
        let (give, mut taken) = mpsc::channel(WAITING);
        // A thread that nobody waits for: who reads may stand still for ever, also when the pipeline is to end.
        let open = pending.clone();
        let reading = thread::Builder::new().name("stdin".to_owned()).spawn(move || {
            let read = read(io::stdin().lock(), wait, cutting, |taken| {
                // What was read while nothing more is taken is not delivered, and that is said.
                match give.blocking_send(Ok((taken, open.acknowledgement()))) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(_) => ControlFlow::Break(()),
                }
            });
            if let Err(error) = read {
                // Whoever would hear it may be gone.
                let _ = give.blocking_send(Err(error));
            }
        });
        reading.map_err(|error| ComponentError::new("cannot start to read").caused_by(error))?;
        let mut result = Ok(());
        loop {
            let next = tokio::select! {
                biased;
                () = shutdown.requested() => break,
                next = taken.recv() => next,
            };
            let (read, acknowledgement) = match next {
                None => break,
                Some(Ok(read)) => read,
                Some(Err(error)) => {
                    result = Err(ComponentError::new("cannot read standard input").caused_by(error));
                    break;
                }
            };
            if decoding.send(read.into_records(), None, acknowledgement).await.is_err() {
                break;
            }
        }
        // What was read already is not to be had again.
        taken.close();
        while let Some(Ok((read, acknowledgement))) = taken.recv().await {
            if decoding.send(read.into_records(), None, acknowledgement).await.is_err() {
                break;
            }
        }
        decoding.finish().await;
        result.and(pending.settled().await)
    }
}

/// Reads to the end, and gives what came as soon as there is enough for a batch, or no more at the moment.
///
/// Whoever opened the input may have it not wait for more; then `wait` does.
fn read(
    input: impl Read,
    wait: impl Fn() -> io::Result<()>,
    cutting: Cutting,
    mut give: impl FnMut(Taken) -> ControlFlow<()>,
) -> io::Result<()> {
    let mut content = Content::new(input, false);
    let mut framer = Framer::new("stdin".into(), cutting);
    let mut block = vec![0; 64 << 10];
    loop {
        let (mut is_at_end, mut must_wait) = (false, false);
        match content.read(&mut block) {
            Ok(Step::Bytes(read)) => {
                framer.push(&block[..read]);
                // Of what is inflated a block may be short in the middle.
                if !framer.is_full() && (read == block.len() || content.is_gzip()) {
                    continue;
                }
            }
            Ok(Step::End) => is_at_end = true,
            Ok(Step::Wait) => must_wait = true,
            Err(error) if content.is_gzip() && is_damage(&error) => {
                framer.finish();
                framer.set_aside(Vec::new(), format!("damaged gzip, of which the rest is lost: {error}"));
                is_at_end = true;
            }
            Err(error) => return Err(error),
        }
        if is_at_end {
            framer.finish();
        }
        let taken = framer.take();
        let gone = !taken.units.is_empty() && give(taken).is_break();
        if is_at_end || gone {
            return Ok(());
        }
        if must_wait {
            wait()?;
        }
    }
}

/// Waits until standard input has more.
fn wait() -> io::Result<()> {
    #[cfg(unix)]
    {
        use rustix::event::{PollFd, PollFlags, poll};

        let stdin = io::stdin();
        match poll(&mut [PollFd::new(&stdin, PollFlags::IN)], None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
    #[cfg(not(unix))]
    Err(io::ErrorKind::WouldBlock.into())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Has a line more whenever it was waited for.
    struct Awaited<'a>(&'a Cell<usize>, usize);

    impl Read for Awaited<'_> {
        fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
            const LINES: [&[u8]; 3] = [b"one\n", b"two\n", b"three"];
            match LINES.get(self.1) {
                None => Ok(0),
                Some(_) if self.1 == self.0.get() => Err(io::ErrorKind::WouldBlock.into()),
                Some(line) => {
                    block[..line.len()].copy_from_slice(line);
                    self.1 += 1;
                    Ok(line.len())
                }
            }
        }
    }

    #[test]
    fn input_that_does_not_wait_for_more_is_not_at_its_end_and_what_came_is_given_before_it_is_waited_for() {
        let (there, given) = (Cell::new(0), Cell::new(0));
        let wait = || {
            // The first line waits until it is clear that it is one.
            assert!(given.get() + 1 >= there.get(), "{} of {} lines", given.get(), there.get());
            there.set(there.get() + 1);
            Ok(())
        };
        let cutting = Cutting { max_bytes: 1 << 20, objects_are_lines: false };
        let give = |taken: Taken| {
            given.set(given.get() + taken.into_records().whole.len());
            ControlFlow::Continue(())
        };
        read(Awaited(&there, 0), wait, cutting, give).unwrap();
        assert_eq!((there.get(), given.get()), (3, 3));
    }
}
