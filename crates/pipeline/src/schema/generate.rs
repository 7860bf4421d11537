//! A configuration to begin with.

use std::collections::HashSet;
use std::fmt::Write;

use super::described::{Described, Descriptions};
use super::keys::{Default, Key, Need, keys};
use super::toml;
use crate::component::{Built, Kind, Registry};
use crate::config::{self, Component, ConfigFile, Node, listed};

/// Something cannot be generated, because it is not written as `sources/transforms/sinks`, or names what there is not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct GenerateError {
    message: String,
    hint: String,
}

impl GenerateError {
    /// What to do about it.
    pub fn hint(&self) -> &str {
        &self.hint
    }

    fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        GenerateError { message: message.into(), hint: hint.into() }
    }
}

/// A configuration of the components that an expression names, as Vector's `generate` takes it: the types of sources,
/// transforms and sinks, `,` between those of a kind and `/` between kinds. `ID:TYPE` gives a component its ID.
///
/// The first transform takes from all sources, each other from the one before it, and sinks from the last. What must be set has
/// the values of the type's example; what may be set stands in comments, with its default, or `...` where it has none.
///
/// ```
/// # #[cfg(all(feature = "sources-demo_logs", feature = "sinks-console"))] {
/// let toml = kinesis_logs_pipeline::schema::generate(&kinesis_logs_pipeline::built_in(), "flows:demo_logs//console")?;
/// assert!(toml.contains("[sources.flows]") && toml.contains("inputs = [\"flows\"]"));
/// # }
/// # Ok::<(), kinesis_logs_pipeline::schema::GenerateError>(())
/// ```
///
/// # Errors
///
/// [`GenerateError`], with what there is instead.
pub fn generate(registry: &Registry, expression: &str) -> Result<String, GenerateError> {
    let known = Descriptions::of(registry).components;
    let mut out = String::new();
    push(&mut out, "# Where the pipeline keeps what it must remember.");
    push(&mut out, "data_dir = \"/var/lib/kinesis-logs-reader\"");
    // What the next component takes from.
    let mut before: Vec<String> = Vec::new();
    let mut paths = HashSet::new();
    for (kind, parts) in parse(expression, &known)? {
        let mut outputs = Vec::new();
        for Part { id, of } in parts {
            let example = Example::of(of, registry).map(|example| example.apart(&id, &mut paths));
            push(&mut out, "");
            component(&mut out, &id, of, example.as_ref(), &before);
            let own = example.map_or_else(|| vec![id.clone()], |example| example.outputs(&id));
            match kind {
                Kind::Transform => before = own,
                _ => outputs.extend(own),
            }
        }
        if kind == Kind::Source {
            before = outputs;
        }
    }
    Ok(out)
}

fn push(out: &mut String, line: &str) {
    out.push_str(line);
    out.push('\n');
}

/// A component that is asked for.
struct Part<'a> {
    id: String,
    of: &'a Described,
}

fn parse<'a>(expression: &str, known: &'a [Described]) -> Result<Vec<(Kind, Vec<Part<'a>>)>, GenerateError> {
    const HINT: &str = "types stand as sources/transforms/sinks, such as demo_logs/filter,remap/console";
    let lists: Vec<&str> = expression.split('/').collect();
    if lists.len() > 3 {
        return Err(GenerateError::new(format!("{expression:?} has more than three parts"), HINT));
    }
    let mut ids = HashSet::new();
    let mut parts = Vec::new();
    for (kind, list) in [Kind::Source, Kind::Transform, Kind::Sink].into_iter().zip(lists) {
        let mut of_kind = Vec::new();
        for (index, text) in list.split(',').map(str::trim).enumerate().filter(|(_, text)| !text.is_empty()) {
            let (id, name) = match text.split_once(':') {
                Some((id, name)) => (id.to_owned(), name),
                None => (format!("{kind}{index}"), text),
            };
            let of_kinds = || known.iter().filter(|component| component.kind == kind);
            let Some(of) = of_kinds().find(|component| component.name == name) else {
                let hint = listed(name, of_kinds().map(|component| component.name));
                return Err(GenerateError::new(format!("there is no type of {} {name:?}", kind.table()), hint));
            };
            if !ids.insert(id.clone()) {
                return Err(GenerateError::new(
                    format!("two components are called {id:?}"),
                    "each ID is one component's",
                ));
            }
            of_kind.push(Part { id, of });
        }
        parts.push((kind, of_kind));
    }
    if ids.is_empty() {
        return Err(GenerateError::new("no types are named", HINT));
    }
    Ok(parts)
}

/// The example of a type, as it was read, and another path where another component has its own.
struct Example(Component, Option<[String; 2]>);

impl Example {
    fn of(described: &Described, registry: &Registry) -> Option<Self> {
        let file = ConfigFile::new("example", described.example()?);
        let (config, _) = config::load(vec![file], registry, &|_| Some("a value".to_owned()));
        let is_it = |component: &Component| component.kind == described.kind && component.type_name == described.name;
        config.components.into_iter().find(is_it).map(|component| Example(component, None))
    }

