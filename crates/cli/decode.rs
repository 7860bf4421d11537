//! `decode`: captured records as rows.

use std::ops::ControlFlow;
use std::process::ExitCode;

use kinesis_logs_pipeline::captured;

use crate::args::DecodeArgs;
use crate::failure::Failure;
use crate::input;
use crate::rows::Rows;
use crate::say;

pub(crate) fn run(args: DecodeArgs) -> Result<ExitCode, Failure> {
    let mut rows = Rows::new(&args.rows, 0)?;
    let (opened, name) = input::open_input(&args.file)?;
    let mut failure = None;
    let read = captured::read(opened, &name, |record| {
        if let Err(error) = rows.record(&record, say) {
            failure = Some(error);
        }
        // An input may be endless.
        if failure.is_some() || rows.is_done() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    if let Some(failure) = failure {
        return Err(failure);
    }
    let status = rows.finish(say)?;
    read.map_err(anyhow::Error::new)?;
    Ok(status)
}
