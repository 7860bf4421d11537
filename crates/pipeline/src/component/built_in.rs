//! The registry of the components that this crate has.

#[cfg(feature = "schema")]
use schemars::JsonSchema as MayHaveSchema;
use serde::de::DeserializeOwned;

#[cfg(feature = "schema")]
use super::Kind;
use super::{Registry, SinkConfig, SourceConfig, TransformConfig};

/// A registry whose types all have a schema, if there are schemas at all.
#[derive(Debug, Default)]
pub(crate) struct BuiltIn(Registry);

/// Where there are no schemas, any type does.
#[cfg(not(feature = "schema"))]
pub(crate) trait MayHaveSchema {}

#[cfg(not(feature = "schema"))]
impl<T> MayHaveSchema for T {}

#[cfg_attr(
    not(all(feature = "sources", feature = "transforms", feature = "sinks")),
    expect(dead_code, reason = "which components there are is chosen by features")
)]
impl BuiltIn {
    pub(crate) fn source<C: SourceConfig + DeserializeOwned + MayHaveSchema>(self, name: &'static str) -> Self {
        let registry = self.0.source::<C>(name);
        #[cfg(feature = "schema")]
        let registry = registry.described::<C>(Kind::Source, name);
        BuiltIn(registry)
    }

    pub(crate) fn transform<C: TransformConfig + DeserializeOwned + MayHaveSchema>(self, name: &'static str) -> Self {
        let registry = self.0.transform::<C>(name);
        #[cfg(feature = "schema")]
        let registry = registry.described::<C>(Kind::Transform, name);
        BuiltIn(registry)
    }

    pub(crate) fn sink<C: SinkConfig + DeserializeOwned + MayHaveSchema>(self, name: &'static str) -> Self {
        let registry = self.0.sink::<C>(name);
        #[cfg(feature = "schema")]
        let registry = registry.described::<C>(Kind::Sink, name);
        BuiltIn(registry)
    }

    pub(crate) fn into_registry(self) -> Registry {
        self.0
    }
}
