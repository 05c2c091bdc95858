//! The segment that is written on: finds room for a frame, goes on to the next segment when there is none, and has that
//! one made ready beside, so that no append waits for it.

use std::cmp::Ordering;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::disk::{Disk, Segment, prepare, whole_sectors};
use crate::options::SEGMENT_GROWTH;
use crate::segments::Segments;

/// After each part of a segment that is prepared: it is in less of a hurry than whoever syncs meanwhile.
const PREPARATION_REST: Duration = Duration::from_micros(500);

/// A segment in the making.
struct Creation {
    address: u64,
    /// It is needed as it is.
    is_wanted: Arc<AtomicBool>,
    thread: JoinHandle<io::Result<Arc<dyn Segment>>>,
}

pub(crate) struct ActiveSegment {
    disk: Arc<dyn Disk>,
    segments: Arc<Segments>,
    segment: Arc<dyn Segment>,
    address: u64,
    /// Where the next frame goes, in the segment.
    offset: u64,
    length: u64,
    segment_bytes: u64,
    prepare_ahead: bool,
    next: Option<Creation>,
    /// Since the last sync.
    is_written: bool,
}

impl ActiveSegment {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        segments: Arc<Segments>,
        (address, segment): (u64, Arc<dyn Segment>),
        offset: u64,
        segment_bytes: u64,
        prepare_ahead: bool,
    ) -> io::Result<Self> {
        let length = segment.length()?;
        let offset = whole_sectors(offset);
        let segment_bytes = whole_sectors(segment_bytes);
        let (next, is_written) = (None, false);
        Ok(Self { disk, segments, segment, address, offset, length, segment_bytes, prepare_ahead, next, is_written })
    }

    /// Where the next frame will lie, given its length. Moves on to a new segment if this one has no room for it. One without
    /// a frame yet is made longer instead: a segment that was passed over empty could not be told from one that lost its frames.
    pub(crate) fn make_room(&mut self, frame_bytes: u64) -> io::Result<u64> {
        let address = self.next_address(frame_bytes);
        self.go_to(address, frame_bytes)?;
        Ok(address)
    }

    /// As [`ActiveSegment::make_room`], and changes nothing.
    pub(crate) fn next_address(&self, frame_bytes: u64) -> u64 {
        let fits = self.length - self.offset >= whole_sectors(frame_bytes);
        if fits || self.offset == 0 { self.address + self.offset } else { self.address + self.length }
    }

    /// The next frame will lie at `address`, wherever whoever wrote it had room.
    pub(crate) fn go_to(&mut self, address: u64, frame_bytes: u64) -> io::Result<()> {
        let needed = whole_sectors(frame_bytes);
        match address.cmp(&(self.address + self.offset)) {
            // Full to the last byte: what follows is the next segment's.
            Ordering::Equal if self.offset == self.length && self.offset > 0 => self.move_on(address, needed)?,
            Ordering::Equal if self.length - self.offset < needed => {
                self.length = lengthen(&*self.segment, self.offset + needed)?;
            }
            Ordering::Equal => {}
            Ordering::Greater if self.offset > 0 => self.move_on(address, needed)?,
            _ => {
                let end = self.address + self.offset;
                return Err(io::Error::other(format!("a frame for address {address} cannot follow address {end}")));
            }
        }
        Ok(())
    }

    /// Of the segment that holds the next frame.
    pub(crate) fn segment_address(&self) -> u64 {
        self.address
    }

    /// The frame goes where [`ActiveSegment::make_room`] said; durable after [`ActiveSegment::sync`].
    pub(crate) fn write(&mut self, frame: &[u8]) -> io::Result<()> {
        self.segment.write_at(self.offset, frame)?;
        self.offset += whole_sectors(frame.len() as u64);
        self.is_written = true;
        Ok(())
    }

    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.segment.sync()?;
        self.is_written = false;
        Ok(())
    }

    pub(crate) fn sync_if_written(&mut self) -> io::Result<()> {
        if self.is_written { self.sync() } else { Ok(()) }
    }

    /// Has the next segment made ready once this one is half full. Called when nobody waits for an append.
    pub(crate) fn prepare_next(&mut self) {
        if self.prepare_ahead && self.next.is_none() && self.offset > self.length / 2 {
            let (disk, address, length) = (Arc::clone(&self.disk), self.address + self.length, self.next_length());
            let is_wanted = Arc::new(AtomicBool::new(false));
            let wanted = Arc::clone(&is_wanted);
            let thread = std::thread::spawn(move || {
                let segment = create(&*disk, address, length)?;
                prepare(&*segment, || {
                    std::thread::sleep(PREPARATION_REST);
                    !wanted.load(Relaxed)
                })?;
                Ok(segment)
            });
            self.next = Some(Creation { address, is_wanted, thread });
        }
    }

    fn move_on(&mut self, address: u64, needed: u64) -> io::Result<()> {
        // Only ever a copy: what was written here is durable otherwise.
        self.sync_if_written()?;
        let segment = match self.prepared()? {
            Some((prepared, segment)) if prepared == address => segment,
            other => {
                // Empty, in the middle of others, it could not be told from one that lost its frames.
                other.map_or(Ok(()), |(prepared, _)| self.disk.remove(prepared))?;
                create(&*self.disk, address, self.next_length().max(needed))?
            }
        };
        let length = segment.length()?;
        self.length = if length < needed { lengthen(&*segment, needed)? } else { length };
        self.segments.add(address, Arc::clone(&segment));
        (self.address, self.segment, self.offset) = (address, segment, 0);
        Ok(())
    }

    fn next_length(&self) -> u64 {
        self.length.saturating_mul(SEGMENT_GROWTH).min(self.segment_bytes)
    }

    fn prepared(&mut self) -> io::Result<Option<(u64, Arc<dyn Segment>)>> {
        let Some(Creation { address, is_wanted, thread }) = self.next.take() else { return Ok(None) };
        is_wanted.store(true, Relaxed);
        let created = thread.join().map_err(|_| io::Error::other("making the next segment panicked"))??;
        Ok(Some((address, created)))
    }
}

impl Drop for ActiveSegment {
    /// Nothing may still be made in a folder that is about to be unlocked.
    fn drop(&mut self) {
        // Neither its error nor its segment is of use to anyone any more.
        drop(self.prepared());
    }
}

fn lengthen(segment: &dyn Segment, length: u64) -> io::Result<u64> {
    segment.extend(length)?;
    segment.sync_length()?;
    segment.length()
}

fn create(disk: &dyn Disk, address: u64, length: u64) -> io::Result<Arc<dyn Segment>> {
    let segment = disk.create(address, length)?;
    disk.sync_folder()?;
    Ok(segment)
}
