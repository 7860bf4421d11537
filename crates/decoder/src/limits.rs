//! What one record may cost.

use crate::cloudwatch::{Envelope, LogEvent};

/// Upper bounds on what decoding one record may cost, so that a hostile record costs no more than a large honest one.
///
/// What is noted of events and envelopes may take as many bytes as the text itself may, [`decompressed_bytes`]: fewer of
/// them than their own limits allow, if that is low. It is about 36 bytes for an event, the least JSON of which is 3 bytes
/// (`{},`). What AWS writes never comes near: its shortest events, of which the id alone has 56 digits, are some 100 bytes.
/// With the default limits a record may hold 1,000,000 events, for which 36 MB are noted, whatever their text is.
///
/// [`decompressed_bytes`]: Self::decompressed_bytes
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
    /// Bytes a record may inflate to, all its layers together. Default: 128 MiB, room for the largest Kinesis record
    /// (10 MiB) of flow logs, which inflate some sevenfold. At most 700 MiB.
    pub decompressed_bytes: usize,
    /// Envelopes in one record, control messages and unknown ones included. Default: 100,000. No more than
    /// [`decompressed_bytes`](Self::decompressed_bytes) has room for, with 72 bytes or so for each.
    pub envelopes: usize,
    /// Log events in one record. Default: 1,000,000. No more than [`decompressed_bytes`](Self::decompressed_bytes) has
    /// room for, with 36 bytes for each.
    pub events: usize,
    /// User records in one KPL container, or records in one Lambda event. Default: 1,000,000.
    pub user_records: usize,
    /// How deep JSON may nest. Default and maximum: 64.
    pub json_depth: usize,
    /// How many layers may be wrapped around one another: compression, base64, KPL containers, Lambda events.
    /// Default: 6 (a Lambda event of a container of records that are compressed twice has 5).
    pub layers: usize,
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
            user_records: 1_000_000,
            json_depth: MAX_JSON_DEPTH,
            layers: 6,
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

    /// Sets how many user records a container may hold.
    pub fn user_records(mut self, user_records: usize) -> Self {
        self.user_records = user_records;
        self
    }

    /// Sets how deep JSON may nest; values above 64 mean 64.
    pub fn json_depth(mut self, depth: usize) -> Self {
        self.json_depth = depth.min(MAX_JSON_DEPTH);
        self
    }

    /// Sets how many layers may be wrapped around one another.
    pub fn layers(mut self, layers: usize) -> Self {
        self.layers = layers;
        self
    }

    /// The same within what the decoder can do and the tables may take, whatever was written into the fields.
    pub(crate) fn clamped(self) -> Self {
        let Limits { decompressed_bytes, envelopes, events, user_records, json_depth, layers } = self;
        let limits = Limits::default().decompressed_bytes(decompressed_bytes);
        let room = limits.decompressed_bytes;
        limits
            .envelopes(envelopes.min(room / size_of::<Envelope>()))
            .events(events.min(room / size_of::<LogEvent>()))
            .user_records(user_records)
            .json_depth(json_depth)
            .layers(layers)
    }
}
