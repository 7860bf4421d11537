//! Why a record, or a part of it, could not be decoded.

/// One thing that was wrong with a record.
///
/// Decoding does not stop at the first mistake if something sensible can follow: see
/// [`can_continue`](Self::can_continue).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}{}{}", At(*.offset), Of(*.sub_sequence_number))]
pub struct DecodeError {
    kind: DecodeErrorKind,
    offset: Option<usize>,
    sub_sequence_number: Option<u64>,
}

/// What kind of mistake a [`DecodeError`] is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// The record has no bytes, or inflates to none.
    #[error("the record is empty")]
    Empty,
    /// The record is in no form that the decoder knows, see [`Payload`](crate::Payload).
    #[error("neither compressed, nor JSON, nor flow log lines (it starts with {})", Hex(.start))]
    UnknownContainer {
        /// The record's first bytes, at most eight.
        start: Vec<u8>,
    },
    /// The record is not compressed as the caller said.
    #[error("not {expected} data (it starts with {})", Hex(.start))]
    OtherCompression {
        /// The name of the compression that was fixed.
        expected: &'static str,
        /// The record's first bytes, at most eight.
        start: Vec<u8>,
    },
    /// The record is in a form whose feature was left out.
    #[error("{what} is not supported, as the feature {feature:?} is not compiled in")]
    Unsupported {
        /// The form.
        what: &'static str,
        /// The feature of this crate that reads it.
        feature: &'static str,
    },
    /// Compressed data ends before its end was reached. What came before the cut was decoded.
    #[error("the compressed data is cut short; {recovered} bytes were recovered")]
    Truncated {
        /// Bytes inflated before the cut.
        recovered: usize,
    },
    /// Compressed data is damaged. What came before the damage was decoded.
    #[error("the compressed data is damaged ({reason}); {recovered} bytes were recovered")]
    Damaged {
        /// What the inflater found.
        reason: &'static str,
        /// Bytes inflated before the damage.
        recovered: usize,
    },
    /// The record would inflate to more than [`Limits::decompressed_bytes`](crate::Limits::decompressed_bytes).
    #[error("the record inflates to more than the limit of {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// More layers than [`Limits::layers`](crate::Limits::layers).
    #[error("more than {limit} layers are wrapped around one another")]
    TooManyLayers {
        /// The limit.
        limit: usize,
    },
    /// More envelopes than [`Limits::envelopes`](crate::Limits::envelopes). The first ones were decoded.
    #[error("the record holds more than the limit of {limit} envelopes")]
    TooManyEnvelopes {
        /// The limit.
        limit: usize,
    },
    /// More events than [`Limits::events`](crate::Limits::events). The first ones were decoded.
    #[error("the record holds more than the limit of {limit} log events")]
    TooManyEvents {
        /// The limit.
        limit: usize,
    },
    /// More user records than [`Limits::user_records`](crate::Limits::user_records). The first ones were decoded.
    #[error("the record holds more than the limit of {limit} user records")]
    TooManyUserRecords {
        /// The limit.
        limit: usize,
    },
    /// JSON nests deeper than [`Limits::json_depth`](crate::Limits::json_depth).
    #[error("the JSON nests deeper than {limit} levels")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// The text is not UTF-8. It was decoded with replacement characters in place of the invalid bytes.
    #[error("the text is not valid UTF-8")]
    Utf8,
    /// The JSON is malformed. Events that were complete before it were decoded.
    #[error("malformed JSON: expected {expected}")]
    Json {
        /// What should have stood there.
        expected: &'static str,
    },
    /// Data within JSON that should be base64 is not.
    #[error("the data in the event is no base64")]
    Base64,
    /// A JSON object that is no CloudWatch Logs envelope: it has neither `messageType` nor `logEvents`.
    #[error("a JSON object, but not a CloudWatch Logs envelope (no messageType)")]
    NotAnEnvelope,
    /// An envelope of a kind that is neither `DATA_MESSAGE` nor `CONTROL_MESSAGE`.
    #[error("unknown messageType {message_type:?}")]
    UnknownMessageType {
        /// The type as it came, shortened to 64 characters.
        message_type: String,
    },
}

