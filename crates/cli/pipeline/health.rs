//! Whether a pipeline finds what it needs, before it runs and when it starts.

use kinesis_logs_pipeline::{Pipeline, Unhealthy};

use crate::failure::Failure;

/// What of a pipeline's environment is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) enum Looks {
    Folders,
    All,
}

/// Looks, which does not need the pipeline: it may run meanwhile.
pub(super) fn look(pipeline: &Pipeline, looks: Looks) -> impl Future<Output = Vec<Unhealthy>> + Send + use<> {
    let folders = pipeline.check_folders();
    let components = matches!(looks, Looks::All).then(|| pipeline.healthchecks());
    async move {
        let mut unhealthy = folders.await;
        if let Some(components) = components {
            unhealthy.extend(components.await);
        }
        unhealthy
    }
}

/// All that was found, if anything was.
pub(super) fn required(unhealthy: &[Unhealthy]) -> Result<(), Failure> {
    let told: Vec<String> = unhealthy
        .iter()
        .map(|unhealthy| match unhealthy.error.hint() {
            Some(hint) => format!("error: {unhealthy}\n hint: {hint}"),
            None => format!("error: {unhealthy}"),
        })
        .collect();
    if told.is_empty() { Ok(()) } else { Err(Failure::config(told.join("\n"))) }
}

/// Says it to the log, and nothing is held up.
pub(super) fn warn(unhealthy: &[Unhealthy]) {
    for unhealthy in unhealthy {
        let hint = unhealthy.error.hint();
        match &unhealthy.component {
            Some((id, kind)) => {
                tracing::warn!(component_id = id, component_kind = kind.name(), hint, "{unhealthy}");
            }
            None => tracing::warn!(hint, "{unhealthy}"),
        }
    }
}
