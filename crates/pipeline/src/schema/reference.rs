//! A page about all that a configuration may hold.

use std::fmt::Write;

use serde_json::{Map, Value};

use super::described::{Described, Descriptions};
use super::keys::{Default, Key, Need, keys};
use super::{members, toml};
use crate::component::{Kind, Registry};

const INTRODUCTION: &str = "\
Every key that a configuration may have, as the program's own types say. `generate-schema` prints the same as a JSON Schema, for
editors; `generate` begins a configuration.

- Keys with dots stand in tables: `encoding.codec = \"json\"` is `codec` in the table `encoding`. With `[]`, the table is one of an
  array of them.
- In any string, `${VAR}`, `${VAR:-default}` and `${VAR:?message}` are variables of the environment, and `$$` is a dollar sign;
  `flow_log_format` is never touched. A number or a boolean may be a string with a variable in it.
- Unknown keys are mistakes, which `validate` shows.
";

/// A page of Markdown: sections for the keys at the top and for each type of components, with its keys and its example.
pub fn reference(registry: &Registry) -> String {
    let Descriptions { top, components, .. } = Descriptions::of(registry);
    let mut page = String::from("# Reference of configurations\n\n");
    page.push_str(INTRODUCTION);
    page.push_str("\n| | types |\n|---|---|\n");
    for kind in KINDS {
        let of_kind = components.iter().filter(|component| component.kind == kind);
        let links = of_kind.map(|of| format!("[`{}`](#{kind}-{})", of.name, of.name));
        line(&mut page, format_args!("| {} | {} |", kind.table(), links.collect::<Vec<_>>().join(", ")));
    }
    line(&mut page, format_args!("\n## At the top\n"));
    table(&mut page, &top);
    for kind in KINDS {
        let mut of_kind = components.iter().filter(|component| component.kind == kind).peekable();
        let title = kind.table();
        line(&mut page, format_args!("\n## {}{}", title[..1].to_uppercase(), &title[1..]));
        if let Some(common) = of_kind.peek().map(|component| &component.common).filter(|common| !common.is_empty()) {
            line(&mut page, format_args!("\nKeys of all {title}:\n"));
            table(&mut page, common);
        }
        of_kind.for_each(|of| section(&mut page, of));
    }
    page
}

const KINDS: [Kind; 3] = [Kind::Source, Kind::Transform, Kind::Sink];

fn line(page: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = page.write_fmt(line);
    page.push('\n');
}

fn section(page: &mut String, component: &Described) {
    let kind = component.kind.name();
    line(page, format_args!("\n### {}{} `{}`\n", kind[..1].to_uppercase(), &kind[1..], component.name));
    let prose = component.prose();
    if !prose.is_empty() {
        line(page, format_args!("{prose}\n"));
    }
    if let Some(example) = component.example() {
        line(page, format_args!("```toml\n{example}```\n"));
    }
    match &component.own {
        Some(own) if members(own, "properties").is_some_and(|keys| !keys.is_empty()) => table(page, own),
        Some(_) => line(page, format_args!("It has no keys of its own.")),
        None => line(page, format_args!("What keys it has of its own is not known.")),
    }
}

fn table(page: &mut String, of: &Map<String, Value>) {
    page.push_str("| key | type | default | what it is |\n|---|---|---|---|\n");
    for key in &keys(of) {
        let default = match (&key.need, &key.default) {
            (Need::Always, _) => "*required*".to_owned(),
            (Need::With(table), _) => format!("*required* in `{table}`"),
            (Need::Never, Default::Value(value)) => format!("`{}`", toml::of_json(value)),
            (Need::Never, Default::Words(words)) => words.clone(),
            (Need::Never, Default::None) => String::new(),
        };
        line(page, format_args!("| `{}` | {} | {} | {} |", key.name, key.shape, cell(&default), cell(&told(key))));
    }
}

/// What is said of a key, and of the values that it may have.
fn told(key: &Key) -> String {
    let value = |value: &Value| format!("`{}`", toml::of_json(value));
    if key.values.iter().all(|(_, meaning)| meaning.is_none()) {
        let names: Vec<String> = key.values.iter().map(|(name, _)| value(name)).collect();
        return match &names[..] {
            [] | [_] => key.description.clone(),
            several => format!("{}<br>One of {}.", key.description, several.join(", ")),
        };
    }
    let values = key.values.iter().map(|(name, meaning)| match meaning {
        Some(meaning) => format!("<br>{}: {meaning}", value(name)),
        None => format!("<br>{}", value(name)),
    });
    key.description.clone() + &values.collect::<String>()
}

/// A text in a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace("\n\n", "<br>").replace('\n', " ")
}
