//! `filter`: keeps events for which a condition holds.

use serde::Deserialize;

use super::program::{Condition, ConditionConfig};
use crate::component::{Batch, BuildContext, BuildError, ComponentError, Emitted, Transform, TransformConfig};

/// Keeps events for which a condition holds. The others count as delivered.
///
/// ```toml
/// [transforms.rejects]
/// type = "filter"
/// inputs = ["flows"]
/// condition = '.action == "REJECT" && .dstport == 22'
/// ```
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct FilterConfig {
    /// A program in [VRL](https://vector.dev/docs/reference/vrl/), Vector's language, that gives true or false; or
    /// `{ type = "vrl", source = "..." }`.
    condition: ConditionConfig,
}

impl TransformConfig for FilterConfig {
    fn build(&self, _: &BuildContext) -> Result<Box<dyn Transform>, BuildError> {
        Ok(Box::new(Filter { condition: self.condition.build("condition")? }))
    }
}

#[derive(Clone)]
struct Filter {
    condition: Condition,
}

impl Transform for Filter {
    fn transform(&mut self, mut batch: Batch, emitted: &mut Emitted) -> Result<(), ComponentError> {
        batch.retain(|event| self.condition.holds(event));
        self.condition.tell(emitted);
        emitted.push(batch);
        Ok(())
    }

    fn fork(&self) -> Option<Box<dyn Transform>> {
        Some(Box::new(self.clone()))
    }
}
