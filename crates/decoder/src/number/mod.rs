//! Numbers and addresses out of a text: many bytes at a time, without looking at one after the other.
//!
//! What is usual is read from a *chunk*, the 16 bytes that the token begins with, whatever they are behind it. The rest,
//! told by `None`, takes the token itself.

#[cfg(target_arch = "x86_64")]
pub(crate) mod four_wide;
#[cfg(target_arch = "x86_64")]
pub(crate) mod ipv4_wide;

use std::net::{IpAddr, Ipv4Addr};

/// The bytes that a token begins with.
pub(crate) type Chunk = [u8; 16];

/// Four numbers, each of which was to have a largest one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Four {
    pub(crate) numbers: [u64; 4],
    /// Bit n is set if number n is one, and no larger. If not, that leaves the matter open.
    pub(crate) right: u32,
}

impl Four {
    pub(crate) const ALL: u32 = 0b1111;

    /// One after the other.
    #[inline(always)]
    pub(crate) fn each(chunks: [&Chunk; 4], lens: [usize; 4], max: &[i64; 4]) -> Four {
        let mut four = Four { numbers: [0; 4], right: 0 };
        for n in 0..4 {
            if let Some(number) = integer(chunks[n], lens[n])
                && number <= max[n] as u64
            {
                four.numbers[n] = number;
                four.right |= 1 << n;
            }
        }
        four
    }
}

/// The whole number that the first `len` bytes are, if they are 1 to 16 digits.
#[inline(always)]
pub(crate) fn integer(chunk: &Chunk, len: usize) -> Option<u64> {
    let both = u128::from_le_bytes(*chunk);
    match len {
        1..=8 => {
            let digits = digits(both as u64, len);
            (wrong(digits) == 0).then(|| number(digits))
        }
        9..=16 => {
            let (high, low) = (digits(both as u64, len - 8), digits((both >> (8 * (len - 8))) as u64, 8));
            (wrong(high) | wrong(low) == 0).then(|| number(high) * 100_000_000 + number(low))
        }
        _ => None,
    }
}

/// The whole number that a token is, if it is digits alone and fits.
#[cold]
pub(crate) fn any_integer(token: &[u8]) -> Option<u64> {
    if !(1..=20).contains(&token.len()) {
        return None;
    }
    token.iter().try_fold(0u64, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 { None } else { number.checked_mul(10)?.checked_add(digit.into()) }
    })
}

/// The lowest `len` bytes of a word, 1 to 8 of them, as digits from 0 to 9, the first of them lowest, moved to the top: the
/// bytes that become free below are leading zeros.
#[inline(always)]
fn digits(word: u64, len: usize) -> u64 {
    (word ^ 0x3030_3030_3030_3030) << (64 - 8 * len as u32)
}

/// Not 0 if one of them is above 9: adding 118 makes 128 of 10.
#[inline(always)]
fn wrong(digits: u64) -> u64 {
    (digits.wrapping_add(0x7676_7676_7676_7676) | digits) & 0x8080_8080_8080_8080
}

/// Neighbours join into pairs, pairs into fours, fours into eight.
#[inline(always)]
fn number(digits: u64) -> u64 {
    let pairs = digits.wrapping_mul(10 << 8 | 1) >> 8 & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100 << 16 | 1) >> 16 & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(10_000 << 32 | 1) >> 32
}

/// The address that a token is.
#[cold]
pub(crate) fn any_address(token: &[u8]) -> Option<IpAddr> {
    str::from_utf8(token).ok()?.parse().ok()
}

/// The IPv4 address that the first `len` bytes are in the usual notation, one octet after the other. `None` leaves the
/// matter open.
#[inline]
pub(crate) fn ipv4_by_octets(dots: u32, chunk: &Chunk, len: usize) -> Option<Ipv4Addr> {
    if !(7..=15).contains(&len) {
        return None;
    }
    let dots = dots & ((1 << len) - 1);
    let first = dots.trailing_zeros();
    let dots = dots & dots.wrapping_sub(1);
    let second = dots.trailing_zeros();
    let dots = dots & dots.wrapping_sub(1);
    let third = dots.trailing_zeros();
    if dots == 0 || dots & (dots - 1) != 0 {
        return None; // not three dots
    }
    let text = u128::from_le_bytes(*chunk);
    let a = octet(text, 0, first)?;
    let b = octet(text, first + 1, second)?;
    let c = octet(text, second + 1, third)?;
    let d = octet(text, third + 1, len as u32)?;
    Some(Ipv4Addr::new(a, b, c, d))
}

