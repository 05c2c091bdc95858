//! Opens a journal: takes the folder, makes sure of every frame, brings the index up to date.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use polder_core::TenantName;

use crate::active_segment::ActiveSegment;
use crate::disk::{Disk, FileDisk, make_folder_private};
use crate::disk_room::DiskRoom;
use crate::error::OpenError;
use crate::folder_lock::FolderLock;
use crate::follower::writers_mark;
use crate::frame::Link;
use crate::index::{Index, IndexError};
use crate::keyring::Keyring;
use crate::recovery::{Recovered, TornEnd, recover};
use crate::replay::{Replayed, replay};
use crate::segments::Segments;
use crate::shared::Shared;
use crate::statistics::Counters;
use crate::tail::Tail;
use crate::{Follower, OpenOptions, Reader, Writer};

/// Below a data folder: where the journal lies.
pub const SEGMENTS_FOLDER: &str = "journal";
/// Below a data folder: where the tenants' keys lie.
pub const TENANT_KEYS_FOLDER: &str = "tenant-keys";
const INDEX_FOLDER: &str = "index";

#[derive(Debug)]
pub struct Journal;

/// What opening found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenReport {
    pub frames: u64,
    pub records: u64,
    /// The writer before ended in order.
    pub closed: bool,
    /// A last frame of which part was missing, now cut off.
    pub torn: Option<TornEnd>,
    /// Records that the index did not have yet.
    pub records_indexed: u64,
    /// The index could not be used and was built again.
    pub index_rebuilt: bool,
    /// Among the records that were indexed now: tenants whose key is not there or cannot be used, so that nothing of theirs could be indexed.
    pub sealed: BTreeSet<TenantName>,
    /// Why the copy that was here could not be used, and begins anew. Only ever of a copy.
    pub begun_anew: Option<String>,
}

impl Journal {
    /// Opens the journal in `dir`, or begins one. Segments go into `dir/journal`, the index into `dir/index`, the tenants' keys into
    /// `dir/tenant-keys`. Other hosts are kept out until the writer and every reader are dropped.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(dir: &Path, options: OpenOptions) -> Result<(Writer, Reader, OpenReport), OpenError> {
        let (disk, lock) = take_folder(dir)?;
        let keys = dir.join(TENANT_KEYS_FOLDER);
        let keys = Keyring::open(&keys).map_err(io_error("use the keys in", &keys))?;
        let place = Place { disk: Arc::new(disk), keys, index_folder: Some(dir.join(INDEX_FOLDER)), lock: Some(lock) };
        open(&place, &options).and_then(|opened| opened.into_writer(&place))
    }

    /// Opens the journal that a disk holds, with these keys and with the index in memory: built from the journal each time.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_on(
        disk: Arc<dyn Disk>,
        keys: Keyring,
        options: OpenOptions,
    ) -> Result<(Writer, Reader, OpenReport), OpenError> {
        let place = Place { disk, keys, index_folder: None, lock: None };
        open(&place, &options).and_then(|opened| opened.into_writer(&place))
    }

    /// Opens the copy in `dir` of a journal that is kept elsewhere, or begins one. What is no good is thrown away: all of it can be had
    /// again.
    ///
    /// # Errors
    /// See [`OpenError`]; never [`OpenError::Damaged`].
    pub fn open_copy(
        dir: &Path,
        keys: Keyring,
        options: OpenOptions,
    ) -> Result<(Follower, Reader, OpenReport), OpenError> {
        let (disk, lock) = take_folder(dir)?;
        let place = Place { disk: Arc::new(disk), keys, index_folder: Some(dir.join(INDEX_FOLDER)), lock: Some(lock) };
        open_copy(&place, &options)
    }

    /// As [`Journal::open_copy`], with the copy on this disk and with the index in memory.
    ///
    /// # Errors
    /// As for [`Journal::open_copy`].
    pub fn open_copy_on(
        disk: Arc<dyn Disk>,
        keys: Keyring,
        options: OpenOptions,
    ) -> Result<(Follower, Reader, OpenReport), OpenError> {
        open_copy(&Place { disk, keys, index_folder: None, lock: None }, &options)
    }
}

