//! An event as a program's target: only what the program names is in it, and what the program changes is noted.

use std::sync::Arc;

use kinesis_logs_decoder::flow_log::Field;
use vrl::compiler::{ProgramInfo, SecretTarget, Target, TargetValue};
use vrl::path::{OwnedSegment, OwnedTargetPath, PathPrefix};
use vrl::value::{KeyString, ObjectMap, Secrets, Value as VrlValue};

use super::value::{from_event, to_event};
use crate::component::{Changes, Event, ValueRef};

/// What of an event a program may look at.
#[derive(Debug, Clone)]
pub(super) enum Wanted {
    /// Members, and which field of flow logs each is; and metadata.
    These { members: Vec<(KeyString, Option<Field>)>, metadata: Vec<Metadata> },
    /// It looks at the event as a whole, with all this metadata.
    All { metadata: Vec<Metadata> },
}

/// One piece of metadata: `%space.name`, or all of `%space`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Metadata {
    space: KeyString,
    name: Option<KeyString>,
    /// `%space`.
    whole: Arc<str>,
    /// As events name it.
    path: Arc<str>,
}

impl Metadata {
    fn new(space: KeyString, name: Option<KeyString>) -> Self {
        let whole: Arc<str> = format!("%{space}").into();
        let path = name.as_ref().map_or_else(|| whole.clone(), |name| format!("%{space}.{name}").into());
        Metadata { space, name, whole, path }
    }

    /// All there is.
    fn all() -> Vec<Metadata> {
        Event::METADATA.map(|[space, name]| Metadata::new(space.into(), Some(name.into()))).into()
    }
}

impl Wanted {
    /// What a program looks at; with `takes_all`, which it does not say, at all there is.
    pub(super) fn of(program: &ProgramInfo, mut takes_all: bool) -> Self {
        let mut members: Vec<KeyString> = Vec::new();
        let mut metadata = Vec::new();
        // What is assigned within a member changes what is there; what is assigned as a whole takes its place.
        let is_within = |path: &&OwnedTargetPath| match path.prefix {
            PathPrefix::Event => path.path.segments.len() > 1,
            PathPrefix::Metadata => !path.path.segments.is_empty(),
        };
        let assigned = program.target_assignments.iter().filter(is_within);
        for path in program.target_queries.iter().chain(assigned) {
            match (path.prefix, path.path.segments.as_slice()) {
                (PathPrefix::Event, [OwnedSegment::Field(name), ..]) => members.push(name.clone()),
                (PathPrefix::Metadata, [OwnedSegment::Field(space), rest @ ..]) => {
                    let name = match rest.first() {
                        Some(OwnedSegment::Field(name)) => Some(name.clone()),
                        _ => None,
                    };
                    metadata.push(Metadata::new(space.clone(), name));
                }
                _ => takes_all = true,
            }
        }
        if takes_all {
            metadata.extend(Metadata::all());
        }
        metadata.sort();
        metadata.dedup();
        if takes_all {
            return Wanted::All { metadata };
        }
        members.sort();
        members.dedup();
        let members = members.into_iter().map(|name| (name.clone(), field_of(&name))).collect();
        Wanted::These { members, metadata }
    }

    /// The names, for tests.
    #[cfg(test)]
    pub(super) fn names(&self) -> String {
        match self {
            Wanted::All { .. } => "all".to_owned(),
            Wanted::These { members, metadata } => {
                let members = members.iter().map(|(name, _)| name.to_string());
                members.chain(metadata.iter().map(|metadata| metadata.path.to_string())).collect::<Vec<_>>().join(" ")
            }
        }
    }
}

/// The field of flow logs that a member is, if it is one.
pub(super) fn field_of(name: &str) -> Option<Field> {
    // Members have underscores.
    Field::from_name(name).filter(|field| field.name() == name)
}

/// Made once for a program: its members are filled anew for every event.
#[derive(Debug)]
pub(super) struct EventTarget {
    inner: TargetValue,
    /// What the program has changed of any event so far. It can name few things, so that they are found sooner than hashed.
    changes: Vec<Change>,
    /// Whether something is left in it of the event before that the next must not see.
    is_used: bool,
    /// Whether the program has put something in the place of all metadata.
    replaced_metadata: bool,
}

/// Something that a program changes.
#[derive(Debug)]
struct Change {
    what: Changed,
    /// Whether it has, of this event.
    is_made: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Changed {
    /// The event as a whole.
    Event,
    /// A member, with its name as events share it.
    Member(KeyString, Arc<str>),
    Metadata(Metadata),
}

impl Changed {
    fn of(path: &OwnedTargetPath) -> Option<Changed> {
        let field = |at: usize| match path.path.segments.get(at) {
            Some(OwnedSegment::Field(name)) => Some(name.clone()),
            _ => None,
        };
        match (path.prefix, field(0)) {
            (PathPrefix::Event, None) => Some(Changed::Event),
            (PathPrefix::Event, Some(name)) => Some(Changed::Member(name.clone(), name.as_str().into())),
            (PathPrefix::Metadata, Some(space)) => Some(Changed::Metadata(Metadata::new(space, field(1)))),
            // All metadata: nothing of it is the program's to replace.
            (PathPrefix::Metadata, None) => None,
        }
    }

