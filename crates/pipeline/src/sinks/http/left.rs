//! What an answer leaves to do of the events that were sent. Without I/O.

use super::answer::{Answer, Unread, Verdict, is_about_some};
use super::bulk::{self, Action, Fate};

/// What an attempt leaves to do, by places of events in the request.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Left {
    /// What is to be sent again, and why.
    pub(super) again: Option<(Vec<usize>, String)>,
    /// What is to be sent apart, because some of it is not taken and nobody says what, and what was said.
    pub(super) halves: Option<([Vec<usize>; 2], String)>,
    /// What is never taken, and why.
    pub(super) rejected: Vec<(usize, String)>,
    /// Whether anything was taken.
    pub(super) is_taken: bool,
}

impl Left {
    /// All is to be sent again.
    pub(super) fn again(places: Vec<usize>, why: String) -> Self {
        Left { again: Some((places, why)), ..Left::default() }
    }

    fn halves(places: &[usize], why: String) -> Self {
        let (first, second) = places.split_at(places.len() / 2);
        Left { halves: Some(([first.to_vec(), second.to_vec()], why)), ..Left::default() }
    }

    /// What an answer leaves of the events that were sent; `bulk` is the action of bulk requests. `shown` is what may be shown of a
    /// text that the server wrote.
    pub(super) fn of(
        answer: &Answer,
        places: Vec<usize>,
        bulk: Option<Action>,
        shown: impl Fn(&str) -> String,
    ) -> Self {
        match (Verdict::of(answer.status), bulk) {
            (Verdict::Delivered, None) => Left { is_taken: true, ..Left::default() },
            (Verdict::Delivered, Some(action)) => match &answer.body {
                Ok(body) => match bulk::fates(action, body, places.len()) {
                    Ok(fates) => Left::of_fates(fates, places, shown),
                    Err(why) => Left::again(places, shown(&why)),
                },
                // Half of them have half an answer. What was taken is not taken twice, if it has ids.
                Err(Unread::TooLong) if places.len() > 1 => Left::halves(&places, Unread::TooLong.to_string()),
                Err(unread) => Left::again(places, unread.to_string()),
            },
            (Verdict::Retry, _) => Left::again(places, answer.to_string()),
            (Verdict::Rejected, _) if places.len() > 1 && is_about_some(answer.status) => {
                Left::halves(&places, answer.to_string())
            }
            (Verdict::Rejected, _) => {
                let rejected = places.into_iter().map(|place| (place, answer.to_string())).collect();
                Left { rejected, ..Left::default() }
            }
        }
    }

    fn of_fates(fates: Vec<Fate>, places: Vec<usize>, shown: impl Fn(&str) -> String) -> Self {
        let mut left = Left::default();
        for (place, fate) in places.into_iter().zip(fates) {
            match fate {
                Fate::Delivered => left.is_taken = true,
                Fate::Again(why) => left.again.get_or_insert_with(|| (Vec::new(), shown(&why))).0.push(place),
                Fate::Rejected(why) => left.rejected.push((place, shown(&why))),
            }
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;

    use super::*;

    fn answer(status: u16, body: Result<&str, Unread>) -> Answer {
        let status = StatusCode::from_u16(status).unwrap();
        Answer { status, retry_after: None, text: String::new(), body: body.map(|text| text.as_bytes().to_vec()) }
    }

    fn left(answer: &Answer, places: &[usize], bulk: Option<Action>) -> Left {
        Left::of(answer, places.to_vec(), bulk, |text| text.replace("secret", "***"))
    }

    fn taken() -> Left {
        Left { is_taken: true, ..Left::default() }
    }

    #[test]
    fn a_status_is_of_all_events() {
        let status = |status| left(&answer(status, Err(Unread::NotAsked)), &[4, 7], None);
        assert_eq!(status(204), taken());
        assert_eq!(status(503), Left::again(vec![4, 7], "status 503 Service Unavailable".to_owned()));
        let rejected = [4, 7].map(|place| (place, "status 404 Not Found".to_owned())).into();
        assert_eq!(status(404), Left { rejected, ..Left::default() });
    }

    #[test]
    fn what_is_said_of_some_events_is_found_by_halving() {
        for (status, why) in [(400, "Bad Request"), (413, "Payload Too Large"), (422, "Unprocessable Entity")] {
            let why = format!("status {status} {why}");
            let answer = answer(status, Err(Unread::NotAsked));
            let halves = Left { halves: Some(([vec![4], vec![7, 9]], why.clone())), ..Left::default() };
            assert_eq!(left(&answer, &[4, 7, 9], None), halves);
            assert_eq!(left(&answer, &[9], None), Left { rejected: vec![(9, why)], ..Left::default() });
        }
    }

    #[test]
    fn of_a_bulk_request_each_event_has_a_fate_of_its_own() {
        let items = r#"{"items":[{"create":{"status":201}},{"create":{"status":429}},{"create":{"status":503}},
            {"create":{"status":400,"error":{"type":"odd","reason":"a secret"}}}]}"#;
        assert_eq!(
            left(&answer(200, Ok(items)), &[2, 3, 5, 8], Some(Action::Create)),
            Left {
                again: Some((vec![3, 5], "status 429".to_owned())),
                rejected: vec![(8, "status 400: odd: a ***".to_owned())],
                ..taken()
            }
        );
    }

    #[test]
    fn an_answer_of_2xx_that_says_nothing_is_no_success_of_a_bulk_request() {
        let bulk = Some(Action::Create);
        for body in [Ok("ok"), Ok(r#"{"items":[]}"#), Err(Unread::BrokenOff), Err(Unread::NotAsked)] {
            let left = left(&answer(200, body), &[0, 1], bulk);
            assert_eq!(left.again.unwrap().0, [0, 1], "{body:?}");
        }
        let too_long = answer(200, Err(Unread::TooLong));
        assert_eq!(left(&too_long, &[0, 1], bulk).halves.unwrap().0, [[0], [1]]);
        assert_eq!(left(&too_long, &[1], bulk).again.unwrap().0, [1]);
    }
}
