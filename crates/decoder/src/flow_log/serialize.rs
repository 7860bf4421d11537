//! Flow logs through serde.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::record::{FlowLog, Value};

impl Serialize for FlowLog<'_> {
    /// A map as [`FlowLog::write_json`] writes one: names with underscores, numbers as numbers, times in seconds, `-` as
    /// none (`null`), all else as the text in the line, which includes values that are not of their field's kind.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.format().len()))?;
        for (place, (name, value)) in self.values().enumerate() {
            match value {
                Value::Null => map.serialize_entry(name, &None::<()>)?,
                Value::Integer(number) => map.serialize_entry(name, &number)?,
                Value::Address(_) | Value::Text(_) | Value::Invalid(_) => {
                    map.serialize_entry(name, self.token(place))?
                }
            }
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Format;

    #[test]
    fn values_that_are_not_of_their_kind_are_text() {
        let format: Format = "version srcaddr start".parse().unwrap();
        let flow = format.split_line("256 nowhere 1770000000123").unwrap();
        let json = serde_json::to_string(&flow).unwrap();
        assert_eq!(json, r#"{"version":"256","srcaddr":"nowhere","start":1770000000}"#);
    }

    proptest! {
        #[test]
        fn serde_writes_what_write_json_writes(line in "(5|-|007) ([0-9]{1,14}|-) (2001:DB8::1|10.0.0.1|-) [ -~é\u{1}]{0,30}[!-~]") {
            let format: Format = "version start srcaddr a b c".parse().unwrap();
            let Ok(flow) = format.parse_line(&line) else { return Ok(()) };
            let mut json = Vec::new();
            flow.write_json(&mut json).unwrap();
            prop_assert_eq!(serde_json::to_vec(&flow).unwrap(), json);
        }
    }
}
