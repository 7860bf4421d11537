//! The decoder: what is fixed of the records' form, and the buffers that are kept.

use crate::container::Compression;
use crate::container::gzip::Backend;
use crate::decoded::Decoded;
use crate::limits::Limits;
use crate::opener::Opener;

/// What the text in a record is.
///
/// | payload | what it looks like | where it comes from |
/// |---|---|---|
/// | envelopes | a JSON object with `messageType` or `logEvents`, or several, with or without white space between | CloudWatch Logs; Firehose with decompression |
/// | Lambda events | a JSON object with `awslogs.data`, `Records[].kinesis.data` or `records[].data`, in base64 | Lambda functions, Firehose's transformation, `aws kinesis get-records` |
/// | lines | the first line is a flow log's, or a header of one | Firehose with message extraction; objects in S3 |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Payload {
    /// What it looks like, in the order of the table. Anything else is an error.
    #[default]
    Auto,
    /// Envelopes or Lambda events; anything else is an error.
    Envelopes,
    /// Every line is a log event that has a message alone; a line of JSON objects is one a JSON object. So are
    /// [envelopes taken apart by Firehose][aws].
    ///
    /// [aws]: https://docs.aws.amazon.com/firehose/latest/dev/Message_extraction.html
    Lines,
}

/// Decodes records, one at a time, and keeps its buffers between them.
///
/// See the [crate's front page](crate) for an example.
pub struct Decoder {
    opener: Opener,
    decoded: Decoded,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Opener { limits, compression, payload, .. } = &self.opener;
        f.debug_struct("Decoder")
            .field("limits", limits)
            .field("compression", compression)
            .field("payload", payload)
            .finish_non_exhaustive()
    }
}

impl Decoder {
    /// A decoder with the default [`Limits`] that recognises every form.
    pub fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    /// A decoder that spends at most `limits` on a record.
    pub fn with_limits(limits: Limits) -> Self {
        Decoder { opener: Opener::new(limits.clamped()), decoded: Decoded::default() }
    }

    /// Fixes how records are compressed, instead of looking at how each begins.
    pub fn compression(mut self, compression: Compression) -> Self {
        self.opener.compression = compression;
        self
    }

    /// Chooses what inflates gzip. Of all that compressors write results are the same. Of data that none writes they may
    /// differ: libdeflate takes blocks that list more codes than there are symbols, which zlib-rs says are damaged.
    pub fn backend(mut self, backend: Backend) -> Self {
        self.opener.inflater.backend = backend;
        self
    }

    /// Fixes what the text in records is, instead of looking at it.
    pub fn payload(mut self, payload: Payload) -> Self {
        self.opener.payload = payload;
        self
    }

    /// Leaves out those user records of KPL containers whose hash key (see
    /// [`UserRecord::hash_key`](crate::kpl::UserRecord::hash_key)) is not in the range of the shard that they were read
    /// from; [`Decoded::outside_hash_range`] counts them. They are there if a shard was split or merged between
    /// aggregating and putting, and then in no other shard: leave them out only if somebody else has them.
    #[cfg(feature = "kpl")]
    pub fn hash_range(mut self, range: std::ops::RangeInclusive<u128>) -> Self {
        self.opener.hash_range = Some(range);
        self
    }

    /// Decodes the bytes of one record.
    ///
    /// `data` is what Kinesis holds (`Record.Data` with its base64 undone, which SDKs do). KPL containers are opened,
    /// unless the feature `kpl` was left out. Mistakes are values in the result: see [`Decoded::errors`].
    pub fn decode(&mut self, data: &[u8]) -> &Decoded {
        self.opener.decode(data, true, &mut self.decoded);
        &self.decoded
    }

    /// Decodes the bytes of one user record that was taken out of a KPL container before, which therefore is no
    /// container itself, whatever it begins with.
    pub fn decode_user_record(&mut self, data: &[u8]) -> &Decoded {
        self.opener.decode(data, false, &mut self.decoded);
        &self.decoded
    }

    /// Like [`decode`](Self::decode), into buffers of the caller's, whose contents are replaced. So results can outlive
    /// the next record, go to other threads, and come back from a pool to be filled again.
    ///
    /// ```
    /// use kinesis_logs_decoder::{Decoded, Decoder};
    ///
    /// let mut decoder = Decoder::new();
    /// let mut decoded = Decoded::default();
    /// decoder.decode_into(br#"{"messageType":"DATA_MESSAGE","logEvents":[{"message":"hello"}]}"#, &mut decoded);
    /// let message = std::thread::spawn(move || decoded.events().next().map(|event| event.message().to_owned()));
    /// assert_eq!(message.join().unwrap().as_deref(), Some("hello"));
    /// ```
    pub fn decode_into(&mut self, data: &[u8], decoded: &mut Decoded) {
        self.opener.decode(data, true, decoded);
    }

    /// Like [`decode_user_record`](Self::decode_user_record), into buffers of the caller's.
    pub fn decode_user_record_into(&mut self, data: &[u8], decoded: &mut Decoded) {
        self.opener.decode(data, false, decoded);
    }
}

/// Decodes one record with a [`Decoder`] of its own: for those who have only one.
///
/// ```
/// let decoded = kinesis_logs_decoder::decode(br#"{"messageType":"DATA_MESSAGE","logEvents":[{"message":"hello"}]}"#);
/// assert_eq!(decoded.events().next().unwrap().message(), "hello");
/// ```
pub fn decode(data: &[u8]) -> Decoded {
    let mut decoded = Decoded::default();
    Decoder::new().decode_into(data, &mut decoded);
    decoded
}
