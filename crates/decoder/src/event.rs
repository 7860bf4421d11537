//! One log event, with what its envelope says of it.

use crate::cloudwatch::{Envelope, LogEvent};
use crate::decoded::Decoded;
use crate::extracted::{ExtractedFields, FieldValue};
use crate::flow_log::{FlowLog, FlowLogError, Format, write_inferred, write_line};
use crate::json::{self, RawValue, Reader};
use crate::limits::MAX_JSON_DEPTH;
use crate::text::Span;

/// One log event, with what its envelope says of it. A few offsets into the record's text: nothing is copied, and
/// fields are parsed when asked for.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    pub(crate) decoded: &'a Decoded,
    pub(crate) event: &'a LogEvent,
}

impl<'a> Event<'a> {
    /// The log line as it came, which may end in a line feed or hold several lines. Empty if the event has none.
    #[inline]
    pub fn message(&self) -> &'a str {
        self.get(self.event.message).unwrap_or_default()
    }

    /// Where the message begins in the record's text, of [`Decoded::text_len`] bytes; `None` if it stands there with escapes,
    /// or the event has none. The text of lines is what came, but for bytes that are no UTF-8, which make it longer.
    ///
    /// ```
    /// use kinesis_logs_decoder::{Decoder, Payload};
    ///
    /// let mut decoder = Decoder::new().payload(Payload::Lines);
    /// let decoded = decoder.decode(b"one\n\ntwo\n");
    /// let offsets: Vec<_> = decoded.events().map(|event| event.message_offset()).collect();
    /// assert_eq!(offsets, [Some(0), Some(5)]);
    /// ```
    pub fn message_offset(&self) -> Option<usize> {
        self.event.message.start_in_text()
    }

    /// The event's time in milliseconds since the Unix epoch; for flow logs their `start`.
    pub fn timestamp_millis(&self) -> Option<i64> {
        let digits = self.get(self.event.timestamp)?;
        // Producers other than AWS write it as text, or with a fraction.
        digits.parse().ok().or_else(|| {
            let float = digits.parse::<f64>().ok().filter(|float| float.abs() < i64::MAX as f64)?;
            Some(float as i64)
        })
    }

    /// CloudWatch Logs' id of the event: opaque, some 56 digits, the same when an event is delivered twice.
    pub fn id(&self) -> Option<&'a str> {
        self.get(self.event.id)
    }

    /// The account that the log group belongs to.
    pub fn owner(&self) -> Option<&'a str> {
        self.get(self.envelope().owner)
    }

    /// The log group's name.
    pub fn log_group(&self) -> Option<&'a str> {
        self.get(self.envelope().log_group)
    }

    /// The log stream's name.
    pub fn log_stream(&self) -> Option<&'a str> {
        self.get(self.envelope().log_stream)
    }

    /// `ACCOUNT_LEVEL_POLICY` where a subscription policy of the account sent the event.
    pub fn policy_level(&self) -> Option<&'a str> {
        self.get(self.envelope().policy_level)
    }

    /// The names of the subscription filters that matched.
    pub fn subscription_filters(&self) -> Vec<String> {
        let json = self.get(self.envelope().subscription_filters).unwrap_or("[]");
        let mut names = Vec::new();
        // The array was read over once already: it cannot fail here.
        let _ = Reader::new(json.as_bytes(), 0, MAX_JSON_DEPTH).array(|reader| {
            if let RawValue::String(raw) = reader.value()? {
                let mut name = String::new();
                if json::unescape(&json[raw.start..raw.end], &mut name).is_some() {
                    names.push(name);
                }
            }
            Ok(())
        });
        names
    }

    /// The sub-sequence number of the user record that the event came in, if that was taken out of a KPL container while
    /// decoding.
    pub fn sub_sequence_number(&self) -> Option<u64> {
        self.envelope().sub_sequence_number
    }

    /// `extractedFields`, present if the filter's pattern names fields.
    #[inline]
    pub fn extracted_fields(&self) -> Option<ExtractedFields<'a>> {
        let json = self.get(self.event.extracted_fields)?;
        Some(ExtractedFields::new(json, self.decoded.text.with_window(self.event.extracted_fields).1))
    }

    /// The value of one extracted field.
    pub fn extracted_field(&self, name: &str) -> Option<FieldValue<'a>> {
        self.extracted_fields()?.get(name)
    }

    /// The message as a flow log, if it is one of the format that the text's [header](Self::header) states, or if there
    /// is none, of one that can be [inferred](Format::infer); [`FlowLog::format`] tells which. Its values are of their
    /// fields' kinds.
    #[inline]
    pub fn flow_log(&self) -> Option<FlowLog<'a>> {
        match self.header() {
            Some(format) => self.parsed_as(format).ok(),
            None => {
                let (line, window) = self.line();
                let mut flow = FlowLog::new(Format::default_format());
                Format::infer_into(&mut flow, line, window)?;
                Some(flow)
            }
        }
    }

    /// Writes the [flow log](Self::flow_log), if the message is one, as [`FlowLog::write_json`] does.
    #[inline(always)]
    pub(crate) fn write_flow_log_json(&self, out: &mut Vec<u8>) -> Option<()> {
        match self.header() {
            Some(format) => self.write_json_of(format, out).ok(),
            None => {
                let (line, window) = self.line();
                write_inferred(line, window, out)
            }
        }
    }

    /// The format that the header line states of the text that the event is a line of. Envelopes have none.
    pub fn header(&self) -> Option<&'a Format> {
        self.decoded.tables.headers.get(self.envelope().header? as usize)
    }

    /// The message as a flow log of `format`, split but not checked (see [`FlowLog::check`]).
    ///
    /// ```
    /// use kinesis_logs_decoder::flow_log::Format;
    ///
    /// # let record = br#"{"messageType":"DATA_MESSAGE","logEvents":[{"message":"ingress - 10.0.133.8"}]}"#;
    /// let format: Format = "${flow-direction} ${traffic-path} ${srcaddr}".parse()?;
    /// let decoded = kinesis_logs_decoder::decode(record);
    /// for event in decoded.events() {
    ///     let flow = event.flow_log_of(&format)?;
    ///     assert_eq!(flow.flow_direction(), Some("ingress"));
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`Format::split_line`].
    #[inline]
    pub fn flow_log_of(&self, format: &'a Format) -> Result<FlowLog<'a>, FlowLogError> {
        let mut flow = FlowLog::new(format);
        flow.read(self)?;
        Ok(flow)
    }

    /// The same, with every value checked.
    pub(crate) fn parsed_as(&self, format: &'a Format) -> Result<FlowLog<'a>, FlowLogError> {
        let flow = self.flow_log_of(format)?;
        flow.check()?;
        Ok(flow)
    }

    /// Appends the message as [`FlowLog::write_json`] does a flow log of `format`. Faster than making one first.
    ///
    /// ```
    /// use kinesis_logs_decoder::flow_log::Format;
    ///
    /// # let record = br#"{"messageType":"DATA_MESSAGE","logEvents":[{"message":"ingress 443"}]}"#;
    /// let format: Format = "${flow-direction} ${dstport}".parse()?;
    /// let decoded = kinesis_logs_decoder::decode(record);
    /// let mut json = Vec::new();
    /// for event in decoded.events() {
    ///     event.write_json_of(&format, &mut json)?;
    /// }
    /// assert_eq!(json, br#"{"flow_direction":"ingress","dstport":443}"#);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`Format::parse_line`]; `out` is then as it was.
    #[inline]
    pub fn write_json_of(&self, format: &Format, out: &mut Vec<u8>) -> Result<(), FlowLogError> {
        let (line, window) = self.line();
        write_line(format, line, window, out)
    }

    /// The message as a line, and what stands behind it, for those who read in blocks. Firehose and other forwarders wrap
    /// lines in JSON.
    #[inline(always)]
    pub(crate) fn line(&self) -> (&'a str, &'a [u8]) {
        let (message, window) = self.decoded.text.with_window(self.event.message);
        if message.as_bytes().first() == Some(&b'{') { unwrapped(message, window) } else { (message, window) }
    }

    #[inline]
    fn get(&self, span: Span) -> Option<&'a str> {
        self.decoded.text.get(span)
    }

    #[inline]
    fn envelope(&self) -> &'a Envelope {
        &self.decoded.tables.envelopes[self.event.envelope as usize]
    }
}

/// The line in `{"message":"line"}`, if that is all there is.
#[cold]
fn unwrapped<'a>(message: &'a str, window: &'a [u8]) -> (&'a str, &'a [u8]) {
    const BEFORE: &str = "{\"message\":\"";
    let line = message.trim_ascii_end().strip_prefix(BEFORE).and_then(|rest| rest.strip_suffix("\"}"));
    match line {
        Some(line) if !line.contains(['"', '\\']) => (line, &window[BEFORE.len()..]),
        _ => (message, window),
    }
}
