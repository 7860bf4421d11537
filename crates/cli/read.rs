//! `read`: a stream's log events as rows.

use std::process::ExitCode;
use std::time::Duration;

use jiff::Timestamp;
use kinesis_logs_source::{ApiErrorKind, Error, RetryPolicy, StartPosition, Stop};

use crate::args::ReadArgs;
use crate::failure::Failure;
use crate::incoming::Incoming;
use crate::output::closed_pipe;
use crate::progress::Progress;
use crate::rows::Rows;
use crate::time;

/// How long a read that is to end bears with a server that fails. One that follows bears for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long ending may take; with checkpoints to be written over a network, longer.
const STUCK: Duration = Duration::from_secs(2);

/// What shells report of a command that an interrupt ended.
pub(crate) const INTERRUPTED: i32 = 130;

pub(crate) async fn run(args: ReadArgs) -> Result<ExitCode, Failure> {
    let (start, stop) = range(&args, Timestamp::now())?;
    let mut rows = Rows::new(&args.rows, args.count)?;
    let client = crate::connect(&args.aws).await?;

    let retry = match stop {
        Stop::Never => RetryPolicy::default(),
        _ => RetryPolicy::default().give_up_after(PATIENCE),
    };
    let mut incoming = Incoming::start(&args, client, start, stop, retry).await?;
    let progress = Progress::start(incoming.stats());
    let say = |text: &str| progress.say(text);

    tokio::spawn(end_if_stuck(if args.checkpoint.is_some() { 5 * STUCK } else { STUCK }));
    let interrupted = interrupted();
    let closed_pipe = closed_pipe();
    tokio::pin!(interrupted, closed_pipe);
    let failure = loop {
        let batch = tokio::select! {
            biased;
            () = &mut interrupted => break None,
            () = &mut closed_pipe => {
                rows.nobody_reads();
                break None;
            }
            batch = incoming.next() => batch,
        };
        let (batch, acker) = match batch {
            None => break None,
            Some(Ok(batch)) => batch,
            Some(Err(error)) => break Some(failure_of(error, &args)),
        };
        for record in &batch.records {
            rows.record(record, say)?;
            if rows.is_done() {
                break;
            }
        }
        rows.flush()?;
        progress.update(rows.written());
        if rows.is_done() {
            break None;
        }
        // Not before it is out: what a checkpoint covers was printed.
        if let Some(acker) = acker {
            acker.settle();
        }
    };
    let ended = incoming.end().await.map_err(|error| failure_of(error, &args));
    let failure = failure.or(ended.err());
    progress.finish();
    let status = rows.finish(say)?;
    failure.map_or(Ok(status), Err)
}

fn failure_of(error: Error, args: &ReadArgs) -> Failure {
    let hint = match error.api_kind().filter(|_| args.fan_out.is_some()) {
        Some(ApiErrorKind::AccessDenied) => Some(
            "fan-out needs kinesis:DescribeStreamSummary, kinesis:ListShards and kinesis:RegisterStreamConsumer on the \
             stream, and kinesis:DescribeStreamConsumer and kinesis:SubscribeToShard on the consumer",
        ),
        Some(ApiErrorKind::LimitExceeded) => {
            Some("the stream has as many consumers as it may: take the name of one, or read without --fan-out")
        }
        Some(ApiErrorKind::ResourceInUse) => {
            Some("somebody else reads as this consumer: choose another name for --fan-out")
        }
        _ => None,
    };
    let failure = Failure::from_source(error, args.aws.endpoint_url.as_deref());
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// From which position up to which end.
fn range(args: &ReadArgs, now: Timestamp) -> Result<(StartPosition, Stop), Failure> {
    let format = args.time_format.as_deref();
    let start = match args.start_time.as_str() {
        "latest" => StartPosition::Latest,
        "trim_horizon" => StartPosition::TrimHorizon,
        text => StartPosition::AtTimestamp(time::parse("--start-time", text, format, now)?),
    };
    let end = args.end_time.as_deref().map(|text| time::parse("--end-time", text, format, now)).transpose()?;
    if let StartPosition::AtTimestamp(from) = start {
        if from > now {
            return Err(Failure::usage(format!("--start-time {from} lies in the future"))
                .hint("without --start-time, reading begins with what arrives from now on"));
        }
        if let Some(to) = end.filter(|to| *to <= from) {
            return Err(Failure::usage(format!("--end-time {to} is not behind --start-time {from}")));
        }
    }
    let stop = match end {
        Some(end) => Stop::At(end),
        None if args.follow => Stop::Never,
        None if args.no_follow || start != StartPosition::Latest => Stop::AtTip,
        None => Stop::Never,
    };
    Ok((start, stop))
}

/// Ends the process some time after it was asked to end, should it be stuck in writing to somebody who does not read.
async fn end_if_stuck(patience: Duration) {
    interrupted().await;
    tokio::time::sleep(patience).await;
    std::process::exit(INTERRUPTED);
}

/// Completes when the user, or the system, asks to end.
pub(crate) async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command};

    fn range_of(flags: &[&str]) -> Result<(StartPosition, Stop), String> {
        let cli = Cli::try_parse_from([&["kinesis-logs-reader", "read", "stream"], flags].concat());
        let Command::Read(args) = cli.map_err(|error| error.to_string())?.command else { unreachable!() };
        range(&args, now()).map_err(|failure| failure.to_string())
    }

    fn now() -> Timestamp {
        "2026-11-24T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_read_with_a_start_ends_at_the_tip_and_one_without_follows() {
        let start = StartPosition::AtTimestamp("2026-11-24T11:45:00Z".parse().unwrap());
        assert_eq!(range_of(&[]), Ok((StartPosition::Latest, Stop::Never)));
        assert_eq!(range_of(&["--no-follow"]), Ok((StartPosition::Latest, Stop::AtTip)));
        assert_eq!(range_of(&["--start-time", "-15m"]), Ok((start, Stop::AtTip)));
        assert_eq!(range_of(&["--start-time=-15m", "--follow"]), Ok((start, Stop::Never)));
        assert_eq!(range_of(&["--start-time", "trim_horizon"]), Ok((StartPosition::TrimHorizon, Stop::AtTip)));
        assert_eq!(range_of(&["--start-time", "-15m", "--end-time", "now"]), Ok((start, Stop::At(now()))));
    }

    #[test]
    fn times_that_make_no_sense_together_are_refused() {
        let error = range_of(&["--start-time", "-15m", "--end-time", "-1h"]).unwrap_err();
        assert!(error.contains("is not behind --start-time"), "{error}");
        let error = range_of(&["--start-time", "2027-01-01"]).unwrap_err();
        assert!(error.contains("lies in the future"), "{error}");
        let error = range_of(&["--follow", "--end-time", "now"]).unwrap_err();
        assert!(error.contains("cannot be used with"), "{error}");
    }
}
