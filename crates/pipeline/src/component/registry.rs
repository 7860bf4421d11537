//! Which component types there are.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};

use super::{SinkConfig, SourceConfig, TransformConfig};
use crate::config::{Mistake, Node, read_config};

/// What a component is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Makes batches.
    Source,
    /// Changes events.
    Transform,
    /// Takes batches.
    Sink,
}

impl Kind {
    /// The name, as metrics have it.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Source => "source",
            Kind::Transform => "transform",
            Kind::Sink => "sink",
        }
    }

    /// The name of the table in a configuration: `sources`.
    pub const fn table(self) -> &'static str {
        match self {
            Kind::Source => "sources",
            Kind::Transform => "transforms",
            Kind::Sink => "sinks",
        }
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The config of a component, of whatever type.
#[derive(Debug)]
pub(crate) enum Built {
    Source(Box<dyn SourceConfig>),
    Transform(Box<dyn TransformConfig>),
    Sink(Box<dyn SinkConfig>),
}

/// Reads the config from a component's table.
pub(crate) type Factory = fn(&Node, &mut Vec<Mistake>) -> Option<Built>;

/// The component types that a configuration may name. A value: make one, add yours, and hand it on.
///
/// Unknown keys in a component's table are mistakes, which only types show that serde reads as structs, without `flatten`.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    types: BTreeMap<(Kind, &'static str), Factory>,
}

impl Registry {
    /// A registry without any types.
    pub fn new() -> Self {
        Registry::default()
    }

    /// Adds a type of sources, or replaces the one of that name.
    pub fn source<C: SourceConfig + DeserializeOwned>(mut self, name: &'static str) -> Self {
        let factory: Factory = |node, mistakes| read_config::<C>(node, mistakes).map(|c| Built::Source(Box::new(c)));
        self.types.insert((Kind::Source, name), factory);
        self
    }

    /// Adds a type of transforms, or replaces the one of that name.
    pub fn transform<C: TransformConfig + DeserializeOwned>(mut self, name: &'static str) -> Self {
        let factory: Factory = |node, mistakes| read_config::<C>(node, mistakes).map(|c| Built::Transform(Box::new(c)));
        self.types.insert((Kind::Transform, name), factory);
        self
    }

    /// Adds a type of sinks, or replaces the one of that name.
    pub fn sink<C: SinkConfig + DeserializeOwned>(mut self, name: &'static str) -> Self {
        let factory: Factory = |node, mistakes| read_config::<C>(node, mistakes).map(|c| Built::Sink(Box::new(c)));
        self.types.insert((Kind::Sink, name), factory);
        self
    }

    /// The names of all types of a kind, sorted.
    pub fn names(&self, kind: Kind) -> impl Iterator<Item = &'static str> {
        self.types.keys().filter(move |(of, _)| *of == kind).map(|(_, name)| *name)
    }

    pub(crate) fn factory(&self, kind: Kind, name: &str) -> Option<Factory> {
        self.types.iter().find(|((of, known), _)| *of == kind && *known == name).map(|(_, factory)| *factory)
    }
}
