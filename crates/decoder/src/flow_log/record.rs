//! One line, split and checked once, typed when asked.

use std::net::IpAddr;

use super::field::{Field, FieldKind};

const FIELDS: usize = Field::DEFAULT_FORMAT.len();

/// Older flow logs carried milliseconds; no second in this era is as large.
const SMALLEST_MILLIS: u64 = 100_000_000_000;

/// A flow log line in the default format.
///
/// Parsing finds and checks the fields; each getter converts its own. `-` (not applicable, or not computed: never zero)
/// is `None`.
///
/// ```
/// use kinesis_logs_decoder::flow_log::{Field, FlowLog, Value};
///
/// let nodata = "2 123456789010 eni-1235b8ca123456789 - - - - - - - 1431280876 1431280934 - NODATA";
/// let flow = FlowLog::parse(nodata)?;
/// assert_eq!(flow.account_id(), Some("123456789010"));
/// assert_eq!(flow.srcaddr(), None);
/// assert_eq!(flow.start(), Some(1431280876));
/// assert_eq!(flow.get(Field::LogStatus), Value::Text("NODATA"));
/// # Ok::<(), kinesis_logs_decoder::flow_log::FlowLogError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowLog<'a> {
    values: [&'a str; FIELDS],
}

/// Why a line is not in the default format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FlowLogError {
    /// The number of fields is not the format's.
    #[error("expected 14 fields, found {found}")]
    FieldCount {
        /// How many there are; 15 stands for more than 14.
        found: usize,
    },
    /// A field's value is not of the field's kind.
    #[error("{:?} is no {}", .value, .field.name())]
    Value {
        /// The field.
        field: Field,
        /// Its value, shortened to 64 characters.
        value: String,
    },
}

/// A field's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// `-` in the line.
    Null,
    /// A number.
    Integer(u64),
    /// Text, addresses included.
    Text(&'a str),
}

impl<'a> FlowLog<'a> {
    /// Reads a line. White space around it is ignored; between fields any number of spaces may stand.
    pub fn parse(line: &'a str) -> Result<Self, FlowLogError> {
        let mut values = [""; FIELDS];
        let mut found = 0;
        for value in line.trim_ascii().split(' ').filter(|value| !value.is_empty()) {
            *values.get_mut(found).ok_or(FlowLogError::FieldCount { found: FIELDS + 1 })? = value;
            found += 1;
        }
        if found < FIELDS {
            return Err(FlowLogError::FieldCount { found });
        }
        for (field, value) in Field::DEFAULT_FORMAT.into_iter().zip(values) {
            if value != "-" && !fits(field, value) {
                return Err(FlowLogError::Value { field, value: value.chars().take(64).collect() });
            }
        }
        Ok(FlowLog { values })
    }

    /// The value of one field.
    pub fn get(&self, field: Field) -> Value<'a> {
        match self.values[field as usize] {
            "-" => Value::Null,
            text if field.kind() == FieldKind::Integer => text.parse().map_or(Value::Text(text), Value::Integer),
            text => Value::Text(text),
        }
    }

    /// The field as it stands in the line, `-` included.
    pub fn raw(&self, field: Field) -> &'a str {
        self.values[field as usize]
    }

    /// All fields in the order of the format.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = (Field, Value<'a>)> {
        let flow = *self;
        Field::DEFAULT_FORMAT.into_iter().map(move |field| (field, flow.get(field)))
    }

    /// `version`.
    pub fn version(&self) -> Option<u8> {
        self.number(Field::Version)
    }

    /// `account-id`.
    pub fn account_id(&self) -> Option<&'a str> {
        self.text(Field::AccountId)
    }

    /// `interface-id`.
    pub fn interface_id(&self) -> Option<&'a str> {
        self.text(Field::InterfaceId)
    }

    /// `srcaddr`.
    pub fn srcaddr(&self) -> Option<IpAddr> {
        self.number(Field::Srcaddr)
    }

    /// `dstaddr`.
    pub fn dstaddr(&self) -> Option<IpAddr> {
        self.number(Field::Dstaddr)
    }

    /// `srcport`.
    pub fn srcport(&self) -> Option<u16> {
        self.number(Field::Srcport)
    }

    /// `dstport`.
    pub fn dstport(&self) -> Option<u16> {
        self.number(Field::Dstport)
    }

    /// `protocol`, an IANA number.
    pub fn protocol(&self) -> Option<u8> {
        self.number(Field::Protocol)
    }

    /// `packets`.
    pub fn packets(&self) -> Option<u64> {
        self.number(Field::Packets)
    }

    /// `bytes`.
    pub fn bytes(&self) -> Option<u64> {
        self.number(Field::Bytes)
    }

    /// `start` in Unix seconds, also where an old line has milliseconds.
    pub fn start(&self) -> Option<u64> {
        self.seconds(Field::Start)
    }

    /// `end` in Unix seconds, also where an old line has milliseconds.
    pub fn end(&self) -> Option<u64> {
        self.seconds(Field::End)
    }

    /// `action`.
    pub fn action(&self) -> Option<&'a str> {
        self.text(Field::Action)
    }

    /// `log-status`.
    pub fn log_status(&self) -> Option<&'a str> {
        self.text(Field::LogStatus)
    }

    fn text(&self, field: Field) -> Option<&'a str> {
        Some(self.raw(field)).filter(|&text| text != "-")
    }

    fn number<T: std::str::FromStr>(&self, field: Field) -> Option<T> {
        self.text(field)?.parse().ok()
    }

    fn seconds(&self, field: Field) -> Option<u64> {
        self.number(field).map(|time: u64| if time >= SMALLEST_MILLIS { time / 1000 } else { time })
    }
}

