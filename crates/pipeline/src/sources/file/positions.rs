//! How far each file was read, and how far all that was read is settled. Without I/O.

use std::collections::{HashMap, VecDeque};

use crate::component::Outcome;
use crate::sources::given_up::Abandoned;

/// One content of a file: a file that was truncated is another.
pub(super) type FileId = u64;

/// A batch that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sent {
    file: FileId,
    number: u64,
    /// What of the file it covers, in bytes.
    pub(super) from: u64,
    pub(super) end: u64,
    /// A number that is another whenever a file is read again.
    pub(super) epoch: u64,
}

/// The batches of all files, and what was answered for them.
#[derive(Debug, Default)]
pub(super) struct Positions {
    /// The next.
    epoch: u64,
    files: HashMap<FileId, Window>,
    /// Batches that nobody has answered for.
    open: usize,
    rejected: u64,
    abandoned: u64,
}

/// The batches of one file behind its position, which moves over those that were delivered, without a gap.
#[derive(Debug, Default)]
struct Window {
    position: u64,
    first: u64,
    sent: VecDeque<(u64, Option<Outcome>)>,
    was_abandoned: bool,
    epoch: u64,
    /// Batches that come again and again.
    poison: Abandoned<u64>,
}

impl Positions {
    /// Epochs are counted from `epoch` on.
    pub(super) fn new(epoch: u64) -> Self {
        Positions { epoch, ..Positions::default() }
    }

    /// A file of which all up to `position` is settled.
    pub(super) fn begin(&mut self, file: FileId, position: u64) {
        let epoch = self.next_epoch();
        self.files.insert(file, Window { position, epoch, ..Window::default() });
    }

    fn next_epoch(&mut self) -> u64 {
        self.epoch += 1;
        self.epoch - 1
    }

    /// A file that nobody asks about any more.
    pub(super) fn end(&mut self, file: FileId) {
        self.files.remove(&file);
    }

    /// A batch is being sent that goes up to `end`.
    pub(super) fn send(&mut self, file: FileId, end: u64) -> Sent {
        let window = self.files.entry(file).or_default();
        let from = window.sent.back().map_or(window.position, |(end, _)| *end);
        window.sent.push_back((end, None));
        self.open += 1;
        Sent { file, number: window.first + window.sent.len() as u64 - 1, from, end, epoch: window.epoch }
    }

    /// A batch was answered for; `is_cut_off`: because who had it was cut off.
    pub(super) fn answer(&mut self, sent: Sent, outcome: Outcome, is_cut_off: bool) {
        self.open -= 1;
        match outcome {
            Outcome::Delivered => {}
            Outcome::Rejected => self.rejected += 1,
            Outcome::Abandoned => self.abandoned += 1,
        }
        let Some(window) = self.files.get_mut(&sent.file) else { return };
        match outcome {
            Outcome::Delivered => window.poison.delivered(&sent.from, &sent.end),
            Outcome::Abandoned if !is_cut_off => window.poison.abandoned(sent.from),
            Outcome::Rejected | Outcome::Abandoned => {}
        }
        let index = sent.number.checked_sub(window.first).and_then(|index| usize::try_from(index).ok());
        if let Some((_, answer)) = index.and_then(|index| window.sent.get_mut(index)) {
            *answer = Some(outcome);
        }
        window.was_abandoned |= outcome == Outcome::Abandoned;
        while let Some((end, Some(Outcome::Delivered))) = window.sent.front() {
            window.position = *end;
            window.first += 1;
            window.sent.pop_front();
        }
    }

    /// Up to where all of a file is settled.
    pub(super) fn position(&self, file: FileId) -> u64 {
        self.files.get(&file).map_or(0, |window| window.position)
    }

    /// Whether a batch of the file was abandoned, so that it is to be read again before it is read on.
    pub(super) fn is_abandoned(&self, file: FileId) -> bool {
        self.files.get(&file).is_some_and(|window| window.was_abandoned)
    }

