//! Several formats in one stream: which one holds for which log group and log stream.

use wildmatch::WildMatch;

use super::field::Field;
use super::format::{Format, FormatError};
use super::record::{FlowLog, FlowLogError};
use crate::Event;

/// Rules that say by log group and log stream which [`Format`] flow logs have.
///
/// Where several rules match, as several flow logs may write to one log group, the first whose format a line fits is
/// taken. Where none matches, the format is that of the text's header line, if there is one; else it is inferred, unless
/// that is switched off.
///
/// ```
/// use kinesis_logs_decoder::flow_log::{Format, Formats};
///
/// let formats = Formats::new()
///     .rule("/vpc/flow-logs-v5", "*", "v5".parse()?)
///     .rule("*", "tgw-*", Format::transit_gateway().clone())
///     .infer(false);
/// assert_eq!(formats.of("/vpc/flow-logs-v5", "eni-1-all").count(), 1);
/// assert_eq!(formats.of("/other", "eni-1-all").count(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Formats {
    rules: Vec<Rule>,
    infer: bool,
}

#[derive(Debug, Clone, PartialEq)]
struct Rule {
    log_group: WildMatch,
    log_stream: WildMatch,
    format: Format,
}

impl Default for Formats {
    fn default() -> Self {
        Formats::new()
    }
}

impl Formats {
    /// No rules: every format is inferred.
    pub fn new() -> Self {
        Formats { rules: Vec::new(), infer: true }
    }

    /// Adds a rule behind those there are: flow logs of log groups and log streams with such names have `format`. In a
    /// name `*` stands for any text and `?` for one character.
    pub fn rule(mut self, log_group: &str, log_stream: &str, format: Format) -> Self {
        self.rules.push(Rule { log_group: WildMatch::new(log_group), log_stream: WildMatch::new(log_stream), format });
        self
    }

    /// Adds a rule that is written as one text: `FORMAT` for all flow logs, `GROUP=FORMAT`, or `GROUP:STREAM=FORMAT`.
    ///
    /// # Errors
    ///
    /// Those of [`Format::parse`].
    pub fn rule_text(self, text: &str) -> Result<Self, FormatError> {
        let (names, format) = match text.split_once('=') {
            Some((names, format)) if !names.contains(['$', ' ', ',']) => (names, format),
            _ => ("*", text),
        };
        let (log_group, log_stream) = names.split_once(':').unwrap_or((names, "*"));
        Ok(self.rule(log_group, log_stream, Format::parse(format)?))
    }

    /// Sets whether the format is inferred where no rule matches.
    pub fn infer(mut self, infer: bool) -> Self {
        self.infer = infer;
        self
    }

    /// The formats that the rules give for a log group and log stream, in order.
    pub fn of(&self, log_group: &str, log_stream: &str) -> impl Iterator<Item = &Format> {
        let matches = move |rule: &&Rule| rule.log_group.matches(log_group) && rule.log_stream.matches(log_stream);
        self.rules.iter().filter(matches).map(|rule| &rule.format)
    }

    /// The event's message as a flow log: `None` if no rule matches and it does not look like one, an error if rules
    /// match and it fits none of their formats. [`FlowLog::format`] tells which format was chosen.
    #[inline]
    pub fn parse<'a>(&'a self, event: &Event<'a>) -> Option<Result<FlowLog<'a>, FlowLogError>> {
        match self.given(event, |format| event.parsed_as(format)) {
            None if self.may_infer(event) => event.flow_log().map(Ok),
            given => given,
        }
    }

    /// The event's message as a flow log, as [`parse`](Self::parse) gives it; `None` also where that tells why it is none.
    #[inline]
    pub fn flow_log<'a>(&'a self, event: &Event<'a>) -> Option<FlowLog<'a>> {
        match self.given(event, |format| event.parsed_as(format)) {
            None if self.may_infer(event) => event.flow_log(),
            given => given?.ok(),
        }
    }

    /// Appends the event's message to `out` as [`FlowLog::write_json`] does, where [`parse`](Self::parse) gives a flow
    /// log, and otherwise what that gives. Faster than one after the other, which both look at every value.
    ///
    /// ```
    /// use kinesis_logs_decoder::flow_log::Formats;
    ///
    /// # let record = br#"{"messageType":"DATA_MESSAGE","logGroup":"g","logEvents":[{"message":"443 REJECT"},{"message":"x"}]}"#;
    /// let formats = Formats::new().rule("g", "*", "dstport action".parse()?);
    /// let decoded = kinesis_logs_decoder::decode(record);
    /// let (mut events, mut json) = (decoded.events(), Vec::new());
    /// assert_eq!(formats.write_json(&events.next().unwrap(), &mut json), Some(Ok(())));
    /// assert!(formats.write_json(&events.next().unwrap(), &mut json).unwrap().is_err());
    /// assert_eq!(json, br#"{"dstport":443,"action":"REJECT"}"#);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline(always)]
    pub fn write_json(&self, event: &Event<'_>, out: &mut Vec<u8>) -> Option<Result<(), FlowLogError>> {
        match self.given(event, |format| event.write_json_of(format, out)) {
            None if self.may_infer(event) => event.write_flow_log_json(out).map(Ok),
            given => given,
        }
    }

    /// Whether a flow log in one of these formats, or in one that is inferred of a line alone, may have a field of this name
    /// (with underscores).
    ///
    /// ```
    /// use kinesis_logs_decoder::flow_log::Formats;
    ///
    /// let formats = Formats::new().rule("g", "*", "dstport future-field".parse()?);
    /// assert!(formats.may_have("future_field") && formats.may_have("srcaddr") && !formats.may_have("service"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn may_have(&self, name: &str) -> bool {
        Field::from_name(name).is_some() || self.rules.iter().any(|rule| rule.format.place_of_name(name).is_some())
    }

    /// What `read` makes of a line in the first format of the rules that it does not refuse, or why it refused the first;
    /// `None` if no rule matches.
    #[inline(always)]
    fn given<'a, T>(
        &'a self,
        event: &Event<'a>,
        read: impl FnMut(&'a Format) -> Result<T, FlowLogError>,
    ) -> Option<Result<T, FlowLogError>> {
        if self.rules.is_empty() { None } else { self.given_by_rules(event, read) }
    }

    #[inline(never)]
    fn given_by_rules<'a, T>(
        &'a self,
        event: &Event<'a>,
        mut read: impl FnMut(&'a Format) -> Result<T, FlowLogError>,
    ) -> Option<Result<T, FlowLogError>> {
        let mut mistake = None;
        for format in self.of(event.log_group().unwrap_or_default(), event.log_stream().unwrap_or_default()) {
            match read(format) {
                Ok(read) => return Some(Ok(read)),
                Err(error) => mistake = mistake.or(Some(error)),
            }
        }
        mistake.map(Err)
    }

    #[inline]
    fn may_infer(&self, event: &Event<'_>) -> bool {
        self.infer || event.header().is_some()
    }
}
