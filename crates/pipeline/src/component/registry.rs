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

/// Makes the JSON Schema of a config type.
#[cfg(feature = "schema")]
pub(crate) type SchemaOf = fn(&mut schemars::SchemaGenerator) -> schemars::Schema;

/// What is known of a type.
#[derive(Debug, Clone)]
struct Type {
    factory: Factory,
    /// `None` if its keys are not known.
    #[cfg(feature = "schema")]
    schema: Option<SchemaOf>,
}

/// The component types that a configuration may name. A value: make one, add yours, and hand it on.
///
/// Unknown keys in a component's table are mistakes, which only types show that serde reads as structs, without `flatten`.
///
/// With the feature `schema`, types may be added with their JSON Schema (`source_with_schema` and the like), so that
/// `schema` tells of their keys as of those of the components that are built in. Without theirs it tells their names alone.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    types: BTreeMap<(Kind, &'static str), Type>,
}

impl Registry {
    /// A registry without any types.
    pub fn new() -> Self {
        Registry::default()
    }

    /// Adds a type of sources, or replaces the one of that name.
    pub fn source<C: SourceConfig + DeserializeOwned>(self, name: &'static str) -> Self {
        self.add(Kind::Source, name, |node, mistakes| {
            read_config::<C>(node, mistakes).map(|c| Built::Source(Box::new(c)))
        })
    }

    /// Adds a type of transforms, or replaces the one of that name.
    pub fn transform<C: TransformConfig + DeserializeOwned>(self, name: &'static str) -> Self {
        self.add(Kind::Transform, name, |node, mistakes| {
            read_config::<C>(node, mistakes).map(|c| Built::Transform(Box::new(c)))
        })
    }

    /// Adds a type of sinks, or replaces the one of that name.
    pub fn sink<C: SinkConfig + DeserializeOwned>(self, name: &'static str) -> Self {
        self.add(Kind::Sink, name, |node, mistakes| read_config::<C>(node, mistakes).map(|c| Built::Sink(Box::new(c))))
    }

    /// [`Registry::source`], of a type whose keys are known.
    #[cfg(feature = "schema")]
    pub fn source_with_schema<C>(self, name: &'static str) -> Self
    where
        C: SourceConfig + DeserializeOwned + schemars::JsonSchema,
    {
        self.source::<C>(name).described::<C>(Kind::Source, name)
    }

    /// [`Registry::transform`], of a type whose keys are known.
    #[cfg(feature = "schema")]
    pub fn transform_with_schema<C>(self, name: &'static str) -> Self
    where
        C: TransformConfig + DeserializeOwned + schemars::JsonSchema,
    {
        self.transform::<C>(name).described::<C>(Kind::Transform, name)
    }

    /// [`Registry::sink`], of a type whose keys are known.
    #[cfg(feature = "schema")]
    pub fn sink_with_schema<C>(self, name: &'static str) -> Self
    where
        C: SinkConfig + DeserializeOwned + schemars::JsonSchema,
    {
        self.sink::<C>(name).described::<C>(Kind::Sink, name)
    }

    /// The names of all types of a kind, sorted.
    pub fn names(&self, kind: Kind) -> impl Iterator<Item = &'static str> {
        self.types.keys().filter(move |(of, _)| *of == kind).map(|(_, name)| *name)
    }

    pub(crate) fn factory(&self, kind: Kind, name: &str) -> Option<Factory> {
        self.known(kind, name).map(|known| known.factory)
    }

    #[cfg(feature = "schema")]
    pub(crate) fn schema(&self, kind: Kind, name: &str) -> Option<SchemaOf> {
        self.known(kind, name)?.schema
    }

    fn known(&self, kind: Kind, name: &str) -> Option<&Type> {
        self.types.iter().find(|((of, known), _)| *of == kind && *known == name).map(|(_, known)| known)
    }

    fn add(mut self, kind: Kind, name: &'static str, factory: Factory) -> Self {
        let known = Type {
            factory,
            #[cfg(feature = "schema")]
            schema: None,
        };
        self.types.insert((kind, name), known);
        self
    }

    #[cfg(feature = "schema")]
    pub(super) fn described<C: schemars::JsonSchema>(mut self, kind: Kind, name: &'static str) -> Self {
        if let Some(known) = self.types.get_mut(&(kind, name)) {
            known.schema = Some(C::json_schema);
        }
        self
    }
}
