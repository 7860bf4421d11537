//! `dedupe`: leaves out events that came before.
//!
//! An event that is read again, because what became of it is not known, is no duplicate of itself: were it left out, it could
//! be lost. Each event is therefore remembered with the place where it was read, and with the epoch that its shard, or file, was
//! read under: the same place under another epoch is the same event once more.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::num::NonZeroUsize;

use lru::LruCache;
use serde::Deserialize;

use super::hash::hash_value;
use crate::codecs::FieldPath;
use crate::component::{
    Batch, BuildContext, BuildError, ComponentError, Emitted, Event, Origin, Problem, Transform, TransformConfig,
    ValueRef,
};

/// Leaves out events that have, in all members that are compared, the values of one that came before. They count as delivered.
/// What is read again after a failure is no duplicate of itself.
///
/// ```toml
/// [transforms.once]
/// type = "dedupe"
/// inputs = ["flows"]
/// fields.match = ["%aws.event_id"]
/// ```
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct DedupeConfig {
    /// Which members are compared: `match` or `ignore`, not both. Default: `fields.match = ["%aws.event_id"]`, the ID that CloudWatch gives each event.
    #[serde(default)]
    fields: FieldsConfig,
    /// How much is remembered.
    #[serde(default)]
    cache: CacheConfig,
}

/// Which members are compared; one of the two.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct FieldsConfig {
    /// These are. An event that has none of them, or all null, is kept.
    #[serde(rename = "match")]
    matched: Option<Vec<String>>,
    /// All that the event has are, but these.
    ignore: Option<Vec<String>>,
}

#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
struct CacheConfig {
    /// How many events are remembered; who was seen longest ago goes first. One takes some 80 bytes. Default: 5000.
    num_events: usize,
}

impl Default for CacheConfig {
    fn default() -> Self {
        CacheConfig { num_events: 5000 }
    }
}

impl TransformConfig for DedupeConfig {
    fn build(&self, _: &BuildContext) -> Result<Box<dyn Transform>, BuildError> {
        let mut problems = Vec::new();
        let mut paths = |names: &[String], key: &str| -> Vec<FieldPath> {
            let paths = names.iter().map(|name| FieldPath::parse(name, key));
            paths.filter_map(|path| path.map_err(|problem| problems.push(problem)).ok()).collect()
        };
        let compared = match (&self.fields.matched, &self.fields.ignore) {
            (None, None) => Compared::These(paths(&["%aws.event_id".to_owned()], "fields")),
            (Some(names), None) => Compared::These(paths(names, "fields.match")),
            (None, Some(names)) => {
                let bare = |name: &String| name.strip_prefix('.').unwrap_or(name).to_owned();
                Compared::AllBut(names.iter().map(bare).collect())
            }
            (Some(_), Some(_)) => {
                problems.push(Problem::new("fields are matched, or ignored, not both").key("fields"));
                Compared::These(Vec::new())
            }
        };
        if self.fields.matched.as_ref().is_some_and(Vec::is_empty) {
            problems.push(Problem::new("no fields are named").key("fields.match"));
        }
        let size = NonZeroUsize::new(self.cache.num_events);
        if size.is_none() {
            problems.push(Problem::new("at least one event must be remembered").key("cache.num_events"));
        }
        match size {
            Some(size) if problems.is_empty() => {
                let random = [RandomState::new(), RandomState::new()];
                Ok(Box::new(Dedupe { compared, random, seen: LruCache::new(size) }))
            }
            _ => Err(BuildError { problems }),
        }
    }
}

enum Compared {
    These(Vec<FieldPath>),
    AllBut(Vec<String>),
}

struct Dedupe {
    compared: Compared,
    random: [RandomState; 2],
    /// By what is compared, as hashes, of which two make it sure enough that others differ.
    seen: LruCache<[u64; 2], Place>,
}

/// Where an event was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    hash: u64,
    epoch: Option<u64>,
}

impl Transform for Dedupe {
    fn transform(&mut self, mut batch: Batch, emitted: &mut Emitted) -> Result<(), ComponentError> {
        let origin = batch.origin().cloned();
        batch.retain(|event| self.is_new(event, origin.as_ref()));
        emitted.push(batch);
        Ok(())
    }
}

impl Dedupe {
    fn is_new(&mut self, event: &Event<'_>, origin: Option<&Origin>) -> bool {
        let mut hashers = [self.random[0].build_hasher(), self.random[1].build_hasher()];
        for hasher in &mut hashers {
            if !self.compared.feed(event, hasher) {
                return true;
            }
        }
        let key = hashers.map(|hasher| hasher.finish());
        let place = Place { hash: self.hash_of_place(event, origin), epoch: origin.map(|origin| origin.epoch) };
        match self.seen.get_mut(&key) {
            Some(first) if first.hash == place.hash && first.epoch != place.epoch => {
                *first = place;
                true
            }
            Some(_) => false,
            None => {
                self.seen.put(key, place);
                true
            }
        }
    }

