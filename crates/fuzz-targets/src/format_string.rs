//! Formats as text: what is printed is read again, and a format is coherent in itself.

use kinesis_logs_decoder::flow_log::{Field, FieldKind, Format, MAX_FIELDS, Value};
use serde_json::Map;

/// Panics if a format does not come back as it was printed, or contradicts itself.
pub fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    match Format::parse(text) {
        Ok(format) => is_coherent(&format),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    if let Some(format) = Format::from_header(text) {
        assert_eq!(Format::parse(text).as_ref(), Ok(&format), "a header is a format too");
        assert!(format.len() > 1 && format.columns().iter().all(|column| column.field().is_some()));
        is_coherent(&format);
    }
}

/// The ways to write formats, and texts that are none.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<String> = Format::known().iter().map(|format| format.to_string()).collect();
    seeds.extend(Format::known().iter().map(|format| format.name().to_owned()));
    let names: Vec<String> = Field::ALL.iter().map(|field| field.aws_name()).collect();
    seeds.extend([names.join(" "), names.join(","), names[..3].join("\t")]);
    seeds.extend((0..=MAX_FIELDS).step_by(32).map(|count| (0..count).map(|n| format!("f{n} ")).collect()));
    for text in
        ["", "${", "${}", "${a b}", "a a", "a-b,a_b", "${ version }, ${new-one}\\\n${x}", "default", "V5", "é", "a=b"]
    {
        seeds.push(text.to_owned());
    }
    seeds.into_iter().map(String::into_bytes).collect()
}

fn is_coherent(format: &Format) {
    assert_eq!(Format::parse(&format.to_string()).as_ref(), Ok(format));
    let names: Vec<&str> = format.columns().iter().map(|column| column.name()).collect();
    if !Format::known().iter().any(|known| known.name().eq_ignore_ascii_case(&names.join(" "))) {
        assert_eq!(Format::parse(&names.join(" ")).as_ref(), Ok(format), "{names:?}");
    }
    assert!((1..=MAX_FIELDS).contains(&format.len()));
    for (place, column) in format.columns().iter().enumerate() {
        assert_eq!(format.place_of_name(column.name()), Some(place));
        assert_eq!(column.field(), Field::from_name(column.name()));
        assert_eq!(column.kind(), column.field().map_or(FieldKind::Text, Field::kind));
        if let Some(field) = column.field() {
            assert_eq!(format.place(field), Some(place));
        }
    }

    let line = vec!["-"; format.len()].join(" ");
    let flow = format.parse_line(&line).expect("a line without values fits every format");
    assert!(flow.values().zip(&names).all(|((name, value), expected)| name == *expected && value == Value::Null));
    let mut json = Vec::new();
    assert_eq!(flow.write_json(&mut json), Ok(()));
    let object: Map<String, serde_json::Value> = serde_json::from_slice(&json).expect("valid JSON");
    assert!(
        object.len() == names.len() && names.iter().all(|name| object.get(*name) == Some(&serde_json::Value::Null))
    );
}
