//! What moves: events that share their buffers, and one acknowledgement.

use std::cell::OnceCell;
use std::ops::Range;
use std::sync::Arc;

use kinesis_logs_decoder::flow_log::{Format, Formats};
use kinesis_logs_decoder::{Decoded, Event as LogEvent};
use kinesis_logs_source::Record;
use kinesis_logs_source::protocol::PositionRange;

use super::ack::{Acknowledgement, Outcome};
use super::event::{Changes, Event};
use super::pool::Pool;

/// Which stretch of its source a batch covers. Transforms change events, never this: who has accepted all of a shard's
/// batches up to one has accepted all that the shard held up to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Origin {
    /// The source's name in the configuration.
    pub source: Arc<str>,
    /// The stream's name; of files `file`.
    pub stream: Arc<str>,
    /// The shard's; of a file what it is known by whatever it is called, its device and inode.
    pub shard_id: kinesis_logs_source::ShardId,
    /// What of the shard it covers, of a file in bytes.
    pub range: PositionRange,
    /// A number that grows whenever the shard is taken up again, also by another component that takes a source's place: batches
    /// of one epoch come in order, without repeats. Sources count from
    /// [`SourceContext::first_epoch`](super::SourceContext::first_epoch) on.
    pub epoch: u64,
}

impl Origin {
    /// What a batch of a shard covers.
    pub fn new(source: Arc<str>, record: &Record, range: PositionRange, epoch: u64) -> Self {
        Origin { source, stream: record.stream.clone(), shard_id: record.shard_id.clone(), range, epoch }
    }
}

/// Events in order, which may be none: a batch that was emptied is sent on all the same, so that what it covers is
/// acknowledged behind what came before it.
///
/// Records and their text are shared by all copies of a batch; a copy has a list of its own of which events are in it, and
/// of what was changed of them. Leaving events out moves nothing but that list.
#[derive(Debug, Clone)]
pub struct Batch {
    contents: Arc<Contents>,
    slots: Vec<Slot>,
    acknowledgement: Acknowledgement,
    origin: Option<Arc<Origin>>,
    /// Events that were left out since it came to where it is.
    left_out: usize,
}

/// What becomes of an event.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Fate {
    /// It stays as it is.
    Keep,
    /// It stays, with all that was changed of it so far.
    Change(Changes),
    /// These take its place.
    Replace(Vec<Changes>),
    /// It is left out on purpose, and counts as delivered.
    LeaveOut,
    /// It goes to another output, with all that was changed of it so far.
    SetAside(Changes),
}

#[derive(Debug)]
struct Contents {
    records: Vec<(Record, Decoded)>,
    /// Of the records that are lines of a file, which come in order, where those begin.
    lines: Vec<LinesOf>,
    formats: Arc<Formats>,
    bytes: usize,
    /// Events that were decoded, and the bytes of their text.
    decoded: usize,
    text: usize,
    /// Where the records' buffers go in the end.
    pool: Pool,
}

impl Drop for Contents {
    fn drop(&mut self) {
        self.pool.put(self.records.drain(..).map(|(_, decoded)| decoded));
    }
}

#[derive(Debug, Clone)]
struct Slot {
    /// Which record, or `NONE`.
    record: u32,
    /// Which of its events, or `NONE`.
    event: u32,
    /// Which of the known formats its flow log is found to have.
    known_format: Option<&'static Format>,
    changes: Option<Box<Changes>>,
}

const NONE: u32 = u32::MAX;

/// Where the lines lie that make up a record: they are told apart by that, as how many are read together is chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lines {
    /// At which byte of their file.
    pub(crate) position: u64,
    /// How long the header is that was put in front of them.
    pub(crate) header: usize,
}

/// The lines of one of the records.
#[derive(Debug)]
struct LinesOf {
    record: u32,
    lines: Lines,
    /// At which byte of the record's data each event begins, where its text is not the same bytes.
    repaired: Option<Vec<usize>>,
}

impl LinesOf {
    #[cfg(feature = "codecs")]
    fn new(index: u32, lines: Lines, record: &Record, decoded: &Decoded) -> Self {
        let is_same = decoded.errors().is_empty() && decoded.text_len() == record.data.len();
        LinesOf { record: index, lines, repaired: (!is_same).then(|| offsets_in_data(&record.data, decoded)) }
    }

