//! `generate` and `generate-schema`.

use std::process::ExitCode;

use kinesis_logs_pipeline::{built_in, schema};

use crate::args::GenerateArgs;
use crate::failure::Failure;
use crate::output::Output;

pub(crate) fn generate(args: GenerateArgs) -> Result<ExitCode, Failure> {
    let toml = schema::generate(&built_in(), &args.components);
    print(&toml.map_err(|error| Failure::usage(error.to_string()).hint(error.hint()))?)
}

pub(crate) fn generate_schema() -> Result<ExitCode, Failure> {
    // With indentation: people read it too.
    print(&format!("{:#}\n", schema::json_schema(&built_in())))
}

/// Prints what is more than a pipe holds, of which people may look at the beginning alone.
fn print(text: &str) -> Result<ExitCode, Failure> {
    let mut output = Output::new();
    output.buffer.extend_from_slice(text.as_bytes());
    output.flush()?;
    Ok(ExitCode::SUCCESS)
}
