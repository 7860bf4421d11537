//! The dynoxide emulator within this process.

use dynoxide::Database;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A running emulator of DynamoDB without tables; it ends when dropped.
pub struct DynamoDbEmulator {
    endpoint: String,
    task: JoinHandle<()>,
}

impl DynamoDbEmulator {
    /// Starts an emulator.
    ///
    /// # Panics
    ///
    /// If it cannot: a test can do nothing else.
    pub async fn start() -> Self {
        let database = Database::memory().expect("a database in memory");
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port on loopback");
        let address = listener.local_addr().expect("the listener's address");
        let task = tokio::spawn(dynoxide::server::serve_on(listener, database));
        DynamoDbEmulator { endpoint: format!("http://{address}"), task }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }
}

impl Drop for DynamoDbEmulator {
    fn drop(&mut self) {
        self.task.abort();
    }
}
