//! Flow log lines of every format, with values that make sense, that are at the edges, and that are wrong.

use fastrand::Rng;
use kinesis_logs_decoder::flow_log::{Field, FieldKind, Format};

/// One of the known formats, or any fields in any order.
pub(crate) fn format(rng: &mut Rng) -> Format {
    if rng.u8(..10) < 4 {
        let known = Format::known();
        return known[rng.usize(..known.len())].clone();
    }
    let mut fields = Field::ALL.to_vec();
    rng.shuffle(&mut fields);
    let most = if rng.bool() { 20 } else { fields.len() };
    fields.truncate(rng.usize(1..=most));
    let names: Vec<String> = fields.iter().map(|field| format!("${{{}}}", field.aws_name())).collect();
    names.join(" ").parse().unwrap()
}

/// How odd the lines are: one line in as many has a wrong value, odd spacing, or too many or too few fields.
const ODD: u8 = 6;

/// A line of a format, more or less.
pub(crate) fn line(rng: &mut Rng, format: &Format) -> String {
    let may_be_wrong = rng.u8(..ODD) == 0;
    let mut values: Vec<String> =
        format.columns().iter().map(|column| value(rng, column.kind(), may_be_wrong)).collect();
    if rng.u8(..ODD * 4) == 0 {
        let at = rng.usize(..values.len());
        // A line of nothing has no value here, and an empty one with VRL.
        if rng.bool() && values.len() > 1 {
            values.remove(at);
        } else {
            values.insert(at, "-".to_owned());
        }
    }
    if rng.u8(..ODD) != 0 {
        return values.join(" ");
    }
    let gap = |rng: &mut Rng| " ".repeat([1, 1, 1, 2, 3, 70][rng.usize(..6)]);
    let mut line = if rng.bool() { gap(rng) } else { String::new() };
    for (place, value) in values.iter().enumerate() {
        if place > 0 {
            line.push_str(&gap(rng));
        }
        line.push_str(value);
    }
    line.push_str(["", " ", "  ", "\n", "\r\n"][rng.usize(..5)]);
    line
}

fn value(rng: &mut Rng, kind: FieldKind, may_be_wrong: bool) -> String {
    if rng.u8(..7) == 0 {
        return "-".to_owned();
    }
    let wrong = may_be_wrong && rng.u8(..4) == 0;
    match kind {
        FieldKind::Integer { .. } | FieldKind::Time if wrong => wrong_number(rng),
        FieldKind::Integer { max } => match rng.u8(..8) {
            0 => max.to_string(),
            1 => "0".to_owned(),
            2 => format!("{:0>1$}", rng.u64(..=max.min(99)), rng.usize(1..20)),
            _ => (rng.u64(..=max) >> rng.u8(..63)).to_string(),
        },
        FieldKind::Time => match rng.u8(..6) {
            0 => rng.u64(99_999_999_900..100_000_000_100).to_string(),
            1 => rng.u64(1_400_000_000_000..1_800_000_000_000).to_string(),
            2 => rng.u64(..).to_string(),
            _ => rng.u64(1_400_000_000..1_800_000_000).to_string(),
        },
        FieldKind::Address if wrong => {
            let octet = rng.u16(..400);
            let wrong = ["host", "1.2.3", "1.2.3.4.5", "01.2.3.4", "::1::", "fe80::1%eth0", "10.0.0.1/8", "1.2.3.٤"];
            if rng.bool() { format!("10.{octet}.3.4") } else { wrong[rng.usize(..wrong.len())].to_owned() }
        }
        FieldKind::Address => match rng.u8(..4) {
            0 => std::net::Ipv6Addr::from(rng.u128(..) & rng.u128(..) & rng.u128(..)).to_string(),
            1 => ["::", "::1", "::ffff:10.0.0.1", "2001:DB8::1", "0:0:0:0:0:0:0:1"][rng.usize(..5)].to_owned(),
            _ => std::net::Ipv4Addr::from(rng.u32(..) & if rng.bool() { u32::MAX } else { 0x0f0f_0f0f }).to_string(),
        },
        _ => text(rng),
    }
}

/// Numbers that do not fit, or are none.
fn wrong_number(rng: &mut Rng) -> String {
    let numbers = [
        "256",
        "65536",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999",
        "000000000000000000000000000001",
        "+1",
        "-1",
        "--",
        "1.5",
        "1e3",
        "0x1f",
        "1_000",
        "12a",
        "a12",
        "12345678/",
        "123456789:",
        "٣",
        "１２",
    ];
    numbers[rng.usize(..numbers.len())].to_owned()
}

/// Short words mostly, long ones for those who read in blocks, and what JSON has to escape.
fn text(rng: &mut Rng) -> String {
    match rng.u8(..12) {
        0 => ["a\tb", "\"", "\\n", "é", "日本語", "😀", "--", "a%20b", "\u{1}x", "\u{a0}x"][rng.usize(..10)].to_owned(),
        1 => "0123456789abcdef".repeat(rng.usize(1..9)),
        2 => format!("arn:aws:ecs:eu-west-1:123456789010:task/{:x}", rng.u64(..)),
        _ => {
            let words =
                ["ACCEPT", "REJECT", "OK", "NODATA", "eni-1235b8ca123456789", "vpc-abcdefab", "unknown", "IPv4", "x"];
            words[rng.usize(..words.len())].to_owned()
        }
    }
}
