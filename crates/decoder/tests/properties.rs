//! What holds for all input: both ways of reading an event agree, and no bytes make the decoder panic.

use kinesis_logs_decoder::{Decoder, Limits};
use kinesis_logs_generator::{FlowLogs, aggregate, gzip};
use proptest::prelude::*;
use serde_json::to_string;

/// All that can be asked of a record, as text.
fn everything(decoder: &mut Decoder, data: &[u8]) -> (Vec<String>, usize) {
    let decoded = decoder.decode(data);
    let events = decoded.events().map(|event| {
        let fields: Vec<_> = event.extracted_fields().into_iter().flatten().collect();
        format!(
            "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {fields:?} {:?}",
            event.id(),
            event.timestamp_millis(),
            event.message(),
            event.owner(),
            event.log_group(),
            event.log_stream(),
            event.subscription_filters(),
            event.flow_log(),
        )
    });
    (events.collect(), decoded.errors().len())
}

/// An event as AWS writes it, with `space` where AWS has none.
fn event(space: &str, id: &str, time: i64, message: &str, fields: &[(String, String)]) -> String {
    let [id, message] = [id, message].map(|text| to_string(text).unwrap_or_default());
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name:?}:{value}")).collect();
    let extracted =
        if fields.is_empty() { String::new() } else { format!(",\"extractedFields\":{space}{{{}}}", fields.join(",")) };
    format!("{{{space}\"id\":{id},\"timestamp\":{time},\"message\":{message}{extracted}}}")
}

proptest! {
    #[test]
    fn the_usual_shape_and_any_other_give_the_same_events(
        events in prop::collection::vec(
            (
                "[0-9]{0,20}|[0-9]{54,58}|[0-9]{55}[\"\\\\é]",
                any::<i64>(),
                "[a-z \"\\\\\n😀]{0,40}",
                prop::collection::vec(("[a-z_]{0,12}", prop_oneof!["\"[a-z0-9é]{0,20}\"", "[0-9]{1,3}", "null|true"]), 0..5),
            ),
            0..6,
        ),
        repeat: bool,
    ) {
        let envelope = |space: &str| {
            let copies = if repeat { 2 } else { 1 };
            let events: Vec<String> = events
                .iter()
                .flat_map(|parts| std::iter::repeat_n(parts, copies))
                .map(|(id, time, message, fields)| event(space, id, *time, message, fields))
                .collect();
            format!("{{\"messageType\":\"DATA_MESSAGE\",\"logEvents\":[{}]}}", events.join(","))
        };
        let mut decoder = Decoder::new();
        let usual = everything(&mut decoder, envelope("").as_bytes());
        prop_assert_eq!(usual.1, 0);
        prop_assert_eq!(&usual, &everything(&mut decoder, envelope(" ").as_bytes()));
    }

    #[test]
    fn the_usual_head_and_any_other_say_the_same(
        values in prop::array::uniform5("[a-z/-]{0,80}|[a-z\"\\\\é]{0,5}"),
        data: bool,
        filters in 0..3usize,
        behind in prop_oneof![Just(""), Just(",\"owner\":\"later\""), Just(",\"logEvents\":null"), Just(",\"new\":[{}]")],
        cut in prop::option::of(any::<prop::sample::Index>()),
        depth in 0..2usize,
    ) {
        let [message_type, owner, log_group, log_stream, filter] = values.map(|value| to_string(&value).unwrap_or_default());
        let message_type = if data { "\"DATA_MESSAGE\"" } else { &message_type };
        let filters = vec![&filter[..]; filters].join(",");
        let envelope = |space: &str| {
            format!(
                "{{\"messageType\":{message_type},\"owner\":{owner},\"logGroup\":{log_group},\"logStream\":{log_stream},\
                \"subscriptionFilters\":[{filters}]{space},\"logEvents\":[{{\"message\":\"m\"}}]{behind}}}",
            )
        };
        let (mut usual, mut other) = (envelope(""), envelope(" "));
        if let Some(cut) = cut {
            let (mut at, space_at) = (cut.index(usual.len()), other.find(" ,").unwrap_or(0));
            while !usual.is_char_boundary(at) {
                at -= 1;
            }
            usual.truncate(at);
            other.truncate(at + usize::from(at > space_at));
        }
        let mut decoder = Decoder::with_limits(Limits::default().json_depth(depth));
        let usual = everything(&mut decoder, usual.as_bytes());
        prop_assert_eq!(&usual, &everything(&mut decoder, other.as_bytes()));
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(data: Vec<u8>) {
        let mut decoder = Decoder::with_limits(Limits::default().decompressed_bytes(1 << 16));
        everything(&mut decoder, &data);
        everything(&mut decoder, &gzip(&data));
        everything(&mut decoder, &[&[0x1f, 0x8b, 8, 0], &data[..]].concat());
        everything(&mut decoder, &aggregate(&[("key", &data)]));
    }

    #[test]
    fn no_damage_to_a_record_makes_the_decoder_panic(
        seed in 0..50u64,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        extracted: bool,
        zipped: bool,
    ) {
        let record = FlowLogs::new(seed).events_per_record(4).extracted_fields(extracted).next_record();
        let mut decoder = Decoder::new();
        let mut data = if zipped {
            record.data
        } else {
            let lines: Vec<String> =
                record.lines.iter().map(|line| event("", "1", 5, line, &[("a".into(), "\"b\"".into())])).collect();
            format!("{{\"logEvents\":[{}]}}", lines.join(",")).into_bytes()
        };
        for (at, byte) in damage {
            let at = at.index(data.len());
            data[at] = byte;
        }
        everything(&mut decoder, &data);
    }
}
