//! Messages that are JSON, parsed.

use crate::Event;

impl Event<'_> {
    /// The message as JSON; `None` if it begins like neither an object nor an array, as text does.
    ///
    /// Whole numbers are exact from `i64::MIN` to `u64::MAX`, all others are `f64`. Members are sorted by name, unless
    /// something in your build switches on the feature `preserve_order` of serde_json; of several with the same name the
    /// last counts.
    ///
    /// ```
    /// # let record = br#"{"messageType":"DATA_MESSAGE","logEvents":[
    /// #     {"message":"{\"level\":\"WARN\",\"cart\":18446744073709551615}\n"},{"message":"cart is empty"}]}"#;
    /// let decoded = kinesis_logs_decoder::decode(record);
    /// let mut events = decoded.events();
    /// let json = events.next().and_then(|event| event.json()).unwrap()?;
    /// assert_eq!(json["cart"].as_u64(), Some(u64::MAX));
    /// assert!(events.next().unwrap().json().is_none());
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the JSON is malformed, as that of a message cut short is, if something stands behind it, or if it nests deeper
    /// than 127 levels.
    pub fn json(&self) -> Option<serde_json::Result<serde_json::Value>> {
        let message = self.message().trim_ascii_start();
        message.starts_with(['{', '[']).then(|| serde_json::from_str(message))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn of_message(message: &str) -> Option<serde_json::Result<Value>> {
        let envelope = json!({"messageType": "DATA_MESSAGE", "logEvents": [{"message": message}]});
        crate::decode(envelope.to_string().as_bytes()).events().next()?.json()
    }

    #[test]
    fn objects_and_arrays_are_parsed_and_all_else_is_text() {
        assert_eq!(of_message(" {\"a\": [1, null]}\n").unwrap().unwrap(), json!({"a": [1, null]}));
        assert_eq!(of_message("[]").unwrap().unwrap(), json!([]));
        for text in ["", "7", "null", "\"text\"", "2 - -"] {
            assert!(of_message(text).is_none(), "{text}");
        }
    }

    #[test]
    fn whole_numbers_are_exact_as_far_as_they_fit() {
        let parsed = of_message("[18446744073709551615, -9223372036854775808, 9007199254740993, 36893488147419103232]");
        let parsed = parsed.unwrap().unwrap();
        assert_eq!((parsed[0].as_u64(), parsed[1].as_i64()), (Some(u64::MAX), Some(i64::MIN)));
        assert_eq!(parsed[2].as_u64(), Some((1 << 53) + 1));
        assert_eq!(parsed[3].as_f64(), Some(2f64.powi(65)));
    }

    #[test]
    fn what_is_malformed_or_too_deep_is_an_error() {
        for bad in ["{\"a\":", "{} {}", "[01]", "{\"a\":1,}", &"[".repeat(100_000)] {
            assert!(of_message(bad).unwrap().is_err());
        }
        let nested = |depth| of_message(&("[".repeat(depth) + &"]".repeat(depth))).unwrap();
        assert!(nested(127).is_ok() && nested(128).is_err());
    }

    proptest! {
        #[test]
        fn no_message_makes_parsing_it_panic(message in r#"[\[\]{}",:\\u0-9.e\-a-f é😀]{0,40}"#) {
            let _ = of_message(&message);
        }
    }
}
