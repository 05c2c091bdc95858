//! Opens a journal: locks the folder, checks every frame, brings the index up to date.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use polder_core::TenantName;

use crate::append::{Follower, Tail, Writer};
use crate::disk::{Disk, DiskReserve, FileDisk, make_folder_private};
use crate::error::OpenError;
use crate::folder_lock::FolderLock;
use crate::folders::{INDEX_FOLDER, SEGMENTS_FOLDER, TENANT_KEYS_FOLDER};
use crate::format::frame::Link;
use crate::format::record::random_mark;
use crate::index::{Index, IndexError};
use crate::keyring::Keyring;
use crate::open_journal::OpenJournal;
use crate::options::OpenOptions;
use crate::reader::Reader;
use crate::recovery::{Recovered, Replayed, TornEnd, recover, replay};
use crate::segments::Segments;
use crate::segments::active::ActiveSegment;
use crate::statistics::Counters;

#[derive(Debug)]
pub struct Journal;

/// What was found when the journal was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenReport {
    pub frames: u64,
    pub records: u64,
    /// Whether the previous writer closed the journal in order.
    pub closed: bool,
    /// The incomplete last frame, if there was one. It has been cut off.
    pub torn: Option<TornEnd>,
    /// Records that were missing from the index and were added to it.
    pub records_indexed: u64,
    /// Whether the index could not be used and was rebuilt.
    pub index_rebuilt: bool,
    /// Tenants, among the newly indexed records, whose key is missing or cannot be used. None of their new records are
    /// indexed.
    pub sealed: BTreeSet<TenantName>,
    /// Why the local copy could not be used and was started afresh. Set only for a copy, never for a journal of its
    /// own.
    pub begun_anew: Option<String>,
}

impl Journal {
    /// Opens the journal in `dir`, or creates one. Segments are in `dir/journal`, the index in `dir/index`, the
    /// tenants' keys in `dir/tenant-keys`. The folder stays locked against other hosts until the writer and every
    /// reader are dropped.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(dir: &Path, options: OpenOptions) -> Result<(Writer, Reader, OpenReport), OpenError> {
        let (disk, lock) = take_folder(dir)?;
        let keys = dir.join(TENANT_KEYS_FOLDER);
        let keys = Keyring::open(&keys).map_err(io_error("use the keys in", &keys))?;
        let storage =
            Storage { disk: Arc::new(disk), keys, index_folder: Some(dir.join(INDEX_FOLDER)), lock: Some(lock) };
        open(&storage, &options).and_then(|opened| opened.into_writer(&storage))
    }

    /// Opens the journal on `disk` with `keys`. The index is held in memory and built from the journal at each opening.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_on(
        disk: Arc<dyn Disk>,
        keys: Keyring,
        options: OpenOptions,
    ) -> Result<(Writer, Reader, OpenReport), OpenError> {
        let storage = Storage { disk, keys, index_folder: None, lock: None };
        open(&storage, &options).and_then(|opened| opened.into_writer(&storage))
    }

    /// Opens the copy in `dir` of a journal that is kept elsewhere, or creates one. A damaged copy is deleted and
    /// started afresh, because all of it can be fetched again.
    ///
    /// # Errors
    /// See [`OpenError`]; never [`OpenError::Damaged`].
    pub fn open_copy(
        dir: &Path,
        keys: Keyring,
        options: OpenOptions,
    ) -> Result<(Follower, Reader, OpenReport), OpenError> {
        let (disk, lock) = take_folder(dir)?;
        let storage =
            Storage { disk: Arc::new(disk), keys, index_folder: Some(dir.join(INDEX_FOLDER)), lock: Some(lock) };
        open_copy(&storage, &options)
    }

    /// Does the same as [`Journal::open_copy`], with the copy on `disk` and the index in memory.
    ///
    /// # Errors
    /// The same as for [`Journal::open_copy`].
    pub fn open_copy_on(
        disk: Arc<dyn Disk>,
        keys: Keyring,
        options: OpenOptions,
    ) -> Result<(Follower, Reader, OpenReport), OpenError> {
        open_copy(&Storage { disk, keys, index_folder: None, lock: None }, &options)
    }
}

/// The disk, the keys and the index folder of a journal, and the lock on its folder.
struct Storage {
    disk: Arc<dyn Disk>,
    keys: Keyring,
    /// The folder of the index. `None`: the index is in memory.
    index_folder: Option<PathBuf>,
    lock: Option<Arc<FolderLock>>,
}

struct Opened {
    tail: Tail,
    reader: Reader,
    report: OpenReport,
}

impl Opened {
    fn into_writer(self, storage: &Storage) -> Result<(Writer, Reader, OpenReport), OpenError> {
        let failed = |source| OpenError::Io { what: "get a random number for", path: storage.disk.path(0), source };
        let (mark, epoch) = (random_mark().map_err(failed)?, self.tail.epoch + 1);
        Ok((Writer::new(self.tail, epoch, mark, None), self.reader, self.report))
    }
}

fn open_copy(storage: &Storage, options: &OpenOptions) -> Result<(Follower, Reader, OpenReport), OpenError> {
    let opened = match open(storage, options) {
        Err(OpenError::Damaged { file, offset, what }) => {
            let why = format!("{} at byte {offset}: {what}", file.display());
            tracing::warn!(why, "the copy of the journal is damaged and is started afresh");
            remove_segments(&*storage.disk)?;
            remove_index(storage.index_folder.as_deref())?;
            let mut opened = open(storage, options)?;
            opened.report.begun_anew = Some(why);
            opened
        }
        other => other?,
    };
    Ok((Follower::new(opened.tail), opened.reader, opened.report))
}

