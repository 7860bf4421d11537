//! Several formats in one stream: which one holds for which log group and log stream.

use wildmatch::WildMatch;

use super::format::Format;
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
    pub fn parse<'a>(&'a self, event: &Event<'a>) -> Option<Result<FlowLog<'a>, FlowLogError>> {
        let mut mistake = None;
        for format in self.of(event.log_group().unwrap_or_default(), event.log_stream().unwrap_or_default()) {
            match event.flow_log_of(format).and_then(|flow| flow.check().map(|()| flow)) {
                Ok(flow) => return Some(Ok(flow)),
                Err(error) => mistake = mistake.or(Some(error)),
            }
        }
        match mistake {
            Some(error) => Some(Err(error)),
            None if self.infer || event.header().is_some() => event.flow_log().map(Ok),
            None => None,
        }
    }
}
