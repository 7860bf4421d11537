//! A stream whose every oddity is scripted. Its clock is tokio's, so that tests can hold time.

mod subscriptions;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use kinesis_logs_source::protocol::{RawRecord, RecordPage, Shard, ShardPage, ShardPosition, StreamSummary};
use kinesis_logs_source::{ApiError, ApiErrorKind, KinesisApi, SequenceNumber, ShardId, StreamId, Subscription};
use tokio::time::Instant;

pub use subscriptions::FanOut;

/// The operations that can be made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// `DescribeStreamSummary`
    DescribeStreamSummary,
    /// `ListShards`
    ListShards,
    /// `GetShardIterator`
    GetShardIterator,
    /// `GetRecords`
    GetRecords,
    /// `RegisterStreamConsumer`
    RegisterStreamConsumer,
    /// `SubscribeToShard`
    SubscribeToShard,
    /// An event of a subscription, or an error frame instead
    SubscriptionEvent,
}

/// A fake of one stream. All access goes through [`world`](Self::world).
pub struct FakeKinesis {
    world: Arc<Mutex<World>>,
}

/// The stream, and how it behaves.
pub struct World {
    stream: String,
    shards: Vec<FakeShard>,
    created: Instant,
    epoch: Timestamp,
    sequence: u64,
    /// When the stream was created, as it says.
    pub creation_timestamp: Timestamp,
    /// The most records that an answer holds. 10,000.
    pub page_records: usize,
    /// The most shards that a page of a listing holds. 1,000.
    pub list_page: usize,
    /// How long iterators live. 5 minutes.
    pub iterator_ttl: Duration,
    /// Whether the end of a shard names its children, as AWS does. Yes.
    pub names_children: bool,
    /// `MillisBehindLatest` never falls below this, not even at the tip. 0.
    pub least_lag: i64,
    /// Whether an `AT_TIMESTAMP` behind the last record gives the whole shard, as some emulators do. No.
    pub late_timestamp_gives_all: bool,
    /// How many answers of a shard are empty, though behind the tip, before each that is not. 0.
    pub empty_pages: usize,
    /// How many empty answers a closed shard gives before its end. 0; `usize::MAX` for servers that never end it.
    pub late_end: usize,
    /// Answers without a next iterator from open shards still to give, by shard.
    pub false_ends: BTreeMap<ShardId, usize>,
    /// How subscriptions behave.
    pub fan_out: FanOut,
    faults: BTreeMap<Operation, VecDeque<ApiErrorKind>>,
    faults_by_call: BTreeMap<(Operation, usize), ApiErrorKind>,
    scripts: Vec<(usize, Script)>,
    calls: BTreeMap<Operation, usize>,
    empty_given: BTreeMap<ShardId, usize>,
    ends_withheld: BTreeMap<ShardId, usize>,
}

/// What a page or an event holds.
struct Read {
    records: Vec<RawRecord>,
    /// The index of the record behind.
    next: usize,
    is_end: bool,
    child_shards: Vec<Shard>,
    behind: i64,
}

type Script = Box<dyn FnOnce(&mut World) + Send>;

struct FakeShard {
    shard: Shard,
    records: Vec<RawRecord>,
    children: Vec<ShardId>,
    listed: bool,
}

impl FakeKinesis {
    /// A stream with open shards that divide the hash keys evenly.
    pub fn new(stream: &str, shards: usize) -> Self {
        let mut world = World {
            stream: stream.to_owned(),
            shards: Vec::new(),
            created: Instant::now(),
            epoch: whole_second(Timestamp::now()),
            creation_timestamp: Timestamp::UNIX_EPOCH,
            sequence: 0,
            page_records: 10_000,
            list_page: 1_000,
            iterator_ttl: Duration::from_secs(300),
            names_children: true,
            least_lag: 0,
            late_timestamp_gives_all: false,
            empty_pages: 0,
            late_end: 0,
            false_ends: BTreeMap::new(),
            fan_out: FanOut::default(),
            faults: BTreeMap::new(),
            faults_by_call: BTreeMap::new(),
            scripts: Vec::new(),
            calls: BTreeMap::new(),
            empty_given: BTreeMap::new(),
            ends_withheld: BTreeMap::new(),
        };
        let step = u128::MAX / shards.max(1) as u128;
        for index in 0..shards as u128 {
            let end = if index + 1 == shards as u128 { u128::MAX } else { (index + 1) * step - 1 };
            world.add_shard(Vec::new(), (index * step, end));
        }
        FakeKinesis { world: Arc::new(Mutex::new(world)) }
    }

