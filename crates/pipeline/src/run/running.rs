//! The components of a pipeline as tasks: how they begin, and how they end.

use std::collections::HashSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::Instant;
use tracing::Instrument;

use super::metrics::{ComponentState, Metrics, Watched};
use super::plan::Standing;
use super::reload::{Answer, Reloaded};
use super::report::{ComponentReport, Failure, Report};
use super::{Pipeline, chain};
use crate::component::{
    ComponentError, CutOffs, Emitted, Input, Keeper, Outputs, Shutdown, ShutdownSender, Sink, SinkContext, Source,
    SourceContext, Transform, Way, WeakSender, Wires,
};
use crate::graph::Design;
use crate::in_order::InOrder;

/// A component that has its place among the others.
pub(super) struct Member {
    pub(super) watched: Arc<Watched>,
    /// What leads to it; nothing leads to a source.
    pub(super) input: Option<WeakSender>,
    /// Who takes from it, until it lets go of its outputs.
    pub(super) wires: Weak<Wires>,
    /// Asks it to end, if it is a source.
    pub(super) shutdown: Option<ShutdownSender>,
    pub(super) stage: Stage,
}

pub(super) enum Stage {
    /// It starts when these have ended.
    Waits(Work, Vec<Id>),
    Runs(AbortHandle),
    /// It came to its end.
    Ended,
    /// It failed, or came to its end because another did.
    Failed,
}

pub(super) enum Work {
    Source(Box<dyn Source>, Outputs, Shutdown),
    Transform(Box<dyn Transform>, Input, Outputs),
    Sink(Box<dyn Sink>, Input, Outputs),
}

impl Member {
    pub(super) fn task(&self) -> Option<Id> {
        match &self.stage {
            Stage::Runs(task) => Some(task.id()),
            _ => None,
        }
    }

    /// How a new configuration finds it. `is_open`: whether anything can come through it.
    pub(super) fn standing(&self, is_open: bool) -> Standing {
        let is_given_up = self.shutdown.as_ref().is_some_and(|shutdown| {
            // It is asked to end, or soon will be.
            shutdown.is_requested() || self.wires.upgrade().is_some_and(|wires| wires.has_refused())
        });
        match self.stage {
            Stage::Failed => Standing::Failed,
            Stage::Runs(_) if is_given_up => Standing::Failed,
            Stage::Waits(..) | Stage::Runs(_) if is_open => Standing::Runs,
            Stage::Waits(..) | Stage::Runs(_) | Stage::Ended => Standing::Ended,
        }
    }

    /// Asks it to end if it is a source. One that has not begun does not begin.
    pub(super) fn ask_to_end(&mut self, stage: Stage) {
        let Some(shutdown) = &self.shutdown else { return };
        shutdown.request();
        if let Stage::Waits(..) = self.stage {
            self.stage = stage;
        }
    }
}

/// A change of the configuration that is under way.
pub(super) struct Reload {
    pub(super) reloaded: Reloaded,
    pub(super) answer: Answer<Reloaded>,
    /// When what has not ended is cut off; `None` once it was.
    pub(super) deadline: Option<Instant>,
}

pub(super) struct Running {
    pub(super) tasks: JoinSet<Result<(), ComponentError>>,
    pub(super) metrics: Metrics,
    /// The configuration as it is.
    pub(super) design: Design,
    /// Its components, in their order.
    pub(super) members: Vec<Member>,
    /// Those of the configuration before, which are ending.
    pub(super) leaving: Vec<Member>,
    pub(super) keeper: Option<Arc<dyn Keeper>>,
    /// How long ending may take.
    pub(super) drain_timeout: Duration,
    pub(super) reload: Option<Reload>,
    /// Those that were removed, and have ended.
    pub(super) removed: Vec<Arc<Watched>>,
    /// What there is one of in a process, and sources had for themselves.
    pub(super) taken_alone: HashSet<&'static str>,
    cut_offs: CutOffs,
    /// How many sources were started.
    sources: u64,
    failures: Vec<Failure>,
    unfinished: Vec<String>,
}

impl Running {
    pub(super) fn start(pipeline: Pipeline, drain_timeout: Duration) -> Self {
        let [sources, transforms, sinks] = pipeline.len_by_kind();
        tracing::info!(version = env!("CARGO_PKG_VERSION"), sources, transforms, sinks, "pipeline started");
        pipeline.metrics.start();
        let mut running = Running {
            tasks: JoinSet::new(),
            metrics: pipeline.metrics.clone(),
            design: Design::default(),
            members: Vec::new(),
            leaving: Vec::new(),
            keeper: pipeline.keeper.clone(),
            drain_timeout,
            reload: None,
            removed: Vec::new(),
            taken_alone: HashSet::new(),
            cut_offs: CutOffs::default(),
            sources: 0,
            failures: Vec::new(),
            unfinished: Vec::new(),
        };
        running.take_over(pipeline);
        running.start_waiting();
        running
    }

