//! How components hang together: who takes from whom.

use std::collections::HashSet;
use std::sync::Arc;

use crate::component::{Built, Kind};
use crate::config::{Component, Config, Mistake, listed};

/// A configuration, and how its components hang together.
#[derive(Debug, Default)]
pub(crate) struct Design {
    pub(crate) config: Config,
    pub(crate) graph: Graph,
}

impl Design {
    /// The outputs that a component takes from, by name.
    pub(crate) fn inputs(&self, of: usize) -> Vec<String> {
        let names = self.graph.edges.iter().filter(|edge| edge.to == of).map(|edge| {
            let id = &self.config.components[edge.from].id;
            edge.output.as_ref().map_or_else(|| id.clone(), |output| format!("{id}.{output}"))
        });
        names.collect()
    }
}

/// The edges. Components are indices into the configuration's.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    pub(crate) edges: Vec<Edge>,
}

/// A component takes what another puts out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Edge {
    pub(crate) from: usize,
    /// Which output; `None` is its own.
    pub(crate) output: Option<Arc<str>>,
    pub(crate) to: usize,
}

impl Graph {
    /// The graph, with what is wrong with it: unknown inputs, and cycles.
    pub(crate) fn new(config: &Config) -> (Self, Vec<Mistake>) {
        let mut mistakes = Vec::new();
        let components = &config.components;
        let outputs = outputs(components);
        let mut graph = Graph::default();
        for (to, component) in components.iter().enumerate() {
            let mut taken = HashSet::new();
            for input in &component.inputs {
                let names = outputs.iter().filter(|(name, from, _)| {
                    // A pattern is not meant to take from the component itself, a name is a mistake.
                    if input.is_pattern() { *from != to && input.matches(name) } else { *name == input.name }
                });
                let mut found = false;
                for (_, from, output) in names {
                    found = true;
                    if taken.insert((*from, output.clone())) {
                        graph.edges.push(Edge { from: *from, output: output.clone(), to });
                    }
                }
                // Outputs of what could not be read are unknown.
                let may_be = components.iter().any(|other| {
                    other.config.is_none()
                        && input
                            .name
                            .strip_prefix(&other.id)
                            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
                });
                if !found && !may_be {
                    let others = outputs.iter().filter(|(_, from, _)| *from != to).map(|(name, ..)| name.as_str());
                    let message = format!("no component puts out {:?}", input.written);
                    mistakes.push(Mistake::at(input.place.clone(), message).hint(listed(&input.written, others)));
                }
            }
        }
        graph.find_cycles(components, &mut mistakes);
        (graph, mistakes)
    }

