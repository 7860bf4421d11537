//! One line: split once, typed when asked.

use std::net::IpAddr;

use super::field::{Field, FieldKind};
use super::format::{Format, MAX_FIELDS, shortened};
use super::layout::{ByKind, PlaceLook};
use super::look::Look;
use super::marks::LineMarks;
use super::tokens::{MAX_LEN, PaddedTokens, Tokens};
use crate::Event;
use crate::number::{self, Four};
use crate::scan::{self, Lanes, with_lanes};

/// Older flow logs carried milliseconds; no second in this era is as large.
pub(super) const SMALLEST_MILLIS: u64 = 100_000_000_000;

/// A flow log line, split by a [`Format`].
///
/// Splitting finds the fields; each getter converts its own. `-` (not applicable, or not computed: never zero) is `None`.
///
/// ```
/// use kinesis_logs_decoder::flow_log::{Field, Format, Value};
///
/// let nodata = "2 123456789010 eni-1235b8ca123456789 - - - - - - - 1431280876 1431280934 - NODATA";
/// let flow = Format::default_format().parse_line(nodata)?;
/// assert_eq!(flow.account_id(), Some("123456789010"));
/// assert_eq!(flow.srcaddr(), None);
/// assert_eq!(flow.start(), Some(1431280876));
/// assert_eq!(flow.get(Field::LogStatus), Some(Value::Text("NODATA")));
/// assert_eq!(flow.to_string(), nodata);
/// # Ok::<(), kinesis_logs_decoder::flow_log::FlowLogError>(())
/// ```
#[derive(Clone)]
pub struct FlowLog<'a> {
    format: &'a Format,
    tokens: Tokens<'a>,
}

