#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

//! Leases in a file: what survives which accident, and who is kept out.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use kinesis_logs_source::protocol::{Checkpoint, Lease, LeaseWrite, WriteOutcome};
use kinesis_logs_source::{FileLeaseStore, LeaseStore, LeaseStoreErrorKind};

const STREAM: &str = "flow-logs";

/// An empty folder for one test.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("file_store").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

async fn open(path: &Path) -> FileLeaseStore {
    let store = FileLeaseStore::new(path, STREAM);
    store.prepare().await.unwrap();
    store
}

/// Why the store cannot be prepared.
async fn refusal(path: &Path) -> (LeaseStoreErrorKind, String) {
    let error = FileLeaseStore::new(path, STREAM).prepare().await.unwrap_err();
    (error.kind, error.to_string())
}

async fn write_one(store: &FileLeaseStore, write: LeaseWrite) -> WriteOutcome {
    store.write(vec![write]).await.remove(0).unwrap()
}

fn create(shard: &str) -> LeaseWrite {
    LeaseWrite::Create { lease: Lease::new(shard, Checkpoint::TrimHorizon) }
}

fn take(shard: &str, counter: u64) -> LeaseWrite {
    LeaseWrite::Take { shard: shard.into(), owner: "worker".to_owned(), counter, stream_creation_timestamp: None }
}

#[tokio::test]
async fn conformance() {
    let folder = folder("conformance");
    let count = AtomicU32::new(0);
    kinesis_logs_source::conformance::lease_store(|| async {
        let name = format!("{}.json", count.fetch_add(1, Ordering::Relaxed));
        FileLeaseStore::new(folder.join(name), STREAM)
    })
    .await;
}

#[tokio::test]
async fn what_was_written_is_there_for_the_next_process_in_a_form_for_people() {
    let path = folder("next_process").join("not/there/yet/flow-logs.json");
    let store = open(&path).await;
    write_one(&store, create("shardId-000000000000")).await;
    write_one(&store, take("shardId-000000000000", 0)).await;
    let rows = store.list().await.unwrap();
    drop(store);

    assert_eq!(open(&path).await.list().await.unwrap(), rows);
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        r#"{
  "version": 1,
  "streamName": "flow-logs",
  "leases": [
    {
      "leaseKey": "shardId-000000000000",
      "leaseOwner": "worker",
      "leaseCounter": 1,
      "checkpoint": "TRIM_HORIZON",
      "checkpointSubSequenceNumber": 0,
      "ownerSwitchesSinceCheckpoint": 1
    }
  ]
}
"#
    );
}

