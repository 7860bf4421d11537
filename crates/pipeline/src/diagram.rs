//! A pipeline as a diagram.

use std::fmt::Write;

use crate::component::{Kind, Registry};
use crate::config::{self, ConfigError, ConfigFile};
use crate::graph::Graph;

/// Which components a configuration has, and who takes from whom. Names and types alone are shown, never a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagram {
    nodes: Vec<DiagramNode>,
    edges: Vec<DiagramEdge>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct DiagramNode {
    id: String,
    type_name: String,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct DiagramEdge {
    from: usize,
    output: Option<String>,
    to: usize,
}

impl Diagram {
    /// The diagram of what the files say.
    ///
    /// # Errors
    ///
    /// What is wrong with the files, as far as it shows without building components.
    pub fn of(files: Vec<ConfigFile>, registry: &Registry) -> Result<Self, ConfigError> {
        let (config, mut mistakes) = config::load(files, registry, &|name| std::env::var(name).ok());
        if config.is_broken {
            return Err(config.error(mistakes));
        }
        let (graph, wrong) = Graph::new(&config);
        mistakes.extend(wrong);
        if !mistakes.is_empty() {
            return Err(config.error(mistakes));
        }
        let nodes = config.components.into_iter().map(|component| DiagramNode {
            id: component.id,
            type_name: component.type_name,
            kind: component.kind,
        });
        let edges = graph.edges.into_iter().map(|edge| DiagramEdge {
            from: edge.from,
            output: edge.output.map(|output| output.to_string()),
            to: edge.to,
        });
        Ok(Diagram { nodes: nodes.collect(), edges: edges.collect() })
    }

    /// As a flow chart of [Mermaid](https://mermaid.js.org/syntax/flowchart.html).
    pub fn mermaid(&self) -> String {
        let mut text = "flowchart LR\n".to_owned();
        for (index, node) in self.nodes.iter().enumerate() {
            let (open, close) = match node.kind {
                Kind::Source => ("([", "])"),
                Kind::Transform => ("[", "]"),
                Kind::Sink => ("[(", ")]"),
            };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  c{index}{open}\"{}<br/><small>{}</small>\"{close}", node.id, node.type_name);
        }
        for edge in &self.edges {
            let label = edge.output.as_ref().map(|output| format!("|\"{output}\"|")).unwrap_or_default();
            let _ = writeln!(text, "  c{} -->{label} c{}", edge.from, edge.to);
        }
        text
    }

    /// In the [DOT language](https://graphviz.org/doc/info/lang.html) of Graphviz.
    pub fn dot(&self) -> String {
        let mut text = "digraph pipeline {\n  rankdir = LR\n".to_owned();
        for node in &self.nodes {
            let shape = match node.kind {
                Kind::Source => "ellipse",
                Kind::Transform => "box",
                Kind::Sink => "cylinder",
            };
            let _ = writeln!(text, "  \"{0}\" [shape = {shape}, label = \"{0}\\n{1}\"]", node.id, node.type_name);
        }
        for edge in &self.edges {
            let label = edge.output.as_ref().map(|output| format!(" [label = \"{output}\"]")).unwrap_or_default();
            let (from, to) = (&self.nodes[edge.from].id, &self.nodes[edge.to].id);
            let _ = writeln!(text, "  \"{from}\" -> \"{to}\"{label}");
        }
        text + "}\n"
    }
}
