//! `run`, and what it did.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use comfy_table::CellAlignment;
use kinesis_logs_pipeline::Report;

use super::build;
use super::health::{self, Looks};
use crate::args::{LogFormat, RunArgs};
use crate::failure::{FAILED, Failure};
use crate::read::{INTERRUPTED, interrupted};
use crate::{say, table};

pub(crate) fn run(args: RunArgs) -> Result<ExitCode, Failure> {
    let pipeline = build(&args.files)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.context("cannot start the runtime")?;
    let report = runtime.block_on(async {
        #[cfg(unix)]
        super::reload::on_hangup(pipeline.reloader(), &args)?;
        let looks = health::look(&pipeline, Looks::All);
        if args.require_healthy {
            health::required(&looks.await)?;
        } else {
            tokio::spawn(async { health::warn(&looks.await) });
        }
        let deadline = Duration::from_secs(args.graceful_shutdown_limit_secs);
        let shutdown = async {
            interrupted().await;
            tokio::spawn(async {
                interrupted().await;
                std::process::exit(INTERRUPTED);
            });
        };
        Ok::<Report, Failure>(pipeline.run(shutdown, deadline).await)
    })?;
    // What still writes to somebody who does not read is not waited for.
    runtime.shutdown_background();
    if let Some(error) = report.api_failure {
        let hint = error.hint().map(str::to_owned);
        let failure = Failure::failed(error.into());
        return Err(match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        });
    }
    // As JSON the log has said all of it.
    if args.log_format == LogFormat::Text {
        summarize(&report);
    }
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

/// Says what every component did, and what went wrong.
fn summarize(report: &Report) {
    let mut table = table::with_header(["COMPONENT", "KIND", "TYPE", "EVENTS IN", "EVENTS OUT", "SET ASIDE"]);
    for component in &report.components {
        let aside: Vec<String> =
            component.set_aside.iter().map(|(output, events)| format!("{events} {output}")).collect();
        table.add_row([
            component.id.clone(),
            component.kind.to_string(),
            component.type_name.clone(),
            component.received_events.to_string(),
            component.sent_events.to_string(),
            table::or_dash(Some(aside.join(", ")).filter(|aside| !aside.is_empty())),
        ]);
    }
    for index in [3, 4] {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    say(&table.to_string());
    for failure in &report.failures {
        say(&format!("error: {failure}"));
        if let Some(hint) = failure.error.hint() {
            say(&format!(" hint: {hint}"));
        }
    }
    for id in &report.unfinished {
        say(&format!("error: {id:?} was not done by the limit, and was cut off; what it held was not acknowledged"));
    }
}