/// One to three digits without leading zeros, at most 255.
#[inline(always)]
fn octet(text: u128, start: u32, end: u32) -> Option<u8> {
    const SMALLEST: [u32; 4] = [u32::MAX, 0, 0x0000_0100, 0x0001_0000];
    let len = end.wrapping_sub(start) & 3;
    if end != start + len || len == 0 {
        return None;
    }
    // As above: the digits of one to three bytes at the top, the first of them lowest.
    let digits = ((text >> (8 * start)) as u32 ^ 0x3030_3030) << (32 - 8 * len);
    let wrong = (digits.wrapping_add(0x7676_7676) | digits) & 0x8080_8080;
    // With the first digit highest, numbers are in order.
    let in_order = digits.swap_bytes();
    if wrong != 0 || in_order > 0x0002_0505 || in_order < SMALLEST[len as usize] {
        return None;
    }
    Some((digits.wrapping_mul(100 << 16 | 10 << 8 | 1) >> 24) as u8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::scan::{BASELINE, Lanes};

    fn of(text: &str, behind: &str) -> (Option<u64>, Option<IpAddr>) {
        let (window, token) = (format!("{text}{behind:\0<16}"), text.as_bytes());
        let chunk = window.as_bytes().first_chunk().unwrap();
        let number = integer(chunk, token.len());
        let address = BASELINE.ipv4(chunk, token.len());
        assert_eq!(ipv4_by_octets(BASELINE.equal16(chunk, b'.'), chunk, token.len()), address, "{text}");
        #[cfg(target_arch = "x86_64")]
        if let Some(lanes) = crate::scan::Avx2::detect() {
            assert_eq!(lanes.ipv4(chunk, token.len()), address, "{text}");
        }
        assert!(number.is_none() || number == any_integer(token), "{text}");
        assert!(number.is_some() || token.len() > 16 || any_integer(token).is_none(), "{text}");
        assert!(address.is_none() || address.map(IpAddr::V4) == any_address(token), "{text}");
        (any_integer(token), address.map(IpAddr::V4).or_else(|| any_address(token)))
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

    #[test]
    fn ipv4_addresses_are_read_the_usual_way() {
        for text in ["0.0.0.0", "255.255.255.255", "1.20.255.9", "192.0.2.17"] {
            let read = BASELINE.ipv4(format!("{text:\0<16}").as_bytes().first_chunk().unwrap(), text.len());
            assert_eq!(read, text.parse().ok(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn numbers_are_read_as_the_standard_library_reads_them(
            text in "[0-9]{1,20}|[0-9:/ a-f]{1,12}",
            behind in "[0-9 ]{0,20}",
        ) {
            let expected = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
            prop_assert_eq!(of(&text, &behind).0, expected);
        }

        #[test]
        fn four_numbers_are_read_as_each_alone(
            texts in prop::array::uniform4("[0-9]{1,16}|[0-9]{0,18}|[0-9:/ -]{1,10}"),
            max in prop::array::uniform4(prop_oneof![0..300i64, 0..i64::MAX, Just(i64::MAX)]),
            behind in "[0-9 ]{20}",
        ) {
            let windows = texts.clone().map(|text| text + &behind);
            let chunks = windows.each_ref().map(|window| window.as_bytes().first_chunk().unwrap());
            let lens = texts.each_ref().map(String::len);
            let each = Four::each(chunks, lens, &max);
            for n in 0..4 {
                let number = integer(chunks[n], lens[n]).filter(|number| *number <= max[n] as u64);
                prop_assert_eq!((each.right >> n & 1 == 1).then_some(each.numbers[n]), number);
            }
            prop_assert_eq!(BASELINE.four(chunks, lens, &max), each);
            #[cfg(target_arch = "x86_64")]
            if let Some(lanes) = crate::scan::Avx2::detect() {
                let four = lanes.four(chunks, lens, &max);
                let expected = if lens.iter().all(|len| (1..=16).contains(len)) { each.right } else { 0 };
                prop_assert_eq!(four.right, expected);
                for n in (0..4).filter(|n| expected >> n & 1 == 1) {
                    prop_assert_eq!(four.numbers[n], each.numbers[n]);
                }
            }
        }

        #[test]
        fn addresses_are_read_as_the_standard_library_reads_them(
            text in "([0-9]{1,3}\\.){3}[0-9]{1,3}|[0-9.]{1,16}|[0-9a-f:.]{1,20}|(25[0-9]|2[0-4][0-9]|1?[0-9]{1,2})(\\.(25[0-9]|1?[0-9]{1,2})){3}",
            behind in "[0-9. ]{0,20}",
        ) {
            prop_assert_eq!(of(&text, &behind).1, text.parse().ok());
        }
    }
}
