//! `decode`: captured records as rows.

use std::process::ExitCode;

use crate::args::DecodeArgs;
use crate::captured;
use crate::failure::Failure;
use crate::rows::Rows;

pub(crate) fn run(args: DecodeArgs) -> Result<ExitCode, Failure> {
    let mut rows = Rows::new(&args.rows, 0)?;
    let say = |text: &str| eprintln!("{text}");
    let (input, name) = captured::open_input(&args.file)?;
    let mut usage = None;
    let read = captured::read(input, &name, |record| {
        if rows.is_done() {
            return Ok(());
        }
        rows.record(&record, say).map_err(|failure| {
            let message = anyhow::anyhow!("{failure}");
            usage = Some(failure);
            message
        })
    });
    if let Some(failure) = usage {
        return Err(failure);
    }
    let status = rows.finish(say)?;
    read?;
    Ok(status)
}
