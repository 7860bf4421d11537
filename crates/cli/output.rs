//! Standard output: written in large pieces, and left quietly when nobody reads it any more.

use std::io::{self, Write};

use anyhow::Context;

use crate::failure::Failure;

/// Rows wait here until there are enough, or nothing more comes for now.
pub(crate) struct Output {
    pub(crate) buffer: Vec<u8>,
    closed: bool,
}

const ENOUGH: usize = 256 << 10;

impl Output {
    pub(crate) fn new() -> Self {
        Output { buffer: Vec::with_capacity(ENOUGH + (64 << 10)), closed: false }
    }

    /// Whether the reader of a pipe has gone.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Writes nothing any more.
    pub(crate) fn close(&mut self) {
        self.closed = true;
    }

    pub(crate) fn flush_if_full(&mut self) -> Result<(), Failure> {
        if self.buffer.len() >= ENOUGH { self.flush() } else { Ok(()) }
    }

    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        if self.closed || self.buffer.is_empty() {
            return Ok(());
        }
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(&self.buffer).and_then(|()| stdout.flush());
        self.buffer.clear();
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            written => Ok(written.context("cannot write to standard output")?),
        }
    }
}

/// Completes when the reader of the pipe on standard output goes, also while there is nothing to write.
#[cfg(unix)]
pub(crate) async fn closed_pipe() {
    use rustix::event::{PollFd, PollFlags, poll};

    let (sender, receiver) = tokio::sync::oneshot::channel();
    // The thread ends with the process: there is no way to wait for a hang-up that async code shares.
    std::thread::spawn(move || {
        let stdout = rustix::stdio::stdout();
        let mut fds = [PollFd::new(&stdout, PollFlags::empty())];
        if poll(&mut fds, None).is_ok() {
            let _ = sender.send(());
        }
    });
    if receiver.await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(not(unix))]
pub(crate) async fn closed_pipe() {
    std::future::pending::<()>().await;
}