/// Why a line is not of its format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FlowLogError {
    /// The number of fields is not the format's.
    #[error("expected {expected} fields, found {}{found}", if *.found > MAX_FIELDS { "more than " } else { "" }, found = .found.min(&MAX_FIELDS))]
    FieldCount {
        /// How many the format has.
        expected: usize,
        /// How many there are; [`MAX_FIELDS`] + 1 stands for more than that.
        found: usize,
    },
    /// The line is longer than 65,535 bytes.
    #[error("a line of {len} bytes is too long for a flow log")]
    TooLong {
        /// Its length.
        len: usize,
    },
    /// A field's value is not of the field's kind.
    #[error("{value:?} is no {name}")]
    Value {
        /// The field's name.
        name: String,
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
    /// A number; times are seconds since the Unix epoch.
    Integer(u64),
    /// An address.
    Address(IpAddr),
    /// Text.
    Text(&'a str),
    /// What is not of the field's kind, as it stands in the line.
    Invalid(&'a str),
}

impl<'a> FlowLog<'a> {
    /// A flow log that has read no line yet: all its fields are empty. For many lines keep one and let it
    /// [`read`](Self::read) each, which is a little faster than [`Event::flow_log_of`](crate::Event::flow_log_of), as
    /// nothing is moved.
    ///
    /// ```
    /// use kinesis_logs_decoder::flow_log::{FlowLog, Format};
    ///
    /// # let record = br#"{"messageType":"DATA_MESSAGE","logEvents":[{"message":"egress 10.0.133.8"}]}"#;
    /// let format: Format = "${flow-direction} ${srcaddr}".parse()?;
    /// let decoded = kinesis_logs_decoder::decode(record);
    /// let mut flow = FlowLog::new(&format);
    /// for event in decoded.events() {
    ///     flow.read(&event)?;
    ///     assert_eq!(flow.flow_direction(), Some("egress"));
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn new(format: &'a Format) -> FlowLog<'a> {
        FlowLog { format, tokens: Tokens::none() }
    }

    /// Reads an event's message in place of the line before, also if a forwarder wrapped it in `{"message":"..."}`. Values
    /// are not checked, see [`check`](Self::check).
    ///
    /// # Errors
    ///
    /// [`FlowLogError::FieldCount`] or [`FlowLogError::TooLong`]; all fields are empty then.
    #[inline]
    pub fn read(&mut self, event: &Event<'a>) -> Result<(), FlowLogError> {
        let (line, window) = event.line();
        self.split(line, window)
    }

    /// Splits `line`, which `window` begins with.
    #[inline]
    pub(crate) fn split(&mut self, line: &'a str, window: &'a [u8]) -> Result<(), FlowLogError> {
        let found = self.find(line, window);
        if found == self.format.len() { Ok(()) } else { Err(self.mistake(found)) }
    }

    /// Finds the fields of `line`, however many there are, and tells that: none in a line that is too long.
    #[inline]
    pub(super) fn find(&mut self, line: &'a str, window: &'a [u8]) -> usize {
        self.tokens.find(line, window)
    }

    /// The same, and marks what stands where.
    #[inline(always)]
    pub(super) fn find_marked<L: Lanes>(
        &mut self,
        lanes: L,
        line: &'a str,
        window: &'a [u8],
        marks: &mut LineMarks,
    ) -> usize {
        self.tokens.find_marked(lanes, line, window, marks)
    }

    /// Takes the fields that were found, which must be as many, for those of another format.
    pub(super) fn set_format(&mut self, format: &'a Format) {
        self.format = format;
    }

    #[cold]
    pub(super) fn mistake(&mut self, found: usize) -> FlowLogError {
        let len = self.tokens.line().len();
        *self = FlowLog::new(self.format);
        if len > MAX_LEN {
            return FlowLogError::TooLong { len };
        }
        FlowLogError::FieldCount { expected: self.format.len(), found }
    }

    /// The format that the line was split by.
    pub fn format(&self) -> &'a Format {
        self.format
    }

    /// The line, without white space around it.
    pub fn line(&self) -> &'a str {
        self.tokens.line()
    }

    pub(super) fn window(&self) -> &'a [u8] {
        self.tokens.window()
    }

    pub(super) fn padded(&self) -> Option<PaddedTokens<'_, 'a>> {
        self.tokens.padded()
    }

    /// The value of a field; `None` if the format does not have it.
    pub fn get(&self, field: Field) -> Option<Value<'a>> {
        Some(self.value(self.format.place(field)?))
    }

    /// The field as it stands in the line, `-` included; `None` if the format does not have it.
    #[inline]
    pub fn raw(&self, field: Field) -> Option<&'a str> {
        Some(self.token(self.format.place(field)?))
    }

    /// The field of a name (with underscores), which may be one that AWS does not document yet, as it stands in the line.
    pub fn raw_by_name(&self, name: &str) -> Option<&'a str> {
        Some(self.token(self.format.place_of_name(name)?))
    }

    /// The value at a place in the format.
    ///
    /// # Panics
    ///
    /// If the format has fewer fields.
    #[inline]
    pub fn value(&self, place: usize) -> Value<'a> {
        self.typed(self.format.columns()[place].kind, place)
    }

    /// All values in the order of the format.
    pub fn values(&self) -> impl ExactSizeIterator<Item = (&'a str, Value<'a>)> {
        let columns = self.format.columns().iter().enumerate();
        columns.map(|(place, column)| (column.name(), self.typed(column.kind, place)))
    }

    /// Writes the values into `values`, in the order of the format, as many as there is room for: the fastest way to every
    /// one of them.
    ///
    /// ```
    /// use kinesis_logs_decoder::flow_log::{Format, MAX_FIELDS, Value};
    ///
    /// let format: Format = "dstport action".parse()?;
    /// let mut values = [Value::Null; MAX_FIELDS];
    /// format.split_line("443 REJECT")?.values_into(&mut values);
    /// assert_eq!(values[..format.len()], [Value::Integer(443), Value::Text("REJECT")]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn values_into(&self, values: &mut [Value<'a>]) {
        match (self.padded(), values.get_mut(..self.format.len())) {
            (Some(tokens), Some(values)) => type_all(self, tokens, values),
            _ => self.type_each(0..self.format.len().min(values.len()), values),
        }
    }

    /// Whether every value is of its field's kind.
    ///
    /// # Errors
    ///
    /// [`FlowLogError::Value`] names the first that is not.
    pub fn check(&self) -> Result<(), FlowLogError> {
        if self.padded().is_some_and(|tokens| is_valid(self, tokens)) {
            return Ok(());
        }
        for (name, value) in self.values() {
            if let Value::Invalid(value) = value {
                return Err(FlowLogError::Value { name: name.to_owned(), value: shortened(value) });
            }
        }
        Ok(())
    }

    /// Whether every value looks like its field's, as far as a look tells.
    #[inline(always)]
    pub(super) fn looks_right(&self) -> bool {
        for PlaceLook { place, look, glance } in self.format.looks() {
            let at_a_glance = self.tokens.chunk(*place).is_some_and(|(chunk, len)| glance.fits(chunk, len));
            if !at_a_glance && !self.looks_right_at(*place, *look) {
                return false;
            }
        }
        true
    }

    #[inline(never)]
    fn looks_right_at(&self, place: usize, look: Look) -> bool {
        let token = self.token(place);
        token == "-" || look.fits(token)
    }

    #[inline]
    pub(super) fn token(&self, place: usize) -> &'a str {
        self.tokens.get(place)
    }

    /// Types what is usual; the rest is looked at once more.
    fn typed(&self, kind: FieldKind, place: usize) -> Value<'a> {
        let usual = match kind {
            FieldKind::Integer { max } => self.usual_number(place, max).map(Value::Integer),
            FieldKind::Time => self.usual_number(place, u64::MAX).map(|time| Value::Integer(seconds(time))),
            FieldKind::Address => self.usual_address(place).map(Value::Address),
            FieldKind::Text => Some(self.token(place)).filter(|text| text.as_bytes() != b"-").map(Value::Text),
        };
        usual.unwrap_or_else(|| self.unusual(kind, place))
    }

    /// Types the fields at some places, each alone.
    fn type_each(&self, places: impl IntoIterator<Item = usize>, values: &mut [Value<'a>]) {
        for place in places {
            values[place] = self.value(place);
        }
    }

    /// Null, an IPv6 address, a very long number; or what is not of its kind.
    #[cold]
    #[inline(never)]
    fn unusual(&self, kind: FieldKind, place: usize) -> Value<'a> {
        let token = self.token(place);
        if token == "-" {
            return Value::Null;
        }
        let value = match kind {
            FieldKind::Integer { max } => self.unusual_number(place, max).map(Value::Integer),
            FieldKind::Time => self.unusual_number(place, u64::MAX).map(|time| Value::Integer(seconds(time))),
            FieldKind::Address => self.unusual_address(place).map(Value::Address),
            FieldKind::Text => Some(Value::Text(token)),
        };
        value.unwrap_or(Value::Invalid(token))
    }

    #[inline]
    pub(super) fn text(&self, field: Field) -> Option<&'a str> {
        self.raw(field).filter(|&text| text.as_bytes() != b"-")
    }

    #[inline]
    pub(super) fn number(&self, field: Field, max: u64) -> Option<u64> {
        let place = self.format.place(field)?;
        self.usual_number(place, max).or_else(|| self.unusual_number(place, max))
    }

    #[inline]
    pub(super) fn time(&self, field: Field) -> Option<u64> {
        self.number(field, u64::MAX).map(seconds)
    }

    #[inline]
    pub(super) fn address(&self, field: Field) -> Option<IpAddr> {
        let place = self.format.place(field)?;
        self.usual_address(place).or_else(|| self.unusual_address(place))
    }

    #[inline(always)]
    fn usual_number(&self, place: usize, max: u64) -> Option<u64> {
        let (chunk, len) = self.tokens.chunk(place)?;
        number::integer(chunk, len).filter(|number| *number <= max)
    }

    #[inline(always)]
    fn usual_address(&self, place: usize) -> Option<IpAddr> {
        let (chunk, len) = self.tokens.chunk(place)?;
        scan::BASELINE.ipv4(chunk, len).map(IpAddr::V4)
    }

    #[cold]
    #[inline(never)]
    fn unusual_number(&self, place: usize, max: u64) -> Option<u64> {
        number::any_integer(self.token(place).as_bytes()).filter(|number| *number <= max)
    }

    #[cold]
    #[inline(never)]
    fn unusual_address(&self, place: usize) -> Option<IpAddr> {
        number::any_address(self.token(place).as_bytes())
    }
}

