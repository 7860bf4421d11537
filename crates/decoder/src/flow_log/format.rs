//! Which fields a flow log's lines have, and in which order.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, LazyLock};

use super::field::{Field, FieldKind};
use super::layout::{ByKind, JsonKeys, PlaceLook, UsualNumbers};
use super::record::{FlowLog, FlowLogError};

/// How many fields a format may have. AWS documents 72, and nobody needs one twice.
pub const MAX_FIELDS: usize = 96;

/// AWS's longest name has 28 characters.
const MAX_NAME: usize = 128;

/// The fields of a flow log's lines, in their order. Cheap to clone.
///
/// CloudWatch Logs and Kinesis carry no header: a reader must be told the format, or infer it ([`Format::infer`]). It is
/// written as AWS does, as a header line, or with underscores; `default` is the format of those who chose none. Names
/// that AWS does not document yet are kept as text.
///
/// ```
/// use kinesis_logs_decoder::flow_log::Format;
///
/// let aws: Format = "${version} ${vpc-id} ${srcaddr} ${brand-new}".parse()?;
/// let header: Format = "version vpc-id srcaddr brand-new".parse()?;
/// let columns: Format = "version,vpc_id,srcaddr,brand_new".parse()?;
/// assert!(aws == header && header == columns);
/// assert_eq!(aws.to_string(), "${version} ${vpc-id} ${srcaddr} ${brand-new}");
///
/// let flow = aws.parse_line("12 vpc-abcdefab012345678 10.0.0.1 mauve")?;
/// assert_eq!(flow.vpc_id(), Some("vpc-abcdefab012345678"));
/// assert_eq!(flow.raw_by_name("brand_new"), Some("mauve"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Format(Arc<Inner>);

struct Inner {
    /// What the format is called: `default`, `v5`, `custom`.
    name: String,
    columns: Vec<FormatColumn>,
    /// By field: its place in a line, or `ABSENT`.
    places: [u8; Field::ALL.len()],
    by_kind: ByKind,
    looks: Vec<PlaceLook>,
    /// Whether AWS documents some of the columns not yet.
    has_unknown: bool,
    usual_numbers: UsualNumbers,
    json_keys: JsonKeys,
}

const ABSENT: u8 = u8::MAX;

/// One field of a [`Format`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormatColumn {
    name: String,
    field: Option<Field>,
    pub(super) kind: FieldKind,
}

impl FormatColumn {
    /// The name with underscores, as columns have it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The field, if it is one that AWS documents.
    pub fn field(&self) -> Option<Field> {
        self.field
    }

    /// What the field's values are; text if the field is unknown.
    pub fn kind(&self) -> FieldKind {
        self.kind
    }

    /// Whether its values are strings in JSON.
    pub(super) fn is_quoted(&self) -> bool {
        matches!(self.kind, FieldKind::Address | FieldKind::Text)
    }
}

/// Why a text is no format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// No field is named.
    #[error("the flow log format names no field")]
    Empty,
    /// Something that is no `${field}` stands between fields that are.
    #[error("{text:?} in the flow log format is no ${{field}}")]
    NoField {
        /// The text, shortened to 64 characters.
        text: String,
    },
    /// A name has other characters than letters, digits, hyphens and underscores, or more than 128 of them.
    #[error("{name:?} in the flow log format is no field name")]
    BadName {
        /// The name, shortened to 64 characters.
        name: String,
    },
    /// A field is named twice.
    #[error("the flow log format names {name} twice")]
    Repeated {
        /// The field's name.
        name: String,
    },
    /// More than [`MAX_FIELDS`].
    #[error("the flow log format names more than {MAX_FIELDS} fields")]
    TooMany,
}

