//! Leases in a file, for one process.

mod format;

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::error::{LeaseStoreError, LeaseStoreErrorKind};
use crate::lease_store::LeaseStore;
use crate::protocol::{Lease, LeaseWrite, StreamId, WriteOutcome};
use format::Contents;

/// The leases of one stream in a JSON file, for one process on one machine.
///
/// ```no_run
/// use kinesis_logs_source::FileLeaseStore;
///
/// let store = FileLeaseStore::new("/var/lib/reader/flow-logs.json", "flow-logs");
/// ```
///
/// - While the store is open, `FILE.lock` beside the file is locked; another store of the same file, of this process or
///   another, fails to [prepare](LeaseStore::prepare) with [`LeaseStoreErrorKind::Locked`]. The operating system drops
///   the lock when the process ends, however it ends; the file `FILE.lock` stays. Network file systems may not keep such
///   locks between machines.
/// - All writes of one [`write`](LeaseStore::write) are one replacement of the file: the new one is written beside it
///   (`FILE.tmp`), flushed to the disk, and takes its name. Whenever the machine stops, the file is the old or the new
///   one.
/// - The file may be read at any time, and changed by hand while no store is open. Its members have the names of KCL's
///   attributes; others are kept. What is no such file is refused with the line and the cause, and never overwritten.
#[derive(Debug)]
pub struct FileLeaseStore {
    inner: Arc<Inner>,
}

impl FileLeaseStore {
    /// A store of the leases of `stream` in the file at `path`, which is made with its folders when there is something
    /// to write. Does nothing yet.
    pub fn new(path: impl Into<PathBuf>, stream: impl Into<StreamId>) -> Self {
        let inner = Inner { path: path.into(), stream: stream.into(), state: Mutex::default() };
        FileLeaseStore { inner: Arc::new(inner) }
    }

    /// The leases as the file has them now, without locking it: for looking at what another process does. None if there
    /// is no file.
    ///
    /// # Errors
    ///
    /// As for [`prepare`](LeaseStore::prepare), but never [`LeaseStoreErrorKind::Locked`].
    pub fn peek(&self) -> Result<Vec<Lease>, LeaseStoreError> {
        self.inner.load(&self.inner.path).map(|contents| contents.leases())
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Does `work` where it may block. It is done to its end even if nobody waits for it any more, so that memory and
    /// file stay together.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, LeaseStoreError> + Send + 'static,
    ) -> Result<T, LeaseStoreError> {
        let inner = self.inner.clone();
        match tokio::task::spawn_blocking(move || work(&inner)).await {
            Ok(result) => result,
            Err(error) => Err(self.inner.error(LeaseStoreErrorKind::Other, error)),
        }
    }
}

#[async_trait]
impl LeaseStore for FileLeaseStore {
    async fn prepare(&self) -> Result<(), LeaseStoreError> {
        self.blocking(Inner::prepare).await
    }

    async fn list(&self) -> Result<Vec<Lease>, LeaseStoreError> {
        self.blocking(Inner::list).await
    }

    async fn write(&self, writes: Vec<LeaseWrite>) -> Vec<Result<WriteOutcome, LeaseStoreError>> {
        let count = writes.len();
        match self.blocking(move |inner| inner.write(&writes)).await {
            Ok(outcomes) => outcomes.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error); count],
        }
    }

    fn is_exclusive(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    stream: StreamId,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Once prepared.
    open: Option<Open>,
    /// What the file holds. `None` if that is not known: before it is read, and after a write that failed, of which
    /// only the file can tell how far it came.
    contents: Option<Contents>,
}

/// A file that is this store's alone.
#[derive(Debug)]
struct Open {
    /// The file itself, whatever links led to it: it is that which is replaced and locked.
    path: PathBuf,
    /// Locked as long as it is open.
    _lock: File,
}

impl Inner {
    fn prepare(&self) -> Result<(), LeaseStoreError> {
        let mut state = self.lock_state();
        if state.open.is_none() {
            state.open = Some(self.open()?);
        }
        self.take_contents(&mut state).map(|contents| state.contents = Some(contents))
    }

    fn list(&self) -> Result<Vec<Lease>, LeaseStoreError> {
        let mut state = self.lock_state();
        let contents = self.take_contents(&mut state)?;
        let leases = contents.leases();
        state.contents = Some(contents);
        Ok(leases)
    }

    /// Does all writes that may be done, or fails as a whole.
    fn write(&self, writes: &[LeaseWrite]) -> Result<Vec<WriteOutcome>, LeaseStoreError> {
        let mut state = self.lock_state();
        // If the file cannot be replaced, the changed contents are dropped.
        let mut contents = self.take_contents(&mut state)?;
        let outcomes: Vec<WriteOutcome> = writes.iter().map(|write| contents.apply(write)).collect();
        if outcomes.contains(&WriteOutcome::Done) {
            let json = contents.to_json().map_err(|error| self.error(LeaseStoreErrorKind::Other, error))?;
            let path = self.open_path(&state)?;
            replace(path, &json).map_err(|error| self.io_error("cannot write the file", &error))?;
        }
        state.contents = Some(contents);
        Ok(outcomes)
    }