with_lanes! {
/// Whether every value is of its field's kind: the usual ones are seen many at once.
fn is_valid<'a>(flow: &FlowLog<'a>, tokens: PaddedTokens<'_, 'a>) -> bool |lanes| {
    // Any text is text.
    let ByKind { fours, numbers, addresses, .. } = flow.format.by_kind();
    let is_valid = |place: u8| !matches!(flow.value(usize::from(place)), Value::Invalid(_));
    fours.iter().all(|four| tokens.four(lanes, four).right == Four::ALL || four.places.into_iter().all(is_valid))
        && numbers.iter().all(|place| is_valid(*place))
        && addresses.iter().all(|place| {
            let (chunk, len) = tokens.chunk(usize::from(*place));
            lanes.ipv4(chunk, len).is_some() || is_valid(*place)
        })
}
}

with_lanes! {
/// Types the fields by their kinds: numbers four at once, then addresses, then texts.
fn type_all<'a>(flow: &FlowLog<'a>, tokens: PaddedTokens<'_, 'a>, values: &mut [Value<'a>]) -> () |lanes| {
    let ByKind { fours, numbers, addresses, texts } = flow.format.by_kind();
    for four in fours {
        let (places, found) = (four.places.map(usize::from), tokens.four(lanes, four));
        if found.right == Four::ALL {
            for (place, number) in places.into_iter().zip(found.numbers) {
                values[place] = Value::Integer(number);
            }
        } else {
            flow.type_each(places, values);
        }
    }
    flow.type_each(numbers.iter().map(|place| usize::from(*place)), values);
    for place in addresses.iter().map(|place| usize::from(*place)) {
        let (chunk, len) = tokens.chunk(place);
        match lanes.ipv4(chunk, len) {
            Some(address) => values[place] = Value::Address(IpAddr::V4(address)),
            None => values[place] = flow.unusual(FieldKind::Address, place),
        }
    }
    for place in texts.iter().map(|place| usize::from(*place)) {
        values[place] = tokens.text(place).map_or(Value::Null, Value::Text);
    }
}
}