    /// The same for the component `id`, beside those that have written to `paths`.
    fn apart(mut self, id: &str, paths: &mut HashSet<String>) -> Self {
        if let Some(Built::Sink(config)) = &self.0.config
            && let Some(path) = config.writes_alone()
            && !paths.insert(path.to_owned())
        {
            let (folder, name) = path.rsplit_once('/').unwrap_or((".", path));
            let texts = [path.to_owned(), format!("{folder}/{id}-{name}")];
            self.1 = Some(texts.map(|text| toml::of_json(&text.into())));
        }
        self
    }

    /// The keys that it sets, with their values.
    fn values(&self) -> Vec<(String, String)> {
        let mut values = Vec::new();
        collect(&self.0.node, "", &mut values);
        if let Some([path, other]) = &self.1 {
            values.iter_mut().filter(|(_, value)| value == path).for_each(|(_, value)| value.clone_from(other));
        }
        values
    }

    /// What others take from, under another ID.
    fn outputs(&self, id: &str) -> Vec<String> {
        match &self.0.config {
            Some(Built::Transform(config)) if !config.has_own_output() => {
                config.outputs().iter().map(|name| format!("{id}.{name}")).collect()
            }
            _ => vec![id.to_owned()],
        }
    }
}

fn collect(node: &Node, prefix: &str, values: &mut Vec<(String, String)>) {
    for (key, node) in node.table().into_iter().flatten() {
        let name = format!("{prefix}{}", toml::key(&key.name));
        match node.table() {
            Some(members) if !members.is_empty() => collect(node, &format!("{name}."), values),
            _ => values.push((name, toml::of_node(node))),
        }
    }
}

fn component(out: &mut String, id: &str, of: &Described, example: Option<&Example>, inputs: &[String]) {
    comment(out, first_sentence(&of.prose()));
    push(out, &format!("[{}.{}]", of.kind.table(), toml::key(id)));
    push(out, &format!("type = {}", toml::of_json(&of.name.into())));
    if of.kind != Kind::Source {
        push(out, &format!("inputs = {}", toml::of_json(&inputs.into())));
    }
    let keys = keys(&of.table());
    let mut set = HashSet::from(["inputs"]);
    for (name, value) in example.map(Example::values).unwrap_or_default() {
        // Of a table whose keys are anybody's, such as `route`, the table is told.
        let is_it = |key: &&Key| name == key.name || (!key.has_keys && name.starts_with(&format!("{}.", key.name)));
        if let Some(key) = keys.iter().find(is_it)
            && set.insert(key.name.as_str())
        {
            comment(out, first_sentence(&key.description));
        }
        push(out, &format!("{name} = {value}"));
    }
    for key in keys.iter().filter(|key| !set.contains(key.name.as_str()) && !key.name.contains("[]")) {
        if key.has_keys {
            // A part of which something is set is explained there.
            if !set.iter().any(|name| name.starts_with(&format!("{}.", key.name))) {
                comment(out, &format!("{}: {}", key.name, explained(key)));
            }
            continue;
        }
        comment(out, &explained(key));
        // What must be there and has no example is for the reader to set.
        let mark = if key.need == Need::Always { "" } else { "#" };
        push(out, &format!("{mark}{} = {}", key.name, value(key)));
    }
}

/// The first sentence about a key, its values, and its default where that is told in words.
fn explained(key: &Key) -> String {
    let mut told = first_sentence(&key.description).to_owned();
    if key.values.len() > 1 {
        let values: Vec<String> = key.values.iter().map(|(value, _)| toml::of_json(value)).collect();
        told += &format!(" One of {}.", values.join(", "));
    }
    if let Default::Words(words) = &key.default {
        told += &format!(" Default: {words}.");
    }
    told
}

/// What stands in a comment as a key's value.
fn value(key: &Key) -> String {
    match (&key.default, &key.values[..]) {
        (Default::Value(value), _) => toml::of_json(value),
        (_, [(only, _)]) => toml::of_json(only),
        _ => "...".to_owned(),
    }
}

fn comment(out: &mut String, text: &str) {
    if !text.is_empty() {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "# {}", text.replace('\n', " "));
    }
}

/// A text up to the end of its first sentence, which a dot in code does not end.
fn first_sentence(text: &str) -> &str {
    let mut is_code = false;
    let mut ends_at = |(at, char): (usize, char)| {
        is_code ^= char == '`';
        let rest = &text[at + char.len_utf8()..];
        (char == '.' && !is_code && (rest.is_empty() || rest.starts_with([' ', '\n']))).then_some(at + 1)
    };
    text.char_indices().find_map(&mut ends_at).map_or(text, |end| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_ends_at_a_dot_that_is_no_code() {
        for (text, first) in [
            ("One. Two.", "One."),
            ("As `a. b` and 1.5 do. Two.", "As `a. b` and 1.5 do."),
            ("No end", "No end"),
            ("Over\nlines.\n\nTwo.", "Over\nlines."),
        ] {
            assert_eq!(first_sentence(text), first);
        }
    }
}