    /// The stream, for looking at and changing it. Do not hold it over an `await`.
    pub fn world(&self) -> std::sync::MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl World {
    /// The id of the shard with this index.
    pub fn shard_id(index: usize) -> ShardId {
        format!("shardId-{index:012}").into()
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        let elapsed = SignedDuration::try_from(self.created.elapsed()).unwrap_or_default();
        self.epoch + elapsed
    }

    /// Puts a record that arrives now.
    pub fn put(&mut self, shard: usize, data: impl Into<bytes::Bytes>) {
        self.put_at(shard, self.now(), data);
    }

    /// Puts a record that arrives at `arrival`.
    pub fn put_at(&mut self, shard: usize, arrival: Timestamp, data: impl Into<bytes::Bytes>) {
        self.put_record(shard, arrival, Some("key"), data.into());
    }

    /// Puts a record without a partition key, as streams hold that distribute records themselves.
    pub fn put_without_key(&mut self, shard: usize, data: impl Into<bytes::Bytes>) {
        self.put_record(shard, self.now(), None, data.into());
    }

    fn put_record(&mut self, shard: usize, arrival: Timestamp, partition_key: Option<&str>, data: bytes::Bytes) {
        assert!(!self.shards[shard].shard.closed, "shard {shard} is closed");
        self.sequence += 1;
        self.shards[shard].records.push(RawRecord {
            sequence_number: Self::sequence_number(self.sequence),
            arrival: Some(arrival),
            partition_key: partition_key.map(str::to_owned),
            data,
        });
        self.fan_out.changed.notify_waiters();
    }

    /// Numbers leave room: for continuations that no record has.
    fn sequence_number(sequence: u64) -> SequenceNumber {
        format!("4959{sequence:051}0").into()
    }

    /// A number behind that of `record` and before that of any later one.
    fn number_behind(record: Option<&RawRecord>) -> SequenceNumber {
        let number = record.map_or_else(|| Self::sequence_number(0), |record| record.sequence_number.clone());
        format!("{}5", &number.as_str()[..number.as_str().len() - 1]).into()
    }

    /// Splits a shard in two, whose indices it returns.
    pub fn split(&mut self, parent: usize) -> (usize, usize) {
        let (start, end) = self.shards[parent].shard.hash_key_range.unwrap_or_default();
        let middle = start + (end - start) / 2;
        let first = self.add_shard(vec![parent], (start, middle));
        (first, self.add_shard(vec![parent], (middle + 1, end)))
    }

    /// Merges two shards into one, whose index it returns.
    pub fn merge(&mut self, a: usize, b: usize) -> usize {
        let [a_range, b_range] = [a, b].map(|shard| self.shards[shard].shard.hash_key_range.unwrap_or_default());
        self.add_shard(vec![a, b], (a_range.0.min(b_range.0), a_range.1.max(b_range.1)))
    }

    /// Lists a shard no longer, and holds its records no longer: it is past its retention.
    pub fn trim(&mut self, shard: usize) {
        self.shards[shard].listed = false;
        self.shards[shard].records.clear();
    }

    /// Makes the next calls of an operation fail, one for each kind.
    pub fn fail(&mut self, operation: Operation, kinds: impl IntoIterator<Item = ApiErrorKind>) {
        self.faults.entry(operation).or_default().extend(kinds);
    }

    /// Makes the `call`-th call of an operation fail, counted from 1.
    pub fn fail_call(&mut self, operation: Operation, call: usize, kind: ApiErrorKind) {
        self.faults_by_call.insert((operation, call), kind);
    }

    /// Does something just before the `call`-th `GetRecords` or event (counted from 1) is answered.
    pub fn before_call(&mut self, call: usize, script: impl FnOnce(&mut World) + Send + 'static) {
        self.scripts.push((call, Box::new(script)));
    }

    /// How many calls of an operation there were.
    pub fn calls(&self, operation: Operation) -> usize {
        self.calls.get(&operation).copied().unwrap_or(0)
    }

    fn add_shard(&mut self, parents: Vec<usize>, range: (u128, u128)) -> usize {
        let index = self.shards.len();
        for &parent in &parents {
            self.shards[parent].shard.closed = true;
            self.shards[parent].children.push(Self::shard_id(index));
        }
        self.shards.push(FakeShard {
            shard: Shard {
                id: Self::shard_id(index),
                parents: parents.into_iter().map(Self::shard_id).collect(),
                hash_key_range: Some(range),
                closed: false,
            },
            records: Vec::new(),
            children: Vec::new(),
            listed: true,
        });
        self.fan_out.changed.notify_waiters();
        index
    }

    fn called_any_stream(&mut self, operation: Operation, name: &'static str) -> Result<(), ApiError> {
        *self.calls.entry(operation).or_default() += 1;
        if let Some(kind) = self.faults_by_call.remove(&(operation, self.calls(operation))) {
            return Err(ApiError::new(kind, name, "as scripted"));
        }
        match self.faults.get_mut(&operation).and_then(VecDeque::pop_front) {
            Some(kind) => Err(ApiError::new(kind, name, "as scripted")),
            None => Ok(()),
        }
    }

    fn called(&mut self, operation: Operation, name: &'static str, stream: &StreamId) -> Result<(), ApiError> {
        self.called_any_stream(operation, name)?;
        if stream.name() != self.stream {
            let message = format!("Stream {stream} under account 123456789012 not found.");
            return Err(ApiError::new(ApiErrorKind::NotFound, name, message));
        }
        Ok(())
    }

    fn find(&self, shard: &str, name: &'static str) -> Result<usize, ApiError> {
        let found = self.shards.iter().position(|candidate| candidate.listed && candidate.shard.id.as_str() == shard);
        found.ok_or_else(|| ApiError::new(ApiErrorKind::NotFound, name, format!("Shard {shard} does not exist")))
    }

    fn server_time(&self) -> Timestamp {
        whole_second(self.now())
    }

    fn list(&self, token: Option<&str>) -> ShardPage {
        // A token is a place among all shards, so that one that is trimmed between two pages shifts nothing.
        let from: usize = token.and_then(|token| token.parse().ok()).unwrap_or(0);
        let mut listed = self.shards.iter().enumerate().skip(from).filter(|(_, shard)| shard.listed);
        let shards = listed.by_ref().take(self.list_page).map(|(_, shard)| shard.shard.clone()).collect();
        let next_token = listed.next().map(|(index, _)| index.to_string());
        ShardPage { shards, next_token, server_time: self.server_time() }
    }

    /// An iterator is `shard/index/when it was made`.
    fn iterator(&self, shard: usize, index: usize) -> String {
        format!("{}/{index}/{}", self.shards[shard].shard.id, self.created.elapsed().as_millis())
    }

    fn first_index(&self, shard: usize, position: &ShardPosition) -> usize {
        let records = &self.shards[shard].records;
        match position {
            ShardPosition::TrimHorizon => 0,
            ShardPosition::AtSequenceNumber(number) => {
                records.iter().position(|record| record.sequence_number >= *number).unwrap_or(records.len())
            }
            ShardPosition::AfterSequenceNumber(number) => {
                records.iter().position(|record| record.sequence_number > *number).unwrap_or(records.len())
            }
            ShardPosition::AtTimestamp(time) => {
                let none = if self.late_timestamp_gives_all { 0 } else { records.len() };
                records.iter().position(|record| record.arrival >= Some(*time)).unwrap_or(none)
            }
        }
    }

    fn page(&mut self, iterator: &str, limit: Option<usize>) -> Result<RecordPage, ApiError> {
        const NAME: &str = "GetRecords";
        let invalid = || ApiError::new(ApiErrorKind::InvalidArgument, NAME, "Invalid ShardIterator.");
        let mut parts = iterator.split('/');
        let (Some(shard), Some(index), Some(made)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(invalid());
        };
        let index: usize = index.parse().map_err(|_| invalid())?;
        let made = Duration::from_millis(made.parse().map_err(|_| invalid())?);
        let shard = self.find(shard, NAME)?;
        if self.created.elapsed().saturating_sub(made) > self.iterator_ttl {
            return Err(ApiError::new(ApiErrorKind::ExpiredIterator, NAME, "Iterator expired."));
        }
        let read = self.read(shard, index, limit);
        Ok(RecordPage {
            records: read.records,
            next_iterator: (!read.is_end).then(|| self.iterator(shard, read.next)),
            millis_behind_latest: Some(read.behind),
            child_shards: read.child_shards,
            server_time: self.server_time(),
        })
    }

    /// What a page or an event from the record with this index on holds.
    fn read(&mut self, shard: usize, index: usize, limit: Option<usize>) -> Read {
        let id = self.shards[shard].shard.id.clone();
        let available = &self.shards[shard].records[index..];
        let given_empty = self.empty_given.entry(id.clone()).or_default();
        let take = if !available.is_empty() && *given_empty < self.empty_pages {
            *given_empty += 1;
            0
        } else {
            *given_empty = 0;
            available.len().min(self.page_records).min(limit.unwrap_or(usize::MAX))
        };
        let records = available[..take].to_vec();
        let next = index + take;
        let behind = self.shards[shard]
            .records
            .get(next)
            .and_then(|record| record.arrival)
            .map_or(0, |arrival| (self.now().as_millisecond() - arrival.as_millisecond()).max(1));

        let closed = self.shards[shard].shard.closed;
        let mut is_end = false;
        let mut child_shards = Vec::new();
        let withheld = self.ends_withheld.entry(id.clone()).or_default();
        if closed && next == self.shards[shard].records.len() && *withheld < self.late_end {
            *withheld += 1;
        } else if closed && next == self.shards[shard].records.len() {
            is_end = true;
            if self.names_children {
                child_shards = self.children(shard);
            }
        } else if let Some(left @ 1..) = self.false_ends.get_mut(&id) {
            *left -= 1;
            is_end = true;
        }
        Read { records, next, is_end, child_shards, behind: behind.max(self.least_lag) }
    }

    fn children(&self, shard: usize) -> Vec<Shard> {
        self.shards[shard].children.iter().filter_map(|id| self.by_id(id)).cloned().collect()
    }

    fn by_id(&self, id: &ShardId) -> Option<&Shard> {
        self.shards.iter().map(|shard| &shard.shard).find(|shard| shard.id == *id)
    }

    fn run_scripts(&mut self) {
        let call = self.calls(Operation::GetRecords) + self.calls(Operation::SubscriptionEvent);
        let (due, later) = std::mem::take(&mut self.scripts).into_iter().partition(|(at, _)| *at <= call);
        self.scripts = later;
        let due: Vec<(usize, Script)> = due;
        for (_, script) in due {
            script(self);
        }
    }

    /// The indices of the shards that take records.
    pub fn open_shards(&self) -> Vec<usize> {
        (0..self.shards.len()).filter(|&shard| !self.shards[shard].shard.closed).collect()
    }

    /// The sequence numbers of a shard's records.
    pub fn sequence_numbers(&self, shard: usize) -> Vec<SequenceNumber> {
        self.shards[shard].records.iter().map(|record| record.sequence_number.clone()).collect()
    }
}

fn whole_second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or_default()
}

