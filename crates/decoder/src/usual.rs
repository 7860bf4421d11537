//! The shape in which AWS writes envelopes and log events, read without asking what comes next:
//!
//! ```json
//! {"messageType":"…","owner":"…","logGroup":"…","logStream":"…","subscriptionFilters":["…"],"logEvents":[
//! {"id":"…","timestamp":…,"message":"…","extractedFields":{"name":"value",…}},…
//! ```
//!
//! Whatever differs (another order, white space, escapes, numbers for text) ends it, and the general reader takes that
//! event, or the envelope, from its start. Both give the same for what both can read.

use crate::cloudwatch::{Envelope, LogEvent, Tables};
use crate::number::{self, Chunk};
use crate::scan::{self, BLOCK, Lanes, with_lanes};
use crate::text::Span;

with_lanes! {
/// Reads an envelope from `pos`, where it begins, up to its log events. Tells where they begin.
pub(crate) fn head(bytes: &[u8], pos: usize) -> Option<(Envelope, usize)> |lanes| {
    let mut cursor = Cursor { lanes, bytes, pos };
    let envelope = cursor.head()?;
    Some((envelope, cursor.pos))
}
}

with_lanes! {
/// Reads events from `pos`, where one begins, into the table, as long as they have the usual shape and there may be more.
/// Tells where the last one ended, which is `pos` if there was none.
pub(crate) fn log_events(bytes: &[u8], pos: usize, events: &Events, tables: &mut Tables) -> usize |lanes| {
    let mut pos = pos;
    let mut cursor = Cursor { lanes, bytes, pos };
    for _ in tables.events.len()..events.limit {
        let Some(event) = cursor.log_event() else { break };
        pos = cursor.pos;
        events.push(event, pos, tables);
        if cursor.take(b",").is_none() {
            break;
        }
    }
    pos
}
}

/// What the events of one array have in common.
pub(crate) struct Events {
    /// The index of their envelope.
    pub(crate) envelope: u32,
    /// Where in the text the array of them began, and how many events were in the table then.
    pub(crate) begin: usize,
    pub(crate) before: usize,
    /// Where the text ends.
    pub(crate) end: usize,
    /// How many there may be in the table.
    pub(crate) limit: usize,
}

impl Events {
    /// Puts an event that ended at `pos` into the table.
    #[inline(always)]
    pub(crate) fn push(&self, event: LogEvent, pos: usize, tables: &mut Tables) {
        if tables.events.len() == tables.events.capacity() {
            tables.make_room(self.before, pos - self.begin, self.end - pos, self.limit);
        }
        tables.events.push(LogEvent { envelope: self.envelope, ..event });
    }
}

struct Cursor<'a, L> {
    lanes: L,
    bytes: &'a [u8],
    pos: usize,
}