#[inline]
pub(super) fn seconds(time: u64) -> u64 {
    if time >= SMALLEST_MILLIS { time / 1000 } else { time }
}

impl std::fmt::Display for FlowLog<'_> {
    /// The line as it came, but for white space around it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.line())
    }
}

impl std::fmt::Debug for FlowLog<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.values()).finish()
    }
}

impl PartialEq for FlowLog<'_> {
    /// Whether the formats have the same fields and the lines the same values, however spaced.
    fn eq(&self, other: &Self) -> bool {
        self.format == other.format && (0..self.format.len()).all(|place| self.token(place) == other.token(place))
    }
}

impl Eq for FlowLog<'_> {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ACCEPTED: &str = "2 123456789010 eni-1235b8ca123456789 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK";

    fn parse(line: &str) -> Result<FlowLog<'_>, FlowLogError> {
        Format::default_format().parse_line(line)
    }

    #[test]
    fn every_field_of_a_line_is_typed() {
        let flow = parse(ACCEPTED).unwrap();
        assert_eq!(flow.version(), Some(2));
        assert_eq!(flow.account_id(), Some("123456789010"));
        assert_eq!(flow.interface_id(), Some("eni-1235b8ca123456789"));
        assert_eq!(flow.srcaddr(), Some("172.31.16.139".parse().unwrap()));
        assert_eq!(flow.dstaddr(), Some("172.31.16.21".parse().unwrap()));
        assert_eq!((flow.srcport(), flow.dstport(), flow.protocol()), (Some(20641), Some(22), Some(6)));
        assert_eq!((flow.packets(), flow.bytes()), (Some(20), Some(4249)));
        assert_eq!((flow.start(), flow.end()), (Some(1418530010), Some(1418530070)));
        assert_eq!((flow.action(), flow.log_status()), (Some("ACCEPT"), Some("OK")));
        assert_eq!((flow.vpc_id(), flow.get(Field::TcpFlags)), (None, None));
    }

    #[test]
    fn doubled_spaces_a_line_feed_ipv6_and_milliseconds_are_fine() {
        let line =
            " 2 unknown eni-1  2001:db8::1 2001:db8::2 34892 22 6 54 8855 1477913708000   1477913820000 ACCEPT OK \n";
        let flow = parse(line).unwrap();
        assert_eq!(flow.srcaddr(), Some("2001:db8::1".parse().unwrap()));
        assert_eq!(flow.start(), Some(1477913708));
        assert_eq!(flow.get(Field::End), Some(Value::Integer(1477913820)));
        assert_eq!(flow.raw(Field::End), Some("1477913820000"));
        assert_eq!(flow.to_string(), line.trim());
    }

    #[test]
    fn a_dash_anywhere_is_none() {
        for field in Field::DEFAULT_FORMAT {
            let mut values: Vec<&str> = ACCEPTED.split(' ').collect();
            values[field as usize] = "-";
            let line = values.join(" ");
            assert_eq!(parse(&line).unwrap().get(field), Some(Value::Null), "{}", field.name());
        }
    }

    #[test]
    fn what_does_not_fit_says_why() {
        let cases = [
            ("", "expected 14 fields, found 0"),
            ("2 3 4", "expected 14 fields, found 3"),
            (&format!("{ACCEPTED} more"), "expected 14 fields, found 15"),
            (&"- ".repeat(200), "expected 14 fields, found more than 96"),
            (&"-".repeat(70_000), "a line of 70000 bytes is too long for a flow log"),
            (&ACCEPTED.replace("172.31.16.139", "host"), "\"host\" is no srcaddr"),
            (&ACCEPTED.replace(" 22 ", " 70000 "), "\"70000\" is no dstport"),
            (&ACCEPTED.replace(" 22 ", " +22 "), "\"+22\" is no dstport"),
        ];
        for (line, message) in cases {
            assert_eq!(parse(line).unwrap_err().to_string(), message);
        }
        assert!(Format::infer(&ACCEPTED.replace("ACCEPT", "accept")).is_none(), "shape matters where one infers");
    }

    #[test]
    fn a_value_that_does_not_fit_is_told_apart_from_one_that_is_not_there() {
        let line = ACCEPTED.replace(" 22 ", " 70000 ").replace("172.31.16.21 ", "- ");
        let flow = Format::default_format().split_line(&line).unwrap();
        assert_eq!((flow.dstport(), flow.dstaddr()), (None, None));
        assert_eq!(flow.get(Field::Dstport), Some(Value::Invalid("70000")));
        assert_eq!(flow.get(Field::Dstaddr), Some(Value::Null));
    }

    proptest! {
        #[test]
        fn all_values_at_once_are_those_of_each_alone(
            tokens in prop::collection::vec("-|[0-9]{1,5}|[0-9]{1,18}|[0-9]{1,3}(\\.[0-9]{1,3}){3}|[0-9a-fé:.]{1,17}", 14..16),
            space in "  ?",
            behind in "[ -~]{0,80}",
            room in 0..16usize,
        ) {
            let line = tokens.join(&space);
            let window = format!("{line}{behind}");
            for format in [Format::default_format(), &"start end srcaddr a dstaddr version b bytes packets c d e f g h".parse().unwrap()] {
                let mut flow = FlowLog::new(format);
                if flow.split(&line, window.as_bytes()).is_err() {
                    continue;
                }
                let mut values = [Value::Text("as it was"); 16];
                flow.values_into(&mut values[..room]);
                for (place, value) in values.into_iter().enumerate() {
                    let expected = if place < room.min(format.len()) { flow.value(place) } else { Value::Text("as it was") };
                    prop_assert_eq!(value, expected);
                    let token = tokens.get(place).map(String::as_str);
                    prop_assert!(place >= format.len() || token == Some(flow.token(place)));
                }
            }
        }
    }
}
