//! How long a record takes from being put to being delivered: by polling, and by enhanced fan-out.
//!
//! ```sh
//! cargo run --release -p kinesis-logs-source --example fan_out_latency
//! ```
//!
//! Over an emulator in this process, through the SDK and a socket; the emulator itself looks for new records only every
//! 200 ms. And over a fake, which pushes at once and has no socket: what the reader itself takes.
#![allow(clippy::unwrap_used, reason = "an example that cannot go on should stop")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use kinesis_logs_source::aws::KinesisClient;
use kinesis_logs_source::{KinesisApi, Reader, ReaderBuilder};
use kinesis_logs_testkit::{Emulator, FakeKinesis};

const STREAM: &str = "stream";
const RECORDS: usize = 40;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    println!("{RECORDS} records, one at a time; from put to delivery, ms: median, 90 %, most");
    let emulator = Emulator::start().await;
    emulator.create_stream(STREAM, 1).await;
    let client = || KinesisClient::from_sdk(emulator.client().clone());
    let put = async |text: String| emulator.put(STREAM, [("key".to_owned(), text.into_bytes())]).await;
    measure("emulator, polling", Reader::builder(client(), STREAM), put).await;
    measure("emulator, fan-out", Reader::builder(client(), STREAM).fan_out("reader"), put).await;

    let fake = Arc::new(FakeKinesis::new(STREAM, 1));
    let put = async |text: String| fake.world().put(0, text);
    measure("fake, polling", Reader::builder(fake.clone(), STREAM), put).await;
    measure("fake, fan-out", Reader::builder(fake.clone(), STREAM).fan_out("reader"), put).await;
}

async fn measure<A: KinesisApi>(name: &str, reader: ReaderBuilder<A>, put: impl AsyncFn(String)) {
    let mut records = reader.records();
    // It lists, registers and subscribes, and brings what arrived in the second in which it began.
    let _ = tokio::time::timeout(Duration::from_secs(3), async { while records.next().await.is_some() {} }).await;
    let mut times = Vec::new();
    for n in 0..RECORDS {
        // Whatever the rhythm of the other side is, this is another.
        tokio::time::sleep(Duration::from_millis(37 * (n as u64 % 11) + 5)).await;
        let text = format!("{name} {n}");
        let began = Instant::now();
        put(text.clone()).await;
        while records.next().await.unwrap().unwrap().data != text {}
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!("{name:<20} {:>8.1} {:>8.1} {:>8.1}", at(0.5), at(0.9), at(1.0));
}
