//! A source that tests hold in their hands, and what it was told.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use kinesis_logs_pipeline::component::{
    Acknowledgement, Batch, BuildContext, BuildError, Changes, ComponentError, Outcome, Source, SourceConfig,
    SourceContext,
};
use serde::Deserialize;

/// What a source was told of its batches, in the order of the answers.
pub(crate) type Told = Vec<(usize, Outcome)>;

/// By the names of sources; tests use names of their own.
static TOLD: LazyLock<Mutex<BTreeMap<String, Told>>> = LazyLock::new(Mutex::default);

pub(crate) fn told(id: &str) -> Told {
    TOLD.lock().unwrap().get(id).cloned().unwrap_or_default()
}

/// How many batches sources have sent.
static SENT: LazyLock<Mutex<BTreeMap<String, usize>>> = LazyLock::new(Mutex::default);

pub(crate) fn sent(id: &str) -> usize {
    SENT.lock().unwrap().get(id).copied().unwrap_or_default()
}

/// Sends batches of as many numbers as it is told, counted from 0 on.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Numbers {
    batches: Vec<i64>,
    /// Milliseconds that it goes on running behind the last.
    #[serde(default)]
    lingers: u64,
    #[serde(skip)]
    id: String,
}

impl SourceConfig for Numbers {
    fn build(&self, context: &BuildContext) -> Result<Box<dyn Source>, BuildError> {
        Ok(Box::new(Numbers { id: context.id.clone(), ..self.clone() }))
    }
}

#[async_trait]
impl Source for Numbers {
    async fn run(self: Box<Self>, context: SourceContext) -> Result<(), ComponentError> {
        let SourceContext { mut outputs, mut shutdown, .. } = context;
        let (answers, mut answered) = tokio::sync::mpsc::unbounded_channel();
        let mut numbers = 0_i64..;
        for (index, size) in self.batches.iter().enumerate() {
            let mut builder = Batch::builder(Arc::default());
            for number in numbers.by_ref().take(*size as usize) {
                let mut members = Changes::default();
                members.set("number", number);
                builder.event(None, members);
            }
            let (id, answers) = (self.id.clone(), answers.clone());
            let batch = builder.build(Acknowledgement::new(move |outcome| {
                TOLD.lock().unwrap().entry(id).or_default().push((index, outcome));
                let _ = answers.send(());
            }));
            tokio::select! {
                () = shutdown.requested() => break,
                _ = outputs.send(batch) => *SENT.lock().unwrap().entry(self.id.clone()).or_default() += 1,
            }
        }
        tokio::select! {
            () = shutdown.requested() => {}
            () = tokio::time::sleep(Duration::from_millis(self.lingers)) => {}
        }
        drop((outputs, answers));
        while answered.recv().await.is_some() {}
        Ok(())
    }
}
