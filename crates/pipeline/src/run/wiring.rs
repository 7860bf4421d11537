//! How one configuration takes the place of another, of which as much as possible runs on.

use std::sync::Arc;

use tokio::time::Instant;

use super::plan::{Plan, Standing, Step};
use super::reload::{Answer, ReloadError, Reloaded, Request};
use super::running::{Member, Reload, Running, Stage, Work};
use super::{Pipeline, Watched};
use crate::build::Part;
use crate::component::{Built, Input, Kind, Outputs, Sender, ShutdownSender, Takers, WeakSender, Wires, channel};
use crate::config::{Component, Mistake};
use crate::graph::{Design, Edge, Graph};

/// What transforms hold up while they work; what waits for sinks, their buffers say.
const MAX_EVENTS: usize = 20_000;
const MAX_BYTES: usize = 4 << 20;

/// What leads to the components, and away from them. While it is there no channel closes.
#[derive(Default)]
struct Connections {
    senders: Vec<Option<Sender>>,
    wires: Vec<Option<Arc<Wires>>>,
}

impl Running {
    /// Takes up what is asked, if it may be. Whoever asked may be gone.
    pub(super) fn take_up(&mut self, request: Request) {
        self.hear_ends();
        match request {
            Request::Reload(next, answer) => match self.refused(&next) {
                Some(error) => drop(answer.send(Err(error))),
                None => self.reload(next, answer),
            },
            Request::Plan(next, answer) => {
                let changes = |next: &Pipeline| self.plan(&Connections::of(&self.members), &next.design).changes;
                let answered = self.refused(&next).map_or_else(|| Ok(changes(&next)), Err);
                let _ = answer.send(answered.map(|changes| (next, changes)));
            }
        }
    }

    /// Why a configuration cannot take the place of the one that runs.
    fn refused(&self, next: &Pipeline) -> Option<ReloadError> {
        let mut mistakes = self.design.config.forbidden_changes(&next.design.config);
        mistakes.extend(self.read_already(&next.design));
        (!mistakes.is_empty()).then(|| ReloadError::Refused(next.design.config.error(mistakes)))
    }

    fn reload(&mut self, next: Pipeline, answer: Answer<Reloaded>) {
        let reloaded = self.take_over(next);
        match reloaded.is_empty() {
            true => tracing::info!("configuration is the same"),
            false => reloaded.log("reloading the configuration"),
        }
        self.start_waiting();
        let deadline = Some(Instant::now() + self.drain_timeout);
        self.reload = Some(Reload { reloaded, answer, deadline });
        self.finish_reload();
    }

    pub(super) fn is_reloading(&self) -> bool {
        self.reload.is_some()
    }

    pub(super) fn reload_deadline(&self) -> Option<Instant> {
        self.reload.as_ref()?.deadline
    }

    /// The configuration has taken the place of the one before when nothing of that is left.
    pub(super) fn finish_reload(&mut self) {
        if self.leaving.is_empty()
            && let Some(Reload { reloaded, answer, .. }) = self.reload.take()
        {
            if !reloaded.is_empty() {
                reloaded.log("configuration reloaded");
            }
            let _ = answer.send(Ok(reloaded));
        }
    }

    /// Lets a configuration take the place of the one that runs, and says what it changes. Components that are replaced or
    /// removed are leaving from then on, and go on sending to whom they did; nothing is started yet.
    pub(super) fn take_over(&mut self, next: Pipeline) -> Reloaded {
        self.hear_ends();
        let old = Connections::of(&self.members);
        let Plan { steps, changes } = self.plan(&old, &next.design);
        let names = next.metrics().components();
        let Pipeline { design, parts, .. } = next;
        let mut before: Vec<Option<Member>> = std::mem::take(&mut self.members).into_iter().map(Some).collect();
        let mut new = Connections::default();
        for (index, (step, part)) in steps.into_iter().zip(parts).enumerate() {
            let (known, kept) = match step {
                Step::Start => (None, None),
                Step::Keep(of) => (None, before[of].take().map(|member| (member, of))),
                Step::Replace(of) => (before[of].as_ref().map(|member| &member.watched), None),
            };
            if let Some((member, of)) = kept {
                member.watched.set_inputs(design.inputs(index));
                new.senders.push(old.senders[of].clone());
                new.wires.push(old.wires[of].clone());
                self.members.push(member);
                continue;
            }
            self.taken_alone.extend(needed_alone(&design.config.components[index]));
            let name = &names[index];
            // It goes on counting where the one before it stops.
            let known = known.filter(|known| (known.kind, &known.type_name) == (name.kind, &name.type_name));
            let watched = known.unwrap_or(name).clone();
            watched.set_inputs(design.inputs(index));
            let member = self.member(&design.config.components[index], watched, part, &mut new);
            self.members.push(member);
        }
        for (index, wires) in new.wires.iter().enumerate() {
            if let Some(wires) = wires {
                wires.set(new.takers(&design.graph, index));
            }
        }
        self.design = design;
        before.into_iter().flatten().for_each(|member| self.leave(member));
        self.let_wait();
        self.show_components();
        changes
    }