    /// At which byte of its file an event begins.
    fn offset(&self, index: u32, event: &LogEvent<'_>) -> Option<u64> {
        let offset = match &self.repaired {
            Some(offsets) => *offsets.get(index as usize)?,
            None => event.message_offset()?,
        };
        Some(self.lines.position + offset.checked_sub(self.lines.header)? as u64)
    }
}

/// At which byte of a record's data each event begins, given that what is no UTF-8 was replaced in its text; nothing if the text
/// is something else.
#[cfg(feature = "codecs")]
fn offsets_in_data(data: &[u8], decoded: &Decoded) -> Vec<usize> {
    if String::from_utf8_lossy(data).len() != decoded.text_len() {
        return Vec::new();
    }
    let mut chunks = data.utf8_chunks();
    // Where the piece lies that is looked at, in the text and in the data, and how long it is in both.
    let (mut text, mut at, mut len, mut len_in_data) = (0, 0, 0, 0);
    let offsets = decoded.events().map_while(|event| {
        let offset = event.message_offset()?;
        while offset >= text + len {
            let chunk = chunks.next()?;
            (text, at) = (text + len, at + len_in_data);
            len_in_data = chunk.valid().len() + chunk.invalid().len();
            let replaced = if chunk.invalid().is_empty() { 0 } else { char::REPLACEMENT_CHARACTER.len_utf8() };
            len = chunk.valid().len() + replaced;
        }
        Some(at + (offset - text))
    });
    offsets.collect()
}

impl Contents {
    /// An event is large, and made where it is looked at: moving it costs more than reading it.
    #[inline(always)]
    fn event<'a>(&'a self, slot: &'a Slot) -> Event<'a> {
        let source = self.records.get(slot.record as usize);
        let read = source.and_then(|(_, decoded)| decoded.event(slot.event as usize));
        let lines = self.lines.binary_search_by_key(&slot.record, |lines| lines.record);
        let lines = lines.ok().and_then(|place| self.lines.get(place));
        Event {
            offset: lines.zip(read.as_ref()).and_then(|(lines, event)| lines.offset(slot.event, event)),
            read,
            record: source.map(|(record, _)| record),
            formats: &self.formats,
            changes: slot.changes.as_deref(),
            flow: OnceCell::new(),
            known_format: slot.known_format,
            index: (slot.event != NONE).then_some(slot.event),
        }
    }
}

impl Batch {
    /// Starts a batch. `formats` tells the formats of its flow logs.
    pub fn builder(formats: Arc<Formats>) -> BatchBuilder {
        BatchBuilder::new(formats, Pool::default())
    }

    /// How many events are in it.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether no event is in it.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// What it takes in memory, roughly, in bytes. Copies count what they share.
    pub fn bytes(&self) -> usize {
        let changes = self.slots.iter().filter_map(|slot| slot.changes.as_ref()).map(|changes| changes.weight());
        self.contents.bytes + self.slots.len() * size_of::<Slot>() + changes.sum::<usize>()
    }

    /// How many bytes its events are, as metrics have it: of the text that was decoded each event has the same share, so that
    /// it takes no walk through them.
    pub(crate) fn event_bytes(&self) -> usize {
        match self.contents.decoded {
            // Made by hand, of what is rare.
            0 => self
                .slots
                .iter()
                .filter_map(|slot| slot.changes.as_ref())
                .map(|changes| changes.weight_of_members())
                .sum(),
            decoded => (self.contents.text as u128 * self.slots.len() as u128 / decoded as u128) as usize,
        }
    }

