//! Channels between components: bounded by events and by bytes.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::Batch;
use crate::run::Counters;

/// What a sink takes from.
#[derive(Debug)]
pub struct Input {
    receiver: Receiver,
    counters: Arc<Counters>,
}

impl Input {
    pub(crate) fn new(receiver: Receiver, counters: Arc<Counters>) -> Self {
        Input { receiver, counters }
    }

    /// The next batch; `None` if no more will come. Nothing is lost if it is not waited for to the end.
    pub async fn recv(&mut self) -> Option<Batch> {
        self.recv_beside(false).await
    }

    /// The same, for those who may have work under way beside waiting: that does not count as idle.
    pub(crate) async fn recv_beside(&mut self, is_busy: bool) -> Option<Batch> {
        let mut batch = {
            let _waits = (!is_busy).then(|| self.counters.wait());
            self.receiver.recv().await?
        };
        self.counters.received(&mut batch);
        Some(batch)
    }
}

/// What waits in it counts by events and by bytes, and shows in the counters of who takes it. A batch that is larger than
/// the bound is let through alone.
pub(crate) fn channel(max_events: usize, max_bytes: usize, counters: Arc<Counters>) -> (Sender, Receiver) {
    let (sender, receiver) = mpsc::unbounded_channel();
    counters.room[0].store(max_events as u64, Ordering::Relaxed);
    counters.room[1].store(max_bytes as u64, Ordering::Relaxed);
    (Sender { sender, events: Room::new(max_events), bytes: Room::new(max_bytes), counters }, Receiver(receiver))
}

#[derive(Debug, Clone)]
pub(crate) struct Sender {
    sender: mpsc::UnboundedSender<(Batch, Place)>,
    events: Room,
    bytes: Room,
    counters: Arc<Counters>,
}

impl Sender {
    /// Whether both lead to the same.
    pub(crate) fn is_same(&self, other: &Sender) -> bool {
        self.sender.same_channel(&other.sender)
    }

    /// A way to it that does not keep it open.
    pub(crate) fn downgrade(&self) -> WeakSender {
        let Sender { sender, events, bytes, counters } = self.clone();
        WeakSender { sender: sender.downgrade(), events, bytes, counters }
    }

    /// Waits until there is room. If nobody receives any more the batch comes back.
    pub(crate) async fn send(&self, batch: Batch) -> Result<(), Batch> {
        let (events, bytes) = (batch.len(), batch.bytes());
        let room = tokio::select! {
            biased;
            () = self.sender.closed() => return Err(batch),
            // First events, then bytes, with every sender: those that have the one wait for the receiver alone.
            room = async { Some([self.events.take(events).await?, self.bytes.take(bytes).await?]) } => room,
        };
        match room {
            Some(room) => {
                let place = Place::new(room, events, bytes, self.counters.clone());
                self.sender.send((batch, place)).map_err(|error| error.0.0)
            }
            None => Err(batch),
        }
    }
}

/// Leads to a channel that closes when all [`Sender`]s are gone.
#[derive(Debug)]
pub(crate) struct WeakSender {
    sender: mpsc::WeakUnboundedSender<(Batch, Place)>,
    events: Room,
    bytes: Room,
    counters: Arc<Counters>,
}

impl WeakSender {
    /// `None` once the channel has closed.
    pub(crate) fn upgrade(&self) -> Option<Sender> {
        let (events, bytes, counters) = (self.events.clone(), self.bytes.clone(), self.counters.clone());
        Some(Sender { sender: self.sender.upgrade()?, events, bytes, counters })
    }
}

/// The place of a batch that waits.
#[derive(Debug)]
struct Place {
    _room: [OwnedSemaphorePermit; 2],
    events: usize,
    bytes: usize,
    counters: Arc<Counters>,
}

impl Place {
    fn new(room: [OwnedSemaphorePermit; 2], events: usize, bytes: usize, counters: Arc<Counters>) -> Self {
        counters.waiting.add(events, bytes);
        Place { _room: room, events, bytes, counters }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.counters.waiting.subtract(self.events, self.bytes);
    }
}

#[derive(Debug, Clone)]
struct Room {
    semaphore: Arc<Semaphore>,
    size: u32,
}

impl Room {
    fn new(size: usize) -> Self {
        let size = u32::try_from(size).unwrap_or(u32::MAX).clamp(1, u32::MAX >> 4);
        Room { semaphore: Arc::new(Semaphore::new(size as usize)), size }
    }

    /// Also what weighs nothing takes a place, so that empty batches are bounded too.
    async fn take(&self, weight: usize) -> Option<OwnedSemaphorePermit> {
        let weight = u32::try_from(weight).unwrap_or(u32::MAX).clamp(1, self.size);
        self.semaphore.clone().acquire_many_owned(weight).await.ok()
    }
}

#[derive(Debug)]
pub(crate) struct Receiver(mpsc::UnboundedReceiver<(Batch, Place)>);

impl Receiver {
    pub(crate) async fn recv(&mut self) -> Option<Batch> {
        // Its room is free as soon as it is taken.
        self.0.recv().await.map(|(batch, _place)| batch)
    }
}
