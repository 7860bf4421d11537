//! What one record may cost.

/// Upper bounds on what decoding one record may cost, so that a hostile record costs no more than a large honest one.
///
/// ```
/// use kinesis_logs_decoder::{Decoder, Limits};
///
/// let small = Limits::default().decompressed_bytes(1 << 20).events(10_000);
/// let decoder = Decoder::with_limits(small);
/// # let _ = decoder;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes a record may inflate to. Default: 128 MiB, room for the largest Kinesis record (10 MiB) of flow logs,
    /// which inflate some sevenfold. At most 700 MiB.
    pub decompressed_bytes: usize,
    /// Envelopes in one record, control messages and unknown ones included. Default: 100,000.
    pub envelopes: usize,
    /// Log events in one record. Default: 1,000,000.
    pub events: usize,
    /// Extracted fields of all events in one record together. Default: 4,000,000.
    pub extracted_fields: usize,
    /// How deep JSON may nest. Default and maximum: 64.
    pub json_depth: usize,
    /// How often gzip may be wrapped in gzip. Default: 3 (Firehose makes 2).
    pub gzip_layers: usize,
}

/// Offsets into a record's text are 31 bits wide, and a text that is no UTF-8 grows up to threefold by replacements.
const MAX_DECOMPRESSED: usize = 700 << 20;

/// The JSON skipper keeps its stack of brackets in one 64-bit word.
pub(crate) const MAX_JSON_DEPTH: usize = 64;

impl Default for Limits {
    fn default() -> Self {
        Limits {
            decompressed_bytes: 128 << 20,
            envelopes: 100_000,
            events: 1_000_000,
            extracted_fields: 4_000_000,
            json_depth: MAX_JSON_DEPTH,
            gzip_layers: 3,
        }
    }
}

impl Limits {
    /// Sets how many bytes a record may inflate to; values above 700 MiB mean 700 MiB.
    pub fn decompressed_bytes(mut self, bytes: usize) -> Self {
        self.decompressed_bytes = bytes.min(MAX_DECOMPRESSED);
        self
    }

    /// Sets how many envelopes a record may hold.
    pub fn envelopes(mut self, envelopes: usize) -> Self {
        self.envelopes = envelopes;
        self
    }

    /// Sets how many log events a record may hold.
    pub fn events(mut self, events: usize) -> Self {
        self.events = events;
        self
    }

    /// Sets how many extracted fields a record's events may have together; values above 2^32 - 1 mean that.
    pub fn extracted_fields(mut self, fields: usize) -> Self {
        self.extracted_fields = fields.min(u32::MAX as usize);
        self
    }

    /// Sets how deep JSON may nest; values above 64 mean 64.
    pub fn json_depth(mut self, depth: usize) -> Self {
        self.json_depth = depth.min(MAX_JSON_DEPTH);
        self
    }

    /// Sets how often gzip may be wrapped in gzip.
    pub fn gzip_layers(mut self, layers: usize) -> Self {
        self.gzip_layers = layers;
        self
    }

    /// The same within what the decoder can do, whatever was written into the fields.
    pub(crate) fn clamped(self) -> Self {
        let Limits { decompressed_bytes, envelopes, events, extracted_fields, json_depth, gzip_layers } = self;
        Limits::default()
            .decompressed_bytes(decompressed_bytes)
            .envelopes(envelopes)
            .events(events)
            .extracted_fields(extracted_fields)
            .json_depth(json_depth)
            .gzip_layers(gzip_layers)
    }
}
