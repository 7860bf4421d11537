//! An event as a program's target: only what the program names is in it, and what the program changes is noted.

use std::sync::Arc;

use vrl::compiler::{ProgramInfo, SecretTarget, Target, TargetValue};
use vrl::path::{OwnedSegment, OwnedTargetPath, PathPrefix};
use vrl::value::{KeyString, ObjectMap, Secrets, Value as VrlValue};

use super::value::{from_event, to_event};
use crate::component::{Changes, Event, ValueRef};

/// What of an event a program may look at.
#[derive(Debug)]
pub(super) enum Wanted {
    /// Members, and metadata.
    These { members: Vec<KeyString>, metadata: Vec<Metadata> },
    /// It looks at the event as a whole.
    All,
}

/// One piece of metadata: `%space.name`, or all of `%space`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Metadata {
    space: KeyString,
    name: Option<KeyString>,
}

impl Metadata {
    fn path(&self) -> String {
        match &self.name {
            Some(name) => format!("%{}.{name}", self.space),
            None => format!("%{}", self.space),
        }
    }
}

impl Wanted {
    pub(super) fn of(program: &ProgramInfo) -> Self {
        let mut members = Vec::new();
        let mut metadata = Vec::new();
        // What is assigned within a member changes what is there.
        let assigned = program.target_assignments.iter().filter(|path| !is_root(path));
        for path in program.target_queries.iter().chain(assigned) {
            match (path.prefix, path.path.segments.as_slice()) {
                (PathPrefix::Event, [OwnedSegment::Field(name), ..]) => members.push(name.clone()),
                (PathPrefix::Metadata, [OwnedSegment::Field(space), rest @ ..]) => {
                    let name = match rest.first() {
                        Some(OwnedSegment::Field(name)) => Some(name.clone()),
                        _ => None,
                    };
                    metadata.push(Metadata { space: space.clone(), name });
                }
                _ => return Wanted::All,
            }
        }
        members.sort();
        members.dedup();
        metadata.sort();
        metadata.dedup();
        Wanted::These { members, metadata }
    }

    /// The names, for tests.
    #[cfg(test)]
    pub(super) fn names(&self) -> String {
        match self {
            Wanted::All => "all".to_owned(),
            Wanted::These { members, metadata } => {
                let members = members.iter().map(ToString::to_string);
                members.chain(metadata.iter().map(Metadata::path)).collect::<Vec<_>>().join(" ")
            }
        }
    }
}

fn is_root(path: &OwnedTargetPath) -> bool {
    path.path.segments.is_empty()
}

/// Made once for a program: its members are filled anew for every event.
#[derive(Debug)]
pub(super) struct EventTarget {
    inner: TargetValue,
    changed: Vec<Changed>,
    /// Names of members that were changed, as events share them.
    names: Vec<Arc<str>>,
}

/// What a program has changed.
#[derive(Debug, PartialEq, Eq)]
enum Changed {
    /// The event as a whole.
    Event,
    Member(KeyString),
    Metadata(Metadata),
}

impl EventTarget {
    pub(super) fn new() -> Self {
        let empty = || VrlValue::Object(ObjectMap::new());
        let inner = TargetValue { value: empty(), metadata: empty(), secrets: Secrets::default() };
        EventTarget { inner, changed: Vec::new(), names: Vec::new() }
    }

    fn clear(&mut self) {
        for value in [&mut self.inner.value, &mut self.inner.metadata] {
            match value {
                VrlValue::Object(members) => members.clear(),
                other => *other = VrlValue::Object(ObjectMap::new()),
            }
        }
        self.changed.clear();
    }

    /// Takes what `wanted` names from the event.
    pub(super) fn fill(&mut self, wanted: &Wanted, event: &Event<'_>) {
        if !self.changed.is_empty() || matches!(wanted, Wanted::All) {
            self.clear();
        }
        let (VrlValue::Object(object), VrlValue::Object(data)) = (&mut self.inner.value, &mut self.inner.metadata)
        else {
            return;
        };
        match wanted {
            Wanted::These { members, metadata } => {
                for name in members {
                    put(object, name, event.get(name));
                }
                for metadata in metadata {
                    put_metadata(data, metadata, event);
                }
            }
            Wanted::All => {
                for name in ["message", "timestamp", "extracted_fields"] {
                    put(object, &name.into(), event.get(name));
                }
                for (name, _) in event.members() {
                    // Extracted fields are members of their object alone.
                    put(object, &name.as_ref().into(), event.get(&name));
                }
                if let Some(flow) = event.flow_log() {
                    for column in flow.format().columns() {
                        put(object, &column.name().into(), event.get(column.name()));
                    }
                }
                for [space, name] in Event::METADATA {
                    put_metadata(data, &Metadata { space: space.into(), name: Some(name.into()) }, event);
                }
            }
        }
    }

    /// Whether the program has changed anything.
    pub(super) fn is_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// What the program made of the event as a whole, if it is several.
    pub(super) fn several(&self) -> Option<&[VrlValue]> {
        match &self.inner.value {
            VrlValue::Array(events) => Some(events),
            _ => None,
        }
    }