impl Format {
    /// The format of flow logs for which none was chosen: the 14 fields of version 2.
    pub fn default_format() -> &'static Format {
        &Format::known()[0]
    }

    /// The default format of Transit Gateway Flow Logs: the 36 fields of version 6.
    pub fn transit_gateway() -> &'static Format {
        &TRANSIT_GATEWAY
    }

    /// The formats that [`infer`](Self::infer) tries, in its order: the default one, all fields up to a version in the
    /// order in which AWS documents them, the same in the alphabetical order in which the console offers them, the
    /// default fields with those of ECS, and transit gateways' default.
    pub fn known() -> &'static [Format] {
        &KNOWN
    }

    /// A format of a name (`default`, `tgw`, `v2` to `v11`), or of fields, see [`Format`].
    pub fn parse(text: &str) -> Result<Format, FormatError> {
        let text = text.trim();
        if let Some(known) = Format::known().iter().find(|format| format.0.name.eq_ignore_ascii_case(text)) {
            return Ok(known.clone());
        }
        let names = if text.contains("${") { aws_names(text)? } else { words(text).collect() };
        Format::of_names("custom".to_owned(), &names)
    }

    /// The format that a header line states, as the text objects in S3 have one; `None` if the line is no header: if it
    /// does not consist of known field names, or of one word only.
    pub fn from_header(line: &str) -> Option<Format> {
        // Every record of lines is asked: mostly the first word tells, before anything is collected.
        if words(line).any(|name| Field::from_name(name).is_none()) {
            return None;
        }
        let names: Vec<&str> = words(line).collect();
        if names.len() > 1 { Format::of_names("header".to_owned(), &names).ok() } else { None }
    }

    /// The first of the [known](Self::known) formats that a line fits, by the number of its fields and the shape of its
    /// values. It is a guess: [`FlowLog::format`] tells which one was made.
    ///
    /// ```
    /// use kinesis_logs_decoder::flow_log::Format;
    ///
    /// let line = "2 123456789010 eni-1235b8ca - - - - - - - 1431280876 1431280934 - NODATA";
    /// assert_eq!(Format::infer(line).unwrap().name(), "default");
    /// assert!(Format::infer("one two three four five six seven eight nine ten 11 12 13 14").is_none());
    /// ```
    pub fn infer(line: &str) -> Option<&'static Format> {
        Format::infer_into(&mut FlowLog::new(Format::default_format()), line, line.as_bytes())
    }

    /// Reads a line into `flow` in the first of the known formats that it fits, and tells which; `window` begins with it.
    #[inline]
    pub(crate) fn infer_into<'a>(flow: &mut FlowLog<'a>, line: &'a str, window: &'a [u8]) -> Option<&'static Format> {
        let found = flow.find(line, window);
        Format::known().iter().filter(|format| format.len() == found).find(|format| {
            flow.set_format(format);
            flow.looks_right() && flow.check().is_ok()
        })
    }

    /// Splits a line into its fields, which are looked at when asked for: [`FlowLog::get`] tells values that are not of
    /// their field's kind. White space around the line is ignored; between fields any number of spaces may stand.
    ///
    /// # Errors
    ///
    /// [`FlowLogError::FieldCount`] or [`FlowLogError::TooLong`].
    pub fn split_line<'a>(&'a self, line: &'a str) -> Result<FlowLog<'a>, FlowLogError> {
        let mut flow = FlowLog::new(self);
        flow.split(line, line.as_bytes())?;
        Ok(flow)
    }

    /// Splits a line and checks every value.
    ///
    /// # Errors
    ///
    /// Those of [`split_line`](Self::split_line), and [`FlowLogError::Value`].
    pub fn parse_line<'a>(&'a self, line: &'a str) -> Result<FlowLog<'a>, FlowLogError> {
        let flow = self.split_line(line)?;
        flow.check()?;
        Ok(flow)
    }

    /// What the format is called: that of a [known](Self::known) one, `header`, or `custom`.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The fields in their order.
    pub fn columns(&self) -> &[FormatColumn] {
        &self.0.columns
    }

    /// How many fields there are.
    #[allow(clippy::len_without_is_empty, reason = "a format has at least one field")]
    pub fn len(&self) -> usize {
        self.0.columns.len()
    }

    /// Where in a line a field stands.
    #[inline]
    pub fn place(&self, field: Field) -> Option<usize> {
        match self.0.places[field as usize] {
            ABSENT => None,
            place => Some(place.into()),
        }
    }

    /// Where in a line the field of a name stands, written with underscores.
    pub fn place_of_name(&self, name: &str) -> Option<usize> {
        match Field::from_name(name) {
            Some(field) => self.place(field).filter(|place| self.columns()[*place].name == name),
            None if self.0.has_unknown => self.columns().iter().position(|column| column.name == name),
            None => None,
        }
    }

    fn of_fields(name: &str, fields: &[Field]) -> Format {
        let names: Vec<&str> = fields.iter().map(|field| field.name()).collect();
        // The tables below name no field twice.
        Format::of_names(name.to_owned(), &names).unwrap_or_else(|error| unreachable!("{error}"))
    }

    fn of_names(name: String, names: &[&str]) -> Result<Format, FormatError> {
        if names.is_empty() {
            return Err(FormatError::Empty);
        }
        if names.len() > MAX_FIELDS {
            return Err(FormatError::TooMany);
        }
        let mut columns: Vec<FormatColumn> = Vec::with_capacity(names.len());
        let mut places = [ABSENT; Field::ALL.len()];
        for (place, &name) in names.iter().enumerate() {
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(is_name) {
                return Err(FormatError::BadName { name: shortened(name) });
            }
            let name = name.replace('-', "_");
            if columns.iter().any(|column| column.name == name) {
                return Err(FormatError::Repeated { name });
            }
            let field = Field::from_name(&name);
            if let Some(field) = field {
                places[field as usize] = place as u8;
            }
            let kind = field.map_or(FieldKind::Text, Field::kind);
            columns.push(FormatColumn { name, field, kind });
        }
        let by_kind = ByKind::of(&columns);
        let looks =
            columns.iter().enumerate().filter_map(|(place, column)| Some(PlaceLook::new(place, column.field?.look()?)));
        let looks = looks.collect();
        let has_unknown = columns.iter().any(|column| column.field.is_none());
        let usual_numbers = UsualNumbers::of(&columns);
        let json_keys = JsonKeys::of(&columns);
        Ok(Format(Arc::new(Inner { name, columns, places, by_kind, looks, has_unknown, usual_numbers, json_keys })))
    }

    /// What values look like.
    #[inline]
    pub(super) fn looks(&self) -> &[PlaceLook] {
        &self.0.looks
    }

    #[inline]
    pub(super) fn by_kind(&self) -> &ByKind {
        &self.0.by_kind
    }

    #[inline]
    pub(super) fn usual_numbers(&self) -> &UsualNumbers {
        &self.0.usual_numbers
    }

    #[inline]
    pub(super) fn json_keys(&self) -> &JsonKeys {
        &self.0.json_keys
    }
}

