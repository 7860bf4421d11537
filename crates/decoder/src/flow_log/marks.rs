//! What stands where in a line, a bit for each byte, so that most of its values are seen to be right all at once.

use super::format::MAX_FIELDS;
use super::layout::UsualNumbers;
use super::tokens::PaddedTokens;
use crate::number::Chunk;
use crate::scan::{self, BLOCK, Lanes};

/// How many blocks a line may have, and the end behind it: one with all fields that AWS documents has fewer.
const BLOCKS: usize = 16;

/// What was seen of a line. It is filled where it stands: moving what was just written in pieces waits for all of them.
pub(super) struct LineMarks {
    /// Where digits are, or spaces, but for a digit behind a zero that a token begins with; and a word that has none.
    numeric: [u64; BLOCKS + 1],
    /// Whether all of it can stand in a JSON string as it is.
    pub(super) is_plain: bool,
    /// The places of tokens that are `-`, and others that somebody found odd.
    pub(super) odd: [bool; MAX_FIELDS],
    /// Whether there is any.
    pub(super) has_odd: bool,
}

/// A block of a line.
pub(super) struct Block<'a> {
    bytes: &'a [u8; BLOCK],
    number: usize,
    /// Which of the bytes are the line's.
    within: u64,
    /// Where tokens end: at spaces, and at the end.
    pub(super) spaces: u64,
}

impl<'a> Block<'a> {
    /// One of those of a line of `len` bytes, which must be padded.
    #[inline(always)]
    pub(super) fn new<L: Lanes>(lanes: L, window: &'a [u8], len: usize, number: usize) -> Option<Self> {
        let bytes = scan::block(window, number * BLOCK)?;
        let rest = len - number * BLOCK;
        let (within, end) = if rest < BLOCK { ((1 << rest) - 1, 1 << rest) } else { (u64::MAX, 0) };
        Some(Block { bytes, number, within, spaces: lanes.equal(bytes, b' ') & within | end })
    }
}

/// What the blocks before have left.
#[derive(Clone, Copy)]
pub(super) struct Before {
    /// How many tokens have ended.
    pub(super) ended: usize,
    /// Whether a token begins with the block.
    pub(super) begins: u64,
    /// Whether one began with the byte before it that was a zero, or a dash.
    zero: u64,
    dash: u64,
}

impl Before {
    /// Nothing was before.
    pub(super) const NONE: Before = Before { ended: 0, begins: 1, zero: 0, dash: 0 };
}

impl LineMarks {
    /// Nothing seen yet.
    #[inline(always)]
    pub(super) fn none() -> LineMarks {
        LineMarks { numeric: [0; BLOCKS + 1], is_plain: false, odd: [false; MAX_FIELDS], has_odd: false }
    }

    /// How many blocks a line of `len` bytes has with which `window` begins. Nothing is seen of one that is long, or not padded:
    /// then no number is usual, and nothing plain.
    #[inline(always)]
    pub(super) fn blocks(&mut self, window: &[u8], len: usize) -> usize {
        self.is_plain = len < BLOCKS * BLOCK && window.len() >= len + BLOCK;
        if self.is_plain { len / BLOCK + 1 } else { 0 }
    }

    /// Looks at such a line.
    #[inline(always)]
    pub(super) fn look<L: Lanes>(&mut self, lanes: L, window: &[u8], len: usize) {
        let mut before = Before::NONE;
        for number in 0..self.blocks(window, len) {
            let Some(block) = Block::new(lanes, window, len, number) else { return };
            before = self.mark(lanes, &block, before);
        }
    }

    /// Looks at the next of its blocks.
    #[inline(always)]
    pub(super) fn mark<L: Lanes>(&mut self, lanes: L, block: &Block<'_>, before: Before) -> Before {
        let Block { bytes, number, within, spaces } = *block;
        let digits = lanes.below(bytes, b'9' + 1) & !lanes.below(bytes, b'0');
        let begins = spaces << 1 | before.begins;
        let (zeros, dashes) = (lanes.equal(bytes, b'0') & begins, lanes.equal(bytes, b'-') & begins);
        if let Some(numeric) = self.numeric.get_mut(number) {
            *numeric = digits & !(zeros << 1 | before.zero) | spaces;
        }
        let mut nulls = spaces & (dashes << 1 | before.dash);
        while nulls != 0 {
            let below = (nulls - 1) & !nulls;
            self.has_odd = true;
            if let Some(odd) = self.odd.get_mut(before.ended + (spaces & below).count_ones() as usize) {
                *odd = true;
            }
            nulls &= nulls - 1;
        }
        self.is_plain &= lanes.specials(bytes) & within == 0;
        let ended = before.ended + spaces.count_ones() as usize;
        Before { ended, begins: spaces >> 63, zero: zeros >> 63, dash: dashes >> 63 }
    }

    /// Whether all numbers are such that they may be copied. If not, that leaves the matter open.
    #[inline(always)]
    pub(super) fn are_usual(&self, numbers: &UsualNumbers, tokens: PaddedTokens<'_, '_>) -> bool {
        let UsualNumbers { runs, short, long } = numbers;
        let mut are_usual = true;
        for [first, last] in runs {
            let ((from, _), (_, to)) = (tokens.range(usize::from(*first)), tokens.range(usize::from(*last)));
            are_usual &= self.are_numeric(from, to);
        }
        for (place, max) in short {
            let (chunk, len) = tokens.chunk(usize::from(*place));
            are_usual &= (len.wrapping_sub(1) < 8) & (text_as_number(chunk, len) <= *max);
        }
        for (place, most) in long {
            let (from, to) = tokens.range(usize::from(*place));
            are_usual &= to - from <= usize::from(*most);
        }
        are_usual
    }

