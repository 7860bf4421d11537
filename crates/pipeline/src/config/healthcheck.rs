//! Whether it is asked if a sink can do its work where it is.

use std::fmt;

use serde::Deserialize;

use super::tree::{Node, NodeValue};
use super::{Mistake, read_config};

/// Whether it is asked if the sink can do its work, and where: `false`, or a table.
#[derive(Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct HealthcheckTable {
    /// Whether it is asked at all. Default: `true`.
    pub(crate) enabled: bool,
    /// For `http`: what answers a GET by 2xx while the server is well. Default: the server is not asked.
    pub(crate) uri: Option<String>,
}

impl Default for HealthcheckTable {
    fn default() -> Self {
        HealthcheckTable { enabled: true, uri: None }
    }
}

/// There may be secrets in the URI.
impl fmt::Debug for HealthcheckTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HealthcheckTable").field("enabled", &self.enabled).finish_non_exhaustive()
    }
}

impl HealthcheckTable {
    /// Reads `true`, `false` or a table.
    pub(super) fn read(node: &Node, mistakes: &mut Vec<Mistake>) -> Self {
        match &node.value {
            NodeValue::Boolean(enabled) => HealthcheckTable { enabled: *enabled, uri: None },
            NodeValue::Table(_) => read_config(node, mistakes).unwrap_or_default(),
            _ => {
                let message = format!("expected true, false or a table, found {}", node.kind());
                mistakes.push(Mistake::at(node.place.clone(), message));
                HealthcheckTable::default()
            }
        }
    }
}

/// As it is written.
#[cfg(feature = "schema")]
pub(super) struct Healthcheck;

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Healthcheck {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Healthcheck".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "anyOf": [{ "type": "boolean" }, generator.subschema_for::<HealthcheckTable>()]
        })
    }
}