fn remove_segments(disk: &dyn Disk) -> Result<(), OpenError> {
    let failed = |address: u64| move |source| OpenError::Io { what: "remove", path: disk.path(address), source };
    for address in disk.segments().map_err(failed(0))? {
        disk.remove(address).map_err(failed(address))?;
    }
    disk.sync_folder().map_err(failed(0))
}

/// Creates the folder if it is missing and locks it against other hosts.
fn take_folder(dir: &Path) -> Result<(FileDisk, Arc<FolderLock>), OpenError> {
    make_folder_private(dir).map_err(io_error("create", dir))?;
    let segments = dir.join(SEGMENTS_FOLDER);
    let disk = FileDisk::new(&segments).map_err(io_error("create", &segments))?;
    Ok((disk, Arc::new(FolderLock::take(dir, &segments)?)))
}

fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::Io { what, path, source }
}

fn open(storage: &Storage, options: &OpenOptions) -> Result<Opened, OpenError> {
    let Storage { disk, keys, index_folder, lock } = storage;
    let folder = index_folder.as_deref();
    let index_error = |error: IndexError| OpenError::Index {
        path: index_folder.clone().unwrap_or_default(),
        what: error.to_string(),
    };
    let (index, known, unusable) = match open_index(folder, options) {
        Ok((index, known)) => (Some(index), known, None),
        Err(error) => (None, None, Some(error.to_string())),
    };
    // Even when the index has to be rebuilt, the end of the journal that it remembers is still right.
    let unusable = unusable.or_else(|| index.as_ref().and_then(|index| incomplete(index, keys)));
    let recovered = recover(&**disk, options.segment_bytes, known.as_ref())?;
    let foreign = || "it belongs to another journal".to_owned();
    let unusable = unusable.or_else(|| (known.is_some() && recovered.known_end.is_none()).then(foreign));
    let index = match (index, &unusable) {
        (Some(index), None) => index,
        (unfit, why) => {
            drop(unfit);
            tracing::warn!(why, "the index is rebuilt from the journal");
            remove_index(folder)?;
            Index::open(folder, options.index_flush_records).map_err(index_error)?
        }
    };
    let segments = Arc::new(Segments::new(Arc::clone(disk), recovered.segments.clone()));
    // These tenants' records were sealed with keys that are gone now. Their new records must not be written as plain
    // text.
    index.passed_over().map_err(index_error)?.iter().for_each(|tenant| keys.missed(tenant));
    let from = recovered.known_end.filter(|_| unusable.is_none());
    let replayed = replay(&index, keys, &**disk, &recovered.segments, from)?;
    index.check().map_err(index_error)?;
    let report = report_of(&recovered, replayed, unusable.is_some());
    let active = active(Arc::clone(disk), &segments, &recovered, options)?;
    let (index, counters, keys) = (Arc::new(index), Counters::default(), keys.clone());
    let reserve = DiskReserve::new(Arc::clone(disk), options.reserve_bytes);
    let journal = Arc::new(OpenJournal { segments, index, counters, keys, reserve, _lock: lock.clone() });
    let tail = Tail::new(Arc::clone(&journal), active, (recovered.link, recovered.epoch), recovered.at_ms);
    Ok(Opened { tail, reader: Reader::new(journal), report })
}

fn open_index(folder: Option<&Path>, options: &OpenOptions) -> Result<(Index, Option<Link>), IndexError> {
    let index = Index::open(folder, options.index_flush_records)?;
    let known = index.checkpoint()?;
    Ok((index, known))
}

/// Returns why the index lacks records that can be read now: a key that was damaged or missing when they were indexed
/// is back. `None` if it lacks none.
fn incomplete(index: &Index, keys: &Keyring) -> Option<String> {
    match index.passed_over() {
        Ok(tenants) => {
            let back: Vec<_> = tenants.iter().filter(|tenant| keys.has(tenant)).map(TenantName::as_str).collect();
            (!back.is_empty()).then(|| format!("records of {} could not be read, and can be now", back.join(", ")))
        }
        Err(error) => Some(error.to_string()),
    }
}

fn remove_index(folder: Option<&Path>) -> Result<(), OpenError> {
    let Some(folder) = folder.filter(|folder| folder.exists()) else { return Ok(()) };
    fs::remove_dir_all(folder).map_err(|source| OpenError::Io { what: "remove", path: folder.to_owned(), source })
}

fn active(
    disk: Arc<dyn Disk>,
    segments: &Arc<Segments>,
    recovered: &Recovered,
    options: &OpenOptions,
) -> Result<ActiveSegment, OpenError> {
    let (address, segment) = recovered.segments.last().cloned().expect("recovery leaves one segment at least");
    let path = disk.path(address);
    let last = (address, segment);
    let (length, ahead) = (options.segment_bytes, options.prepare_ahead);
    ActiveSegment::new(disk, Arc::clone(segments), last, recovered.offset, length, ahead)
        .map_err(|source| OpenError::Io { what: "measure", path, source })
}

fn report_of(recovered: &Recovered, replayed: Replayed, index_rebuilt: bool) -> OpenReport {
    OpenReport {
        frames: recovered.frames,
        records: recovered.records,
        closed: recovered.closed,
        torn: recovered.torn.clone(),
        records_indexed: replayed.records,
        index_rebuilt,
        sealed: replayed.sealed,
        begun_anew: None,
    }
}
