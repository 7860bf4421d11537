//! Configurations that are wrong, and what is said of them: `mistakes/NAME.toml` and `mistakes/NAME.txt` beside it.
//!
//! `UPDATE_EXPECTED=1` writes what is said now.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::path::{Path, PathBuf};

use kinesis_logs_pipeline::config::ConfigFile;
use kinesis_logs_pipeline::{Pipeline, built_in, run_tests};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mistakes")
}

/// What the tests know of the environment. The values must never be shown.
fn environment(name: &str) -> Option<String> {
    match name {
        "SECRET" => Some("hunter2".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}

fn said(files: Vec<ConfigFile>) -> String {
    let has_tests = files.iter().any(|file| file.text.contains("[[tests]]"));
    let read = match has_tests {
        true => run_tests(files, &built_in(), &environment).map(|results| format!("{results:?}")),
        false => Pipeline::build_with(files, &built_in(), &environment).map(|pipeline| format!("{pipeline:?}")),
    };
    match read {
        Ok(read) => format!("valid: {read}"),
        Err(error) => {
            for mistake in error.mistakes() {
                let shown = error.render(false);
                assert!(shown.contains(mistake.message()), "{shown}");
            }
            error.to_string()
        }
    }
}

#[test]
fn every_mistake_is_shown_with_its_place_and_what_to_do() {
    let mut names: Vec<PathBuf> = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    names.sort();
    assert!(names.len() >= 25, "{} configurations", names.len());
    let mut wrong = Vec::new();
    for path in names {
        let name = path.file_name().unwrap().to_str().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let shown = said(vec![ConfigFile::new(name, text)]) + "\n";
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.starts_with("error: "), "{name} is no mistake: {shown}");
        let expected = path.with_extension("txt");
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            std::fs::write(&expected, &shown).unwrap();
        }
        if std::fs::read_to_string(&expected).unwrap_or_default() != shown {
            wrong.push(format!("{name} gives\n{shown}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_are_one_configuration_and_places_name_theirs() {
    let source = "[sources.a]\ntype = \"demo_logs\"\n";
    let sink = "[sinks.b]\ntype = \"blackhole\"\ninputs = [\"a\"]\n";
    let file = |name: &str, text: &str| ConfigFile::new(name, text);
    assert!(said(vec![file("one", source), file("two", sink)]).starts_with("valid"));
    let twice = said(vec![file("one", source), file("two", &format!("{source}{sink}"))]);
    assert!(twice.contains("two:1:10") && twice.contains("one:1:10"), "{twice}");
    let unknown = said(vec![file("one", source), file("two", &sink.replace("\"a\"", "\"ab\""))]);
    assert!(unknown.contains("two:3:11"), "{unknown}");
}

#[test]
fn places_are_lines_and_columns() {
    let text = "[sources.\"ä\"]\ntype = \"demo_logs\"\ndecoding = { codec = \"auto\", \"ää\" = 1, cuont = 1 }";
    let error = Pipeline::build(vec![ConfigFile::new("f", text)], &built_in()).unwrap_err();
    let places: Vec<_> = error.mistakes().iter().map(|mistake| (mistake.message(), error.place(mistake))).collect();
    assert!(places.contains(&("unknown key \"cuont\"", Some(("f", 3, 40)))), "{places:?}");
}