    /// The events, in order.
    pub fn events(&self) -> impl ExactSizeIterator<Item = Event<'_>> {
        self.slots.iter().map(|slot| self.contents.event(slot))
    }

    /// Lets `look` see the events, in order: faster than [`events`](Self::events), which moves each of them.
    #[inline]
    pub fn for_each(&self, mut look: impl FnMut(&Event<'_>)) {
        for slot in &self.slots {
            look(&self.contents.event(slot));
        }
    }

    /// The same with `to`, and faster where events are taken as they were read: `read` sees those that nobody changed, and the format
    /// that is known of them; `look` sees the others, and what `read` does not take.
    #[cfg(feature = "codecs")]
    pub(crate) fn for_each_read<T>(
        &self,
        to: &mut T,
        mut read: impl FnMut(&mut T, &LogEvent<'_>, Option<&'static Format>) -> bool,
        mut look: impl FnMut(&mut T, &Event<'_>),
    ) {
        for slot in &self.slots {
            if slot.changes.is_none()
                && let Some((_, decoded)) = self.contents.records.get(slot.record as usize)
                && let Some(event) = decoded.event(slot.event as usize)
                && read(to, &event, slot.known_format)
            {
                continue;
            }
            look(to, &self.contents.event(slot));
        }
    }

    /// The formats of its flow logs.
    #[cfg(feature = "codecs")]
    pub(crate) fn formats(&self) -> &Formats {
        &self.contents.formats
    }

    /// One of the events.
    pub fn event(&self, index: usize) -> Option<Event<'_>> {
        self.slots.get(index).map(|slot| self.contents.event(slot))
    }

    /// Keeps the events for which `keep` says so. The others count as delivered.
    pub fn retain(&mut self, mut keep: impl FnMut(&Event<'_>) -> bool) {
        let before = self.slots.len();
        self.slots.retain_mut(|slot| {
            let event = self.contents.event(slot);
            let is_kept = keep(&event);
            slot.known_format = event.known_format();
            is_kept
        });
        self.left_out += before - self.slots.len();
    }

    /// Lets `change` see each event as it is, and note what is to be changed of it.
    pub fn update(&mut self, mut change: impl FnMut(&Event<'_>, &mut Changes)) {
        for slot in &mut self.slots {
            let mut changes = slot.changes.as_deref().cloned().unwrap_or_default();
            change(&self.contents.event(slot), &mut changes);
            if slot.changes.as_deref() != Some(&changes) && changes != Changes::default() {
                slot.changes = Some(Box::new(changes));
            }
        }
    }

    /// Lets `fate` see each event, and say what becomes of it. Gives the batch of those that are set aside, if there are any;
    /// it is to be answered for as a part of this one.
    pub fn rewrite(&mut self, mut fate: impl FnMut(&Event<'_>) -> Fate) -> Option<Batch> {
        let mut aside: Vec<Slot> = Vec::new();
        let mut kept: Vec<Slot> = Vec::with_capacity(self.slots.len());
        for mut slot in std::mem::take(&mut self.slots) {
            let (fate, known_format) = {
                let event = self.contents.event(&slot);
                (fate(&event), event.known_format())
            };
            slot.known_format = known_format;
            match fate {
                Fate::Keep => kept.push(slot),
                Fate::Change(changes) => {
                    slot.changes = Some(Box::new(changes));
                    kept.push(slot);
                }
                Fate::Replace(all) => {
                    kept.extend(all.into_iter().map(|changes| Slot { changes: Some(Box::new(changes)), ..slot }));
                }
                Fate::LeaveOut => self.left_out += 1,
                Fate::SetAside(changes) => {
                    slot.changes = Some(Box::new(changes));
                    aside.push(slot);
                }
            }
        }
        self.slots = kept;
        let has_any = !aside.is_empty();
        has_any.then(|| Batch {
            contents: self.contents.clone(),
            slots: aside,
            acknowledgement: self.acknowledgement.clone(),
            origin: self.origin.clone(),
            left_out: 0,
        })
    }

    /// What of its source it covers, where the source has positions.
    pub fn origin(&self) -> Option<&Origin> {
        self.origin.as_deref()
    }

    /// Says what became of it.
    pub fn acknowledge(self, outcome: Outcome) {
        self.acknowledgement.answer(outcome);
    }

    /// Takes off what answers for it, for those who answer later than they need the events.
    pub fn take_acknowledgement(&mut self) -> Acknowledgement {
        std::mem::replace(&mut self.acknowledgement, Acknowledgement::none())
    }

    /// The events of `range` alone, in a batch that `acknowledgement` answers for.
    ///
    /// # Panics
    ///
    /// If the range reaches beyond the events.
    pub fn part(&self, range: Range<usize>, acknowledgement: Acknowledgement) -> Batch {
        Batch {
            contents: self.contents.clone(),
            slots: self.slots[range].to_vec(),
            acknowledgement,
            origin: self.origin.clone(),
            left_out: 0,
        }
    }

    /// Puts another acknowledgement around its own.
    pub(crate) fn wrap_acknowledgement(&mut self, wrap: impl FnOnce(Acknowledgement) -> Acknowledgement) {
        self.acknowledgement = wrap(self.take_acknowledgement());
    }

    /// How many events were left out since this was asked last.
    pub(crate) fn take_left_out(&mut self) -> usize {
        std::mem::take(&mut self.left_out)
    }

    /// A batch of other events that is to be answered for as a part of this one.
    pub fn with_events(&self, builder: BatchBuilder) -> Batch {
        let mut batch = builder.build(self.acknowledgement.clone());
        batch.origin.clone_from(&self.origin);
        batch
    }
}

/// Makes a [`Batch`].
#[derive(Debug)]
pub struct BatchBuilder {
    records: Vec<(Record, Decoded)>,
    lines: Vec<LinesOf>,
    formats: Arc<Formats>,
    slots: Vec<Slot>,
    bytes: usize,
    /// What was set of events that were made by hand.
    changed: usize,
    decoded: usize,
    text: usize,
    origin: Option<Arc<Origin>>,
    pool: Pool,
}

impl BatchBuilder {
    /// Starts a batch whose records' buffers are from `pool`, and go back there.
    pub(crate) fn new(formats: Arc<Formats>, pool: Pool) -> Self {
        let (records, lines, slots) = (Vec::new(), Vec::new(), Vec::new());
        BatchBuilder { records, lines, formats, slots, bytes: 0, changed: 0, decoded: 0, text: 0, origin: None, pool }
    }

    /// Makes room for so many records, which have so many events together.
    #[cfg(feature = "codecs")]
    pub(crate) fn reserve(&mut self, records: usize, events: usize) {
        self.records.reserve(records);
        self.slots.reserve(events);
    }

    /// Adds a record's events.
    pub fn record(&mut self, record: Record, decoded: Decoded) {
        // More than four thousand million would not fit into memory.
        let index = self.records.len() as u32;
        let events = 0..decoded.events().len() as u32;
        self.decoded += events.len();
        self.text += decoded.text_len();
        self.slots.extend(events.map(|event| Slot { record: index, event, known_format: None, changes: None }));
        self.bytes += size_of::<(Record, Decoded)>() + record.data.len() + decoded.text_len();
        self.records.push((record, decoded));
    }

    /// Adds the events of a record that was put together of lines.
    #[cfg(feature = "codecs")]
    pub(crate) fn lines(&mut self, record: Record, decoded: Decoded, lines: Lines) {
        self.lines.push(LinesOf::new(self.records.len() as u32, lines, &record, &decoded));
        self.record(record, decoded);
    }

    /// Adds an event that says `members`, of a record that it tells where it came from.
    pub fn event(&mut self, record: Option<&Record>, mut members: Changes) {
        members.replaced_all();
        let index = match record {
            Some(record) => {
                // The payload is what `members` are about.
                let mut place = record.clone();
                place.data = Default::default();
                self.bytes += size_of::<(Record, Decoded)>();
                self.records.push((place, Decoded::default()));
                self.records.len() as u32 - 1
            }
            None => NONE,
        };
        self.changed += members.weight();
        self.slots.push(Slot { record: index, event: NONE, known_format: None, changes: Some(Box::new(members)) });
    }

    /// Sets what of its source the batch covers.
    pub fn origin(mut self, origin: Origin) -> Self {
        self.origin = Some(Arc::new(origin));
        self
    }

    /// Roughly what the batch will take in memory, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes + self.changed + self.slots.len() * size_of::<Slot>()
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.slots.is_empty()
    }

    /// The batch, for which `acknowledgement` answers.
    pub fn build(self, acknowledgement: Acknowledgement) -> Batch {
        let BatchBuilder { records, lines, formats, slots, bytes, changed: _, decoded, text, origin, pool } = self;
        let contents = Arc::new(Contents { records, lines, formats, bytes, decoded, text, pool });
        Batch { contents, slots, acknowledgement, origin, left_out: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component::Value;

    #[test]
    fn what_was_set_weighs_as_much_as_it_holds_however_deep() {
        let text = || Value::from("x".repeat(1 << 20));
        let nested = Value::Array(vec![Value::Object([("name".to_owned(), text())].into()), text()]);
        for (name, value, least) in
            [("text", text(), 1 << 20), ("nested", nested, 2 << 20), ("%metadata", text(), 1 << 20)]
        {
            let mut builder = Batch::builder(Arc::default());
            let mut changes = Changes::default();
            changes.set(name, value);
            builder.event(None, changes);
            assert!(builder.bytes() >= least, "{name}: {}", builder.bytes());
            let batch = builder.build(Acknowledgement::none());
            assert!((least..least + 1024).contains(&batch.bytes()), "{name}: {}", batch.bytes());
        }
    }
}
