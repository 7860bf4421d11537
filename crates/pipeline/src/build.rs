//! From files to a pipeline that can run.

use std::sync::Arc;

use crate::component::{BuildContext, BuildError, Built, Keeper, Problem, Registry, Sink, Source, Transform};
use crate::config::{self, Component, Config, ConfigError, ConfigFile, Mistake, Node, NodeValue, Place};
use crate::graph::{Design, Graph};
use crate::run::Pipeline;

impl Pipeline {
    /// Builds what the files say, with variables from the process's environment. Does no I/O beyond that.
    ///
    /// # Errors
    ///
    /// All mistakes in the files.
    pub fn build(files: Vec<ConfigFile>, registry: &Registry) -> Result<Pipeline, ConfigError> {
        Pipeline::build_with(files, registry, &|name| std::env::var(name).ok())
    }

    /// The same with variables from `lookup`.
    ///
    /// # Errors
    ///
    /// All mistakes in the files.
    pub fn build_with(
        files: Vec<ConfigFile>,
        registry: &Registry,
        lookup: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Pipeline, ConfigError> {
        let (config, mut mistakes) = config::load(files, registry, lookup);
        if config.is_broken {
            return Err(config.error(mistakes));
        }
        let (graph, wrong) = Graph::new(&config);
        mistakes.extend(wrong);
        mistakes.extend(graph.incomplete(&config));
        let mut parts = Vec::new();
        for component in &config.components {
            match part(component, &config) {
                Ok(part) => parts.extend(part),
                Err(wrong) => mistakes.extend(wrong),
            }
        }
        if !mistakes.is_empty() {
            return Err(config.error(mistakes));
        }
        let keeper = keeper(&config);
        Ok(Pipeline::new(Design { config, graph }, parts, keeper))
    }
}

pub(crate) enum Part {
    Source(Box<dyn Source>),
    Transform(Box<dyn Transform>),
    Sink(Box<dyn Sink>),
}

/// What of a component runs; `None` if what is wrong with it was told already.
pub(crate) fn part(component: &Component, config: &Config) -> Result<Option<Part>, Vec<Mistake>> {
    let mut context = BuildContext::new(&component.id, config.data_dir.as_deref());
    context.healthcheck_uri.clone_from(&component.healthcheck.uri);
    let built = match &component.config {
        None => return Ok(None),
        Some(Built::Source(config)) => config.build(&context).map(Part::Source),
        Some(Built::Transform(config)) => config.build(&context).map(Part::Transform),
        Some(Built::Sink(config)) if component.healthcheck.uri.is_some() && !config.asks_a_uri() => {
            let problem = Problem::new("healthcheck.uri is for sinks that ask a server by HTTP, such as http");
            Err(problem.hint("leave it out: this one looks at what it needs by itself").into())
        }
        Some(Built::Sink(config)) => config.build(&context).map(Part::Sink),
    };
    built.map(Some).map_err(|error: BuildError| {
        let place = |problem| mistake(problem, &component.node, component.place.clone(), &config.files);
        error.problems.into_iter().map(place).collect()
    })
}

/// Puts a problem where it stands: at a key below `node`, or else at `place`.
pub(crate) fn mistake(problem: Problem, of: &Node, mut place: Place, files: &[ConfigFile]) -> Mistake {
    let mut node = of;
    for key in &problem.keys {
        match node.get(key) {
            Some(inner) => (node, place) = (inner, inner.place.clone()),
            None => break,
        }
    }
    if let Some(within) = problem.within.and_then(|within| text_place(node, within, files)) {
        place = within;
    }
    let mut mistake = Mistake::at(place, of.without_environment(&problem.message));
    if let Some(label) = problem.label {
        mistake = mistake.label(of.without_environment(&label));
    }
    match problem.hint {
        Some(hint) => mistake.hint(of.without_environment(&hint)),
        None => mistake,
    }
}

/// Where some bytes of a string stand in its file; `None` if the string was written with escapes, or by the environment.
fn text_place(node: &Node, within: std::ops::Range<usize>, files: &[ConfigFile]) -> Option<Place> {
    let NodeValue::String(text) = &node.value else { return None };
    let written = files.get(node.place.file)?.text.get(node.place.range.clone())?;
    let quotes = if written.starts_with("'''") || written.starts_with("\"\"\"") { 3 } else { 1 };
    let behind = &written[quotes.min(written.len())..];
    let newline =
        if quotes == 3 { behind.len() - behind.trim_start_matches('\r').trim_start_matches('\n').len() } else { 0 };
    // The parser drops one line feed alone.
    let offset = quotes + newline.min(if behind.starts_with('\r') { 2 } else { 1 });
    if !written.get(offset..)?.starts_with(text.as_str()) {
        return None;
    }
    let start = node.place.range.start + offset;
    Some(Place {
        file: node.place.file,
        range: start + within.start.min(text.len())..start + within.end.min(text.len()),
    })
}

/// What keeps what nobody takes.
fn keeper(config: &Config) -> Option<Arc<dyn Keeper>> {
    #[cfg(feature = "quarantine")]
    return config.quarantine_folder().map(|folder| Arc::new(crate::quarantine::Quarantine::new(&folder)) as _);
    #[cfg(not(feature = "quarantine"))]
    return config.quarantine_folder().and(None);
}
