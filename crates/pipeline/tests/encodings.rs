//! What sinks write, as data: pipelines `encodings/NAME.toml`, which write to `${OUT}`, and what that holds in the end,
//! `encodings/NAME.txt`.
//!
//! `UPDATE_EXPECTED=1` writes what it holds now.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use kinesis_logs_pipeline::config::ConfigFile;
use kinesis_logs_pipeline::{Pipeline, built_in};

#[tokio::test]
async fn every_encoding_writes_what_the_files_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/encodings");
    let mut configs: Vec<PathBuf> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    configs.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    configs.sort();
    assert!(configs.len() >= 4, "{configs:?}");
    let mut wrong = Vec::new();
    for config in configs {
        let name = config.file_stem().unwrap().to_str().unwrap();
        let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("encodings-{name}-{}", std::process::id()));
        let _ = std::fs::remove_file(&out);
        let lookup = |variable: &str| match variable {
            "OUT" => Some(out.display().to_string()),
            "LINES" => Some(folder.join("lines.log").display().to_string()),
            _ => None,
        };
        let file = ConfigFile::read(&config).unwrap();
        let pipeline =
            Pipeline::build_with(vec![file], &built_in(), &lookup).unwrap_or_else(|error| panic!("{name}:\n{error}"));
        let report = pipeline.run(std::future::pending(), Duration::from_secs(60)).await;
        assert!(report.is_clean(), "{name}: {report:?}");
        let written = std::fs::read_to_string(&out).unwrap();
        std::fs::remove_file(&out).unwrap();
        let expected = config.with_extension("txt");
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            std::fs::write(&expected, &written).unwrap();
        }
        if std::fs::read_to_string(&expected).unwrap_or_default() != written {
            wrong.push(format!("{name} writes\n{written}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
