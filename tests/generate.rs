//! `generate` and `generate-schema`, beside `validate` and the library.

use kinesis_logs_pipeline::component::Kind;
use kinesis_logs_pipeline::{built_in, schema};

use crate::util::{run, scratch_file};

/// The number of components of each kind in what is generated, as `validate` counts them.
async fn validated(expression: &str) -> String {
    let toml = run(None, &["generate", expression]).await.clean();
    let file = scratch_file(&format!("{}.toml", expression.replace(['/', ',', ':'], "-")), toml.as_bytes());
    run(None, &["validate", "--no-environment", &file]).await.clean()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_generated_of_each_type_is_valid_as_it_is() {
    let names = |kind| built_in().names(kind).collect::<Vec<_>>();
    let mut expressions = Vec::new();
    expressions.extend(names(Kind::Source).into_iter().map(|name| (format!("{name}//blackhole"), [1, 0, 1])));
    expressions
        .extend(names(Kind::Transform).into_iter().map(|name| (format!("demo_logs/{name}/blackhole"), [1, 1, 1])));
    expressions.extend(names(Kind::Sink).into_iter().map(|name| (format!("demo_logs//{name}"), [1, 0, 1])));
    let [sources, transforms, sinks] = [Kind::Source, Kind::Transform, Kind::Sink].map(names);
    let all = format!("{}/{}/{}", sources.join(","), transforms.join(","), sinks.join(","));
    expressions.push((all, [sources.len(), transforms.len(), sinks.len()]));
    for (expression, [sources, transforms, sinks]) in expressions {
        let said = validated(&expression).await;
        let expected = format!("valid: {sources} sources, {transforms} transforms, {sinks} sinks\n");
        assert_eq!(said, expected, "{expression}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn components_are_wired_from_left_to_right_and_explained() {
    let toml = run(None, &["generate", "demo_logs,more:file/route,filter/console"]).await.clean();
    for part in [
        "data_dir = ",
        "[sources.source0]\ntype = \"demo_logs\"\n",
        "[sources.more]\ntype = \"file\"\n",
        "[transforms.transform0]\ntype = \"route\"\ninputs = [\"source0\", \"more\"]\n",
        "inputs = [\"transform0.accepted\", \"transform0.rejected\", \"transform0._unmatched\"]\n",
        "[sinks.sink0]\ntype = \"console\"\ninputs = [\"transform1\"]\n",
        "# What an event becomes.\nencoding.codec = \"json\"\n",
        "# Where to. One of \"stdout\", \"stderr\".\n#target = \"stdout\"\n",
        "# buffer: What may wait in front of it.\n",
    ] {
        assert!(toml.contains(part), "{part} is not in\n{toml}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_can_be_generated_alone_and_validate_says_what_is_missing() {
    let toml = run(None, &["generate", "/sample"]).await.clean();
    let validated = run(None, &["validate", &scratch_file("sample_alone.toml", toml.as_bytes())]).await;
    assert_eq!(validated.status, 78);
    assert!(validated.stderr.contains("inputs are empty"), "{}", validated.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn types_that_are_not_there_are_wrong_usage() {
    let wrong = run(None, &["generate", "demo_logs/filtre/console"]).await;
    assert_eq!((wrong.status, wrong.stdout.as_str()), (2, ""));
    assert!(
        wrong.stderr.starts_with("error: there is no type of transforms \"filtre\"\n hint: did you mean \"filter\"?"),
        "{}",
        wrong.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_is_the_librarys() {
    let printed = run(None, &["generate-schema"]).await.clean();
    let printed: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(printed, schema::json_schema(&built_in()));
}
