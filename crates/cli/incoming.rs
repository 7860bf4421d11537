//! A stream's batches as `read` takes them: with or without remembering where it was.

use futures::StreamExt;
use kinesis_logs_source::aws::KinesisClient;
use kinesis_logs_source::{
    Acker, Batch, Batches, Consumer, Deliveries, Error, Reader, RetryPolicy, StartPosition, StatsHandle, Stop,
    UnusableCheckpoint,
};

use crate::args::{ReadArgs, Unusable};
use crate::checkpoints::Location;
use crate::failure::Failure;

pub(crate) enum Incoming {
    /// Remembers nothing.
    Plain(Batches),
    /// Checkpoints what is acknowledged.
    Checkpointed(Deliveries),
}

impl Incoming {
    /// Starts reading.
    pub(crate) async fn start(
        args: &ReadArgs,
        client: KinesisClient,
        start: StartPosition,
        stop: Stop,
        retry: RetryPolicy,
    ) -> Result<Self, Failure> {
        let Some(location) = &args.checkpoint else {
            let mut reader = Reader::builder(client, args.stream.as_str()).start(start).stop(stop).retry(retry);
            if !args.shards.is_empty() {
                reader = reader.shards(args.shards.iter().map(String::as_str));
            }
            if let Some(name) = &args.fan_out {
                reader = reader.fan_out(name.as_str());
            }
            return Ok(Incoming::Plain(reader.batches()));
        };
        let store = Location::parse(location).open(args.stream.as_str(), &args.aws).await?;
        let mut consumer = Consumer::builder(client, store, args.stream.as_str()).start(start).stop(stop).retry(retry);
        consumer = consumer.unusable_checkpoint(match args.unusable_checkpoint {
            Unusable::Fail => UnusableCheckpoint::Fail,
            Unusable::TrimHorizon => UnusableCheckpoint::TrimHorizon,
        });
        if let Some(id) = &args.worker_id {
            consumer = consumer.worker_id(id);
        }
        if let Some(name) = &args.fan_out {
            consumer = consumer.fan_out(name.as_str());
        }
        Ok(Incoming::Checkpointed(consumer.batches()))
    }

    pub(crate) fn stats(&self) -> StatsHandle {
        match self {
            Incoming::Plain(batches) => batches.stats(),
            Incoming::Checkpointed(deliveries) => deliveries.stats(),
        }
    }

    /// The next batch, and what must hear that it was printed.
    pub(crate) async fn next(&mut self) -> Option<Result<(Batch, Option<Acker>), Error>> {
        match self {
            Incoming::Plain(batches) => Some(batches.next().await?.map(|batch| (batch, None))),
            Incoming::Checkpointed(deliveries) => Some(deliveries.next().await?.map(|delivery| {
                let (batch, acker) = delivery.split();
                (batch, Some(acker))
            })),
        }
    }

    /// Ends the reading: writes checkpoints, and gives shards back to other workers.
    pub(crate) async fn end(self) -> Result<(), Error> {
        let Incoming::Checkpointed(mut deliveries) = self else { return Ok(()) };
        deliveries.shutdown_handle().shut_down();
        while let Some(unwanted) = deliveries.next().await {
            drop(unwanted?);
        }
        Ok(())
    }
}
