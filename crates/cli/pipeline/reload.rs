//! SIGHUP: the files are read again, and the pipeline goes on as they say.

use std::sync::Arc;

use anyhow::Context;
use kinesis_logs_pipeline::{ReloadError, Reloader};
use tokio::signal::unix::{SignalKind, signal};

use super::build;
use super::files::shown;
use crate::args::{FilesArgs, LogFormat};
use crate::failure::Failure;
use crate::say;

/// Listens from now on. Signals that come while the last one is being dealt with are one.
pub(super) fn on_hangup(reloader: Reloader, files: FilesArgs, log_format: LogFormat) -> Result<(), Failure> {
    let mut hangups = signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
    let files = Arc::new(files);
    tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            if let Err(failure) = reload(&reloader, files.clone()).await {
                refused(&failure, log_format);
            }
        }
    });
    Ok(())
}

async fn reload(reloader: &Reloader, files: Arc<FilesArgs>) -> Result<(), Failure> {
    // Programs are compiled, which takes a while.
    let built = tokio::task::spawn_blocking(move || build(&files)).await.context("building ended")?;
    match reloader.reload(built?).await {
        // The log has said what changed, or that the pipeline ends.
        Ok(_) | Err(ReloadError::Ended) => Ok(()),
        Err(ReloadError::Refused(error)) => Err(shown(error)),
        Err(error) => Err(Failure::failed(error.into())),
    }
}

/// Says what is wrong, as at the start.
fn refused(failure: &Failure, log_format: LogFormat) {
    match log_format {
        LogFormat::Text => {
            tracing::error!("configuration refused");
            say(&failure.to_string());
        }
        LogFormat::Json => tracing::error!(error = %failure, "configuration refused"),
    }
}
