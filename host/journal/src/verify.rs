//! Reads and checks a whole journal: hashes, chain, content. Changes nothing, uses no index, and may run while a host
//! appends.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use polder_core::TimestampMs;

use crate::disk::{Disk, FileDisk, SECTOR_BYTES, Segment};
use crate::folders::{SEGMENTS_FOLDER, TENANT_KEYS_FOLDER};
use crate::format::frame::{Frame, FrameHeader, FrameKind};
use crate::format::record::RecordView;
use crate::keyring::Keyring;
use crate::recovery::TornEnd;
use crate::recovery::chain::judge;
use crate::recovery::content_check::ContentCheck;
use crate::recovery::scan::{Rest, SegmentScan, Writers, scan_segment};

/// The content of a journal without damage.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifyReport {
    /// 0 if the frames did not come from files.
    pub files: u64,
    pub frames: u64,
    /// Total size of the frames, in bytes, without their padding to whole sectors.
    pub bytes: u64,
    pub tenants: u64,
    /// Aggregates with events.
    pub aggregates: u64,
    pub commands: u64,
    /// Commands that were rejected.
    pub rejected: u64,
    pub events: u64,
    /// Unreadable records, by tenant: those of removed tenants, whose keys are destroyed, and of tenants whose key is
    /// missing or damaged. Of the other counts, only `frames` and `bytes` include them. The hash chain covers them too.
    pub sealed: BTreeMap<String, u64>,
    /// Hash of the last frame, in hexadecimal. It covers the whole journal.
    pub head: String,
    /// When the last frame was written.
    pub last_at_ms: Option<TimestampMs>,
    /// Whether the last writer closed the journal in order.
    pub closed: bool,
    /// The last frame, if it is incomplete. It is being written right now, or a crash left it and it was never
    /// acknowledged. A disk that lost data it had written leaves the same.
    pub torn: Option<TornEnd>,
}

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// Restore a backup, or save the undamaged part with `polder salvage`.
    #[error(
        "the journal is damaged: {} at byte {offset}: {what}; restore a backup, or run `polder salvage` to save what precedes it",
        file.display()
    )]
    Damaged { file: PathBuf, offset: u64, what: String },
    #[error("cannot read {}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// Verifies the journal in `dir`, the folder that it was opened with.
///
/// # Errors
/// [`VerifyError::Damaged`] contains the first damage, and where it is.
pub fn verify(dir: &Path) -> Result<VerifyReport, VerifyError> {
    verify_with(dir, &keys_in(dir)?, |_| ())
}

/// The keys in `dir`, the folder that a journal was opened with.
///
/// # Errors
/// Fails if the folder of keys cannot be read.
pub fn keys_in(dir: &Path) -> Result<Keyring, VerifyError> {
    let folder = dir.join(TENANT_KEYS_FOLDER);
    Keyring::read(&folder).map_err(|source| VerifyError::Io { path: folder, source })
}

/// Does the same as [`verify`], with the given keys; calls `look` with each readable record.
///
/// # Errors
/// The same as for [`verify`].
pub fn verify_with<'a>(
    dir: &Path,
    keys: &'a Keyring,
    look: impl FnMut(&RecordView<'_>) + 'a,
) -> Result<VerifyReport, VerifyError> {
    let disk = FileDisk::read_only(&dir.join(SEGMENTS_FOLDER));
    verify_all(&disk, ContentCheck::looking(keys, Box::new(look)))
}

/// Does the same as [`verify`], for the journal on `disk`.
///
/// # Errors
/// The same as for [`verify`].
pub fn verify_on(disk: &dyn Disk, keys: &Keyring) -> Result<VerifyReport, VerifyError> {
    verify_all(disk, ContentCheck::new(keys))
}

