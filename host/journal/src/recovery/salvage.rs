//! Saves what precedes the first damage: copies all good frames before it into a new folder. Does not change the
//! damaged journal.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::content_check::ContentCheck;
use super::scan::{Rest, Writers, scan_segment};
use crate::disk::{Disk, FileDisk, Segment};
use crate::folders::{SEGMENTS_FOLDER, TENANT_KEYS_FOLDER};
use crate::format::frame::Frame;
use crate::keyring::Keyring;

#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SalvageReport {
    pub frames: u64,
    pub commands: u64,
    pub events: u64,
    /// Where the copying stopped; `None` if the whole journal was good.
    pub stopped: Option<Stopped>,
}

/// Where the journal is damaged or incomplete for the first time, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopped {
    pub file: PathBuf,
    pub offset: u64,
    pub what: String,
}

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SalvageError {
    /// Choose a folder that is empty or does not exist.
    #[error("{} is not empty", path.display())]
    NotEmpty { path: PathBuf },
    #[error("cannot {what} {}", path.display())]
    Io { what: &'static str, path: PathBuf, source: io::Error },
}

/// Copies the good frames of the journal in `dir` into `out`, which can then be opened as a journal.
///
/// # Errors
/// See [`SalvageError`]. Damage is not an error here; the report contains it.
pub fn salvage(dir: &Path, out: &Path) -> Result<SalvageReport, SalvageError> {
    let failed = |what, path: &Path| {
        let path = path.to_owned();
        move |source| SalvageError::Io { what, path, source }
    };
    let into = out.join(SEGMENTS_FOLDER);
    if fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(SalvageError::NotEmpty { path: out.to_owned() });
    }
    let source = FileDisk::read_only(&dir.join(SEGMENTS_FOLDER));
    let addresses = source.segments().map_err(failed("list", dir))?;
    fs::create_dir_all(out).map_err(failed("create", out))?;
    let (own_keys, copied_keys) = (dir.join(TENANT_KEYS_FOLDER), out.join(TENANT_KEYS_FOLDER));
    let keys = Keyring::read(&own_keys).map_err(failed("read the keys in", &own_keys))?;
    keys.copy_into(&copied_keys).map_err(failed("copy the keys into", &copied_keys))?;
    let target = FileDisk::new(&into).map_err(failed("create", &into))?;
    let mut check = ContentCheck::new(&keys);
    let mut stopped = None;
    for address in addresses {
        let path = source.path(address);
        let segment = source.open(address).map_err(failed("open", &path))?;
        let mut copy =
            Copy { target: &target, address, length: segment.length().map_err(failed("measure", &path))?, into: None };
        let mut failure = None;
        let scan = scan_segment(&*segment, address, Writers::None, &mut |frame| {
            check.frame(frame)?;
            copy.frame(frame).map_err(|error| {
                let what = error.to_string();
                failure = Some(error);
                what
            })
        });
        if let Some(error) = failure {
            return Err(failed("write into", &into)(error));
        }
        copy.finish().map_err(failed("sync", &into))?;
        if let Rest::Damaged { offset, what } | Rest::Unfinished { offset, what } =
            scan.map_err(failed("read", &path))?.rest
        {
            stopped = Some(Stopped { file: path, offset, what });
            break;
        }
    }
    target.sync_folder().map_err(failed("sync", &into))?;
    Ok(SalvageReport { frames: check.frames, commands: check.commands, events: check.events, stopped })
}

/// One segment of the copy, created when its first frame is copied.
struct Copy<'a> {
    target: &'a FileDisk,
    address: u64,
    length: u64,
    into: Option<Arc<dyn Segment>>,
}

impl Copy<'_> {
    /// Writes the frame at its original address, because the frame's hash covers the address.
    fn frame(&mut self, frame: &Frame<'_>) -> io::Result<()> {
        let segment = match &self.into {
            Some(segment) => segment,
            None => self.into.insert(self.target.create(self.address, self.length)?),
        };
        segment.write_at(frame.header.address - self.address, frame.bytes())
    }

    fn finish(&self) -> io::Result<()> {
        self.into.as_ref().map_or(Ok(()), |segment| segment.sync_length())
    }
}