    fn hash_of_place(&self, event: &Event<'_>, origin: Option<&Origin>) -> u64 {
        let mut hasher = self.random[0].build_hasher();
        // A file may have another name by now.
        match origin {
            Some(origin) => (&origin.stream, origin.shard_id.as_str()).hash(&mut hasher),
            None => event.record().map(|record| (&record.stream, record.shard_id.as_str())).hash(&mut hasher),
        }
        event.sequence_number().hash(&mut hasher);
        event.record().map(|record| record.sub_sequence_number).hash(&mut hasher);
        event.index().hash(&mut hasher);
        hasher.finish()
    }
}

impl Compared {
    /// Feeds what is compared to a hash; `false` if the event has nothing of it.
    fn feed(&self, event: &Event<'_>, hasher: &mut impl Hasher) -> bool {
        let mut has_any = false;
        match self {
            Compared::These(paths) => {
                for path in paths {
                    let value = path.get(event);
                    has_any |= value.as_ref().is_some_and(|value| *value != ValueRef::Null);
                    value.is_some().hash(hasher);
                    value.iter().for_each(|value| hash_value(value, hasher));
                }
            }
            Compared::AllBut(ignored) => {
                for (name, value) in
                    event.members().iter().filter(|(name, _)| !ignored.iter().any(|known| known == name))
                {
                    has_any = true;
                    name.hash(hasher);
                    hash_value(value, hasher);
                }
            }
        }
        has_any
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kinesis_logs_decoder::flow_log::Formats;
    use kinesis_logs_decoder::{Decoded, Decoder, Payload};
    use kinesis_logs_source::Record;
    use kinesis_logs_source::protocol::{Checkpoint, ExtendedSequenceNumber, PositionRange};

    use super::*;
    use crate::component::{Acknowledgement, Lines};

    /// A record of two lines that are the same, as it was read under an epoch.
    fn read(sequence_number: &str, epoch: u64) -> Batch {
        let record = Record::new("stream", "shardId-000000000000", sequence_number, b"line\nline\n".to_vec());
        let to = ExtendedSequenceNumber::new(record.sequence_number.clone(), 0);
        let range = PositionRange { from: Checkpoint::TrimHorizon, to };
        let origin = Origin::new("source".into(), &record, range, epoch);
        let mut decoded = Decoded::default();
        Decoder::new().payload(Payload::Lines).decode_user_record_into(&record.data, &mut decoded);
        let mut builder = Batch::builder(Arc::new(Formats::new()));
        builder.record(record, decoded);
        builder.origin(origin).build(Acknowledgement::none())
    }

    /// Lines of a file, as they were read together under a name and an epoch.
    fn lines(name: &str, position: u64, text: &str, epoch: u64) -> Batch {
        let record = Record::new(name, "-", position.to_string(), text.as_bytes().to_vec());
        let range = PositionRange { from: Checkpoint::TrimHorizon, to: ExtendedSequenceNumber::new("9", 0) };
        let file = Record::new("file", "1-2", "0", Vec::new());
        let mut decoded = Decoded::default();
        Decoder::new().payload(Payload::Lines).decode_user_record_into(&record.data, &mut decoded);
        let mut builder = Batch::builder(Arc::new(Formats::new()));
        builder.lines(record, decoded, Lines { position, header: 0 });
        builder.origin(Origin::new("source".into(), &file, range, epoch)).build(Acknowledgement::none())
    }

    #[test]
    fn lines_that_are_read_again_with_others_and_under_another_name_are_no_duplicates_of_themselves() {
        let mut kept = keeps();
        assert_eq!(kept(lines("app.log", 0, "a\n", 0)) + kept(lines("app.log", 2, "b\nb\n", 0)), 2);
        assert_eq!(kept(lines("app.log.1", 0, "a\nb\nb\nc\n", 1)), 3, "but the second of two that are the same");
    }

    /// Tells how many events of a batch are kept.
    fn keeps() -> impl FnMut(Batch) -> usize {
        let config: DedupeConfig = serde_json::from_str(r#"{ "fields": { "match": ["message"] } }"#).unwrap();
        let mut dedupe = config.build(&BuildContext::new("dedupe", None)).unwrap();
        move |batch| {
            let mut emitted = Emitted::default();
            dedupe.transform(batch, &mut emitted).unwrap();
            emitted.into_batches().iter().map(|(_, batch)| batch.len()).sum::<usize>()
        }
    }

    #[test]
    fn what_is_read_again_is_no_duplicate_of_itself() {
        let mut kept = keeps();
        assert_eq!(kept(read("1", 0)), 1, "the second line is a duplicate of the first");
        assert_eq!(kept(read("2", 0)), 0, "so are those of another record");
        assert_eq!(kept(read("1", 1)), 1, "the shard was read again: the first must not get lost, nor be repeated");
        assert_eq!(kept(read("2", 1)), 0);
        assert_eq!(kept(read("1", 1)), 0, "under one epoch nothing is read twice");
    }
}
