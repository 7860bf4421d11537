//! Which components there are, with what all of them have in common.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;
use wildmatch::WildMatch;

use super::api::api;
use super::interpolate::interpolate;
use super::settings::SettingPlaces;
use super::tree::{Key, Node, NodeValue, Place};
use super::{ConfigError, ConfigFile, HealthcheckTable, Mistake, listed, read_config};
use crate::component::{Built, Kind, Registry};

/// What was read, as far as it could be.
#[derive(Default)]
pub(crate) struct Config {
    pub(crate) files: Arc<[ConfigFile]>,
    pub(crate) data_dir: Option<PathBuf>,
    pub(crate) quarantine: QuarantineConfig,
    pub(crate) components: Vec<Component>,
    /// Where to tell how the pipeline stands, if anywhere.
    pub(crate) api: Option<SocketAddr>,
    /// Where what holds for all of it stands.
    pub(crate) places: SettingPlaces,
    /// Tests of transforms, as they are written.
    pub(crate) tests: Vec<Node>,
    /// Whether a file is no TOML, so that what was read of it means little.
    pub(crate) is_broken: bool,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("files", &self.files)
            .field("components", &self.components)
            .finish_non_exhaustive()
    }
}

/// A component as it is written.
pub(crate) struct Component {
    pub(crate) id: String,
    pub(crate) kind: Kind,
    pub(crate) type_name: String,
    /// Where its name stands.
    pub(crate) place: Place,
    pub(crate) inputs: Vec<InputName>,
    pub(crate) buffer: Buffer,
    pub(crate) healthcheck: HealthcheckTable,
    /// Its own keys.
    pub(crate) node: Node,
    /// `None` if something is wrong with it, which was told.
    pub(crate) config: Option<Built>,
}

/// One of `inputs`: a name, in which `*` stands for anything.
#[derive(Clone)]
pub(crate) struct InputName {
    pub(crate) name: String,
    /// As it stands in its file, for messages.
    pub(crate) written: String,
    pub(crate) place: Place,
}

/// Without its keys, which may hold what is secret.
impl fmt::Debug for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Component { id, kind, type_name, inputs, .. } = self;
        let mut shown = f.debug_struct("Component");
        shown.field("id", id).field("kind", kind).field("type_name", type_name).field("inputs", inputs);
        shown.finish_non_exhaustive()
    }
}

impl fmt::Debug for InputName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.written.fmt(f)
    }
}

impl InputName {
    pub(crate) fn matches(&self, output: &str) -> bool {
        WildMatch::new(&self.name).matches(output)
    }

    pub(crate) fn is_pattern(&self) -> bool {
        self.name.contains('*')
    }
}

/// What may wait in front of a component.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct Buffer {
    /// Where it is.
    #[serde(rename = "type")]
    _type: BufferType,
    /// The most events.
    pub(crate) max_events: usize,
    /// The most bytes of decoded text.
    pub(crate) max_size: usize,
    /// What happens when it is full.
    #[serde(rename = "when_full")]
    _when_full: WhenFull,
}

/// Whether a sink is waited for, as Vector has it: always.
#[derive(Debug, Clone, Copy, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(super) struct Acknowledgements {
    /// `true`; what a sink has not accepted is never passed over.
    #[cfg_attr(feature = "schema", schemars(extend("const" = true)))]
    enabled: bool,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