impl PartialEq for Format {
    /// Whether the fields are the same, whatever the formats are called.
    fn eq(&self, other: &Format) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.columns() == other.columns()
    }
}

impl Eq for Format {}

impl FromStr for Format {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Format, FormatError> {
        Format::parse(text)
    }
}

impl fmt::Display for Format {
    /// The format as AWS writes it: `${version} ${account-id}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, column) in self.columns().iter().enumerate() {
            let gap = if place == 0 { "" } else { " " };
            write!(f, "{gap}${{{}}}", column.name.replace('_', "-"))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Format({}: {self})", self.name())
    }
}

/// The names in `${a} ${b}`, between which only spaces and commas stand.
fn aws_names(text: &str) -> Result<Vec<&str>, FormatError> {
    let mut names = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', ',', '\t', '\n', '\r', '\\']);
        if rest.is_empty() {
            return Ok(names);
        }
        let field = rest.strip_prefix("${").and_then(|rest| rest.split_once('}'));
        let (name, behind) = field.ok_or_else(|| FormatError::NoField { text: shortened(rest) })?;
        names.push(name.trim());
        rest = behind;
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split([' ', ',', '\t', '\n', '\r']).filter(|word| !word.is_empty())
}

pub(super) fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
}

static TRANSIT_GATEWAY: LazyLock<Format> = LazyLock::new(|| Format::of_fields("tgw", &TRANSIT_GATEWAY_FIELDS));

static KNOWN: LazyLock<Vec<Format>> = LazyLock::new(|| {
    let up_to = |version: u8| -> Vec<Field> {
        Field::ALL.iter().copied().filter(|field| field.version() <= version && field.version() != 6).collect()
    };
    let with_ecs: Vec<Field> = Field::ALL.iter().copied().filter(|field| matches!(field.version(), 2 | 7)).collect();
    let mut known = vec![Format::of_fields("default", &Field::DEFAULT_FORMAT)];
    let versions = [2, 3, 4, 5, 7, 8, 9, 10, 11];
    known.extend(versions.map(|version| Format::of_fields(&format!("v{version}"), &up_to(version))));
    known.extend(versions.map(|version| {
        let mut fields = up_to(version);
        fields.sort_by_key(|field| field.name());
        Format::of_fields(&format!("v{version}-alphabetical"), &fields)
    }));
    known.push(Format::of_fields("v2-ecs", &with_ecs));
    known.push(Format::transit_gateway().clone());
    known
});

