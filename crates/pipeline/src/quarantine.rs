//! The quarantine: files below `data_dir` that keep what nobody takes, so that nothing is lost and no shard stands still.
//!
//! What cannot be decoded, is rejected by a sink or dropped by a transform goes to an output of its own. Where no component
//! takes from that, it is written here, and is on the disk before it counts as delivered: as captured records, which `decode`
//! and the source `file` read again. An event is a record of its own there, with its envelope, and where it was read.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use kinesis_logs_decoder::Event as LogEvent;
use kinesis_logs_source::Record;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::captured;
use crate::codecs::Encoder;
use crate::component::{Batch, CAUSE, ComponentError, Event, Keeper, Outcome, ValueRef};
use crate::compression::Compression;
use crate::durable_file::DurableFile;

/// Keeps what nobody takes in a folder.
#[derive(Debug)]
pub(crate) struct Quarantine {
    folder: PathBuf,
    /// Open files, by their paths.
    files: Arc<Mutex<HashMap<PathBuf, DurableFile>>>,
}

impl Quarantine {
    /// Files are made when there is something to keep.
    pub(crate) fn new(folder: &Path) -> Self {
        Quarantine { folder: folder.to_owned(), files: Arc::default() }
    }
}

#[async_trait]
impl Keeper for Quarantine {
    async fn keep(&self, component: &str, output: &str, batch: Batch) {
        let mut lines = Vec::new();
        batch.for_each(|event| write(event, component, output, &mut lines));
        let day = Timestamp::now().strftime("%Y-%m-%d");
        let path = self.folder.join(format!("{component}.{output}-{day}.ndjson"));
        let (files, shown) = (self.files.clone(), path.display().to_string());
        let kept = tokio::task::spawn_blocking(move || commit(&files, path, lines)).await;
        match kept.map_err(|error| ComponentError::new("writing ended").caused_by(error)).flatten() {
            Ok(()) => {
                let events = batch.len();
                tracing::warn!(component_id = component, output, events, path = shown, "put into quarantine");
                batch.acknowledge(Outcome::Delivered);
            }
            Err(error) => {
                let cause: &dyn std::error::Error = &error;
                tracing::error!(component_id = component, output, error = cause, "the quarantine takes nothing");
                batch.acknowledge(Outcome::Rejected);
            }
        }
    }
}

fn commit(files: &Mutex<HashMap<PathBuf, DurableFile>>, path: PathBuf, lines: Vec<u8>) -> Result<(), ComponentError> {
    let mut files = files.lock().unwrap_or_else(PoisonError::into_inner);
    // Those of days that have passed.
    if !files.contains_key(&path) {
        files.clear();
    }
    let file = files.entry(path.clone()).or_insert_with(|| DurableFile::new(path.clone()).shared());
    file.push(lines);
    let committed = file.commit(Compression::None, Instant::now());
    // There are few, and far between.
    file.take_spare().for_each(drop);
    if committed.is_err() {
        // Opened anew, a part that was written is removed.
        files.remove(&path);
    }
    committed
}

/// An event as a captured record.
fn write(event: &Event<'_>, component: &str, output: &str, lines: &mut Vec<u8>) {
    let (Some(read), Some(record)) = (event.read(), event.record()) else {
        // A record that cannot be decoded is an event that has the members of a captured record.
        return Encoder::Json.encode(event, lines);
    };
    let data = match read.log_group() {
        Some(_) => envelope(read).to_string().into_bytes(),
        None => read.message().as_bytes().to_vec(),
    };
    let mut kept: Record = record.clone();
    kept.data = data.into();
    if let Some(number) = event.sequence_number() {
        kept.sequence_number = number.as_ref().into();
    }
    let why = match event.get(CAUSE) {
        Some(ValueRef::Text(cause)) => format!("{output} by {component}: {cause}"),
        _ => format!("{output} by {component}"),
    };
    let mut object = captured::to_json(&kept, &why);
    object["EventIndex"] = event.index().into();
    lines.extend_from_slice(object.to_string().as_bytes());
    lines.push(b'\n');
}

/// The event in an envelope of its own, as CloudWatch Logs would have sent it.
fn envelope(read: &LogEvent<'_>) -> Value {
    let mut log_event = json!({
        "id": read.id(),
        "timestamp": read.timestamp_millis(),
        "message": read.message(),
    });
    if let Some(fields) = read.extracted_fields() {
        let fields = fields.map(|(name, value)| (name.into_owned(), value.as_str().map_or(Value::Null, Value::from)));
        log_event["extractedFields"] = Value::Object(Map::from_iter(fields));
    }
    let mut envelope = json!({
        "messageType": "DATA_MESSAGE",
        "owner": read.owner(),
        "logGroup": read.log_group(),
        "logStream": read.log_stream(),
        "subscriptionFilters": read.subscription_filters(),
        "logEvents": [log_event],
    });
    if let Some(level) = read.policy_level() {
        envelope["policyLevel"] = level.into();
    }
    envelope
}
