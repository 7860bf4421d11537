//! Numbers and addresses out of a text: many bytes at a time, without looking at one after the other.
//!
//! All take a *window*, which begins with the token and goes on behind it, mostly with the rest of the record, so that whole
//! words can be loaded.

#[cfg(target_arch = "x86_64")]
mod ipv4_wide;

use std::net::{IpAddr, Ipv4Addr};

use crate::scan::{self, Lanes};

/// The whole number that the first `len` bytes of `window` are, if they are digits alone and it fits.
#[inline(always)]
pub(crate) fn integer(window: &[u8], len: usize) -> Option<u64> {
    if len.wrapping_sub(1) < 8 { number(digits(word(window), len)?) } else { long_integer(window, len) }
}

fn long_integer(window: &[u8], len: usize) -> Option<u64> {
    match len {
        9..=16 => {
            let high = number(digits(word(window), 8)?)?;
            let low = number(digits(word(&window[8..]), len - 8)?)?;
            Some(high * POWERS[len - 8] + low)
        }
        17..=20 => {
            let text = &window[..len];
            text.iter().try_fold(0u64, |number, byte| {
                let digit = byte.wrapping_sub(b'0');
                if digit > 9 { None } else { number.checked_mul(10)?.checked_add(digit.into()) }
            })
        }
        _ => None,
    }
}

const POWERS: [u64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// The first eight bytes, or as many as there are before zeros.
#[inline(always)]
fn word(window: &[u8]) -> u64 {
    match window.first_chunk() {
        Some(word) => u64::from_le_bytes(*word),
        None => short_word(window),
    }
}

#[cold]
fn short_word(window: &[u8]) -> u64 {
    let mut word = [0; 8];
    word[..window.len()].copy_from_slice(window);
    u64::from_le_bytes(word)
}

/// The lowest `len` bytes of a word, 1 to 8 of them, as digits from 0 to 9, the first of them lowest, moved to the top: the
/// bytes that become free below are leading zeros.
#[inline(always)]
fn digits(word: u64, len: usize) -> Option<u64> {
    let digits = (word ^ 0x3030_3030_3030_3030) << (64 - 8 * len as u32);
    // Adding 118 makes 128 of 10.
    let wrong = (digits.wrapping_add(0x7676_7676_7676_7676) | digits) & 0x8080_8080_8080_8080;
    (wrong == 0).then_some(digits)
}

/// Neighbours join into pairs, pairs into fours, fours into eight.
#[inline(always)]
fn number(digits: u64) -> Option<u64> {
    let pairs = digits.wrapping_mul(10 << 8 | 1) >> 8 & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100 << 16 | 1) >> 16 & 0x0000_ffff_0000_ffff;
    Some(fours.wrapping_mul(10_000 << 32 | 1) >> 32)
}

/// The address that the first `len` bytes of `window` are.
#[inline]
pub(crate) fn address(window: &[u8], len: usize) -> Option<IpAddr> {
    if let Some(address) = ipv4(window, len) {
        return Some(IpAddr::V4(address));
    }
    other_address(window, len)
}

#[cold]
fn other_address(window: &[u8], len: usize) -> Option<IpAddr> {
    str::from_utf8(window.get(..len)?).ok()?.parse().ok()
}

/// An IPv4 address in the usual notation. `None` leaves the matter open.
#[inline]
fn ipv4(window: &[u8], len: usize) -> Option<Ipv4Addr> {
    if !(7..=15).contains(&len) {
        return None;
    }
    #[cfg(target_arch = "x86_64")]
    if let Some(lanes) = scan::Avx2::detect() {
        return ipv4_wide::parse(window.first_chunk()?, len, lanes);
    }
    ipv4_by_octets(window.first_chunk()?, len)
}

/// The address that the first `len` bytes are, 7 to 15 of them, one octet after the other.
fn ipv4_by_octets(chunk: &[u8; 20], len: usize) -> Option<Ipv4Addr> {
    let dots = scan::BASELINE.equal16(chunk.first_chunk()?, b'.') & ((1 << len) - 1);
    let first = dots.trailing_zeros() as usize;
    let dots = dots & dots.wrapping_sub(1);
    let second = dots.trailing_zeros() as usize;
    let dots = dots & dots.wrapping_sub(1);
    let third = dots.trailing_zeros() as usize;
    if dots == 0 || dots & (dots - 1) != 0 {
        return None; // not three dots
    }
    let a = octet(chunk, 0, first)?;
    let b = octet(chunk, first + 1, second)?;
    let c = octet(chunk, second + 1, third)?;
    let d = octet(chunk, third + 1, len)?;
    Some(Ipv4Addr::new(a, b, c, d))
}

/// One to three digits without leading zeros, at most 255.
#[inline(always)]
fn octet(chunk: &[u8; 20], start: usize, end: usize) -> Option<u8> {
    const SMALLEST: [u32; 4] = [u32::MAX, 0, 0x0000_0100, 0x0001_0000];
    let len = end.wrapping_sub(start) & 3;
    if end != start + len {
        return None;
    }
    let text = u32::from_le_bytes(*chunk.get(start..)?.first_chunk()?);
    // As above: the digits of one to three bytes at the top, the first of them lowest.
    let digits = ((text ^ 0x3030_3030) as u64) << (32 - 8 * len as u32);
    let digits = digits as u32;
    let wrong = (digits.wrapping_add(0x7676_7676) | digits) & 0x8080_8080;
    // With the first digit highest, numbers are in order.
    let in_order = digits.swap_bytes();
    if wrong != 0 || in_order > 0x0002_0505 || in_order < SMALLEST[len] {
        return None;
    }
    Some((digits.wrapping_mul(100 << 16 | 10 << 8 | 1) >> 24) as u8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(text: &str, behind: &str) -> (Option<u64>, Option<IpAddr>) {
        let window = format!("{text}{behind}");
        (integer(window.as_bytes(), text.len()), address(window.as_bytes(), text.len()))
    }

    #[test]
    fn numbers_at_the_edges() {
        for (text, number) in [
            ("0", Some(0)),
            ("00000000000000000007", Some(7)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("000000000000000000001", None),
            ("", None),
            ("+1", None),
            ("1:", None),
            ("1/", None),
            ("123456789:", None),
        ] {
            assert_eq!(of(text, "").0, number, "{text}");
            assert_eq!(of(text, "1234567890123456789").0, number, "{text} in a longer text");
        }
    }

    proptest! {
        #[test]
        fn numbers_are_read_as_the_standard_library_reads_them(text in "[0-9]{1,20}|[0-9:/ a-f]{1,12}", behind in "[0-9 ]{0,20}") {
            let expected = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
            prop_assert_eq!(of(&text, &behind).0, expected);
        }

        #[test]
        fn addresses_are_read_as_the_standard_library_reads_them(
            text in "([0-9]{1,3}\\.){3}[0-9]{1,3}|[0-9.]{1,16}|[0-9a-f:.]{1,20}|(25[0-9]|2[0-4][0-9]|1?[0-9]{1,2})(\\.(25[0-9]|1?[0-9]{1,2})){3}",
            behind in "[0-9. ]{0,20}",
        ) {
            prop_assert_eq!(of(&text, &behind).1, text.parse().ok());
            let padded = format!("{text}{behind}{:20}", "");
            if (7..=15).contains(&text.len()) {
                let by_octets = ipv4_by_octets(padded.as_bytes().first_chunk().unwrap(), text.len());
                prop_assert_eq!(by_octets, text.parse().ok());
            }
        }
    }
}