    #[inline(always)]
    fn are_numeric(&self, mut from: usize, to: usize) -> bool {
        while from < to {
            let (word, bit) = (from / BLOCK, from % BLOCK);
            // Of a line that is too long nothing was seen, and it has more words than there are.
            let (Some(low), Some(high)) = (self.numeric.get(word), self.numeric.get(word + 1)) else { return false };
            let bits = low >> bit | high << 1 << (63 - bit);
            let within = if to - from < BLOCK { (1 << (to - from)) - 1 } else { u64::MAX };
            if !bits & within != 0 {
                return false;
            }
            from += BLOCK;
        }
        true
    }
}

/// The first `len` bytes, 1 to 8 of them, as a number in which the last counts least: of digits alone, without leading zeros, it
/// is the larger the larger their number is.
#[inline(always)]
pub(super) fn text_as_number(chunk: &Chunk, len: usize) -> u64 {
    let [first, _] = chunk.as_chunks().0 else { return 0 };
    u64::from_be_bytes(*first) >> (64u32.wrapping_sub(8 * len as u32) & 63)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{FlowLog, Format};
    use super::*;

    fn check<L: Lanes>(lanes: L, tokens: &[String], window: &[u8], len: usize) -> Result<(), TestCaseError> {
        let mut marks = LineMarks::none();
        marks.look(lanes, window, len);
        if len >= BLOCKS * BLOCK {
            prop_assert!(!marks.is_plain && !marks.has_odd);
            prop_assert!((0..len).all(|from| !marks.are_numeric(from, len)), "nothing was seen");
            return Ok(());
        }
        let are_dashes: Vec<bool> = tokens.iter().map(|token| token == "-").collect();
        prop_assert_eq!(marks.has_odd, are_dashes.contains(&true));
        prop_assert_eq!(&marks.odd[..tokens.len()], are_dashes);
        prop_assert_eq!(marks.is_plain, !tokens.iter().any(|token| token.contains(['"', '\\', '\u{1}'])));
        let is_number = |token: &String| {
            token.bytes().all(|byte| byte.is_ascii_digit()) && (token.len() == 1 || !token.starts_with('0'))
        };
        // All runs from one token to another.
        for first in 0..tokens.len() {
            let from: usize = tokens[..first].iter().map(|token| token.len() + 1).sum();
            let mut to = from;
            for last in first..tokens.len() {
                to += tokens[last].len() + usize::from(last > first);
                prop_assert_eq!(marks.are_numeric(from, to), tokens[first..=last].iter().all(is_number));
            }
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn marks_tell_dashes_numbers_and_plain_text(
            tokens in prop::collection::vec("-|0|00|0[0-9]|[0-9]{1,5}|[0-9]{20,99}|[0-9a-z]{1,9}|-[0-9]|[0-9]-|[é\"\\\\\u{1}a]{1,9}", 1..40),
            behind in "[ 0-9-]{64}",
        ) {
            let line = tokens.join(" ");
            let window = format!("{line}{behind}");
            check(scan::BASELINE, &tokens, window.as_bytes(), line.len())?;
            #[cfg(target_arch = "x86_64")]
            if let Some(lanes) = scan::Avx2::detect() {
                check(lanes, &tokens, window.as_bytes(), line.len())?;
            }
            #[cfg(target_arch = "x86_64")]
            if let Some(lanes) = scan::Avx512::detect() {
                check(lanes, &tokens, window.as_bytes(), line.len())?;
            }
        }

        #[test]
        fn of_a_line_that_is_too_long_nothing_is_said(len in BLOCKS * BLOCK - 1..=BLOCKS * BLOCK + 1, behind in 0..3usize) {
            let line = "1".repeat(len) + &" 443".repeat(behind);
            let tokens: Vec<_> = line.split(' ').map(str::to_owned).collect();
            check(scan::BASELINE, &tokens, format!("{line}{}", " ".repeat(BLOCK)).as_bytes(), line.len())?;
        }

        #[test]
        fn numbers_that_are_seen_to_be_usual_are_numbers_within_their_bounds(
            tokens in prop::collection::vec("[0-9]{1,3}|25[0-9]|6553[0-9]|[0-9]{1,21}|922337203685477580[0-9]|99999999999|-", 7..8),
        ) {
            let format: Format = "version srcport a packets start dstaddr tcp-flags".parse().unwrap();
            let line = tokens.join(" ");
            let window = [line.as_bytes(), &[b' '; BLOCK]].concat();
            let mut flow = FlowLog::new(&format);
            flow.split(&line, &window).unwrap();
            let mut marks = LineMarks::none();
            marks.look(scan::BASELINE, &window, line.len());
            let max = [255, 65_535, 0, i64::MAX as u64, 99_999_999_999, 0, 255];
            let most = [3, 5, 0, 18, 11, 0, 3];
            let is_usual = |place: usize| {
                let token = &tokens[place];
                let number = token.parse::<u64>().ok().filter(|number| *number <= max[place]);
                token.len() <= most[place] && number.is_some_and(|number| number.to_string() == *token)
            };
            let are_usual = [0, 1, 3, 4, 6].into_iter().all(is_usual);
            prop_assert_eq!(marks.are_usual(format.usual_numbers(), flow.padded().unwrap()), are_usual);
        }
    }
}
