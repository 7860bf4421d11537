//! The parsed text, as a tree in which everything has its place.

use std::fmt;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Mistake;

/// Where in which file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: usize,
    pub(crate) range: Range<usize>,
}

/// A value and where it stands. Its `Debug` says what it is alone: it may be secret.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) value: NodeValue,
    /// What stood there, if the environment changed it: for messages, in which its values must not be shown.
    pub(crate) written: Option<String>,
    /// The values of the environment in it, and how each is written.
    pub(crate) variables: Vec<(String, String)>,
}

#[derive(Clone)]
pub(crate) enum NodeValue {
    String(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Datetime(String),
    Array(Vec<Node>),
    Table(Vec<(Key, Node)>),
}

#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) place: Place,
}

impl Node {
    /// Parses a file. What is wrong with its TOML is added to `mistakes`, and the rest is there.
    pub(crate) fn parse(file: usize, text: &str, mistakes: &mut Vec<Mistake>) -> Node {
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let range = error.span().unwrap_or(0..0);
            mistakes.push(Mistake::at(Place { file, range }, format!("invalid TOML: {}", error.message())));
        }
        let range = table.span();
        Node {
            place: Place { file, range },
            value: NodeValue::Table(members(file, table.into_inner(), mistakes)),
            written: None,
            variables: Vec::new(),
        }
    }

    pub(crate) fn table(&self) -> Option<&[(Key, Node)]> {
        match &self.value {
            NodeValue::Table(members) => Some(members),
            _ => None,
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Node> {
        self.table()?.iter().find(|(key, _)| key.name == name).map(|(_, node)| node)
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            NodeValue::String(text) => Some(text),
            _ => None,
        }
    }

    /// Whether both mean the same, wherever they stand; keys of a table may be in any order.
    pub(crate) fn is_same(&self, other: &Node) -> bool {
        use NodeValue::{Array, Boolean, Datetime, Float, Integer, String, Table};
        match (&self.value, &other.value) {
            (String(one), String(other)) | (Datetime(one), Datetime(other)) => one == other,
            (Integer(one), Integer(other)) => one == other,
            (Float(one), Float(other)) => one.to_bits() == other.to_bits(),
            (Boolean(one), Boolean(other)) => one == other,
            (Array(one), Array(other)) => {
                one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.is_same(other))
            }
            (Table(one), Table(members)) => {
                let is_there = |(key, one): &(Key, Node)| other.get(&key.name).is_some_and(|other| one.is_same(other));
                one.len() == members.len() && one.iter().all(is_there)
            }
            _ => false,
        }
    }

    /// A message about it, or about what lies below it, in which values of the environment stand as they are written.
    pub(crate) fn without_environment(&self, message: &str) -> String {
        let mut values = Vec::new();
        self.find_environment(&mut values);
        // One may hold another.
        values.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        values.into_iter().fold(message.to_owned(), |message, (value, written)| {
            let message = message.replace(&format!("{value:?}"), &format!("\"{written}\""));
            // What is shorter is found in any text.
            if value.len() < 4 { message } else { message.replace(value, written) }
        })
    }

    fn find_environment<'a>(&'a self, values: &mut Vec<(&'a str, &'a str)>) {
        values.extend(self.text().zip(self.written.as_deref()).filter(|(value, _)| !value.is_empty()));
        values.extend(self.variables.iter().map(|(value, written)| (value.as_str(), written.as_str())));
        match &self.value {
            NodeValue::Array(nodes) => nodes.iter().for_each(|node| node.find_environment(values)),
            NodeValue::Table(members) => members.iter().for_each(|(_, node)| node.find_environment(values)),
            _ => {}
        }
    }

    /// What it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            NodeValue::String(_) => "a string",
            NodeValue::Integer(_) => "an integer",
            NodeValue::Float(_) => "a float",
            NodeValue::Boolean(_) => "a boolean",
            NodeValue::Datetime(_) => "a date or time",
            NodeValue::Array(_) => "an array",
            NodeValue::Table(_) => "a table",
        }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("place", &self.place).field("kind", &self.kind()).finish_non_exhaustive()
    }
}

impl fmt::Debug for NodeValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeValue").finish_non_exhaustive()
    }
}

fn members(file: usize, table: DeTable<'_>, mistakes: &mut Vec<Mistake>) -> Vec<(Key, Node)> {
    let mut members: Vec<(Key, Node)> = table
        .into_iter()
        .map(|(key, value)| {
            let place = Place { file, range: key.span() };
            (Key { name: key.into_inner().into_owned(), place }, node(file, value, mistakes))
        })
        .collect();
    members.sort_by_key(|(key, _)| key.place.range.start);
    members
}

fn node(file: usize, value: Spanned<DeValue<'_>>, mistakes: &mut Vec<Mistake>) -> Node {
    let place = Place { file, range: value.span() };
    let value = match value.into_inner() {
        DeValue::String(text) => NodeValue::String(text.into_owned()),
        DeValue::Integer(integer) => {
            NodeValue::Integer(i64::from_str_radix(integer.as_str(), integer.radix()).unwrap_or_else(|_| {
                mistakes.push(Mistake::at(place.clone(), "the number is too large"));
                0
            }))
        }
        // The parser has looked at it: it is one.
        DeValue::Float(float) => NodeValue::Float(float.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(boolean) => NodeValue::Boolean(boolean),
        DeValue::Datetime(time) => NodeValue::Datetime(time.to_string()),
        DeValue::Array(values) => {
            NodeValue::Array(values.into_iter().map(|value| node(file, value, mistakes)).collect())
        }
        DeValue::Table(table) => NodeValue::Table(members(file, table, mistakes)),
    };
    Node { place, value, written: None, variables: Vec::new() }
}
