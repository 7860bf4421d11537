//! How a pipeline is given another configuration while it runs. Time is held.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

#[path = "reloading/parts.rs"]
mod parts;

use kinesis_logs_pipeline::{ComponentState, ReloadError};
use tokio::time::Instant;

use parts::{DEADLINE, Running, assert_in_order, build, notes, pass, taken, times};

fn state(running: &Running, id: &str) -> ComponentState {
    running.metrics.snapshot().components.into_iter().find(|component| component.id == id).unwrap().state
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_differs_is_replaced_and_the_others_never_stop() {
    let toml = r#"
        sources.swap = { type = "numbers" }
        sinks.swap_x = { type = "taking", mode = "hold", inputs = ["swap"] }
        sinks.swap_y = { type = "taking", mode = "deliver", inputs = ["swap"] }
    "#;
    let running = Running::start(toml).await;
    let reloaded = running.reload(&toml.replace("hold", "deliver")).await;
    assert_eq!((reloaded.changed.as_slice(), reloaded.is_empty()), (&["swap_x".to_owned()][..], false));
    pass(100).await;
    let report = running.end().await;
    assert!(report.is_clean(), "{report:?}");
    for sink in ["swap_x", "swap_y"] {
        assert_in_order(&taken(sink));
        assert!(taken(sink).len() > 190, "the source ran on");
    }
    let begins_and_ends: Vec<String> = notes("swap_x").into_iter().filter(|note| !note.starts_with("took")).collect();
    assert_eq!(begins_and_ends, ["begins to hold", "ends", "begins to deliver", "ends"]);
    assert_eq!(times("swap_y", "begins to deliver"), 1);
    assert_eq!(times("swap", "begins at 0"), 1);
    assert_eq!(report.components.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_takes_the_place_of_another_counts_its_epochs_above_those() {
    let toml = r#"
        sources.epochs = { type = "numbers", version = 1 }
        sinks.epochs_x = { type = "taking", mode = "deliver", inputs = ["epochs"] }
    "#;
    let running = Running::start(toml).await;
    running.reload(&toml.replace("version = 1", "version = 2")).await;
    pass(100).await;
    assert!(running.end().await.is_clean());
    assert_eq!(notes("epochs's epochs"), ["from 0".to_owned(), format!("from {}", 1_u64 << 40)]);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_reads_ahead_of_what_there_is_one_of_is_not_replaced_and_the_others_are() {
    let toml = r#"
        sources.alone = { type = "numbers", alone = true }
        sinks.alone_x = { type = "taking", mode = "hold", inputs = ["alone"] }
    "#;
    let running = Running::start(toml).await;
    let renamed = toml
        .replace("alone =", "other =")
        .replace("[\"alone\"]", "[\"other\"]")
        .replace("other = true", "alone = true");
    for next in [toml.replace("alone = true", "alone = true, version = 2"), renamed] {
        match running.try_reload(&next).await {
            Err(ReloadError::Refused(error)) => {
                let shown = error.to_string();
                assert!(shown.contains("the one input was read already") && shown.contains("start it anew"), "{shown}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(running.reload(&toml.replace("hold", "deliver")).await.changed, ["alone_x"]);
    pass(100).await;
    assert!(running.end().await.is_clean());
    assert_in_order(&taken("alone_x"));
    assert_eq!(times("alone", "begins at 0"), 1);
}

#[tokio::test(start_paused = true)]
async fn the_same_configuration_changes_nothing() {
    let toml = r#"
        sources.same = { type = "numbers" }
        sinks.same_x = { type = "taking", mode = "deliver", inputs = ["same"] }
    "#;
    let running = Running::start(toml).await;
    assert!(running.reload("sinks.same_x = { mode = \"deliver\", inputs = [\"s*e\"], type = \"taking\" }\nsources.same.type = \"numbers\"").await.is_empty());
    assert_eq!((times("same", "begins at 0"), times("same_x", "begins to deliver")), (1, 1));
    assert!(running.end().await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn inputs_change_without_a_restart() {
    let toml = r#"
        sources.wires_a = { type = "numbers" }
        sources.wires_b = { type = "numbers" }
        transforms.wires_t = { type = "every", nth = 2, inputs = ["wires_a"] }
        sinks.wires_x = { type = "taking", mode = "deliver", inputs = ["wires_t"] }
        sinks.wires_y = { type = "taking", mode = "deliver", inputs = ["wires_b"] }
        sinks.wires_z = { type = "taking", mode = "deliver", inputs = ["wires_a", "wires_b"] }
    "#;
    let running = Running::start(toml).await;
    let before = taken("wires_x").len();
    let rewired =
        running.reload(&toml.replace(r#"2, inputs = ["wires_a"]"#, r#"2, inputs = ["wires_b"]"#)).await.rewired;
    assert_eq!(rewired, ["wires_t"]);
    pass(100).await;
    let components = running.metrics.snapshot().components;
    assert_eq!(components.iter().find(|component| component.id == "wires_t").unwrap().inputs, ["wires_b"]);
    assert!(running.end().await.is_clean());
    let x = taken("wires_x");
    assert!(before > 40 && x.len() > before + 40, "{before} and {}", x.len());
    // Both sources have come equally far: what follows is the other's, from the next batch on.
    assert!(x.is_sorted() && x.iter().all(|number| number % 2 == 0), "{x:?}");
    for sink in ["wires_x", "wires_y"] {
        assert_eq!(times(sink, "begins to deliver"), 1, "{sink}");
    }
}

#[tokio::test(start_paused = true)]
async fn components_come_and_go() {
    let one = r#"
        sources.come = { type = "numbers" }
        sinks.come_x = { type = "taking", mode = "hold", inputs = ["come"] }
    "#;
    let other = r#"
        sources.come = { type = "numbers" }
        transforms.come_t = { type = "every", nth = 10, inputs = ["come", "come_new"] }
        sources.come_new = { type = "numbers" }
        sinks.come_y = { type = "taking", mode = "deliver", inputs = ["come_t"] }
    "#;
    let running = Running::start(one).await;
    let reloaded = running.reload(other).await;
    assert_eq!(reloaded.added, ["come_new", "come_t", "come_y"]);
    assert_eq!(reloaded.removed, ["come_x"]);
    assert_in_order(&taken("come_x"));
    let (before, ended) = (taken("come_x").len(), times("come_x", "ends"));
    assert!(before > 90 && ended == 1, "it has written out what it held: {before}");
    pass(100).await;
    let ids: Vec<String> = running.metrics.snapshot().components.into_iter().map(|component| component.id).collect();
    assert_eq!(ids, ["come", "come_new", "come_t", "come_y"], "as they are now");
    let report = running.end().await;
    assert!(report.is_clean());
    assert_eq!(report.components.last().unwrap().id, "come_x", "what it did is told at the end");
    assert_eq!(report.components.last().unwrap().received_events, before as u64);
    assert_eq!(taken("come_x").len(), before);
    let y = taken("come_y");
    assert!(y.contains(&0) && y.contains(&(before as u64 / 10 * 10 + 10)), "from both sources: {y:?}");
}

#[tokio::test(start_paused = true)]
async fn a_sink_under_another_name_begins_when_the_one_of_its_type_has_ended() {
    let toml = r#"
        sources.name = { type = "numbers" }
        sinks.name_x = { type = "taking", mode = "slow", inputs = ["name"] }
    "#;
    let running = Running::start(toml).await;
    let before = Instant::now();
    let next = toml.replace("name_x", "name_y").replace("slow", "deliver");
    let meanwhile = async {
        pass(500).await;
        assert!(notes("name_y").is_empty(), "the old one still writes out");
    };
    tokio::join!(running.reload(&next), meanwhile);
    assert_eq!(before.elapsed().as_secs(), 1, "until the old one was done");
    assert!(running.end().await.is_clean());
    assert_in_order(&[taken("name_x"), taken("name_y")].concat());
}

#[tokio::test(start_paused = true)]
async fn a_transform_and_a_source_are_replaced_in_order() {
    let toml = r#"
        sources.order = { type = "numbers" }
        transforms.order_t = { type = "every", nth = 1, inputs = ["order"] }
        sinks.order_x = { type = "taking", mode = "deliver", inputs = ["order_t"] }
    "#;
    let running = Running::start(toml).await;
    let changed = running.reload(&toml.replace("\"numbers\"", "\"numbers\", version = 2")).await.changed;
    assert_eq!(changed, ["order"]);
    pass(100).await;
    assert_in_order(&taken("order_x"));
    let numbers = taken("order_x").len();
    assert!(numbers > 190, "{numbers}");
    // The second begins where the first ended.
    let ends: Vec<String> = notes("order");
    assert_eq!(ends.len(), 3, "{ends:?}");
    assert_eq!(ends[1].strip_prefix("ends at "), ends[2].strip_prefix("begins at "));

    running.reload(&toml.replace("\"numbers\"", "\"numbers\", version = 2").replace("nth = 1", "nth = 2")).await;
    pass(100).await;
    assert!(running.end().await.is_clean());
    let x = taken("order_x");
    let first = x.iter().zip(0..).position(|(taken, number)| *taken != number).unwrap();
    assert_in_order(&x[..first]);
    assert!(x[first..].windows(2).all(|pair| pair[1] == pair[0] + 2), "{x:?}");
    assert_eq!(times("order_x", "begins to deliver"), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_stuck_is_cut_off_at_the_deadline_and_its_batches_come_again() {
    let toml = r#"
        sources.stuck = { type = "numbers" }
        transforms.stuck_t = { type = "every", nth = 1, inputs = ["stuck"] }
        sinks.stuck_x = { type = "taking", mode = "stuck", inputs = ["stuck"], buffer.max_events = 5 }
        sinks.stuck_y = { type = "taking", mode = "deliver", inputs = ["stuck_t"] }
    "#;
    let running = Running::start(toml).await;
    let before = Instant::now();
    assert_eq!(taken("stuck_y").len(), 7, "one is taken, five wait, and one is on its way");
    running.reload(&toml.replace("mode = \"stuck\"", "mode = \"deliver\"")).await;
    assert_eq!(before.elapsed(), DEADLINE);
    assert_eq!(notes("stuck_x"), ["begins to stuck", "begins to deliver"]);
    pass(100).await;
    assert!(running.metrics.is_healthy(), "the new one goes");
    let report = running.end().await;
    assert_eq!((report.unfinished.as_slice(), report.failures.len()), (&["stuck_x".to_owned()][..], 0));
    let x = taken("stuck_x");
    let start = x.iter().rposition(|number| *number == 0).unwrap();
    assert_in_order(&x[start..]);
    assert!(x.len() > 90, "the source runs on: {x:?}");
    assert_eq!(times("stuck", "begins at 0"), 1);
    assert_eq!(notes("stuck").last().unwrap(), &format!("ends at {}", x.len() - start));
}

#[tokio::test(start_paused = true)]
async fn what_failed_starts_anew_and_all_that_ended_for_it() {
    let toml = r#"
        sources.fail = { type = "numbers" }
        sources.fail_other = { type = "numbers" }
        transforms.fail_t = { type = "every", nth = 1, inputs = ["fail"] }
        sinks.fail_x = { type = "taking", mode = "fails_once", inputs = ["fail_t"] }
        sinks.fail_y = { type = "taking", mode = "deliver", inputs = ["fail_other"] }
        sinks.fail_z = { type = "taking", mode = "deliver", inputs = ["fail"] }
    "#;
    let running = Running::start(toml).await;
    assert_eq!(state(&running, "fail_x"), ComponentState::Failed);
    assert!(!running.metrics.is_healthy());
    assert_eq!(notes("fail"), ["begins at 0", "ends at 0"]);
    let mut restarted = running.reload(toml).await.restarted;
    restarted.sort();
    assert_eq!(restarted, ["fail", "fail_t", "fail_x", "fail_z"]);
    pass(100).await;
    assert!(running.metrics.is_healthy());
    let report = running.end().await;
    assert_eq!(report.failures.len(), 1, "it is told at the end all the same");
    assert_in_order(&taken("fail_x"));
    assert!(taken("fail_x").len() > 90);
    assert_in_order(&taken("fail_y"));
    assert_eq!((times("fail_other", "begins at 0"), times("fail_y", "begins to deliver")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_source_that_waits_to_be_ended_for_a_sink_is_replaced_with_that_sink() {
    let toml = r#"
        sources.leave = { type = "numbers" }
        sinks.leave_x = { type = "taking", mode = "leaves", inputs = ["leave"] }
    "#;
    let running = Running::start(toml).await;
    let reloaded = running.reload(&toml.replace("leaves", "deliver")).await;
    assert_eq!((reloaded.restarted, reloaded.changed), (vec!["leave".to_owned()], vec!["leave_x".to_owned()]));
    pass(100).await;
    assert!(running.metrics.is_healthy());
    let report = running.end().await;
    assert_eq!((report.failures.len(), report.unfinished.len()), (1, 0));
    assert_in_order(&taken("leave_x"));
    assert!(taken("leave_x").len() > 90);
}

#[tokio::test(start_paused = true)]
async fn it_ends_of_itself_after_a_reload_and_what_has_ended_is_not_begun_again() {
    let toml = r#"
        sources.end_short = { type = "numbers", count = 10 }
        sources.end_long = { type = "numbers", count = 300 }
        transforms.end_t = { type = "every", nth = 1, inputs = ["end_short"] }
        sinks.end_x = { type = "taking", mode = "hold", inputs = ["end_long"] }
        sinks.end_y = { type = "taking", mode = "deliver", inputs = ["end_t"] }
    "#;
    let running = Running::start(toml).await;
    assert_eq!(state(&running, "end_y"), ComponentState::Ended);
    let reloader = running.reloader.clone();
    let reloaded = running.reload(&toml.replace("hold", "deliver")).await;
    assert_eq!(reloaded.changed, ["end_x"]);
    assert!(reloaded.restarted.is_empty(), "{reloaded:?}");
    let report = running.finish().await;
    assert!(report.is_clean(), "{report:?}");
    for (sink, count) in [("end_x", 300), ("end_y", 10)] {
        assert_in_order(&taken(sink));
        assert_eq!(taken(sink).len(), count);
    }
    assert_eq!(times("end_y", "begins to deliver"), 1);
    assert!(matches!(reloader.reload(build(toml)).await, Err(ReloadError::Ended)));
}

#[tokio::test(start_paused = true)]
async fn asked_to_end_during_a_reload_it_ends_old_and_new() {
    let toml = r#"
        sources.both = { type = "numbers" }
        sources.both_b = { type = "numbers" }
        sinks.both_x = { type = "taking", mode = "slow", inputs = ["both", "both_b"] }
    "#;
    let running = Running::start(toml).await;
    let next =
        toml.replace("slow", "deliver").replace("_b = { type = \"numbers\"", "_b = { type = \"numbers\", version = 2");
    let reload = tokio::spawn({
        let reloader = running.reloader.clone();
        async move { reloader.reload(build(&next)).await }
    });
    pass(500).await;
    assert!(!reload.is_finished(), "the old sink takes a second");
    let before = Instant::now();
    let report = running.end().await;
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(before.elapsed().as_millis() / 100, 5, "the rest of that second");
    assert_eq!(reload.await.unwrap().unwrap().changed, ["both_b", "both_x"]);
    let begins_and_ends: Vec<String> = notes("both_x").into_iter().filter(|note| !note.starts_with("took")).collect();
    assert_eq!(
        begins_and_ends,
        ["begins to slow", "ends", "begins to deliver", "ends"],
        "what waited for it is delivered"
    );
    let mut taken = taken("both_x");
    assert!(taken.len() > 500, "what was sent meanwhile is not lost");
    taken.sort();
    taken.dedup();
    assert_in_order(&taken);
    assert_eq!(notes("both").last().unwrap(), &format!("ends at {}", taken.len()));
    assert_eq!(notes("both_b").len(), 2, "another source did not begin any more");
}

#[tokio::test(start_paused = true)]
async fn asked_to_end_while_something_is_stuck_it_keeps_to_both_deadlines() {
    let toml = r#"
        sources.twice = { type = "numbers" }
        sinks.twice_x = { type = "taking", mode = "stuck", inputs = ["twice"] }
        sinks.twice_y = { type = "taking", mode = "deliver", inputs = ["twice"] }
    "#;
    for (mode, then) in [("deliver", DEADLINE), ("stuck", DEADLINE + DEADLINE / 2)] {
        let toml = toml.replace("twice", &format!("twice_{mode}"));
        let running = Running::start(&toml).await;
        let before = Instant::now();
        let next = build(&toml.replace("inputs = [\"twice", "buffer.max_events = 1000, inputs = [\"twice").replacen(
            "\"stuck\"",
            &format!("\"{mode}\""),
            1,
        ));
        let reload = tokio::spawn({
            let reloader = running.reloader.clone();
            async move { reloader.reload(next).await }
        });
        tokio::time::sleep(DEADLINE / 2).await;
        let report = running.end().await;
        // The old one is cut off after the first; whether the new one is after the second depends on what it does.
        assert_eq!((before.elapsed(), report.failures.len()), (then, 0), "{mode}");
        assert!(report.unfinished.contains(&format!("twice_{mode}_x")), "{mode}: {report:?}");
        assert_eq!(report.unfinished.contains(&format!("twice_{mode}")), mode == "stuck", "{mode}: {report:?}");
        assert!(reload.await.unwrap().is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn one_reload_comes_after_another() {
    let toml = r#"
        sources.queue = { type = "numbers" }
        sinks.queue_x = { type = "taking", mode = "slow", inputs = ["queue"] }
    "#;
    let running = Running::start(toml).await;
    let (hold, deliver) = (toml.replace("slow", "hold"), toml.replace("slow", "deliver"));
    let (first, second) = tokio::join!(running.reload(&hold), running.reload(&deliver));
    assert_eq!((first.changed, second.changed), (vec!["queue_x".to_owned()], vec!["queue_x".to_owned()]));
    assert!(running.end().await.is_clean());
    assert_in_order(&taken("queue_x"));
    let begins: Vec<String> = notes("queue_x").into_iter().filter(|note| note.starts_with("begins")).collect();
    assert_eq!(begins, ["begins to slow", "begins to hold", "begins to deliver"]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_change_is_refused_and_nothing_else_of_it_is_done() {
    let toml = r#"
        data_dir = "/one"
        sources.refuse = { type = "numbers" }
        sinks.refuse_x = { type = "taking", mode = "deliver", inputs = ["refuse"] }
    "#;
    let running = Running::start(toml).await;
    let refused = |result| match result {
        Err(ReloadError::Refused(error)) => error,
        other => panic!("{other:?}"),
    };
    let other = toml.replace("/one", "/other").replace("\"deliver\"", "\"hold\"");
    let error = refused(running.try_reload(&other).await);
    let mistake = &error.mistakes()[0];
    assert_eq!(mistake.message(), "data_dir cannot change while the pipeline runs");
    assert_eq!(error.place(mistake), Some(("test", 2, 20)));
    assert!(error.to_string().contains("help: leave it as it was, or end the pipeline and start it anew"), "{error}");
    let error = refused(running.try_reload(&toml.replace("data_dir = \"/one\"", "")).await);
    assert_eq!(error.mistakes()[0].message(), "data_dir cannot change while the pipeline runs, and is no longer set");
    let elsewhere = format!("quarantine.path = \"/elsewhere\"\n{toml}");
    let error = refused(running.try_reload(&elsewhere).await);
    assert_eq!(error.mistakes()[0].message(), "quarantine cannot change while the pipeline runs");
    #[cfg(feature = "api")]
    {
        let error = refused(running.try_reload(&format!("{toml}\n[api]\nenabled = true")).await);
        assert_eq!(error.mistakes()[0].message(), "api cannot change while the pipeline runs");
    }
    pass(100).await;
    assert!(running.end().await.is_clean());
    assert_in_order(&taken("refuse_x"));
    assert_eq!(notes("refuse_x").iter().filter(|note| note.starts_with("begins")).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_replaced_goes_on_counting() {
    let toml = r#"
        sources.count = { type = "numbers" }
        sinks.count_x = { type = "taking", mode = "hold", inputs = ["count"] }
        sinks.count_y = { type = "taking", mode = "deliver", inputs = ["count"] }
    "#;
    let running = Running::start(toml).await;
    let of = |id: &str| {
        let mut components = running.metrics.snapshot().components;
        components.retain(|component| component.id == id);
        assert_eq!(components.len(), 1, "{id}");
        components.remove(0)
    };
    running.reload(&toml.replace("hold", "deliver").replace("count_y", "count_z")).await;
    pass(100).await;
    let [source, x, z] = ["count", "count_x", "count_z"].map(of);
    assert_eq!(x.received, source.sent, "as if it were one");
    assert_eq!(x.sent, source.sent);
    assert!(z.received.events > 90 && z.received.events < source.sent.events - 90, "{}", z.received.events);
    assert_eq!(x.buffer.unwrap().waiting.events, 0);
    assert_eq!(running.metrics.snapshot().components.len(), 3);
    let report = running.end().await;
    let ids: Vec<&str> = report.components.iter().map(|component| component.id.as_str()).collect();
    assert_eq!(ids, ["count", "count_x", "count_z", "count_y"]);
}
