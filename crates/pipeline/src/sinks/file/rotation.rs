//! When a file gets its final name, and which.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use tokio::time::Instant;

use crate::component::{ComponentError, Problem};
use crate::durable_file::DurableFile;

/// When a file is given a name of its own, with the time in it, and the next one begun. Each commit is in one file alone.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub(super) struct RotateConfig {
    /// Bytes on the disk after which a file is complete; it may have a commit more, of about 8 MiB before it is compressed.
    /// Default: none.
    max_bytes: Option<u64>,
    /// Seconds after its first line when a file is complete. Default: none.
    max_age_secs: Option<u64>,
}

impl RotateConfig {
    /// What is wrong with the key `rotate`.
    pub(super) fn problems(self) -> impl Iterator<Item = Problem> {
        let zero = |key: &str, value: Option<u64>| {
            let problem = || Problem::new("a file that is complete when it is begun holds nothing").key(key);
            (value == Some(0)).then(|| problem().hint("leave it out for no limit"))
        };
        [zero("rotate.max_bytes", self.max_bytes), zero("rotate.max_age_secs", self.max_age_secs)].into_iter().flatten()
    }

    /// When the file is complete, if that is known: now, or later by its age.
    pub(super) fn due(self, file: &DurableFile, now: Instant) -> Option<Instant> {
        if self.max_bytes.is_some_and(|most| file.len() >= most) {
            return Some(now);
        }
        file.begun()?.checked_add(Duration::from_secs(self.max_age_secs?))
    }

    /// Gives the file its name, if it is complete.
    pub(super) fn rotate(self, file: &mut DurableFile, now: Instant) -> Result<(), ComponentError> {
        if self.due(file, now).is_some_and(|due| due <= now) {
            let name = published(file.path(), Timestamp::now(), Path::exists);
            tracing::info!(path = %name.display(), bytes = file.len(), "a file is complete");
            file.publish(&name)?;
        }
        Ok(())
    }
}

/// A name that nothing has: `flows.log.gz` becomes `flows-20261124T080000Z.log.gz`, or `flows-20261124T080000Z-1.log.gz`.
fn published(path: &Path, now: Timestamp, exists: impl Fn(&Path) -> bool) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    // What begins with a dot is hidden, and has no ending for that.
    let ending = name.char_indices().skip(1).find(|(_, char)| *char == '.').map_or(name.len(), |(at, _)| at);
    let (stem, ending) = name.split_at(ending);
    let time = now.strftime("%Y%m%dT%H%M%SZ");
    let names = (0_u64..).map(|number| match number {
        0 => path.with_file_name(format!("{stem}-{time}{ending}")),
        _ => path.with_file_name(format!("{stem}-{time}-{number}{ending}")),
    });
    names.into_iter().find(|name| !exists(name)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compression::Compression;

    #[test]
    fn names_have_the_time_before_their_ending_and_are_nobody_elses() {
        let now = "2026-11-24T08:00:00Z".parse().unwrap();
        let name = |path: &str, taken: &[&str]| {
            let taken: Vec<PathBuf> = taken.iter().map(PathBuf::from).collect();
            published(Path::new(path), now, |name| taken.iter().any(|taken| taken == name)).display().to_string()
        };
        assert_eq!(name("out/flows.log.gz", &[]), "out/flows-20261124T080000Z.log.gz");
        assert_eq!(name("flows", &[]), "flows-20261124T080000Z");
        assert_eq!(name("out/.flows.log", &[]), "out/.flows-20261124T080000Z.log");
        let taken = ["f-20261124T080000Z.log", "f-20261124T080000Z-1.log"];
        assert_eq!(name("f.log", &taken), "f-20261124T080000Z-2.log");
    }

    /// All lines in the files of a folder, sorted.
    fn lines(folder: &Path) -> Vec<String> {
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let mut lines: Vec<String> = files
            .flat_map(|path| std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect::<Vec<_>>())
            .collect();
        lines.sort();
        lines
    }

    /// A process that ends behind any step of a commit and its rotation, and one that comes after it and is sent again what was
    /// not acknowledged.
    #[test]
    fn whenever_a_process_is_killed_every_line_is_in_one_file_once() {
        let rotate = RotateConfig { max_bytes: Some(8), max_age_secs: None };
        for killed_at in 0..=4 {
            let folder = std::env::temp_dir().join(format!("kinesis-logs-rotation-{killed_at}-{}", std::process::id()));
            let path = folder.join("out.log");
            let now = Instant::now();
            let commit = |file: &mut DurableFile, text: &str| {
                file.push(text.as_bytes().to_vec());
                file.commit(Compression::None, now).unwrap();
            };
            let mut first = DurableFile::new(path.clone());
            commit(&mut first, "1\n2\n3\n");
            rotate.rotate(&mut first, now).unwrap();
            assert!(path.exists(), "it is not complete");
            drop(first);
            let mut acknowledged = 3;
            if killed_at >= 1 {
                // A part of the next commit was written.
                let mut file = std::fs::File::options().append(true).open(&path).unwrap();
                std::io::Write::write_all(&mut file, b"4").unwrap();
            }
            if killed_at >= 2 {
                // All of it, without a rotation.
                std::fs::write(&path, "1\n2\n3\n").unwrap();
                commit(&mut DurableFile::new(path.clone()), "4\n");
                acknowledged = 4;
            }
            if killed_at >= 3 {
                let mut file = DurableFile::new(path.clone());
                commit(&mut file, "");
                rotate.rotate(&mut file, now).unwrap();
                assert!(!path.exists(), "it has its name");
            }
            if killed_at >= 4 {
                // The next one was made, and holds a part of a commit.
                std::fs::write(&path, "5").unwrap();
            }
            let mut second = DurableFile::new(path.clone());
            for number in acknowledged + 1..=9 {
                commit(&mut second, &format!("{number}\n"));
                rotate.rotate(&mut second, now).unwrap();
            }
            let expected: Vec<String> = (1..=9).map(|number| number.to_string()).collect();
            assert_eq!(lines(&folder), expected, "killed at {killed_at}");
            assert!(std::fs::read_dir(&folder).unwrap().count() >= 2, "it is rotated");
            std::fs::remove_dir_all(&folder).unwrap();
        }
    }
}
