//! `route`: sends events on by several ways.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use super::program::{Condition, ConditionConfig};
use crate::component::{
    Batch, BuildContext, BuildError, ComponentError, Emitted, Outcome, Problem, Transform, TransformConfig,
};

const UNMATCHED: &str = "_unmatched";

/// Sends each event to every output whose condition holds for it, or to `<id>._unmatched` where none does. What comes out by
/// an output from which nobody takes counts as delivered.
///
/// ```toml
/// [transforms.by_action]
/// type = "route"
/// inputs = ["flows"]
/// route.rejected = '.action == "REJECT"'
/// route.accepted = '.action == "ACCEPT"'
/// ```
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct RouteConfig {
    /// Conditions, as for `filter`, by the names of outputs: `route.rejected` makes `<id>.rejected`.
    route: BTreeMap<String, ConditionConfig>,
    /// Whether what matches nowhere goes to `<id>._unmatched`. Otherwise it counts as delivered. Default: `true`.
    #[serde(default = "yes")]
    reroute_unmatched: bool,
}

fn yes() -> bool {
    true
}

impl TransformConfig for RouteConfig {
    fn build(&self, _: &BuildContext) -> Result<Box<dyn Transform>, BuildError> {
        let mut routes = Vec::new();
        let mut problems = Vec::new();
        if self.route.is_empty() {
            problems.push(Problem::new("no routes are named").key("route").hint("name = \"condition\" makes one"));
        }
        for (name, condition) in &self.route {
            if name == UNMATCHED || name.is_empty() || name.contains('.') {
                let problem = Problem::new(format!("{name:?} is no name for a route")).key("route");
                problems.push(problem.hint("names have no '.', and _unmatched is that of the rest"));
                continue;
            }
            match condition.build(&format!("route.{name}")) {
                Ok(condition) => routes.push((Arc::from(name.as_str()), condition)),
                Err(error) => problems.extend(error.problems),
            }
        }
        match problems.is_empty() {
            true => Ok(Box::new(Route { routes, unmatched: self.reroute_unmatched.then(|| UNMATCHED.into()) })),
            false => Err(BuildError { problems }),
        }
    }

    fn outputs(&self) -> Vec<String> {
        let unmatched = self.reroute_unmatched.then(|| UNMATCHED.to_owned());
        self.route.keys().cloned().chain(unmatched).collect()
    }

    fn has_own_output(&self) -> bool {
        false
    }
}

#[derive(Clone)]
struct Route {
    routes: Vec<(Arc<str>, Condition)>,
    unmatched: Option<Arc<str>>,
}

impl Transform for Route {
    fn transform(&mut self, mut batch: Batch, emitted: &mut Emitted) -> Result<(), ComponentError> {
        let mut is_matched = vec![false; batch.len()];
        for (name, condition) in &mut self.routes {
            let mut taken = batch.clone();
            let mut matched = is_matched.iter_mut();
            taken.retain(|event| {
                let holds = condition.holds(event);
                if let Some(matched) = matched.next() {
                    *matched |= holds;
                }
                holds
            });
            emitted.offer(name, taken);
            condition.tell(emitted);
        }
        match &self.unmatched {
            Some(name) => {
                let mut matched = is_matched.into_iter();
                batch.retain(|_| matched.next() == Some(false));
                emitted.offer(name, batch);
            }
            None => {
                emitted.left_out(is_matched.into_iter().filter(|is_matched| !is_matched).count());
                batch.acknowledge(Outcome::Delivered);
            }
        }
        Ok(())
    }

    fn fork(&self) -> Option<Box<dyn Transform>> {
        Some(Box::new(self.clone()))
    }
}
