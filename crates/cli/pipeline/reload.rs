//! SIGHUP: the files are read again, and the pipeline goes on as they say.

use std::sync::Arc;

use anyhow::Context;
use kinesis_logs_pipeline::{ReloadError, Reloader};
use tokio::signal::unix::{SignalKind, signal};

use super::files::shown;
use super::{build, health};
use crate::args::{FilesArgs, LogFormat, RunArgs};
use crate::failure::Failure;
use crate::say;

/// Listens from now on. Signals that come while the last one is being dealt with are one.
pub(super) fn on_hangup(reloader: Reloader, args: &RunArgs) -> Result<(), Failure> {
    let mut hangups = signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
    let (files, require_healthy, log_format) = (Arc::new(args.files.clone()), args.require_healthy, args.log_format);
    tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            if let Err(failure) = reload(&reloader, files.clone(), require_healthy).await {
                refused(&failure, log_format);
            }
        }
    });
    Ok(())
}

async fn reload(reloader: &Reloader, files: Arc<FilesArgs>, require_healthy: bool) -> Result<(), Failure> {
    // Programs are compiled, which takes a while.
    let next = tokio::task::spawn_blocking(move || build(&files)).await.context("building ended")??;
    if !require_healthy {
        let looks = next.healthchecks();
        if let Some(changes) = unless_ended(reloader.reload(next).await)? {
            let looks = looks.of(changes.started());
            tokio::spawn(async { health::warn(&looks.await) });
        }
    } else if let Some((next, changes)) = unless_ended(reloader.changes(next).await)? {
        health::required(&next.healthchecks().of(changes.started()).await)?;
        unless_ended(reloader.reload(next).await)?;
    }
    Ok(())
}

/// What came of asking; nothing if the pipeline has ended, which the log has said, as it has what changed.
fn unless_ended<T>(asked: Result<T, ReloadError>) -> Result<Option<T>, Failure> {
    match asked {
        Ok(answer) => Ok(Some(answer)),
        Err(ReloadError::Ended) => Ok(None),
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
