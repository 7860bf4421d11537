//! What a source hears of a batch that many answer for.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::sync::{Arc, Mutex};

use kinesis_logs_pipeline::component::{Acknowledgement, Outcome};
use proptest::prelude::*;

/// What was heard, each time that something was.
fn heard(answer: impl FnOnce(Acknowledgement)) -> Vec<Outcome> {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let notes = heard.clone();
    answer(Acknowledgement::new(move |outcome| notes.lock().unwrap().push(outcome)));
    let heard = heard.lock().unwrap();
    heard.clone()
}

#[test]
fn of_two_outcomes_the_worse_is_heard() {
    use Outcome::{Abandoned, Delivered, Rejected};
    for (one, other, merged) in [
        (Delivered, Delivered, Delivered),
        (Delivered, Rejected, Rejected),
        (Delivered, Abandoned, Abandoned),
        (Rejected, Rejected, Rejected),
        (Rejected, Abandoned, Abandoned),
        (Abandoned, Abandoned, Abandoned),
    ] {
        for (first, second) in [(one, other), (other, one)] {
            let heard = heard(|acknowledgement| {
                let copy = acknowledgement.clone();
                acknowledgement.answer(first);
                copy.answer(second);
            });
            assert_eq!(heard, [merged], "{first:?} and {second:?}");
        }
    }
}

#[test]
fn a_handle_that_a_panic_drops_abandons() {
    let heard = heard(|acknowledgement| {
        let copy = acknowledgement.clone();
        let panicked = std::thread::spawn(move || {
            let _held = copy;
            std::panic::resume_unwind(Box::new("on purpose"));
        });
        assert!(panicked.join().is_err());
        acknowledgement.answer(Outcome::Delivered);
    });
    assert_eq!(heard, [Outcome::Abandoned]);
}

fn outcome() -> impl Strategy<Value = Option<Outcome>> {
    // None: the handle is dropped without a word.
    prop_oneof![
        8 => Just(Some(Outcome::Delivered)),
        2 => Just(Some(Outcome::Rejected)),
        1 => Just(Some(Outcome::Abandoned)),
        1 => Just(None),
    ]
}

proptest! {
    /// Any number of handles, cloned from one another and answering in any order, on several threads.
    #[test]
    fn the_worst_is_heard_once_and_not_before_the_last(
        answers in proptest::collection::vec((outcome(), any::<prop::sample::Index>()), 1..12),
    ) {
        let expected = answers.iter().map(|(outcome, _)| outcome.unwrap_or(Outcome::Abandoned)).max();
        let notes = Arc::new(Mutex::new(Vec::new()));
        let heard = notes.clone();
        let mut handles = vec![Acknowledgement::new(move |outcome| heard.lock().unwrap().push(outcome))];
        for (_, from) in &answers[1..] {
            let clone = from.get(&handles).clone();
            handles.push(clone);
        }
        for (index, ((outcome, at), left)) in answers.iter().zip((1..=answers.len()).rev()).enumerate() {
            prop_assert!(notes.lock().unwrap().is_empty());
            let handle = handles.swap_remove(at.index(left));
            let answer = match *outcome {
                Some(outcome) => Box::new(move || handle.answer(outcome)) as Box<dyn FnOnce() + Send>,
                None => Box::new(move || drop(handle)),
            };
            if index % 2 == 0 {
                std::thread::spawn(answer).join().unwrap();
            } else {
                answer();
            }
        }
        let heard = notes.lock().unwrap().clone();
        prop_assert_eq!(heard, [expected.unwrap()]);
    }
}