impl DecodeErrorKind {
    /// The kind's name, in snake case, for metrics and the like: `truncated`.
    pub const fn name(&self) -> &'static str {
        match self {
            DecodeErrorKind::Empty => "empty",
            DecodeErrorKind::UnknownContainer { .. } => "unknown_container",
            DecodeErrorKind::OtherCompression { .. } => "other_compression",
            DecodeErrorKind::Unsupported { .. } => "unsupported",
            DecodeErrorKind::Truncated { .. } => "truncated",
            DecodeErrorKind::Damaged { .. } => "damaged",
            DecodeErrorKind::TooLarge { .. } => "too_large",
            DecodeErrorKind::TooManyLayers { .. } => "too_many_layers",
            DecodeErrorKind::TooManyEnvelopes { .. } => "too_many_envelopes",
            DecodeErrorKind::TooManyEvents { .. } => "too_many_events",
            DecodeErrorKind::TooManyUserRecords { .. } => "too_many_user_records",
            DecodeErrorKind::TooDeep { .. } => "too_deep",
            DecodeErrorKind::Utf8 => "utf8",
            DecodeErrorKind::Json { .. } => "json",
            DecodeErrorKind::Base64 => "base64",
            DecodeErrorKind::NotAnEnvelope => "not_an_envelope",
            DecodeErrorKind::UnknownMessageType { .. } => "unknown_message_type",
        }
    }
}

impl DecodeError {
    pub(crate) fn new(kind: DecodeErrorKind) -> Self {
        DecodeError { kind, offset: None, sub_sequence_number: None }
    }

    pub(crate) fn at(kind: DecodeErrorKind, offset: usize) -> Self {
        DecodeError { kind, offset: Some(offset), sub_sequence_number: None }
    }

    pub(crate) fn of(mut self, sub_sequence_number: Option<u64>) -> Self {
        self.sub_sequence_number = sub_sequence_number;
        self
    }

    /// What kind of mistake it is.
    pub fn kind(&self) -> &DecodeErrorKind {
        &self.kind
    }

    /// Where it was found: a byte offset into the decompressed text, where that makes sense.
    pub fn offset(&self) -> Option<usize> {
        self.offset
    }

    /// Which user record of a KPL container it was found in.
    pub fn sub_sequence_number(&self) -> Option<u64> {
        self.sub_sequence_number
    }

    /// Whether what follows the mistake in the same record was decoded all the same.
    pub fn can_continue(&self) -> bool {
        matches!(
            self.kind,
            DecodeErrorKind::Utf8
                | DecodeErrorKind::Base64
                | DecodeErrorKind::NotAnEnvelope
                | DecodeErrorKind::UnknownMessageType { .. }
        )
    }

    /// Whether a bound of [`Limits`](crate::Limits) was reached, rather than the data being wrong.
    pub fn is_limit(&self) -> bool {
        matches!(
            self.kind,
            DecodeErrorKind::TooLarge { .. }
                | DecodeErrorKind::TooManyLayers { .. }
                | DecodeErrorKind::TooManyEnvelopes { .. }
                | DecodeErrorKind::TooManyEvents { .. }
                | DecodeErrorKind::TooManyUserRecords { .. }
                | DecodeErrorKind::TooDeep { .. }
        )
    }
}

struct At(Option<usize>);

impl std::fmt::Display for At {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(offset) => write!(f, " at byte {offset}"),
            None => Ok(()),
        }
    }
}

struct Of(Option<u64>);

impl std::fmt::Display for Of {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(index) => write!(f, " (user record {index})"),
            None => Ok(()),
        }
    }
}

struct Hex<'a>(&'a [u8]);

impl std::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            let gap = if index == 0 { "" } else { " " };
            write!(f, "{gap}{byte:02x}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_what_was_found_and_where() {
        let unknown = DecodeError::new(DecodeErrorKind::UnknownContainer { start: vec![0x50, 0x4b, 3] });
        assert_eq!(unknown.to_string(), "neither compressed, nor JSON, nor flow log lines (it starts with 50 4b 03)");
        let json = DecodeError::at(DecodeErrorKind::Json { expected: "a colon" }, 17);
        assert_eq!(json.to_string(), "malformed JSON: expected a colon at byte 17");
    }
}
