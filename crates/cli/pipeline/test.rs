//! `test`: the tests in a pipeline's files.

use std::process::ExitCode;

use kinesis_logs_pipeline::{built_in, run_tests};

use super::files::{read_files, shown};
use crate::args::TestArgs;
use crate::failure::{FAILED, Failure};

pub(crate) fn test(args: TestArgs) -> Result<ExitCode, Failure> {
    let files = read_files(&args.files)?;
    let results = run_tests(files, &built_in(), &|name| std::env::var(name).ok()).map_err(shown)?;
    for result in &results {
        println!("test {} ... {}", result.name, if result.failures.is_empty() { "passed" } else { "failed" });
        for failure in &result.failures {
            println!("  {}", failure.replace('\n', "\n  "));
        }
    }
    let failed = results.iter().filter(|result| !result.failures.is_empty()).count();
    match (results.len(), failed) {
        (0, _) => println!("no tests: the files have no [[tests]]"),
        (all, 0) => println!("{all} passed"),
        (all, failed) => println!("{failed} failed, {} passed", all - failed),
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}
