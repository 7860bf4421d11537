//! What a message looks like. Nothing here allocates, and nothing reads further than it must.

use std::net::IpAddr;

use super::LogType;
use super::lambda::PlatformLine;
use crate::Event;
use crate::flow_log::{Field, FlowLog, Format};
use crate::json::{RawValue, Reader};
use crate::limits::MAX_JSON_DEPTH;

/// A message, and what helps to read it.
#[derive(Clone, Copy)]
pub(super) struct Message<'a> {
    text: &'a str,
    /// The text and what stands behind it.
    window: &'a [u8],
    /// The flow log format that the text's header line states.
    header: Option<&'a Format>,
}

impl<'a> Message<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Message { text, window: text.as_bytes(), header: None }
    }

    pub(super) fn of(event: &Event<'a>) -> Self {
        let (text, window) = event.line();
        Message { text, window, header: event.header() }
    }

    pub(super) fn text(self) -> &'a str {
        self.text
    }

    /// The type, where the message alone tells it.
    pub(super) fn log_type(self) -> Option<LogType> {
        if is_object(self.text) {
            return json_type(self.text);
        }
        if PlatformLine::parse(self.text).is_some() { Some(LogType::LambdaPlatform) } else { self.flow_log_type() }
    }

    fn flow_log_type(self) -> Option<LogType> {
        let format = match self.header {
            Some(format) => {
                let mut flow = FlowLog::new(format);
                flow.split(self.text, self.window).and_then(|()| flow.check()).ok()?;
                format
            }
            None => Format::infer_into(&mut FlowLog::new(Format::default_format()), self.text, self.window)?,
        };
        // Version 6 brought the fields that only transit gateways have.
        let is_of_transit_gateways = |field: Field| field.version() == 6;
        let fields = || format.columns().iter().filter_map(|column| column.field());
        Some(if fields().any(is_of_transit_gateways) { LogType::TransitGatewayFlowLog } else { LogType::VpcFlowLog })
    }
}

/// Whether it may be a JSON object.
pub(super) fn is_object(text: &str) -> bool {
    text.trim_ascii_start().starts_with('{')
}

/// Whether Lambda itself wrote it.
pub(super) fn is_lambda_platform(text: &str) -> bool {
    PlatformLine::parse(text).is_some() || json_type(text) == Some(LogType::LambdaPlatform)
}

/// Whether it could be a flow log of some format: one line of words in characters that fields have, one of which is a
/// number, an address or `-`. Prose may be like that, so that this is only to be asked where flow logs are expected.
pub(super) fn could_be_flow_log(text: &str) -> bool {
    let line = text.trim_ascii();
    let is_sign = |byte| matches!(byte, b' ' | b'-' | b'.' | b':' | b'_' | b'/' | b'%' | b',' | b'+' | b'=' | b'@');
    let is_value =
        |word: &str| word == "-" || word.bytes().all(|byte| byte.is_ascii_digit()) || word.parse::<IpAddr>().is_ok();
    line.len() <= u16::MAX.into()
        && line.bytes().all(|byte| byte.is_ascii_alphanumeric() || is_sign(byte))
        && line.split(' ').any(|word| !word.is_empty() && is_value(word))
}

/// A member that an object must have: its name, and what its text begins with.
type Member = (&'static str, &'static str);

/// What JSON objects of a type have, and no others do. Only what AWS always writes counts.
const SHAPES: [(LogType, &[Member]); 7] = [
    // Notifications of S3 and records of Kinesis and DynamoDB have some of these, but not all.
    (LogType::CloudTrail, &[("eventVersion", ""), ("eventTime", ""), ("eventID", ""), ("awsRegion", "")]),
    (
        LogType::Route53ResolverQuery,
        &[("query_timestamp", ""), ("query_name", ""), ("query_type", ""), ("query_class", "")],
    ),
    (LogType::Waf, &[("webaclId", ""), ("terminatingRuleId", ""), ("action", ""), ("httpRequest", "")]),
    (LogType::EksAudit, &[("kind", "Event"), ("apiVersion", "audit.k8s.io/"), ("auditID", "")]),
    (LogType::LambdaPlatform, &[("time", ""), ("type", "platform."), ("record", "")]),
    (LogType::ApiGatewayAccess, &[("requestId", ""), ("status", ""), ("httpMethod", "")]),
    (LogType::ApiGatewayAccess, &[("requestId", ""), ("status", ""), ("routeKey", "")]),
];

/// The first type of which an object shows all members; also of an object that is cut short or malformed behind them.
fn json_type(text: &str) -> Option<LogType> {
    let mut reader = Reader::new(text.as_bytes(), 0, MAX_JSON_DEPTH);
    // Of each shape, a bit for each member.
    let mut missing = SHAPES.map(|(_, members)| (1u8 << members.len()) - 1);
    let mut before = b'{';
    loop {
        // Behind the last member comes no comma.
        reader.expect(before, "a member").ok()?;
        before = b',';
        let key = reader.string().ok()?;
        reader.expect(b':', "a colon").ok()?;
        let value = match reader.value().ok()? {
            RawValue::String(raw) => &text[raw.start..raw.end],
            _ => "",
        };
        // Keys are compared as they stand: nobody escapes them.
        let key = &text[key.start..key.end];
        for ((log_type, members), missing) in SHAPES.iter().zip(&mut missing) {
            if let Some(place) = members.iter().position(|(name, begin)| *name == key && value.starts_with(begin)) {
                *missing &= !(1 << place);
                if *missing == 0 {
                    return Some(*log_type);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_members_of_the_object_itself_count() {
        let members = r#""query_timestamp":"t","query_name":"n.","query_type":"A""#;
        let flat = format!("{{{members},\"query_class\":\"IN\"}}");
        let nested = format!("{{{members},\"more\":{{\"query_class\":\"IN\"}}}}");
        assert_eq!(json_type(&flat), Some(LogType::Route53ResolverQuery));
        assert_eq!(json_type(&nested), None);
    }

    #[test]
    fn values_are_looked_at_where_names_are_common() {
        let object = |kind: &str| format!(r#"{{"time":"t","type":"{kind}","record":{{}}}}"#);
        assert_eq!(json_type(&object("platform.report")), Some(LogType::LambdaPlatform));
        assert_eq!(json_type(&object("order")), None);
    }

    #[test]
    fn what_is_cut_short_behind_the_members_that_count_is_recognised() {
        let cut = r#"{"requestId":"1","httpMethod":"GET","status":"200","path":"/ca"#;
        assert_eq!(json_type(cut), Some(LogType::ApiGatewayAccess));
        assert_eq!(json_type(&cut[..40]), None);
        for other in ["", "{", "{}", "{]", "[1]", "{\"a\"", "{\"a\":1"] {
            assert_eq!(json_type(other), None, "{other}");
        }
    }

    #[test]
    fn what_could_be_a_flow_log_is_one_line_of_plain_words_with_a_value() {
        for line in ["2 - ACCEPT", "10.0.0.1  443\n", "2001:db8::1 egress", "arn:aws:ecs:eu-west-1:123456789012:a/b 8"]
        {
            assert!(could_be_flow_log(line), "{line}");
        }
        for line in ["", "ACCEPT OK", "{\"bytes\": 5}", "1 2\n3 4", "Task timed out (3 s)"] {
            assert!(!could_be_flow_log(line), "{line}");
        }
    }
}
