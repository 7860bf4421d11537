//! How transforms behave, as data: files with `[[tests]]` in `behaviour/`, which must pass.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::path::Path;

use kinesis_logs_pipeline::config::ConfigFile;
use kinesis_logs_pipeline::{TestResult, built_in, run_tests};

fn tested(file: ConfigFile) -> Vec<TestResult> {
    let name = file.name.clone();
    run_tests(vec![file], &built_in(), &|_| None).unwrap_or_else(|error| panic!("{name}:\n{error}"))
}

#[test]
fn transforms_behave_as_the_files_say() {
    let mut files = 0;
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/behaviour")).unwrap() {
        let path = entry.unwrap().path();
        let results = tested(ConfigFile::read(&path).unwrap());
        assert!(!results.is_empty(), "{} has no tests", path.display());
        for result in results {
            assert!(result.failures.is_empty(), "{}: {}: {:#?}", path.display(), result.name, result.failures);
        }
        files += 1;
    }
    assert!(files >= 6, "a file for each transform");
}

/// The failures of the one test in a configuration.
fn failures(config: &str) -> Vec<String> {
    tested(ConfigFile::new("pipeline.toml", config)).remove(0).failures
}

const FILTER: &str = r#"
[transforms.ssh]
type = "filter"
inputs = []
condition = ".dstport == 22"

[[tests]]
name = "test"
[[tests.inputs]]
insert_at = "ssh"
type = "log"
log_fields = { dstport = 22, srcaddr = "10.0.0.1" }
"#;

#[test]
fn a_test_that_fails_says_what_came_out_instead() {
    let filter = FILTER.replace("inputs = []", "inputs = [\"ssh_of_nobody\"]");
    let filter = format!("[sources.ssh_of_nobody]\ntype = \"demo_logs\"\n{filter}");
    let expecting = |outputs: &str| failures(&format!("{filter}\n{outputs}"));
    assert_eq!(
        expecting("[[tests.outputs]]\nextract_from = \"ssh\"\nconditions = [\".dstport == 22\", \".dstport == 80\"]"),
        ["condition 2 holds for nothing that came out of ssh\n  {\"dstport\":22,\"srcaddr\":\"10.0.0.1\"}"]
    );
    assert_eq!(
        expecting(
            "[[tests.outputs]]\nextract_from = \"ssh\"\nconditions = [\"assert!(.dstport == 80, message: \\\"not http\\\")\"]"
        ),
        [
            "condition 1 holds for nothing that came out of ssh: function call error for \"assert\" at (0:44): not http\n  \
             {\"dstport\":22,\"srcaddr\":\"10.0.0.1\"}"
        ]
    );
    let none = filter.replace(".dstport == 22", ".dstport == 443");
    assert_eq!(failures(&format!("{none}\n[[tests.outputs]]\nextract_from = \"ssh\"")), ["nothing came out of ssh"]);
    assert_eq!(
        failures(&filter.replace("name = \"test\"", "name = \"test\"\nno_outputs_from = [\"ssh\"]")),
        ["1 came out of ssh, from which nothing may"]
    );
}