impl<L: Lanes> Cursor<'_, L> {
    #[inline(always)]
    fn head(&mut self) -> Option<Envelope> {
        self.take(b"{\"messageType\":\"")?;
        let message_type = self.string()?;
        self.take(b"\",\"owner\":\"")?;
        let owner = self.string()?;
        self.take(b"\",\"logGroup\":\"")?;
        let log_group = self.string()?;
        self.take(b"\",\"logStream\":\"")?;
        let log_stream = self.string()?;
        self.take(b"\",\"subscriptionFilters\":")?;
        let start = self.pos;
        self.take(b"[\"")?;
        self.string()?;
        self.take(b"\"]")?;
        let subscription_filters = Span::in_text(start, self.pos);
        self.take(b",\"logEvents\":")?;
        Some(Envelope { message_type, owner, log_group, log_stream, subscription_filters, ..Envelope::empty(None) })
    }

    #[inline(always)]
    fn log_event(&mut self) -> Option<LogEvent> {
        self.take(b"{\"id\":\"")?;
        let id = self.id()?;
        let timestamp = self.millis()?;
        self.take(b",\"message\":\"")?;
        let message = self.string()?;
        let extracted_fields = match self.take(b"\"}") {
            Some(()) => Span::NONE,
            None => {
                self.take(b"\",\"extractedFields\":")?;
                let start = self.pos;
                self.take(b"{\"")?;
                self.members()?;
                let end = self.pos;
                self.take(b"}")?;
                Span::in_text(start, end)
            }
        };
        Some(LogEvent { envelope: 0, id, timestamp, message, extracted_fields })
    }

    /// The members of an object of which `{"` was taken, all of them text without escapes, and its end.
    ///
    /// Between two strings stand three bytes, `":"` or `","` by turns: where such threes stand is told for many strings at
    /// once, and no other quotes may be there but the one before the closing brace.
    #[inline(always)]
    fn members(&mut self) -> Option<()> {
        let (lanes, mut at) = (self.lanes, self.pos);
        // What the block before says: which of the first two bits are the last quote of a three that began in it; and,
        // in all bits, whether it ended within a value.
        let (mut last, mut in_value) = (0, 0);
        loop {
            let block = scan::block(self.bytes, at)?;
            let (quotes, colons) = (lanes.equal(block, b'"'), lanes.equal(block, b':'));
            let between = (colons | lanes.equal(block, b',')) >> 1;
            let begin = quotes & between & quotes >> 2;
            last |= begin << 2;
            // Threes that begin in the last two bytes belong to the next block.
            let others = (quotes & !(begin | last)) & WHOLE_THREES;
            let within = match others {
                0 => WHOLE_THREES,
                _ => (1 << others.trailing_zeros()) - 1,
            };
            let begin = begin & within;
            let turns = prefix_xor(begin);
            let as_they_must = begin & last == 0 && begin & (turns ^ in_value) == begin & colons >> 1;
            if !as_they_must || lanes.equal(block, b'\\') & within != 0 {
                return None;
            }
            in_value ^= (turns >> 63).wrapping_neg();
            if others != 0 {
                self.pos = at + others.trailing_zeros() as usize;
                return if in_value == 0 { None } else { self.take(b"\"}") };
            }
            last = begin >> 60;
            at += BLOCK - 2;
        }
    }

    #[inline(always)]
    fn take(&mut self, expected: &[u8]) -> Option<()> {
        let end = self.pos + expected.len();
        (self.bytes.get(self.pos..end)? == expected).then(|| self.pos = end)
    }

    /// An event's id, whose opening quote was taken, and what stands between it and the timestamp.
    ///
    /// AWS's have 56 digits. Where that is but verified, what follows is looked at while the id still is: only one thing
    /// remains whose length must be known before the next event can be begun, the message.
    #[inline(always)]
    fn id(&mut self) -> Option<Span> {
        const USUAL: usize = 56;
        let start = self.pos;
        let marks = self.marks(start)?;
        if marks << (BLOCK - USUAL) == 0 {
            self.pos += USUAL;
            if self.take(TIMESTAMP).is_some() {
                return Some(Span::in_text(start, start + USUAL));
            }
            self.pos = start;
        }
        let id = self.string()?;
        self.take(TIMESTAMP)?;
        Some(id)
    }

    /// A string whose opening quote was taken, up to the quote that must be taken next. If it is a backslash that stands
    /// there, it cannot be.
    #[inline(always)]
    fn string(&mut self) -> Option<Span> {
        let start = self.pos;
        loop {
            let marks = self.marks(self.pos)?;
            if marks != 0 {
                self.pos += marks.trailing_zeros() as usize;
                return Some(Span::in_text(start, self.pos));
            }
            self.pos += BLOCK;
        }
    }

    /// Quotes and backslashes in a block.
    #[inline(always)]
    fn marks(&self, at: usize) -> Option<u64> {
        let block = scan::block(self.bytes, at)?;
        Some(self.lanes.equal(block, b'"') | self.lanes.equal(block, b'\\'))
    }

    /// Milliseconds as AWS writes them, which are 13 digits until the year 2286; other producers' may be up to 15.
    #[inline(always)]
    fn millis(&mut self) -> Option<Span> {
        let chunk: &Chunk = self.bytes.get(self.pos..)?.first_chunk()?;
        let len =
            if chunk[13] == b',' { 13 } else { chunk[..15].iter().take_while(|byte| byte.is_ascii_digit()).count() };
        number::integer(chunk, len)?;
        let start = self.pos;
        self.pos += len;
        Some(Span::in_text(start, self.pos))
    }
}