fn verify_all(disk: &dyn Disk, mut check: ContentCheck<'_>) -> Result<VerifyReport, VerifyError> {
    let segments = open_all(disk)?;
    let mut scans = Vec::with_capacity(segments.len());
    for OpenSegment { address, segment, is_begun } in &segments {
        let scan = match is_begun {
            true => scan_segment(&**segment, *address, Writers::Possible, &mut |frame| check.frame(frame)),
            false => scan_unbegun(&**segment, *address),
        };
        let scan = scan.map_err(|source| VerifyError::Io { path: disk.path(*address), source })?;
        let stop = matches!(scan.rest, Rest::Damaged { .. });
        scans.push(scan);
        if stop {
            break;
        }
    }
    let file = |segment: usize| disk.path(segments[segment].address);
    let end = judge(&scans).map_err(|damage| VerifyError::Damaged {
        file: file(damage.segment),
        offset: damage.offset,
        what: damage.what,
    })?;
    Ok(VerifyReport {
        files: segments.len() as u64,
        torn: end.torn.map(|what| TornEnd { file: file(end.segment), offset: end.offset, what }),
        ..report_of(check, end.closed)
    })
}

/// Checks a journal frame by frame, as [`verify`] does, for frames from any source.
pub struct FrameCheck<'a> {
    content: ContentCheck<'a>,
    /// Address at which the last frame ends.
    end: u64,
    is_closed: bool,
}

impl<'a> FrameCheck<'a> {
    pub fn new(keys: &'a Keyring) -> Self {
        Self { content: ContentCheck::new(keys), end: 0, is_closed: false }
    }

    /// Does the same as [`new`](Self::new); calls `look` with each readable record.
    pub fn looking(keys: &'a Keyring, look: impl FnMut(&RecordView<'_>) + 'a) -> Self {
        Self { content: ContentCheck::looking(keys, Box::new(look)), end: 0, is_closed: false }
    }

    /// Number of good frames so far.
    pub fn frames(&self) -> u64 {
        self.content.frames
    }

    /// Checks the next frame.
    ///
    /// # Errors
    /// Fails with what is wrong with the frame, or with its position in the chain.
    pub fn frame(&mut self, bytes: &[u8]) -> Result<(), String> {
        let frame = Frame::read(bytes).map_err(|error| error.to_string())?;
        let FrameHeader { address, length, kind, .. } = frame.header;
        if bytes.len() != length as usize {
            return Err(format!("{} bytes follow it", bytes.len() - length as usize));
        }
        if address < self.end {
            return Err(format!("it was written for address {address}, the frame before reaches to {}", self.end));
        }
        self.content.frame(&frame)?;
        (self.end, self.is_closed) = (address + u64::from(length), kind == FrameKind::Closing);
        Ok(())
    }

    pub fn report(self) -> VerifyReport {
        report_of(self.content, self.is_closed)
    }
}

fn report_of(check: ContentCheck<'_>, closed: bool) -> VerifyReport {
    VerifyReport {
        files: 0,
        frames: check.frames,
        bytes: check.bytes,
        tenants: check.tenants(),
        aggregates: check.aggregates(),
        commands: check.commands,
        rejected: check.rejected,
        events: check.events,
        head: blake3::Hash::from_bytes(check.link.hash).to_hex().to_string(),
        last_at_ms: check.last_at_ms,
        sealed: check.sealed,
        closed,
        torn: None,
    }
}

struct OpenSegment {
    address: u64,
    segment: Arc<dyn Segment>,
    /// Whether the first sector held data when the segment was opened.
    is_begun: bool,
}

/// Opens all segments while a host may be appending. Opens them from the last to the first: a segment whose successor
/// already held data before it was opened is full, so no frame between the two can be missed.
fn open_all(disk: &dyn Disk) -> Result<Vec<OpenSegment>, VerifyError> {
    let io = |address| move |source| VerifyError::Io { path: disk.path(address), source };
    let addresses = disk.segments().map_err(io(0))?;
    let mut segments = Vec::with_capacity(addresses.len());
    for address in addresses.into_iter().rev() {
        let segment = disk.open(address).map_err(io(address))?;
        let mut sector = [0; SECTOR_BYTES as usize];
        segment.read_at(0, &mut sector).map_err(io(address))?;
        segments.push(OpenSegment { address, segment, is_begun: sector.iter().any(|byte| *byte != 0) });
    }
    segments.reverse();
    Ok(segments)
}

/// Scans a segment whose first sector was empty when it was opened. Good frames at its start were written since then,
/// and are ignored. Anything else is damage.
fn scan_unbegun(segment: &dyn Segment, address: u64) -> io::Result<SegmentScan> {
    let scan = scan_segment(segment, address, Writers::Possible, &mut |_| Ok(()))?;
    Ok(if scan.first.is_some() { SegmentScan::starting_at(address, 0) } else { scan })
}