enum BufferType {
    /// Memory, and nothing else is needed: what is not yet written is read again.
    #[default]
    Memory,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
enum WhenFull {
    /// What lies before it waits.
    #[default]
    Block,
}

impl Default for Buffer {
    fn default() -> Self {
        Buffer { _type: BufferType::Memory, max_events: 100_000, max_size: 2 << 20, _when_full: WhenFull::Block }
    }
}

const TOP: [&str; 7] = ["data_dir", "api", "quarantine", "sources", "transforms", "sinks", "tests"];

/// Reads all files: what could be read, and all that is wrong as far as it shows without looking at how components hang
/// together.
pub(crate) fn load(
    files: Vec<ConfigFile>,
    registry: &Registry,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> (Config, Vec<Mistake>) {
    let mut mistakes = Vec::new();
    let mut config = Config { files: files.into(), ..Config::default() };
    let files = config.files.clone();
    let mut data_dir: Option<Node> = None;
    let mut quarantine = None;
    let mut api_place: Option<Place> = None;
    for (index, file) in files.iter().enumerate() {
        let before = mistakes.len();
        let mut root = Node::parse(index, &file.text, &mut mistakes);
        if mistakes.len() > before {
            config.is_broken = true;
            continue;
        }
        interpolate(&mut root, lookup, &mut mistakes);
        let NodeValue::Table(members) = root.value else { continue };
        for (key, node) in members {
            match key.name.as_str() {
                "sources" => components(Kind::Source, node, registry, &mut config, &mut mistakes),
                "transforms" => components(Kind::Transform, node, registry, &mut config, &mut mistakes),
                "sinks" => components(Kind::Sink, node, registry, &mut config, &mut mistakes),
                "quarantine" => {
                    config.quarantine = read_config(&node, &mut mistakes).unwrap_or_default();
                    quarantine = Some(node.place);
                }
                "tests" => match node.value {
                    NodeValue::Array(tests) => config.tests.extend(tests),
                    _ => {
                        let message = format!("expected an array of tests, found {}", node.kind());
                        mistakes.push(Mistake::at(node.place, message).hint("write each as a table [[tests]]"));
                    }
                },
                "api" => match &api_place {
                    Some(first) => mistakes
                        .push(Mistake::at(node.place, "api is set twice").other(first.clone(), "it is also set here")),
                    None => {
                        config.api = api(&node, &mut mistakes);
                        api_place = Some(node.place);
                    }
                },
                "data_dir" => match (&data_dir, node.text()) {
                    (Some(first), _) => mistakes.push(
                        Mistake::at(node.place, "data_dir is set twice")
                            .other(first.place.clone(), "it is also set here"),
                    ),
                    (None, Some(path)) => {
                        config.data_dir = Some(path.into());
                        data_dir = Some(node);
                    }
                    (None, None) => mistakes
                        .push(Mistake::at(node.place.clone(), format!("expected a string, found {}", node.kind()))),
                },
                other => mistakes.push(
                    Mistake::at(key.place, format!("unknown key {other:?}")).hint(listed(other, TOP.into_iter())),
                ),
            }
        }
    }
    let data_dir = data_dir.map(|node| node.place);
    config.places = SettingPlaces { data_dir, quarantine: quarantine.clone(), api: api_place };
    if let Some(place) = quarantine.filter(|_| config.quarantine.enabled == Some(true))
        && config.quarantine_folder().is_none()
    {
        let mistake = Mistake::at(place, "the quarantine has no place");
        mistakes.push(mistake.hint("set data_dir, or quarantine.path"));
    }
    (config, mistakes)
}

/// What is done with what nobody takes.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct QuarantineConfig {
    /// Whether it is kept. Otherwise it ends the run. Default: `true`, if there is a place.
    enabled: Option<bool>,
    /// The folder that it is kept in. Default: `quarantine` in `data_dir`.
    path: Option<PathBuf>,
}

impl Config {
    /// Where what nobody takes is kept, if it is.
    pub(crate) fn quarantine_folder(&self) -> Option<PathBuf> {
        let QuarantineConfig { enabled, path } = &self.quarantine;
        let folder = path.clone().or_else(|| Some(self.data_dir.as_ref()?.join("quarantine")));
        folder.filter(|_| *enabled != Some(false))
    }