    /// Adds what the program changed to `changes`; of an event that became several without its members.
    pub(super) fn note(&mut self, changes: &mut Changes) {
        if self.changed.contains(&Changed::Event) {
            replace(&self.inner.value, changes);
        }
        for changed in &self.changed {
            match changed {
                Changed::Event => {}
                Changed::Member(name) => {
                    let value = match &self.inner.value {
                        VrlValue::Object(members) => members.get(name),
                        _ => None,
                    };
                    set(changes, shared(&mut self.names, name), value);
                }
                Changed::Metadata(data) => {
                    let value = match &data.name {
                        Some(name) => self.inner.metadata.get(&path([&data.space, name])),
                        None => self.inner.metadata.get(&path([&data.space])),
                    };
                    set(changes, data.path().into(), value);
                }
            }
        }
    }

    fn change(&mut self, path: &OwnedTargetPath) {
        let field = |at: usize| match path.path.segments.get(at) {
            Some(OwnedSegment::Field(name)) => Some(name.clone()),
            _ => None,
        };
        let changed = match (path.prefix, field(0)) {
            (PathPrefix::Event, None) => Changed::Event,
            (PathPrefix::Event, Some(name)) => Changed::Member(name),
            (PathPrefix::Metadata, Some(space)) => Changed::Metadata(Metadata { space, name: field(1) }),
            // All metadata: nothing of it is the program's to replace.
            (PathPrefix::Metadata, None) => return,
        };
        if !self.changed.contains(&changed) {
            self.changed.push(changed);
        }
    }
}

fn path<const N: usize>(names: [&KeyString; N]) -> vrl::path::OwnedValuePath {
    vrl::path::OwnedValuePath { segments: names.into_iter().cloned().map(OwnedSegment::Field).collect() }
}

/// The name as events share it. A program has few.
fn shared(names: &mut Vec<Arc<str>>, name: &KeyString) -> Arc<str> {
    if let Some(known) = names.iter().find(|known| ***known == *name.as_str()) {
        return known.clone();
    }
    let new: Arc<str> = name.as_str().into();
    names.push(new.clone());
    new
}

fn set(changes: &mut Changes, name: Arc<str>, value: Option<&VrlValue>) {
    match value {
        Some(value) => changes.set(name, to_event(value)),
        None => changes.remove(name),
    }
}

/// Lets `value` be all that the event has. What is no object becomes its message.
pub(super) fn replace(value: &VrlValue, changes: &mut Changes) {
    changes.clear();
    match value {
        VrlValue::Object(members) => {
            members.iter().for_each(|(name, value)| changes.set(name.to_string(), to_event(value)));
        }
        // Each becomes an event of its own.
        VrlValue::Array(_) => {}
        other => changes.set("message", to_event(other)),
    }
}

fn put_metadata(data: &mut ObjectMap, metadata: &Metadata, event: &Event<'_>) {
    if let Some(whole) = event.get(&format!("%{}", metadata.space)) {
        return put(data, &metadata.space, Some(whole));
    }
    let mut names: Vec<&str> = metadata.name.iter().map(|name| name.as_str()).collect();
    if names.is_empty() {
        names.extend(
            Event::METADATA.iter().filter(|[space, _]| *space == metadata.space.as_str()).map(|[_, name]| *name),
        );
    }
    for name in names {
        let value = event.get(&format!("%{}.{name}", metadata.space));
        let object = data.entry(metadata.space.clone()).or_insert_with(|| VrlValue::Object(ObjectMap::new()));
        if let VrlValue::Object(object) = object {
            put(object, &name.into(), value);
        }
    }
}

/// Sets a member, or removes it.
fn put(object: &mut ObjectMap, name: &KeyString, value: Option<ValueRef<'_>>) {
    match (object.get_mut(name), value.map(from_event)) {
        (Some(slot), Some(value)) => *slot = value,
        (None, Some(value)) => drop(object.insert(name.clone(), value)),
        (Some(_), None) => drop(object.remove(name)),
        (None, None) => {}
    }
}

impl Target for EventTarget {
    fn target_insert(&mut self, path: &OwnedTargetPath, value: VrlValue) -> Result<(), String> {
        self.change(path);
        self.inner.target_insert(path, value)
    }

    fn target_get(&self, path: &OwnedTargetPath) -> Result<Option<&VrlValue>, String> {
        self.inner.target_get(path)
    }

    fn target_get_mut(&mut self, path: &OwnedTargetPath) -> Result<Option<&mut VrlValue>, String> {
        self.change(path);
        self.inner.target_get_mut(path)
    }

    fn target_remove(&mut self, path: &OwnedTargetPath, compact: bool) -> Result<Option<VrlValue>, String> {
        self.change(path);
        self.inner.target_remove(path, compact)
    }
}

/// Secrets are for components of Vector that hold some; events have none.
impl SecretTarget for EventTarget {
    fn get_secret(&self, key: &str) -> Option<&str> {
        self.inner.get_secret(key)
    }

    fn insert_secret(&mut self, key: &str, value: &str) {
        self.inner.insert_secret(key, value);
    }

    fn remove_secret(&mut self, key: &str) {
        self.inner.remove_secret(key);
    }
}