#[async_trait]
impl KinesisApi for FakeKinesis {
    async fn list_shards(
        &self,
        stream: &StreamId,
        next_token: Option<String>,
        _from: Option<Timestamp>,
    ) -> Result<ShardPage, ApiError> {
        tokio::task::yield_now().await;
        let mut world = self.world();
        world.called(Operation::ListShards, "ListShards", stream)?;
        Ok(world.list(next_token.as_deref()))
    }

    async fn describe_stream(&self, stream: &StreamId) -> Result<StreamSummary, ApiError> {
        tokio::task::yield_now().await;
        let mut world = self.world();
        world.called(Operation::DescribeStreamSummary, "DescribeStreamSummary", stream)?;
        let arn = format!("arn:aws:kinesis:us-east-1:123456789012:stream/{}", stream.name());
        Ok(StreamSummary::new(Some(arn), Some(world.creation_timestamp)))
    }

    async fn get_shard_iterator(
        &self,
        stream: &StreamId,
        shard: &ShardId,
        position: &ShardPosition,
    ) -> Result<String, ApiError> {
        tokio::task::yield_now().await;
        let mut world = self.world();
        world.called(Operation::GetShardIterator, "GetShardIterator", stream)?;
        let shard = world.find(shard.as_str(), "GetShardIterator")?;
        let index = world.first_index(shard, position);
        Ok(world.iterator(shard, index))
    }