    /// What is missing for it to run: a source, a sink, takers of what comes out.
    pub(crate) fn incomplete(&self, config: &Config) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        self.find_dead_ends(&config.components, &mut mistakes);
        find_rivals(&config.components, &mut mistakes);
        find_writers(&config.components, &mut mistakes);
        for kind in [Kind::Source, Kind::Sink] {
            if !config.components.iter().any(|component| component.kind == kind) {
                let message = format!("the configuration has no {kind}");
                mistakes.push(Mistake::whole(message).hint(format!("add a table [{}.NAME]", kind.table())));
            }
        }
        mistakes
    }

    /// What leads away from a component.
    pub(crate) fn edges_from(&self, from: usize) -> impl Iterator<Item = &Edge> {
        self.edges.iter().filter(move |edge| edge.from == from)
    }

    /// All components that lie before one, itself included.
    pub(crate) fn upstream(&self, of: usize) -> HashSet<usize> {
        let mut found = HashSet::from([of]);
        let mut open = vec![of];
        while let Some(to) = open.pop() {
            for edge in self.edges.iter().filter(|edge| edge.to == to) {
                if found.insert(edge.from) {
                    open.push(edge.from);
                }
            }
        }
        found
    }

    fn find_cycles(&self, components: &[Component], mistakes: &mut Vec<Mistake>) {
        let mut told: HashSet<usize> = HashSet::new();
        for start in 0..components.len() {
            if told.contains(&start) {
                continue;
            }
            if let Some(path) = self.path_back(start) {
                told.extend(&path);
                let names: Vec<&str> = path.iter().chain([&start]).map(|of| components[*of].id.as_str()).collect();
                let message = format!("events would go round: {}", names.join(" -> "));
                mistakes.push(Mistake::at(components[start].place.clone(), message));
            }
        }
    }

    /// A way from a component to itself.
    fn path_back(&self, start: usize) -> Option<Vec<usize>> {
        let mut seen = HashSet::new();
        let mut paths = vec![vec![start]];
        while let Some(path) = paths.pop() {
            let last = *path.last()?;
            for edge in self.edges.iter().filter(|edge| edge.from == last) {
                if edge.to == start {
                    return Some(path);
                }
                if seen.insert(edge.to) {
                    paths.push([&path[..], &[edge.to]].concat());
                }
            }
        }
        None
    }

    fn find_dead_ends(&self, components: &[Component], mistakes: &mut Vec<Mistake>) {
        for (index, component) in components.iter().enumerate().filter(|(_, component)| component.kind != Kind::Sink) {
            let has_own_output = has_own_output(component);
            if !self.edges.iter().any(|edge| edge.from == index && (edge.output.is_none() || !has_own_output)) {
                let message = format!("nobody takes from {} {:?}", component.kind, component.id);
                let name = if has_own_output { component.id.clone() } else { format!("{}.*", component.id) };
                let hint = format!("name {name:?} among the inputs of a sink, or remove it");
                mistakes.push(Mistake::at(component.place.clone(), message).hint(hint));
            }
        }
    }
}

/// Sinks that would write to the same path, where one could remove what another has half written.
fn find_writers(components: &[Component], mistakes: &mut Vec<Mistake>) {
    let mut taken: Vec<(&str, &Component)> = Vec::new();
    for component in components {
        let Some(Built::Sink(config)) = &component.config else { continue };
        let Some(path) = config.writes_alone() else { continue };
        match taken.iter().find(|(other, _)| *other == path) {
            Some((_, first)) => {
                let message = format!("sinks {:?} and {:?} would both write to the same path", first.id, component.id);
                let hint = "give each its own, or let one of them take from all";
                let mistake = Mistake::at(component.place.clone(), message).hint(hint);
                mistakes.push(mistake.other(first.place.clone(), "the first of them"));
            }
            None => taken.push((path, component)),
        }
    }
}

/// Sources that need the same for themselves.
fn find_rivals(components: &[Component], mistakes: &mut Vec<Mistake>) {
    let mut taken: Vec<(&str, &Component)> = Vec::new();
    for component in components {
        let Some(Built::Source(config)) = &component.config else { continue };
        let Some(needed) = config.needs_alone() else { continue };
        match taken.iter().find(|(other, _)| *other == needed) {
            Some((_, first)) => {
                let message = format!("sources {:?} and {:?} would both read {needed}", first.id, component.id);
                let hint = "let the others take from one of them";
                mistakes.push(Mistake::at(component.place.clone(), message).hint(hint));
            }
            None => taken.push((needed, component)),
        }
    }
}

/// Whether inputs may name it by itself.
fn has_own_output(component: &Component) -> bool {
    match &component.config {
        Some(Built::Transform(config)) => config.has_own_output(),
        _ => component.kind != Kind::Sink,
    }
}

/// What inputs may name: each output, whose it is, and which.
pub(crate) fn outputs(components: &[Component]) -> Vec<(String, usize, Option<Arc<str>>)> {
    let mut outputs = Vec::new();
    for (index, component) in components.iter().enumerate() {
        if has_own_output(component) {
            outputs.push((component.id.clone(), index, None));
        }
        let named = match &component.config {
            Some(Built::Source(config)) => config.outputs(),
            Some(Built::Transform(config)) => config.outputs(),
            Some(Built::Sink(config)) => config.outputs(),
            None => Vec::new(),
        };
        outputs.extend(named.into_iter().map(|name| (format!("{}.{name}", component.id), index, Some(name.into()))));
    }
    outputs
}