#[tokio::test]
async fn what_is_not_a_lease_file_is_refused_and_left_as_it_is() {
    let path = folder("corrupt").join("flow-logs.json");
    let store = open(&path).await;
    write_one(&store, create("a")).await;
    drop(store);
    let whole = fs::read_to_string(&path).unwrap();
    let half = &whole[..whole.len() / 2];
    for text in ["", "\0\0\0\0", "[]", half, &whole.replace("TRIM_HORIZON", "yesterday")] {
        fs::write(&path, text).unwrap();
        let (kind, message) = refusal(&path).await;
        assert_eq!(kind, LeaseStoreErrorKind::Corrupt, "{text:?}: {message}");
        assert!(message.contains("flow-logs.json") && message.contains(" at line "), "{message}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text, "not overwritten");
    }

    let (kind, message) = {
        fs::write(&path, whole.replace(STREAM, "app-logs")).unwrap();
        refusal(&path).await
    };
    assert_eq!(kind, LeaseStoreErrorKind::Other);
    assert!(message.contains("leases of stream app-logs, not of flow-logs"), "{message}");

    // Mended by hand, it is read again by a store that has seen it broken.
    let store = FileLeaseStore::new(&path, STREAM);
    store.prepare().await.unwrap_err();
    fs::write(&path, &whole).unwrap();
    store.prepare().await.unwrap();
    assert_eq!(store.list().await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_a_crash_left_beside_the_file_is_in_nobodys_way() {
    let path = folder("leftover").join("flow-logs.json");
    let store = open(&path).await;
    write_one(&store, create("a")).await;
    drop(store);
    fs::write(path.with_extension("json.tmp"), "{\"version\": 1, \"stre").unwrap();

    let store = open(&path).await;
    assert_eq!(store.list().await.unwrap().len(), 1, "the half-written file is not looked at");
    write_one(&store, create("b")).await;
    assert!(!path.with_extension("json.tmp").exists(), "and made anew");
    drop(store);
    assert_eq!(open(&path).await.list().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_failed_write_leaves_memory_as_the_file_is() {
    let path = folder("failed_write").join("flow-logs.json");
    let store = open(&path).await;
    write_one(&store, create("a")).await;
    let before = fs::read_to_string(&path).unwrap();

    // A folder in the place of the new file.
    fs::create_dir(path.with_extension("json.tmp")).unwrap();
    let results = store.write(vec![take("a", 0), take("missing", 0)]).await;
    assert!(results.len() == 2 && results.iter().all(Result::is_err), "{results:?}");
    assert!(results[0].as_ref().unwrap_err().to_string().contains("flow-logs.json"));
    assert_eq!(fs::read_to_string(&path).unwrap(), before);
    assert_eq!(store.list().await.unwrap()[0].counter, 0, "it was not done");

    // It fails again, but this time after the file was replaced, for all the store can know.
    store.write(vec![take("a", 0)]).await.remove(0).unwrap_err();
    fs::write(&path, before.replace("\"leaseCounter\": 0", "\"leaseCounter\": 1")).unwrap();
    fs::remove_dir(path.with_extension("json.tmp")).unwrap();
    let WriteOutcome::Refused(Some(row)) = write_one(&store, take("a", 0)).await else { panic!("it was done") };
    assert_eq!(row.counter, 1);
    assert_eq!(write_one(&store, take("a", 1)).await, WriteOutcome::Done);
}

#[tokio::test]
async fn refused_writes_do_not_touch_the_disk() {
    let path = folder("refused").join("flow-logs.json");
    let store = open(&path).await;
    assert!(!path.exists(), "there is nothing to write yet");
    assert_eq!(write_one(&store, take("a", 0)).await, WriteOutcome::Refused(None));
    assert!(!path.exists());
    write_one(&store, create("a")).await;
    fs::remove_file(&path).unwrap();
    assert!(matches!(write_one(&store, create("a")).await, WriteOutcome::Refused(Some(_))));
    assert!(!path.exists());
}

#[tokio::test]
async fn a_store_that_is_not_prepared_does_nothing() {
    let path = folder("unprepared").join("flow-logs.json");
    let store = FileLeaseStore::new(&path, STREAM);
    store.list().await.unwrap_err();
    store.write(vec![create("a")]).await.remove(0).unwrap_err();
    assert!(!path.exists());
}

#[tokio::test]
async fn a_file_has_one_store_at_a_time() {
    let path = folder("one_store").join("flow-logs.json");
    let first = open(&path).await;
    let (kind, message) = refusal(&path).await;
    assert_eq!(kind, LeaseStoreErrorKind::Locked);
    assert!(message.contains("flow-logs.json.lock"), "{message}");
    write_one(&first, create("a")).await;
    assert_eq!(refusal(&path).await.0, LeaseStoreErrorKind::Locked, "replacing the file leaves it locked");
    drop(first);
    open(&path).await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_leads_to_the_file_that_is_locked_and_replaced() {
    let folder = folder("link");
    let (path, link) = (folder.join("flow-logs.json"), folder.join("link.json"));
    let store = open(&path).await;
    write_one(&store, create("a")).await;
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert_eq!(refusal(&link).await.0, LeaseStoreErrorKind::Locked);
    drop(store);
    let store = open(&link).await;
    write_one(&store, create("b")).await;
    assert!(link.is_symlink());
    assert!(fs::read_to_string(&path).unwrap().contains("\"b\""));
}

const CHILDS_FILE: &str = "KINESIS_LOGS_TEST_FILE_OF_CHILD";

#[tokio::test]
async fn a_file_has_one_process_at_a_time_until_it_is_killed() {
    let path = folder("processes").join("flow-logs.json");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_process_that_keeps_a_store_open", "--ignored", "--nocapture"])
        .env(CHILDS_FILE, &path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("the store is open")), "the child has not come that far");
    assert_eq!(refusal(&path).await.0, LeaseStoreErrorKind::Locked);

    child.kill().unwrap();
    child.wait().unwrap();
    let store = open(&path).await;
    assert_eq!(store.list().await.unwrap().len(), 1, "what the child has written before it was killed");
}

#[tokio::test]
#[ignore = "another test runs it in a process of its own"]
async fn child_process_that_keeps_a_store_open() {
    let Some(path) = std::env::var_os(CHILDS_FILE) else { return };
    let store = open(Path::new(&path)).await;
    write_one(&store, create("a")).await;
    println!("\nthe store is open");
    // Until it is killed, or its parent is gone.
    let _ = std::io::stdin().read(&mut [0]);
}
