//! Whether a pipeline can do its work where it is: what it needs is looked at, and nothing is changed.

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use futures::future::{BoxFuture, join_all};

use crate::build::Part;
use crate::component::{ComponentError, Healthcheck, Kind};
use crate::folders::{check_writable, look};
use crate::run::{Pipeline, chain};

/// How long a look may take.
const LONGEST: Duration = Duration::from_secs(10);

/// Something that a pipeline needs, and does not find.
#[derive(Debug)]
#[non_exhaustive]
pub struct Unhealthy {
    /// Whose it is, by its ID and its kind; `None` if it is needed by all.
    pub component: Option<(String, Kind)>,
    /// What is wrong.
    pub error: ComponentError,
}

impl fmt::Display for Unhealthy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((id, kind)) = &self.component {
            write!(f, "{kind} {id:?} is not healthy: ")?;
        }
        f.write_str(&chain(&self.error))
    }
}

type Whose = Option<(String, Kind)>;

impl Pipeline {
    /// Looks whether `data_dir` and the quarantine can be written to. Like [`healthchecks`](Self::healthchecks), it does not need
    /// the pipeline, which may run meanwhile.
    pub fn check_folders(&self) -> impl Future<Output = Vec<Unhealthy>> + Send + use<> {
        let config = &self.design.config;
        let folders = [("data_dir", config.data_dir.clone()), ("the quarantine", config.quarantine_folder())];
        let mut looks: Vec<(Whose, Healthcheck)> = Vec::new();
        // The quarantine is mostly within `data_dir`, and not told of twice.
        let mut within = None;
        for (what, folder) in folders {
            let Some(folder) = folder.filter(|folder| !within.as_ref().is_some_and(|outer| folder.starts_with(outer)))
            else {
                continue;
            };
            within = Some(folder.clone());
            let checked = move || {
                check_writable(&folder).map_err(|error| {
                    let hint = error.hint().unwrap_or_default().to_owned();
                    ComponentError::new(format!("{what} cannot be used")).caused_by(error).with_hint(hint)
                })
            };
            looks.push((None, look(checked)));
        }
        all(looks)
    }

    /// Asks all components whether they can do their work where they are, but for sinks with `healthcheck = false`: whether streams
    /// can be listed, servers answer, folders can be written to. Each has ten seconds.
    ///
    /// ```
    /// # use kinesis_logs_pipeline::{Pipeline, built_in, config::ConfigFile};
    /// # async fn look(pipeline: &Pipeline) {
    /// for unhealthy in pipeline.healthchecks().await {
    ///     eprintln!("{unhealthy}");
    /// }
    /// # }
    /// ```
    pub fn healthchecks(&self) -> Healthchecks {
        let components = self.design.config.components.iter().zip(&self.parts);
        let asked = components.filter(|(component, _)| component.healthcheck.enabled);
        let looks = asked.filter_map(|(component, part)| {
            let look = match part {
                Part::Source(source) => source.healthcheck(),
                Part::Transform(_) => return None,
                Part::Sink(sink) => sink.healthcheck(),
            };
            Some((Some((component.id.clone(), component.kind)), look))
        });
        Healthchecks(looks.collect())
    }
}

/// Asks components whether they can do their work, once it is awaited, and gives what is not as it should be. It does not need the
/// pipeline any more.
#[must_use = "nobody is asked before it is awaited"]
pub struct Healthchecks(Vec<(Whose, Healthcheck)>);

impl Healthchecks {
    /// Only those of components with these names, as those that a reload has [started](crate::Reloaded::started).
    pub fn of<'a>(mut self, ids: impl IntoIterator<Item = &'a str>) -> Self {
        let ids: HashSet<&str> = ids.into_iter().collect();
        self.0.retain(|(whose, _)| whose.as_ref().is_some_and(|(id, _)| ids.contains(id.as_str())));
        self
    }
}

impl IntoFuture for Healthchecks {
    type Output = Vec<Unhealthy>;
    type IntoFuture = BoxFuture<'static, Vec<Unhealthy>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(all(self.0))
    }
}

impl fmt::Debug for Healthchecks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(whose, _)| whose)).finish()
    }
}

/// What all looks found, in their order.
async fn all(looks: Vec<(Whose, Healthcheck)>) -> Vec<Unhealthy> {
    let looks = looks.into_iter().map(|(component, look)| async move {
        let looked = tokio::time::timeout(LONGEST, look).await;
        let result = looked.unwrap_or_else(|_| {
            let error = ComponentError::new(format!("no answer within {} s", LONGEST.as_secs()));
            Err(error.with_hint("check the network, and what stands between"))
        });
        result.err().map(|error| Unhealthy { component, error })
    });
    join_all(looks).await.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_look_that_does_not_end_is_given_up_and_the_others_are_told() {
        let never: Healthcheck = Box::pin(std::future::pending());
        let wrong: Healthcheck = Box::pin(std::future::ready(Err(ComponentError::new("cannot").caused_by("no room"))));
        let of = |id: &str| Some((id.to_owned(), Kind::Sink));
        let looks: Vec<(Whose, Healthcheck)> = vec![(of("a"), never), (of("b"), wrong)];
        let told: Vec<String> = all(looks).await.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            ["sink \"a\" is not healthy: no answer within 10 s", "sink \"b\" is not healthy: cannot: no room"]
        );
    }
}