    /// Whether it is what lies at the path.
    fn is_at(&self, path: &OwnedTargetPath) -> bool {
        let field = |at: usize| match path.path.segments.get(at) {
            Some(OwnedSegment::Field(name)) => Some(name),
            _ => None,
        };
        match self {
            Changed::Event => path.prefix == PathPrefix::Event && field(0).is_none(),
            Changed::Member(name, _) => path.prefix == PathPrefix::Event && field(0) == Some(name),
            Changed::Metadata(Metadata { space, name, .. }) => {
                path.prefix == PathPrefix::Metadata && field(0) == Some(space) && field(1) == name.as_ref()
            }
        }
    }
}

impl EventTarget {
    pub(super) fn new() -> Self {
        let empty = || VrlValue::Object(ObjectMap::new());
        let inner = TargetValue { value: empty(), metadata: empty(), secrets: Secrets::default() };
        EventTarget { inner, changes: Vec::new(), is_used: false, replaced_metadata: false }
    }

    fn clear(&mut self) {
        for value in [&mut self.inner.value, &mut self.inner.metadata] {
            match value {
                VrlValue::Object(members) => members.clear(),
                other => *other = VrlValue::Object(ObjectMap::new()),
            }
        }
        self.changes.iter_mut().for_each(|change| change.is_made = false);
        (self.is_used, self.replaced_metadata) = (false, false);
    }

    /// Takes what `wanted` names from the event.
    pub(super) fn fill(&mut self, wanted: &Wanted, event: &Event<'_>) {
        if self.is_used || matches!(wanted, Wanted::All { .. }) {
            self.clear();
        }
        let (VrlValue::Object(object), VrlValue::Object(data)) = (&mut self.inner.value, &mut self.inner.metadata)
        else {
            return;
        };
        match wanted {
            Wanted::These { members, metadata } => {
                for (name, field) in members {
                    put(object, name, event.get_known(name, *field));
                }
                // What the event before had of it is not looked for one by one.
                data.clear();
                for metadata in metadata {
                    put_metadata(data, metadata, event);
                }
            }
            Wanted::All { metadata } => {
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
                for metadata in metadata {
                    put_metadata(data, metadata, event);
                }
                // What programs before have set, by whatever names.
                for (name, _) in event.changes().into_iter().flat_map(Changes::metadata) {
                    let space = name[1..].split('.').next().unwrap_or_default();
                    put_metadata(data, &Metadata::new(space.into(), None), event);
                }
            }
        }
    }

    /// Whether the program has changed anything.
    pub(super) fn is_changed(&self) -> bool {
        self.is_used
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
        let is_made = |what: &Change| what.is_made && what.what == Changed::Event;
        if self.changes.iter().any(is_made) {
            replace(&self.inner.value, changes);
        }
        let mut has_members_alone = matches!(self.inner.value, VrlValue::Object(_));
        for change in self.changes.iter_mut().filter(|change| change.is_made) {
            change.is_made = false;
            match &change.what {
                Changed::Event => has_members_alone = false,
                Changed::Member(name, shared) => {
                    // It stays where it is: the next event brings what the program asks for, and sets the rest itself.
                    let value = match &self.inner.value {
                        VrlValue::Object(members) => members.get(name),
                        _ => None,
                    };
                    set(changes, shared, value);
                }
                Changed::Metadata(data) => {
                    let has_whole = changes.metadata().any(|(name, _)| *name == *data.whole);
                    match &data.name {
                        Some(name) if !has_whole => {
                            set(changes, &data.path, self.inner.metadata.get(&path([&data.space, name])));
                        }
                        // A part of what was set as a whole changes that.
                        _ => {
                            changes.forget_parts_of(&data.whole);
                            set(changes, &data.whole, self.inner.metadata.get(&path([&data.space])));
                        }
                    }
                    has_members_alone = false;
                }
            }
        }
        self.is_used = !has_members_alone || self.replaced_metadata;
    }

    fn change(&mut self, path: &OwnedTargetPath) {
        self.is_used = true;
        self.replaced_metadata |= path.prefix == PathPrefix::Metadata && path.path.segments.is_empty();
        match self.changes.iter_mut().find(|change| change.what.is_at(path)) {
            Some(change) => change.is_made = true,
            None => self.changes.extend(Changed::of(path).map(|what| Change { what, is_made: true })),
        }
    }
}

fn path<const N: usize>(names: [&KeyString; N]) -> vrl::path::OwnedValuePath {
    vrl::path::OwnedValuePath { segments: names.into_iter().cloned().map(OwnedSegment::Field).collect() }
}

fn set(changes: &mut Changes, name: &Arc<str>, value: Option<&VrlValue>) {
    match value {
        Some(value) => changes.set(name.clone(), to_event(value)),
        None => changes.remove(name.clone()),
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
    if let Some(whole) = event.get(&metadata.whole) {
        return put(data, &metadata.space, Some(whole));
    }
    let mut set = |name: &KeyString, value| {
        let object = data.entry(metadata.space.clone()).or_insert_with(|| VrlValue::Object(ObjectMap::new()));
        if let VrlValue::Object(object) = object {
            put(object, name, value);
        }
    };
    match &metadata.name {
        Some(name) => set(name, event.get(&metadata.path)),
        None => {
            let known = Event::METADATA.into_iter().filter(|[space, _]| *space == metadata.space.as_str());
            let changed = event.changes().into_iter().flat_map(Changes::metadata);
            let changed = changed.filter_map(|(name, _)| name.strip_prefix(&*metadata.whole)?.strip_prefix('.'));
            for name in known.map(|[_, name]| name).chain(changed) {
                set(&name.into(), event.get(&format!("{}.{name}", metadata.whole)));
            }
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
