//! What a file holds, told from its beginning.

use super::json_values::{FirstValue, first_value};

/// What it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Lines.
    Lines,
    /// JSON values over several lines, or close together.
    Values,
    /// One record.
    Whole,
}

/// How much of the first line is looked at.
pub(super) const LOOKED_AT: usize = 1 << 10;

/// What something is that begins like this; `None` if it could be this or that.
pub(super) fn form(start: &[u8], max_bytes: usize) -> Option<Form> {
    let first = *start.iter().find(|byte| !byte.is_ascii_whitespace())?;
    if !matches!(first, b'{' | b'[') {
        let line = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
        return (line.len() < start.len() || line.len() >= LOOKED_AT).then(|| form_of_all(line));
    }
    match first_value(start) {
        FirstValue::OnALine => Some(Form::Lines),
        FirstValue::OverLines => Some(Form::Values),
        FirstValue::Unknown => (start.len() > max_bytes).then_some(Form::Values),
    }
}

/// The same when nothing more follows.
pub(super) fn form_of_all(start: &[u8]) -> Form {
    let magic = |magic: &[u8]| start.starts_with(magic);
    let line = &start[..start.len().min(LOOKED_AT)];
    let is_text = |byte: &u8| *byte >= b' ' || matches!(byte, b'\t' | b'\r' | b'\n' | b'\x1b');
    match line.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{' | b'[') => Form::Values,
        // A container of the KPL, and zstd.
        _ if magic(b"\xf3\x89\x9a\xc2") || magic(b"\x28\xb5\x2f\xfd") || !line.iter().all(is_text) => Form::Whole,
        _ => Form::Lines,
    }
}