const TIMESTAMP: &[u8] = b"\",\"timestamp\":";

/// Where a group of three bytes may begin that lies within a block.
const WHOLE_THREES: u64 = u64::MAX >> 2;

/// Bit n is set if an odd number of the bits up to n are.
#[inline(always)]
fn prefix_xor(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::scan::BASELINE;

    /// Where members end, found string by string.
    fn one_by_one(text: &str) -> Option<usize> {
        let mut pos = 0;
        loop {
            for behind in ["\":\"", "\",\""] {
                pos += text[pos..].find(['"', '\\'])?;
                match text[pos..].strip_prefix(behind) {
                    Some(_) => pos += 3,
                    None if behind == "\",\"" && text[pos..].starts_with("\"}") => return Some(pos + 2),
                    None => return None,
                }
            }
        }
    }

    fn check<L: Lanes>(lanes: L, text: &str) -> Result<(), TestCaseError> {
        let padded = [text.as_bytes(), &[0; BLOCK]].concat();
        let mut cursor = Cursor { lanes, bytes: &padded, pos: 0 };
        let end = cursor.members().map(|()| cursor.pos);
        // A string of a colon or comma alone looks like what stands between strings; the general reader decides.
        let is_between = |byte: u8| matches!(byte, b':' | b',');
        let mut fives = text.as_bytes().windows(5);
        let is_open = fives.any(|five| {
            five[0] == b'"' && is_between(five[1]) && five[2] == b'"' && is_between(five[3]) && five[4] == b'"'
        });
        prop_assert!(end == one_by_one(text) || end.is_none() && is_open, "{text}: {end:?}");
        Ok(())
    }

    fn check_all(text: &str) -> Result<(), TestCaseError> {
        check(BASELINE, text)?;
        #[cfg(target_arch = "x86_64")]
        if let Some(lanes) = scan::Avx2::detect() {
            check(lanes, text)?;
        }
        #[cfg(target_arch = "x86_64")]
        if let Some(lanes) = scan::Avx512::detect() {
            check(lanes, text)?;
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn members_end_where_they_end_one_by_one(
            members in prop::collection::vec(("[a-z]{0,70}", "[a-z:,}{.]{0,3}|[a-zé .]{0,70}"), 1..12),
            behind in "[}\\]]{0,2}.{0,9}",
            damage: prop::sample::Index,
            by in prop::option::of("[\":,}x\\\\]{1,2}"),
        ) {
            let members: Vec<String> = members.iter().map(|(name, value)| format!("{name}\":\"{value}")).collect();
            let mut text = members.join("\",\"") + "\"}" + &behind;
            if let Some(by) = by {
                let mut at = damage.index(text.len());
                while !text.is_char_boundary(at) {
                    at -= 1;
                }
                text.insert_str(at, &by);
            }
            check_all(&text)?;
        }

        #[test]
        fn members_without_single_colons_are_read(
            members in prop::collection::vec(("[a-z]{0,70}", "[a-z0-9:,}{.]{2,70}|"), 1..12),
        ) {
            let members: Vec<String> = members.iter().map(|(name, value)| format!("{name}\":\"{value}")).collect();
            let padded = [(members.join("\",\"") + "\"}").as_bytes(), &[0; BLOCK]].concat();
            let mut cursor = Cursor { lanes: BASELINE, bytes: &padded, pos: 0 };
            prop_assert_eq!(cursor.members(), Some(()));
            prop_assert_eq!(cursor.pos, padded.len() - BLOCK);
        }
    }
}
