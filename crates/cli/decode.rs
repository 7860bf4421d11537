//! `decode`: captured records as rows.

use std::process::ExitCode;

use crate::args::DecodeArgs;
use crate::captured::{self, Stop};
use crate::failure::Failure;
use crate::rows::Rows;
use crate::say;

pub(crate) fn run(args: DecodeArgs) -> Result<ExitCode, Failure> {
    let mut rows = Rows::new(&args.rows, 0)?;
    let (input, name) = captured::open_input(&args.file)?;
    let mut failure = None;
    let read = captured::read(input, &name, |record| {
        if let Err(error) = rows.record(&record, say) {
            failure = Some(error);
        }
        // An input may be endless.
        if failure.is_some() || rows.is_done() { Err(Stop::Enough) } else { Ok(()) }
    });
    if let Some(failure) = failure {
        return Err(failure);
    }
    let status = rows.finish(say)?;
    read?;
    Ok(status)
}
