//! Writes the samples of every form into a folder.
//!
//! ```sh
//! cargo run -p kinesis-logs-generator --example samples -- tests/data
//! ```

use std::path::PathBuf;

fn main() -> std::io::Result<()> {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "tests/data".to_owned()));
    std::fs::create_dir_all(&folder)?;
    for (name, bytes) in kinesis_logs_generator::samples() {
        std::fs::write(folder.join(name), bytes)?;
    }
    Ok(())
}