    /// Where a file of which a batch was abandoned is to be read again, once all of it are answered for.
    pub(super) fn rewind(&mut self, file: FileId) -> Option<u64> {
        let next_epoch = self.epoch;
        let window = self.files.get_mut(&file)?;
        if !window.was_abandoned || window.sent.iter().any(|(_, answer)| answer.is_none()) {
            return None;
        }
        window.first += window.sent.len() as u64;
        let again = window.sent.iter().filter(|(_, answer)| *answer == Some(Outcome::Abandoned)).count();
        self.abandoned -= again as u64;
        window.sent.clear();
        window.was_abandoned = false;
        (window.epoch, self.epoch) = (next_epoch, next_epoch + 1);
        Some(window.position)
    }

    /// Whether a batch was abandoned so often that its records are to be set aside.
    pub(super) fn is_given_up(&self, sent: Sent) -> bool {
        self.files.get(&sent.file).is_some_and(|window| window.poison.is_given_up(&sent.from))
    }

    /// Whether all that was sent of a file was delivered.
    pub(super) fn is_delivered(&self, file: FileId) -> bool {
        self.files.get(&file).is_none_or(|window| window.sent.is_empty())
    }

    /// Whether all that was sent was answered for.
    pub(super) fn is_settled(&self) -> bool {
        self.open == 0
    }

    /// How many batches nobody takes.
    pub(super) fn rejected(&self) -> u64 {
        self.rejected
    }

    /// How many batches were abandoned, and not read again.
    pub(super) fn abandoned(&self) -> u64 {
        self.abandoned
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use Outcome::{Abandoned, Delivered, Rejected};

    #[test]
    fn a_position_moves_over_what_was_delivered_and_stops_before_what_was_not() {
        let mut positions = Positions::default();
        positions.begin(1, 10);
        let sent = [20, 30, 40, 50].map(|end| positions.send(1, end));
        positions.answer(sent[1], Delivered, false);
        assert_eq!(positions.position(1), 10);
        positions.answer(sent[0], Delivered, false);
        assert_eq!(positions.position(1), 30);
        positions.answer(sent[2], Rejected, false);
        positions.answer(sent[3], Delivered, false);
        assert_eq!((positions.position(1), positions.rejected()), (30, 1));
        assert!(positions.is_settled() && !positions.is_delivered(1));
    }

    #[test]
    fn what_was_abandoned_is_read_again_when_nothing_of_its_file_is_under_way() {
        let mut positions = Positions::default();
        positions.begin(1, 0);
        let sent = [10, 20, 30].map(|end| positions.send(1, end));
        positions.answer(sent[0], Delivered, false);
        positions.answer(sent[1], Abandoned, false);
        assert_eq!((positions.is_abandoned(1), positions.rewind(1)), (true, None), "the third is under way");
        positions.answer(sent[2], Delivered, false);
        assert_eq!((positions.rewind(1), positions.rewind(1), positions.abandoned()), (Some(10), None, 0));
        let again = positions.send(1, 30);
        assert_eq!((again.from, sent[1].from), (10, 10));
        assert_ne!(again.epoch, sent[1].epoch, "what is read again is told from what was read before");
        positions.answer(again, Delivered, false);
        assert_eq!(positions.position(1), 30);
    }

    #[test]
    fn an_answer_for_what_is_no_longer_asked_about_moves_nothing() {
        let mut positions = Positions::default();
        positions.begin(1, 0);
        let sent = positions.send(1, 10);
        positions.end(1);
        positions.begin(2, 0);
        positions.answer(sent, Delivered, false);
        assert_eq!((positions.position(2), positions.is_settled()), (0, true));
    }

    proptest! {
        /// Whatever is answered in whatever order, all before the position was delivered, and what follows it was not.
        #[test]
        fn nothing_before_a_position_is_undelivered(
            outcomes in proptest::collection::vec(prop_oneof![5 => Just(Delivered), 1 => Just(Abandoned)], 1..20),
            order in any::<prop::sample::Index>(),
        ) {
            let mut positions = Positions::default();
            positions.begin(1, 0);
            let sent: Vec<Sent> = (1..=outcomes.len()).map(|end| positions.send(1, end as u64)).collect();
            let first = order.index(outcomes.len());
            for index in (first..outcomes.len()).chain(0..first) {
                positions.answer(sent[index], outcomes[index], false);
            }
            let expected = outcomes.iter().take_while(|outcome| **outcome == Delivered).count() as u64;
            prop_assert_eq!(positions.position(1), expected);
            let abandoned = outcomes.contains(&Abandoned);
            prop_assert_eq!(positions.rewind(1), abandoned.then_some(expected));
        }
    }
}
