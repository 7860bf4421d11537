//! What stands where in a line, a bit for each byte, so that most of its values are seen to be right all at once.

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
}

impl LineMarks {
    /// Nothing seen yet.
    #[inline(always)]
    pub(super) fn none() -> LineMarks {
        LineMarks { numeric: [0; BLOCKS + 1], is_plain: false }
    }

    /// Looks at a line of `len` bytes with which `window` begins, and tells the places of tokens that are `-`. Nothing is seen of
    /// a line that is long, or not padded: then no number is usual, and nothing plain.
    #[inline(always)]
    pub(super) fn look<L: Lanes>(&mut self, lanes: L, window: &[u8], len: usize, mut dash: impl FnMut(usize)) {
        if len >= BLOCKS * BLOCK || window.len() < len + BLOCK {
            return;
        }
        self.is_plain = true;
        let mut ended = 0; // so many tokens
        // Whether a token begins with the block; and whether one began with the byte before it that was a zero, or a dash.
        let (mut before, mut zero, mut lone) = (1, 0, 0);
        for (n, numeric) in self.numeric[..=len / BLOCK].iter_mut().enumerate() {
            let Some(block) = scan::block(window, n * BLOCK) else { return };
            let rest = len - n * BLOCK;
            // The end counts as a space.
            let (within, end) = if rest < BLOCK { ((1 << rest) - 1, 1 << rest) } else { (u64::MAX, 0) };
            let spaces = lanes.equal(block, b' ') & within | end;
            let digits = lanes.below(block, b'9' + 1) & !lanes.below(block, b'0');
            let begins = spaces << 1 | before;
            let (zeros, dashes) = (lanes.equal(block, b'0') & begins, lanes.equal(block, b'-') & begins);
            *numeric = digits & !(zeros << 1 | zero) | spaces;
            let mut nulls = spaces & (dashes << 1 | lone);
            while nulls != 0 {
                let below = (nulls - 1) & !nulls;
                dash(ended + (spaces & below).count_ones() as usize);
                nulls &= nulls - 1;
            }
            ended += spaces.count_ones() as usize;
            (before, zero, lone) = (spaces >> 63, zeros >> 63, dashes >> 63);
            self.is_plain &= lanes.specials(block) & within == 0;
        }
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
        let mut dashes = Vec::new();
        marks.look(lanes, window, len, |place| dashes.push(place));
        if len >= BLOCKS * BLOCK {
            prop_assert!(!marks.is_plain && dashes.is_empty());
            prop_assert!((0..len).all(|from| !marks.are_numeric(from, len)), "nothing was seen");
            return Ok(());
        }
        let are_dashes = tokens.iter().enumerate().filter(|(_, token)| *token == "-").map(|(place, _)| place);
        prop_assert_eq!(dashes, are_dashes.collect::<Vec<_>>());
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
            marks.look(scan::BASELINE, &window, line.len(), |_| {});
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
