//! Log lines as their makers write them.

use std::fmt::Write;

use super::template::push_value;
use crate::component::{Changes, Event, ValueRef, value_ref};

/// Writes the line as it came. Of a flow log that was changed, it is written anew from its format: fields that were changed as
/// they are now, the others as they stand in the line.
pub(super) fn native(event: &Event<'_>, out: &mut Vec<u8>) {
    match changed_flow_log(event) {
        Some(line) => out.extend_from_slice(line.as_bytes()),
        None => message(event, out),
    }
}

/// The event's message, without a line feed at its end.
pub(super) fn message(event: &Event<'_>, out: &mut Vec<u8>) {
    match event.get("message") {
        Some(ValueRef::Text(line)) => out.extend_from_slice(line.strip_suffix('\n').unwrap_or(&line).as_bytes()),
        Some(other) => super::json::json_value(&other, out),
        None => {}
    }
}

/// The event's message as it is, a line feed at its end too.
pub(super) fn raw_message(event: &Event<'_>, out: &mut Vec<u8>) {
    match event.get("message") {
        Some(ValueRef::Text(text)) => out.extend_from_slice(text.as_bytes()),
        Some(other) => super::json::json_value(&other, out),
        None => {}
    }
}

/// The line of a flow log of which fields were changed, and not the line itself.
fn changed_flow_log(event: &Event<'_>) -> Option<String> {
    let changes: &Changes = event.changes()?;
    let change = |name: &str| changes.members().find(|(changed, _)| *changed == name).map(|(_, value)| value);
    if change("message").is_some_and(|message| message.is_some()) {
        return None;
    }
    let flow = event.flow_log()?;
    let names = || flow.format().columns().iter().map(|column| column.name());
    if !names().any(|name| change(name).is_some()) {
        return None;
    }
    let mut line = String::with_capacity(flow.line().len());
    for name in names() {
        if !line.is_empty() {
            line.push(' ');
        }
        let before = line.len();
        match change(name) {
            Some(value) => push_value(value.map(value_ref), &mut line),
            None if changes.is_replaced() => {}
            // Writing to a string cannot fail.
            None => drop(line.write_str(flow.raw_by_name(name).unwrap_or_default())),
        }
        // Fields end at white space, and an empty one would make the others another's.
        let value = line.split_off(before);
        match value.is_empty() {
            true => line.push('-'),
            false => line.extend(value.chars().map(|char| if char.is_whitespace() { '_' } else { char })),
        }
    }
    Some(line)
}