    /// What has ended by now is known to have.
    fn hear_ends(&mut self) {
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            self.handle(ended);
        }
    }

    fn plan(&self, old: &Connections, next: &Design) -> Plan {
        let standings =
            self.members.iter().zip(old.are_open(&self.members)).map(|(member, is_open)| member.standing(is_open));
        Plan::new(&self.design, &standings.collect::<Vec<Standing>>(), next)
    }

    /// Sources that would begin to read what another has read ahead of, which is lost to them.
    fn read_already(&self, next: &Design) -> Vec<Mistake> {
        let Plan { steps, .. } = self.plan(&Connections::of(&self.members), next);
        let started = next.config.components.iter().zip(steps).filter(|(_, step)| !matches!(step, Step::Keep(_)));
        let again = started.filter_map(|(component, _)| {
            let needed = needed_alone(component).filter(|needed| self.taken_alone.contains(needed))?;
            let message =
                format!("{needed} was read already, and source {:?} would miss what was read ahead", component.id);
            let mistake = Mistake::at(component.place.clone(), message);
            Some(mistake.hint("leave the source as it was, or end the pipeline and start it anew"))
        });
        again.collect()
    }

    /// A component that does not run yet, whose way in and ways out are added to `connections`.
    fn member(
        &self,
        component: &Component,
        watched: Arc<Watched>,
        part: Part,
        connections: &mut Connections,
    ) -> Member {
        let wires = Arc::<Wires>::default();
        let outputs = Outputs::new(&component.id, wires.clone(), watched.counters.clone(), self.keeper.clone());
        let open = |max_events, max_bytes| {
            let (sender, receiver) = channel(max_events, max_bytes, watched.counters.clone());
            (sender, Input::new(receiver, watched.counters.clone()))
        };
        let (work, sender, shutdown) = match part {
            Part::Source(source) => {
                let (asks, shutdown) = ShutdownSender::new();
                (Work::Source(source, outputs, shutdown), None, Some(asks))
            }
            Part::Transform(transform) => {
                let (sender, input) = open(MAX_EVENTS, MAX_BYTES);
                (Work::Transform(transform, input, outputs), Some(sender), None)
            }
            Part::Sink(sink) => {
                let (sender, input) = open(component.buffer.max_events, component.buffer.max_size);
                (Work::Sink(sink, input, outputs), Some(sender), None)
            }
        };
        let (input, stage) = (sender.as_ref().map(Sender::downgrade), Stage::Waits(work, Vec::new()));
        let member = Member { watched, input, wires: Arc::downgrade(&wires), shutdown, stage };
        connections.senders.push(sender);
        connections.wires.push(Some(wires));
        member
    }

    /// A component has no place any more: it ends, if it has not ended yet.
    fn leave(&mut self, mut member: Member) {
        member.ask_to_end(Stage::Ended);
        if member.task().is_some() {
            self.leaving.push(member);
        } else if !self.members.iter().any(|other| Arc::ptr_eq(&other.watched, &member.watched)) {
            self.removed.push(member.watched);
        }
    }

    /// What is to start waits for those that it takes the place of; sources and sinks also for others of their type, which
    /// under another name may have read the same shards or written the same files.
    fn let_wait(&mut self) {
        for member in &mut self.members {
            let Stage::Waits(_, before) = &mut member.stage else { continue };
            let Watched { id, kind, type_name, .. } = &*member.watched;
            let is_before = |other: &Watched| {
                other.id == *id
                    || *kind != Kind::Transform && (other.kind, other.type_name.as_str()) == (*kind, type_name.as_str())
            };
            let leaving = self.leaving.iter().filter(|other| is_before(&other.watched));
            before.extend(leaving.filter_map(Member::task));
        }
    }
}

/// What a source needs for itself, of which there is one in a process.
fn needed_alone(component: &Component) -> Option<&'static str> {
    match &component.config {
        Some(Built::Source(config)) => config.needs_alone(),
        _ => None,
    }
}

impl Connections {
    fn of(members: &[Member]) -> Self {
        Connections {
            senders: members.iter().map(|member| member.input.as_ref().and_then(WeakSender::upgrade)).collect(),
            wires: members.iter().map(|member| member.wires.upgrade()).collect(),
        }
    }

    /// Whether anything can come through each of the components: of a source, whether it has its outputs.
    fn are_open<'a>(&'a self, members: &'a [Member]) -> impl Iterator<Item = bool> + 'a {
        let connections = self.senders.iter().zip(&self.wires).zip(members);
        connections.map(|((sender, wires), member)| match member.watched.kind {
            Kind::Source => wires.is_some(),
            Kind::Transform | Kind::Sink => sender.is_some(),
        })
    }

    /// Who takes from a component.
    fn takers(&self, graph: &Graph, from: usize) -> Takers {
        let mut takers = Takers::default();
        for Edge { output, to, .. } in graph.edges_from(from) {
            // What has ended takes nothing.
            if let Some(sender) = &self.senders[*to] {
                takers.add(output.as_ref(), sender.clone());
            }
        }
        takers
    }
}
