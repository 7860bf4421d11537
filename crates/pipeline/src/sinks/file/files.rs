//! The files that lines are appended to: what blocks.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;

use super::rotation::RotateConfig;
use crate::component::ComponentError;
use crate::compression::Compression;
use crate::durable_file::{DurableFile, Lengths, Units, is_locked};

/// How many files stay open.
const MAX_OPEN: usize = 256;

/// Files by their paths.
#[derive(Debug)]
pub(super) struct Files {
    files: HashMap<PathBuf, DurableFile>,
    /// Of those that were closed.
    lengths: Lengths,
    compression: Compression,
    rotate: RotateConfig,
    /// What is appended to them.
    units: Units,
    /// How long a file stays open that nothing comes for.
    idle: Duration,
}

impl Files {
    pub(super) fn new(compression: Compression, rotate: RotateConfig, units: Units, idle: Duration) -> Self {
        Files { files: HashMap::new(), lengths: Lengths::default(), compression, rotate, units, idle }
    }

    /// Takes lines that are to be appended to a file.
    pub(super) fn push(&mut self, path: PathBuf, lines: Vec<u8>) {
        let open = |path: &PathBuf| DurableFile::with_lengths(path.clone(), &self.lengths).of(self.units);
        self.files.entry(path).or_insert_with_key(open).push(lines);
    }

    /// Appends what was taken, as far as that is better than to wait for the commit.
    pub(super) fn write(&mut self) -> Result<(), ComponentError> {
        if self.files.len() >= MAX_OPEN {
            return Ok(());
        }
        for file in self.files.values_mut().filter(|file| file.has_lines()) {
            match file.write(self.compression) {
                // The commit deals with it.
                Err(error) if is_locked(&error) => {}
                written => written?,
            }
        }
        Ok(())
    }

    /// Whether a write has a file to open.
    pub(super) fn must_open(&self) -> bool {
        self.files.values().any(|file| file.has_lines() && !file.is_open())
    }

    /// Makes durable all that was taken; gives files that are complete their names, and closes those that are idle. If it fails,
    /// it may be tried again.
    pub(super) fn commit(&mut self, now: Instant) -> Result<(), ComponentError> {
        let stay_open = self.files.len() <= MAX_OPEN;
        let mut locked = Vec::new();
        for (path, file) in &mut self.files {
            if file.is_dirty() {
                match file.commit(self.compression, now) {
                    Err(error) if is_locked(&error) => {
                        locked.push(path.clone());
                        continue;
                    }
                    committed => committed?,
                }
                if !stay_open {
                    file.close();
                }
            }
            self.rotate.rotate(file, now)?;
        }
        for path in locked {
            // It may be one of these by another name; or who has it waits for one of these.
            self.files.values_mut().filter(|file| !file.is_dirty()).for_each(DurableFile::close);
            if let Some(file) = self.files.get_mut(&path) {
                file.commit(self.compression, now)?;
                self.rotate.rotate(file, now)?;
            }
        }
        let (idle, rotate) = (self.idle, self.rotate);
        self.files.retain(|_, file| {
            let is_used = stay_open && now.duration_since(file.used) < idle;
            if !is_used {
                file.close();
            }
            is_used || rotate.due(file, now).is_some()
        });
        Ok(())
    }

    /// When the next file is complete by its age.
    pub(super) fn next_complete(&self, now: Instant) -> Option<Instant> {
        self.files.values().filter_map(|file| self.rotate.due(file, now)).min()
    }

    /// Buffers of lines that were appended, emptied.
    pub(super) fn take_spare(&mut self) -> impl Iterator<Item = Vec<u8>> {
        self.files.values_mut().flat_map(DurableFile::take_spare)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_file_that_has_two_names_is_written_by_both() {
        let folder = std::env::temp_dir().join(format!("kinesis-logs-names-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let [one, other] = ["one", "other"].map(|name| folder.join(name));
        std::fs::write(&one, "").unwrap();
        std::os::unix::fs::symlink(&one, &other).unwrap();
        let mut files = Files::new(Compression::None, RotateConfig::default(), Units::Lines, Duration::from_secs(30));
        for _ in 0..3 {
            for path in [&one, &other] {
                files.push(path.clone(), b"line\n".to_vec());
            }
            files.write().unwrap();
            files.commit(Instant::now()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&one).unwrap(), "line\n".repeat(6));
        // Nobody keeps it from others for want of another's.
        let (third, mut theirs) = (folder.join("third"), DurableFile::new(folder.join("third")));
        theirs.push(b"theirs\n".to_vec());
        theirs.commit(Compression::None, Instant::now()).unwrap();
        files.push(third, b"ours\n".to_vec());
        assert!(is_locked(&files.commit(Instant::now()).unwrap_err()));
        assert!(files.files.values().all(|file| !file.is_open()));
        drop(theirs);
        files.commit(Instant::now()).unwrap();
        assert_eq!(std::fs::read_to_string(folder.join("third")).unwrap(), "theirs\nours\n");
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_only_waits_to_be_complete_is_not_opened_when_others_are_written() {
        let folder = std::env::temp_dir().join(format!("kinesis-logs-files-{}", std::process::id()));
        let rotate = toml::from_str("max_age_secs = 3600").unwrap();
        let mut files = Files::new(Compression::None, rotate, Units::Lines, Duration::ZERO);
        files.push(folder.join("old"), b"1\n".to_vec());
        files.commit(Instant::now()).unwrap();
        files.push(folder.join("new"), b"2\n".to_vec());
        assert!(files.must_open());
        files.write().unwrap();
        assert!(!files.files[&folder.join("old")].is_open() && files.files[&folder.join("new")].is_open());
        files.push(folder.join("new"), b"3\n".to_vec());
        assert!(!files.must_open());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