    /// Starts what waits for nobody any more.
    pub(super) fn start_waiting(&mut self) {
        for index in 0..self.members.len() {
            let member = &mut self.members[index];
            if let Stage::Waits(_, before) = &member.stage
                && !self.leaving.iter().filter_map(Member::task).any(|task| before.contains(&task))
                && let Stage::Waits(work, _) = std::mem::replace(&mut member.stage, Stage::Ended)
            {
                let watched = member.watched.clone();
                let task = self.spawn(&watched, work);
                self.members[index].stage = Stage::Runs(task);
            }
        }
    }

    fn spawn(&mut self, component: &Watched, work: Work) -> AbortHandle {
        let Watched { id, kind, type_name, .. } = component;
        component.set(ComponentState::Running);
        let (component_kind, component_type) = (kind.name(), type_name);
        tracing::info!(component_id = id, component_kind, component_type, "component started");
        let span = tracing::info_span!("component", component_id = id, component_kind, component_type);
        match work {
            Work::Source(source, outputs, shutdown) => {
                component.streams.clear();
                let streams = component.streams.clone();
                let (number, cut_offs) = (self.sources, self.cut_offs.clone());
                let context = SourceContext::new(outputs, shutdown, self.drain_timeout, streams, number, cut_offs);
                self.sources += 1;
                self.tasks.spawn(run_source(source, context).instrument(span))
            }
            Work::Transform(transform, input, outputs) => {
                self.tasks.spawn(run_transform(transform, input, outputs).instrument(span))
            }
            Work::Sink(sink, input, outputs) => {
                self.tasks.spawn(sink.run(input, SinkContext::new(outputs)).instrument(span))
            }
        }
    }

    pub(super) fn handle(&mut self, ended: Result<(Id, Result<(), ComponentError>), JoinError>) {
        let (task, result) = match ended {
            Ok((task, result)) => (task, result),
            // It was cut off, which was told.
            Err(error) if error.is_cancelled() => (error.id(), Ok(())),
            Err(error) => (error.id(), Err(ComponentError::new("it panicked, which is a bug").caused_by(error))),
        };
        let is_it = |member: &Member| member.task() == Some(task);
        if let Some(index) = self.members.iter().position(is_it) {
            let result = result.and_then(|()| self.members[index].may_end());
            match self.tell_end(&self.members[index].watched.clone(), result) {
                true => self.fail(index),
                false => self.members[index].end(),
            }
        } else if let Some(index) = self.leaving.iter().position(is_it) {
            let member = self.leaving.remove(index);
            self.tell_end(&member.watched, result);
            if !self.members.iter().any(|other| Arc::ptr_eq(&other.watched, &member.watched)) {
                self.removed.push(member.watched);
            }
            self.show_components();
            self.start_waiting();
            self.finish_reload();
        }
    }

    /// Says how a component has ended, and whether it failed.
    fn tell_end(&mut self, component: &Watched, result: Result<(), ComponentError>) -> bool {
        let Watched { id, kind, type_name, .. } = component;
        let (component_kind, component_type) = (kind.name(), type_name);
        let Err(error) = result else {
            if component.state() == ComponentState::Running {
                component.set(ComponentState::Ended);
                let ComponentReport { received_events, sent_events, .. } = component.report();
                tracing::info!(
                    component_id = id,
                    component_kind,
                    component_type,
                    received_events,
                    sent_events,
                    "component ended"
                );
            }
            return false;
        };
        component.set(ComponentState::Failed);
        component.counters.failed();
        tracing::error!(
            component_id = id,
            component_kind,
            component_type,
            error = %chain(&error),
            hint = error.hint(),
            "component failed"
        );
        self.failures.push(Failure { id: id.clone(), kind: *kind, error });
        true
    }

    /// A component cannot go on, and neither can the sources that lie before it.
    fn fail(&mut self, index: usize) {
        self.members[index].stage = Stage::Failed;
        for before in self.design.graph.upstream(index) {
            self.members[before].ask_to_end(Stage::Failed);
        }
    }

    /// Asks all sources to end.
    pub(super) fn ask_to_end(&mut self) {
        self.metrics.end();
        self.members.iter_mut().chain(&mut self.leaving).for_each(|member| member.ask_to_end(Stage::Ended));
    }

    /// Ends what still runs or waits, and sees that all it held is abandoned.
    pub(super) async fn cut_off(&mut self) {
        let mut late: Vec<Arc<Watched>> = Vec::new();
        for member in self.members.iter().chain(&self.leaving) {
            let is_late = matches!(member.stage, Stage::Waits(..) | Stage::Runs(_));
            if is_late && !late.iter().any(|other| Arc::ptr_eq(other, &member.watched)) {
                late.push(member.watched.clone());
            }
        }
        late.iter().for_each(|component| self.tell_cut_off(component));
        self.tasks.shutdown().await;
    }