/// In the order in which AWS documents them.
const TRANSIT_GATEWAY_FIELDS: [Field; 36] = [
    Field::Version,
    Field::ResourceType,
    Field::AccountId,
    Field::TgwId,
    Field::TgwAttachmentId,
    Field::TgwSrcVpcAccountId,
    Field::TgwDstVpcAccountId,
    Field::TgwSrcVpcId,
    Field::TgwDstVpcId,
    Field::TgwSrcSubnetId,
    Field::TgwDstSubnetId,
    Field::TgwSrcEni,
    Field::TgwDstEni,
    Field::TgwSrcAzId,
    Field::TgwDstAzId,
    Field::TgwPairAttachmentId,
    Field::Srcaddr,
    Field::Dstaddr,
    Field::Srcport,
    Field::Dstport,
    Field::Protocol,
    Field::Packets,
    Field::Bytes,
    Field::Start,
    Field::End,
    Field::LogStatus,
    Field::Type,
    Field::PacketsLostNoRoute,
    Field::PacketsLostBlackhole,
    Field::PacketsLostMtuExceeded,
    Field::PacketsLostTtlExpired,
    Field::TcpFlags,
    Field::Region,
    Field::FlowDirection,
    Field::PktSrcAwsService,
    Field::PktDstAwsService,
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn formats_are_known_by_name_and_have_the_documented_counts() {
        let count = |name: &str| Format::parse(name).unwrap().len();
        assert_eq!(["default", "v2", "v3", "v5", "V11", "tgw", "v2-ecs"].map(count), [14, 14, 21, 29, 54, 36, 24]);
        assert_eq!(Format::parse("default").unwrap(), Format::parse("v2").unwrap());
        assert_ne!(Format::parse("v5").unwrap(), Format::parse("v5-alphabetical").unwrap());
    }

    #[test]
    fn what_is_no_format_says_why() {
        let many: String = (0..97).map(|n| format!("a{n} ")).collect();
        let cases = [
            ("", "the flow log format names no field"),
            ("${version} account-id", "\"account-id\" in the flow log format is no ${field}"),
            ("${version} ${account-id", "\"${account-id\" in the flow log format is no ${field}"),
            ("${version} ${account id}", "\"account id\" in the flow log format is no field name"),
            ("version account.id", "\"account.id\" in the flow log format is no field name"),
            ("version account-id version", "the flow log format names version twice"),
            (&many, "the flow log format names more than 96 fields"),
        ];
        for (text, message) in cases {
            assert_eq!(Format::parse(text).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn a_header_is_told_from_a_line() {
        assert_eq!(Format::from_header("version account-id srcaddr\n").unwrap().len(), 3);
        for line in ["2 123456789010 eni-1", "version", "version of things", ""] {
            assert!(Format::from_header(line).is_none(), "{line}");
        }
    }

    #[test]
    fn lines_with_as_many_fields_are_told_apart_by_shape() {
        let versions = "5 123456789012 eni-1 10.0.0.1 10.0.0.2 1 2 6 3 4 1640000066 1640000297 REJECT OK vpc-1 subnet-1 i-1 1 IPv4 10.0.0.1 10.0.0.2 us-east-1 use1-az5 - - AMAZON CLOUDFRONT ingress 1";
        let letters = "999999999999 ACCEPT use2-az2 4895 192.0.2.156 50318 1614866511 ingress i-1 eni-1 OK 15 - 192.0.2.156 S3 198.51.100.6 6 us-east-2 198.51.100.7 443 1614866493 - - subnet-1 19 - IPv4 5 vpc-1";
        assert_eq!(Format::infer(versions).unwrap().name(), "v5");
        assert_eq!(Format::infer(letters).unwrap().name(), "v5-alphabetical");
    }

    proptest! {
        #[test]
        fn a_format_reads_back_what_it_displays(names in prop::collection::btree_set("[a-z][a-z0-9-]{0,12}", 1..20)) {
            let text = names.into_iter().collect::<Vec<_>>().join(" ");
            let format = Format::parse(&text).unwrap();
            prop_assert_eq!(Format::parse(&format.to_string()).unwrap(), format);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in r"[${} a-z\-,_é]{0,40}") {
            let _ = Format::parse(&text);
        }
    }
}
