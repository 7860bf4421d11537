//! What a command reads that no network brings.

use std::io::BufRead;

use anyhow::{Context, bail};

/// Opens the file, or standard input for `-`.
pub(crate) fn open_input(path: &std::path::Path) -> anyhow::Result<(Box<dyn BufRead>, String)> {
    if path.as_os_str() == "-" {
        return Ok((Box::new(std::io::stdin().lock()), "standard input".to_owned()));
    }
    let name = path.display().to_string();
    if path.is_dir() {
        bail!("{name} is a directory");
    }
    let file = std::fs::File::open(path).with_context(|| format!("cannot open {name}"))?;
    Ok((Box::new(std::io::BufReader::with_capacity(64 << 10, file)), name))
}