    /// Ends those of the configuration before that are not done by the deadline.
    pub(super) fn cut_off_leaving(&mut self) {
        if let Some(reload) = &mut self.reload {
            reload.deadline = None;
        }
        let late: Vec<Arc<Watched>> = self.leaving.iter().map(|member| member.watched.clone()).collect();
        late.iter().for_each(|component| self.tell_cut_off(component));
        self.cut_offs.add();
        for member in &self.leaving {
            if let Stage::Runs(task) = &member.stage {
                task.abort();
            }
        }
    }

    fn tell_cut_off(&mut self, component: &Watched) {
        tracing::error!(
            component_id = component.id,
            component_kind = component.kind.name(),
            component_type = component.type_name,
            "component was not done by the deadline, and is cut off"
        );
        component.set(ComponentState::Failed);
        if !self.unfinished.contains(&component.id) {
            self.unfinished.push(component.id.clone());
        }
    }

    /// Lets others see what there is now.
    pub(super) fn show_components(&self) {
        self.metrics.set_components(self.components());
    }

    /// Those of the configuration, and behind them others that have not ended yet.
    fn components(&self) -> Vec<Arc<Watched>> {
        let mut components: Vec<Arc<Watched>> = self.members.iter().map(|member| member.watched.clone()).collect();
        for member in &self.leaving {
            if !components.iter().any(|other| Arc::ptr_eq(other, &member.watched)) {
                components.push(member.watched.clone());
            }
        }
        components
    }

    pub(super) fn report(self) -> Report {
        let components = [self.components(), self.removed].concat();
        Report { failures: self.failures, unfinished: self.unfinished, ..Report::of(&components) }
    }
}

impl Member {
    /// Whether it was right to come to its end: what takes from others does where nothing more can come. If not, those before it
    /// would wait for it.
    fn may_end(&self) -> Result<(), ComponentError> {
        match self.input.as_ref().and_then(WeakSender::upgrade) {
            Some(_) => Err(ComponentError::new("it came to its end, though more may come, which is a bug")),
            None => Ok(()),
        }
    }

    /// It came to its end; a source perhaps because another component failed.
    fn end(&mut self) {
        let was_asked = self.shutdown.as_ref().is_some_and(ShutdownSender::is_requested);
        self.stage = if was_asked { Stage::Failed } else { Stage::Ended };
    }
}

async fn run_source(source: Box<dyn Source>, context: SourceContext) -> Result<(), ComponentError> {
    source.run(context).await
}

async fn run_transform(
    mut transform: Box<dyn Transform>,
    input: Input,
    outputs: Outputs,
) -> Result<(), ComponentError> {
    let forks = std::iter::repeat_with(|| transform.fork()).take(InOrder::<()>::most());
    match forks.collect::<Option<Vec<_>>>() {
        Some(copies) => run_copies(copies, input, outputs).await,
        None => run_alone(&mut *transform, input, outputs).await,
    }
}

/// Transforms one batch after the other.
async fn run_alone(
    transform: &mut dyn Transform,
    mut input: Input,
    mut outputs: Outputs,
) -> Result<(), ComponentError> {
    let mut emitted = Emitted::default();
    while let Some(batch) = input.recv().await {
        transform.transform(batch, &mut emitted)?;
        send_emitted(&mut emitted, &mut outputs).await;
        // A transform that always has work would keep others from theirs.
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// Transforms as many batches at once as there are copies, and sends them on in order.
async fn run_copies(
    mut idle: Vec<Box<dyn Transform>>,
    mut input: Input,
    mut outputs: Outputs,
) -> Result<(), ComponentError> {
    let mut under_way = InOrder::new();
    let mut has_ended = false;
    while !has_ended || !under_way.is_empty() {
        let is_busy = !under_way.is_empty();
        tokio::select! {
            biased;
            (transform, mut emitted, result) = under_way.next() => {
                result?;
                send_emitted(&mut emitted, &mut outputs).await;
                idle.push(transform);
            }
            batch = input.recv_beside(is_busy), if !has_ended && !idle.is_empty() => match (batch, idle.pop()) {
                (Some(batch), Some(mut transform)) => under_way.begin(move || {
                    let mut emitted = Emitted::default();
                    let result: Result<(), ComponentError> = transform.transform(batch, &mut emitted);
                    (transform, emitted, result)
                }),
                _ => has_ended = true,
            },
        }
    }
    Ok(())
}

async fn send_emitted(emitted: &mut Emitted, outputs: &mut Outputs) {
    outputs.count_errors(std::mem::take(&mut emitted.errors));
    outputs.count_left_out(std::mem::take(&mut emitted.left_out));
    for (output, batch) in emitted.batches.drain(..) {
        // Whoever has ended has told why, and its part is abandoned; others go on.
        let _ = match output {
            Way::Own => outputs.send(batch).await,
            Way::Offered(output) => outputs.offer(&output, batch).await,
            Way::SetAside(output) => outputs.send_to(&output, batch).await,
        };
    }
}
