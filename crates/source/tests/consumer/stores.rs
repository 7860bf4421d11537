//! Stores that are slow, or fail.

use super::*;

/// A store that takes its time, or fails.
#[derive(Clone, Default)]
struct Slow {
    rows: MemoryLeaseStore,
    /// How long the first listing takes.
    first_list: Arc<Mutex<Duration>>,
    /// How long 16 writes take, which are done at once.
    write: Duration,
    /// The row of which every write times out after five seconds, once it is owned.
    stuck: Option<ShardId>,
    is_full: Arc<AtomicBool>,
    is_exclusive: bool,
}

#[async_trait::async_trait]
impl LeaseStore for Slow {
    async fn prepare(&self) -> Result<(), LeaseStoreError> {
        Ok(())
    }

    async fn list(&self) -> Result<Vec<Lease>, LeaseStoreError> {
        let wait = std::mem::take(&mut *self.first_list.lock().unwrap());
        tokio::time::sleep(wait).await;
        Ok(self.rows.rows())
    }

    async fn write(&self, writes: Vec<LeaseWrite>) -> Vec<Result<WriteOutcome, LeaseStoreError>> {
        let failed = |message: &str| LeaseStoreError::new(LeaseStoreErrorKind::Unavailable, "store", message);
        if self.is_full.load(Ordering::Relaxed) {
            return writes.iter().map(|_| Err(failed("no space left on device"))).collect();
        }
        tokio::time::sleep(self.write * u32::try_from(writes.len().div_ceil(16)).unwrap()).await;
        let is_stuck = |write: &LeaseWrite| {
            Some(write.shard()) == self.stuck.as_ref()
                && !matches!(write, LeaseWrite::Create { .. } | LeaseWrite::Take { .. })
        };
        if writes.iter().any(is_stuck) {
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        let write = |write: &LeaseWrite| match is_stuck(write) {
            true => Err(failed("timed out")),
            false => Ok(self.rows.write_now(write)),
        };
        writes.iter().map(write).collect()
    }

    fn is_exclusive(&self) -> bool {
        self.is_exclusive
    }
}

/// The shards whose leases are lost within a minute.
async fn lost_leases(shards: usize, store: Slow) -> BTreeSet<String> {
    let kinesis = Arc::new(FakeKinesis::new(STREAM, shards));
    let deliveries = Consumer::builder(kinesis, store.clone(), STREAM).worker_id("worker").seed(1).batches();
    let mut events = deliveries.events();
    let reading = tokio::spawn(settle_all(deliveries));
    tokio::time::sleep(Duration::from_secs(60)).await;
    reading.abort();
    assert!(store.rows.rows().iter().all(|row| row.owner.as_deref() == Some("worker")), "all were taken");
    let mut lost = BTreeSet::new();
    while let Some(event) = events.next().await {
        if let ConsumerEvent::LeaseLost { shard, .. } = event {
            lost.insert(shard.to_string());
        }
    }
    lost
}

#[tokio::test(start_paused = true)]
async fn hundreds_of_leases_are_renewed_in_time_however_long_a_write_takes() {
    let store = Slow { write: Duration::from_millis(200), ..Slow::default() };
    assert_eq!(lost_leases(600, store).await, BTreeSet::new());
}

#[tokio::test(start_paused = true)]
async fn a_row_that_cannot_be_written_costs_no_other_its_lease() {
    let stuck = World::shard_id(3);
    let store = Slow { write: Duration::from_millis(10), stuck: Some(stuck.clone()), ..Slow::default() };
    assert_eq!(lost_leases(40, store).await, BTreeSet::from([stuck.to_string()]));
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_with_an_error_if_the_store_cannot_be_written() {
    for is_exclusive in [true, false] {
        let kinesis = Arc::new(FakeKinesis::new(STREAM, 1));
        kinesis.world().put(0, "a");
        let store = Slow { is_exclusive, ..Slow::default() };
        let consumer = Consumer::builder(kinesis, store.clone(), STREAM).start(StartPosition::TrimHorizon);
        let consumer = consumer.failover_time(Duration::from_secs(600)).drain_timeout(Duration::from_secs(20));
        let mut deliveries = consumer.batches();
        let delivery = next(&mut deliveries).await;
        store.is_full.store(true, Ordering::Relaxed);
        delivery.split().1.settle();
        deliveries.shutdown_handle().shut_down();
        let began = Instant::now();
        let error = timeout(Duration::from_secs(120), deliveries.next()).await.expect("an end").unwrap().unwrap_err();
        assert!(with_causes(&error).ends_with("no space left on device"), "{error}");
        assert!(began.elapsed() >= Duration::from_secs(20), "until then it may be written yet");
        assert!(deliveries.next().await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_is_split_while_leases_are_listed_first_is_read_from_when_the_stream_was_seen() {
    let kinesis = Arc::new(FakeKinesis::new(STREAM, 1));
    kinesis.world().put(0, "before");
    tokio::time::sleep(Duration::from_secs(2)).await;
    let store = Slow { first_list: Arc::new(Mutex::new(Duration::from_secs(70))), ..Slow::default() };
    let mut deliveries = Consumer::builder(kinesis.clone(), store, STREAM).seed(1).batches();
    // From now on it is known that the stream is there, but not until the next listing of shards which leases there are.
    assert!(timeout(Duration::from_secs(5), deliveries.next()).await.is_err());
    {
        let mut world = kinesis.world();
        world.put(0, "parent");
        let (left, _) = world.split(0);
        world.put(left, "child");
    }
    for expected in ["parent", "child"] {
        let delivery =
            timeout(Duration::from_secs(120), deliveries.next()).await.expect("a delivery").unwrap().unwrap();
        assert_eq!(texts(&delivery), [expected]);
        delivery.split().1.settle();
    }
}

#[tokio::test(start_paused = true)]
async fn after_an_error_nothing_is_delivered_that_may_be_anothers_by_then() {
    let test = Test::new(1);
    test.put(0, &["a", "b"]);
    test.kinesis.world().page_records = 1;
    test.kinesis.world().before_call(2, |world| world.fail(Operation::GetRecords, [ApiErrorKind::AccessDenied; 2]));
    let mut deliveries = test.consumer().batches();
    // The first batch waits here, while nobody renews its lease any more.
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let first = deliveries.next().await.unwrap();
    assert!(first.is_err(), "{first:?}");
    assert!(deliveries.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_store_whose_credentials_fail_for_a_while_is_asked_again_if_it_has_taken_them_before() {
    let kinesis = Arc::new(FakeKinesis::new(STREAM, 1));
    let store = Broken { kind: LeaseStoreErrorKind::Credentials, is_ready: true };
    let mut deliveries = Consumer::builder(kinesis.clone(), store, STREAM).batches();
    let error = timeout(Duration::from_secs(5), deliveries.next()).await.expect("at once").unwrap().unwrap_err();
    assert!(matches!(error, Error::LeaseStore { .. }));

    let expired = Arc::new(AtomicBool::new(false));
    let store = Expiring { rows: MemoryLeaseStore::new(), expired: expired.clone() };
    let mut deliveries = Consumer::builder(kinesis.clone(), store, STREAM).start(StartPosition::TrimHorizon).batches();
    assert!(timeout(Duration::from_secs(5), deliveries.next()).await.is_err());
    expired.store(true, Ordering::Relaxed);
    assert!(timeout(Duration::from_secs(60), deliveries.next()).await.is_err());
    expired.store(false, Ordering::Relaxed);
    kinesis.world().put(0, "a");
    next(&mut deliveries).await.split().1.settle();
    expired.store(true, Ordering::Relaxed);
    let error = timeout(Duration::from_secs(400), deliveries.next()).await.expect("not for ever").unwrap().unwrap_err();
    assert!(matches!(error, Error::LeaseStore { .. }));
}

/// Rows in memory, which may be asked for with credentials that are not expired.
struct Expiring {
    rows: MemoryLeaseStore,
    expired: Arc<AtomicBool>,
}

impl Expiring {
    fn check(&self) -> Result<(), LeaseStoreError> {
        match self.expired.load(Ordering::Relaxed) {
            true => Err(LeaseStoreError::new(LeaseStoreErrorKind::Credentials, "table", "the token is expired")),
            false => Ok(()),
        }
    }
}

#[async_trait::async_trait]
impl LeaseStore for Expiring {
    async fn prepare(&self) -> Result<(), LeaseStoreError> {
        Ok(())
    }

    async fn list(&self) -> Result<Vec<Lease>, LeaseStoreError> {
        self.check().map(|()| self.rows.rows())
    }

    async fn write(&self, writes: Vec<LeaseWrite>) -> Vec<Result<WriteOutcome, LeaseStoreError>> {
        writes.iter().map(|write| self.check().map(|()| self.rows.write_now(write))).collect()
    }
}

/// A store that cannot be used, or not even made ready.
struct Broken {
    kind: LeaseStoreErrorKind,
    is_ready: bool,
}

impl Broken {
    fn error(&self) -> LeaseStoreError {
        LeaseStoreError::new(self.kind, "/var/lib/leases.json", "line 3: expected a number")
    }
}

#[async_trait::async_trait]
impl LeaseStore for Broken {
    async fn prepare(&self) -> Result<(), LeaseStoreError> {
        if self.is_ready { Ok(()) } else { Err(self.error()) }
    }

    async fn list(&self) -> Result<Vec<Lease>, LeaseStoreError> {
        assert!(self.is_ready, "it is not used before it is ready");
        Err(self.error())
    }

    async fn write(&self, _: Vec<LeaseWrite>) -> Vec<Result<WriteOutcome, LeaseStoreError>> {
        unreachable!("nothing is known to write")
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_cannot_be_used_is_an_error_that_names_it() {
    let kinesis = Arc::new(FakeKinesis::new(STREAM, 1));
    let store = Broken { kind: LeaseStoreErrorKind::Corrupt, is_ready: true };
    let mut deliveries = Consumer::builder(kinesis, store, STREAM).batches();
    let error = deliveries.next().await.unwrap().unwrap_err();
    assert!(matches!(error, Error::LeaseStore { .. }));
    let text = with_causes(&error);
    assert_eq!(text, "cannot keep the checkpoints of stream stream: /var/lib/leases.json: line 3: expected a number");
    assert!(deliveries.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_store_that_cannot_be_reached_at_the_start_is_final_after_a_few_attempts() {
    let kinesis = Arc::new(FakeKinesis::new(STREAM, 1));
    let store = Broken { kind: LeaseStoreErrorKind::Unavailable, is_ready: false };
    let mut deliveries = Consumer::builder(kinesis, store, STREAM).batches();
    let error = timeout(Duration::from_secs(5), deliveries.next()).await.expect("an answer soon").unwrap().unwrap_err();
    assert!(matches!(error, Error::LeaseStore { .. }));
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