    pub(crate) fn error(&self, mistakes: Vec<Mistake>) -> ConfigError {
        ConfigError::new(self.files.clone(), mistakes)
    }
}

fn components(kind: Kind, node: Node, registry: &Registry, config: &mut Config, mistakes: &mut Vec<Mistake>) {
    let found = node.kind();
    let NodeValue::Table(members) = node.value else {
        let message = format!("expected a table of {}, found {found}", kind.table());
        return mistakes.push(Mistake::at(node.place, message));
    };
    for (key, node) in members {
        if let Some(first) = config.components.iter().find(|other| other.id == key.name) {
            let mistake = Mistake::at(key.place, format!("two components are called {:?}", key.name));
            mistakes.push(mistake.other(first.place.clone(), "the first of them"));
            continue;
        }
        if !key.name.chars().all(|char| char.is_ascii_alphanumeric() || "_-".contains(char)) || key.name.is_empty() {
            let message = format!("{:?} is no name for a component", key.name);
            mistakes.push(Mistake::at(key.place.clone(), message).hint("names have letters, digits, '_' and '-'"));
        }
        if let Some(component) = component(kind, key, node, registry, mistakes) {
            config.components.push(component);
        }
    }
}

/// Takes what all components have in common out of one's table, and reads the rest as its type says.
fn component(
    kind: Kind,
    key: Key,
    mut node: Node,
    registry: &Registry,
    mistakes: &mut Vec<Mistake>,
) -> Option<Component> {
    let found = node.kind();
    let NodeValue::Table(members) = &mut node.value else {
        mistakes.push(Mistake::at(node.place, format!("expected a table, found {found}")));
        return None;
    };
    let mut take = |name: &str| {
        let index = members.iter().position(|(key, _)| key.name == name)?;
        Some(members.remove(index).1)
    };
    let (type_node, inputs) = (take("type"), if kind == Kind::Source { None } else { take("inputs") });
    let [buffer, acknowledgements, healthcheck] = match kind {
        Kind::Sink => ["buffer", "acknowledgements", "healthcheck"].map(take),
        Kind::Source | Kind::Transform => [None, None, None],
    };
    let inputs = match (kind, inputs) {
        (Kind::Source, _) => Vec::new(),
        (_, Some(inputs)) => input_names(inputs, mistakes),
        (_, None) => {
            let mistake = Mistake::at(key.place.clone(), format!("{kind} {:?} has no inputs", key.name));
            mistakes.push(mistake.hint("inputs = [\"...\"] names what it takes events from"));
            Vec::new()
        }
    };
    let buffer = buffer.and_then(|buffer| read_config(&buffer, mistakes)).unwrap_or_default();
    if let Some(node) = acknowledgements
        && read_config(&node, mistakes).is_some_and(|Acknowledgements { enabled }| !enabled)
    {
        let mistake = Mistake::at(node.place, "acknowledgements cannot be turned off");
        mistakes.push(mistake.hint("what a sink has not accepted is never passed over; leave the key out"));
    }
    let healthcheck = healthcheck.map(|node| HealthcheckTable::read(&node, mistakes)).unwrap_or_default();
    let mut component = Component {
        id: key.name,
        kind,
        type_name: String::new(),
        place: key.place,
        inputs,
        buffer,
        healthcheck,
        node,
        config: None,
    };
    let known = registry.names(kind).collect::<Vec<_>>();
    match type_node.as_ref().map(|node| (node, node.text())) {
        None => mistakes.push(
            Mistake::at(component.place.clone(), format!("{kind} {:?} has no type", component.id))
                .hint(format!("known are {}", known.join(", "))),
        ),
        Some((node, None)) => {
            mistakes.push(Mistake::at(node.place.clone(), format!("expected a string, found {}", node.kind())));
        }
        Some((node, Some(name))) => match registry.factory(kind, name) {
            Some(factory) => {
                component.type_name = name.to_owned();
                component.config = factory(&component.node, mistakes);
            }
            None => {
                let name = node.written.as_deref().unwrap_or(name);
                let mistake = Mistake::at(node.place.clone(), format!("there is no type of {} {name:?}", kind.table()));
                mistakes.push(mistake.hint(listed(name, known.into_iter())));
            }
        },
    }
    Some(component)
}

fn input_names(node: Node, mistakes: &mut Vec<Mistake>) -> Vec<InputName> {
    let found = node.kind();
    let nodes = match node.value {
        NodeValue::Array(nodes) => nodes,
        _ => {
            let mistake = Mistake::at(node.place, format!("expected an array of names, found {found}"));
            mistakes.push(mistake.hint("write it in brackets: [\"...\"]"));
            return Vec::new();
        }
    };
    if nodes.is_empty() {
        mistakes.push(Mistake::at(node.place, "inputs are empty").hint("name what it takes events from"));
    }
    let mut names = Vec::new();
    for node in nodes {
        match node.text() {
            Some(name) => {
                let written = node.written.clone().unwrap_or_else(|| name.to_owned());
                names.push(InputName { name: name.to_owned(), written, place: node.place });
            }
            None => mistakes.push(Mistake::at(node.place.clone(), format!("expected a name, found {}", node.kind()))),
        }
    }
    names
}