fn fits(field: Field, value: &str) -> bool {
    match field.kind() {
        FieldKind::Integer => {
            value.bytes().all(|byte| byte.is_ascii_digit())
                && value.parse().is_ok_and(|number: u64| number <= field.max())
        }
        FieldKind::Address => value.parse::<IpAddr>().is_ok(),
        FieldKind::Text => match field {
            Field::Action => matches!(value, "ACCEPT" | "REJECT"),
            // An open list: AWS adds states. Capital letters tell it from other text.
            Field::LogStatus => value.bytes().all(|byte| byte.is_ascii_uppercase()),
            _ => true,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCEPTED: &str = "2 123456789010 eni-1235b8ca123456789 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK";

    #[test]
    fn every_field_of_a_line_is_typed() {
        let flow = FlowLog::parse(ACCEPTED).unwrap();
        assert_eq!(flow.version(), Some(2));
        assert_eq!(flow.account_id(), Some("123456789010"));
        assert_eq!(flow.interface_id(), Some("eni-1235b8ca123456789"));
        assert_eq!(flow.srcaddr(), Some("172.31.16.139".parse().unwrap()));
        assert_eq!(flow.dstaddr(), Some("172.31.16.21".parse().unwrap()));
        assert_eq!((flow.srcport(), flow.dstport(), flow.protocol()), (Some(20641), Some(22), Some(6)));
        assert_eq!((flow.packets(), flow.bytes()), (Some(20), Some(4249)));
        assert_eq!((flow.start(), flow.end()), (Some(1418530010), Some(1418530070)));
        assert_eq!((flow.action(), flow.log_status()), (Some("ACCEPT"), Some("OK")));
    }

    #[test]
    fn doubled_spaces_a_line_feed_ipv6_and_milliseconds_are_fine() {
        let line =
            "2 unknown eni-1  2001:db8::1 2001:db8::2 34892 22 6 54 8855 1477913708000 1477913820000 ACCEPT OK\n";
        let flow = FlowLog::parse(line).unwrap();
        assert_eq!(flow.srcaddr(), Some("2001:db8::1".parse().unwrap()));
        assert_eq!(flow.start(), Some(1477913708));
        assert_eq!(flow.get(Field::Start), Value::Integer(1477913708000));
    }

    #[test]
    fn a_dash_anywhere_is_none() {
        for field in Field::DEFAULT_FORMAT {
            let mut values: Vec<&str> = ACCEPTED.split(' ').collect();
            values[field as usize] = "-";
            let line = values.join(" ");
            assert_eq!(FlowLog::parse(&line).unwrap().get(field), Value::Null, "{}", field.name());
        }
    }

    #[test]
    fn what_does_not_fit_says_why() {
        let cases = [
            ("", "expected 14 fields, found 0"),
            ("2 3 4", "expected 14 fields, found 3"),
            (&format!("{ACCEPTED} more"), "expected 14 fields, found 15"),
            (&ACCEPTED.replace("172.31.16.139", "host"), "\"host\" is no srcaddr"),
            (&ACCEPTED.replace(" 22 ", " 70000 "), "\"70000\" is no dstport"),
            (&ACCEPTED.replace(" 22 ", " +22 "), "\"+22\" is no dstport"),
            (&ACCEPTED.replace("ACCEPT", "accept"), "\"accept\" is no action"),
        ];
        for (line, message) in cases {
            assert_eq!(FlowLog::parse(line).unwrap_err().to_string(), message);
        }
    }
}