    async fn get_records(&self, stream: &StreamId, iterator: &str, limit: Option<i32>) -> Result<RecordPage, ApiError> {
        tokio::task::yield_now().await;
        let mut world = self.world();
        world.called(Operation::GetRecords, "GetRecords", stream)?;
        world.run_scripts();
        world.page(iterator, limit.and_then(|limit| usize::try_from(limit).ok()))
    }

    async fn register_consumer(&self, stream: &StreamId, name: &str) -> Result<String, ApiError> {
        tokio::task::yield_now().await;
        let mut world = self.world();
        world.called(Operation::RegisterStreamConsumer, "RegisterStreamConsumer", stream)?;
        if let Some(left) = world.fan_out.creating.checked_sub(1) {
            world.fan_out.creating = left;
            let message = "the consumer is CREATING";
            return Err(ApiError::new(ApiErrorKind::ResourceInUse, "DescribeStreamConsumer", message));
        }
        Ok(format!("arn:aws:kinesis:us-east-1:123456789012:stream/{}/consumer/{name}:1", stream.name()))
    }

    async fn subscribe_to_shard(
        &self,
        consumer_arn: &str,
        shard: &ShardId,
        position: &ShardPosition,
    ) -> Result<Subscription, ApiError> {
        tokio::task::yield_now().await;
        self.subscribe(consumer_arn, shard, position)
    }
}