    /// Takes the contents out of the state, from the file if they are not there.
    fn take_contents(&self, state: &mut State) -> Result<Contents, LeaseStoreError> {
        match state.contents.take() {
            Some(contents) => Ok(contents),
            None => self.read(self.open_path(state)?),
        }
    }

    fn read(&self, path: &Path) -> Result<Contents, LeaseStoreError> {
        // A replacement whose last step failed is seen here, and must not be gone after what is built on it.
        sync_folder(path).map_err(|error| self.io_error("cannot flush the folder", &error))?;
        self.load(path)
    }

    fn load(&self, path: &Path) -> Result<Contents, LeaseStoreError> {
        match fs::read(path) {
            Ok(json) => {
                Contents::from_json(&json, self.stream.name()).map_err(|(kind, message)| self.error(kind, message))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Contents::empty(self.stream.name())),
            Err(error) => Err(self.io_error("cannot read the file", &error)),
        }
    }

    fn open(&self) -> Result<Open, LeaseStoreError> {
        let path = resolve(&self.path).map_err(|error| self.io_error("cannot make the folder", &error))?;
        let lock_path = beside(&path, "lock");
        let lock = File::options().create(true).truncate(false).write(true).open(&lock_path);
        let lock = lock.map_err(|error| self.io_error("cannot open the lock beside it", &error))?;
        match try_lock(&lock) {
            Ok(()) => Ok(Open { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                let message = format!("another process or store uses the file: {} is locked", lock_path.display());
                Err(self.error(LeaseStoreErrorKind::Locked, message))
            }
            Err(TryLockError::Error(error)) => Err(self.io_error("cannot lock the file beside it", &error)),
        }
    }

    fn open_path<'a>(&self, state: &'a State) -> Result<&'a Path, LeaseStoreError> {
        let not_prepared = || self.error(LeaseStoreErrorKind::Other, "the store has not been prepared");
        state.open.as_ref().map(|open| open.path.as_path()).ok_or_else(not_prepared)
    }

    /// Contents are taken out while they change, so that a panic leaves none behind.
    fn lock_state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, kind: LeaseStoreErrorKind, message: impl ToString) -> LeaseStoreError {
        LeaseStoreError::new(kind, self.path.display().to_string(), message.to_string())
    }

    fn io_error(&self, what: &str, error: &io::Error) -> LeaseStoreError {
        let kind = match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => LeaseStoreErrorKind::AccessDenied,
            io::ErrorKind::NotADirectory
            | io::ErrorKind::IsADirectory
            | io::ErrorKind::AlreadyExists
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::InvalidFilename
            | io::ErrorKind::Unsupported => LeaseStoreErrorKind::Other,
            // A full disk, say, or a folder that is gone.
            _ => LeaseStoreErrorKind::Unavailable,
        };
        self.error(kind, format!("{what}: {error}"))
    }
}

/// The file that `path` leads to, whose folder is made if it is not there.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    let Some(name) = path.file_name() else {
        return Err(io::Error::new(io::ErrorKind::InvalidFilename, "the path names no file"));
    };
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    make_folder(folder)?;
    match path.canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(folder.canonicalize()?.join(name)),
        resolved => resolved,
    }
}

/// Locks a file that somebody may be about to let go of, as a store that was dropped while it wrote.
fn try_lock(file: &File) -> Result<(), TryLockError> {
    for _ in 0..10 {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(50)),
            locked => return locked,
        }
    }
    file.try_lock()
}

/// Makes a folder and those above it, to stay.
fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder.parent().filter(|above| !above.as_os_str().is_empty()) {
        make_folder(above)?;
    }
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        Err(error) => Err(error),
        Ok(()) => sync_folder(&folder.canonicalize()?),
    }
}

/// `FILE.json` with `suffix`: `FILE.json.lock`.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

/// Replaces the file, with all of it on the disk before it takes the name, and the name before the end.
fn replace(path: &Path, contents: &[u8]) -> io::Result<()> {
    // One name, since the lock leaves one writer: what is there, a crash has left.
    let temporary = beside(path, "tmp");
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = File::create_new(&temporary)?;
    if let Ok(metadata) = fs::metadata(path) {
        file.set_permissions(metadata.permissions())?;
    }
    file.write_all(contents)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&temporary, path)?;
    sync_folder(path)
}

/// Flushes the names in the folder of a file. Windows and some network file systems cannot, and do so by themselves.
fn sync_folder(path: &Path) -> io::Result<()> {
    let flushed = match path.parent() {
        Some(folder) if cfg!(unix) => File::open(folder)?.sync_all(),
        _ => Ok(()),
    };
    match flushed {
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        flushed => flushed,
    }
}