/// Where a journal is opened, and with what.
struct Place {
    disk: Arc<dyn Disk>,
    keys: Keyring,
    /// `None`: in memory.
    index_folder: Option<PathBuf>,
    lock: Option<Arc<FolderLock>>,
}

struct Opened {
    tail: Tail,
    reader: Reader,
    report: OpenReport,
}

impl Opened {
    fn into_writer(self, place: &Place) -> Result<(Writer, Reader, OpenReport), OpenError> {
        let failed = |source| OpenError::Io { what: "get a random number for", path: place.disk.path(0), source };
        let (mark, epoch) = (writers_mark().map_err(failed)?, self.tail.epoch + 1);
        Ok((Writer::new(self.tail, epoch, mark, None), self.reader, self.report))
    }
}

fn open_copy(place: &Place, options: &OpenOptions) -> Result<(Follower, Reader, OpenReport), OpenError> {
    let opened = match open(place, options) {
        Err(OpenError::Damaged { file, offset, what }) => {
            let why = format!("{} at byte {offset}: {what}", file.display());
            tracing::warn!(why, "the copy of the journal is damaged and begins anew");
            remove_segments(&*place.disk)?;
            remove_index(place.index_folder.as_deref())?;
            let mut opened = open(place, options)?;
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

/// Nobody else may use it from here on.
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

fn open(place: &Place, options: &OpenOptions) -> Result<Opened, OpenError> {
    let Place { disk, keys, index_folder, lock } = place;
    let folder = index_folder.as_deref();
    let index_error = |error: IndexError| OpenError::Index {
        path: index_folder.clone().unwrap_or_default(),
        what: error.to_string(),
    };
    let (index, known, unusable) = match open_index(folder, options) {
        Ok((index, known)) => (Some(index), known, None),
        Err(error) => (None, None, Some(error.to_string())),
    };
    // What the index knows of the journal's end holds, also where the index itself is to be built again.
    let unusable = unusable.or_else(|| index.as_ref().and_then(|index| incomplete(index, keys)));
    let recovered = recover(&**disk, options.segment_bytes, known.as_ref())?;
    let foreign = || "it belongs to another journal".to_owned();
    let unusable = unusable.or_else(|| (known.is_some() && recovered.known_end.is_none()).then(foreign));
    let index = match (index, &unusable) {
        (Some(index), None) => index,
        (unfit, why) => {
            drop(unfit);
            tracing::warn!(why, "the index is built again from the journal");
            remove_index(folder)?;
            Index::open(folder, options.index_flush_records).map_err(index_error)?
        }
    };
    let segments = Arc::new(Segments::new(Arc::clone(disk), recovered.segments.clone()));
    // What was written before their keys went must not be followed by plain text.
    index.passed_over().map_err(index_error)?.iter().for_each(|tenant| keys.missed(tenant));
    let from = recovered.known_end.filter(|_| unusable.is_none());
    let replayed = replay(&index, keys, &**disk, &recovered.segments, from)?;
    index.check().map_err(index_error)?;
    let report = report_of(&recovered, replayed, unusable.is_some());
    let active = active(Arc::clone(disk), &segments, &recovered, options)?;
    let (index, counters, keys) = (Arc::new(index), Counters::default(), keys.clone());
    let room = DiskRoom::new(&segments, options.reserve_bytes);
    let shared = Arc::new(Shared { segments, index, counters, keys, room, _lock: lock.clone() });
    let tail = Tail::new(Arc::clone(&shared), active, (recovered.link, recovered.epoch), recovered.at_ms);
    Ok(Opened { tail, reader: Reader::new(shared), report })
}

fn open_index(folder: Option<&Path>, options: &OpenOptions) -> Result<(Index, Option<Link>), IndexError> {
    let index = Index::open(folder, options.index_flush_records)?;
    let known = index.checkpoint()?;
    Ok((index, known))
}

/// Why the index does not have all that can be read now: a key that was damaged or away when it was written is back.
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
    let place = (address, segment);
    let (length, ahead) = (options.segment_bytes, options.prepare_ahead);
    ActiveSegment::new(disk, Arc::clone(segments), place, recovered.offset, length, ahead)
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
