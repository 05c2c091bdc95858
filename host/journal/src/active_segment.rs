//! The segment that is written on: finds room for a frame, goes on to the next segment when there is none, and has that
//! one made ready beside, so that no append waits for it.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use crate::disk::{Disk, Segment, whole_sectors};
use crate::segments::Segments;

type Creation = JoinHandle<io::Result<Arc<dyn Segment>>>;

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
        let next = None;
        Ok(Self { disk, segments, segment, address, offset, length, segment_bytes, prepare_ahead, next })
    }

    /// Where the next frame will lie, given its length. Moves on to a new segment if this one has no room for it. One without
    /// a frame yet is made longer instead: a segment that was passed over empty could not be told from one that lost its frames.
    pub(crate) fn make_room(&mut self, frame_bytes: u64) -> io::Result<u64> {
        let needed = whole_sectors(frame_bytes);
        if self.length - self.offset < needed {
            match self.offset {
                0 => self.length = lengthen(&*self.segment, needed)?,
                _ => self.move_on(needed)?,
            }
        }
        Ok(self.address + self.offset)
    }

    /// Of the segment that holds the next frame.
    pub(crate) fn segment_address(&self) -> u64 {
        self.address
    }

    /// The frame goes where [`ActiveSegment::make_room`] said; durable after [`ActiveSegment::sync`].
    pub(crate) fn write(&mut self, frame: &[u8]) -> io::Result<()> {
        self.segment.write_at(self.offset, frame)?;
        self.offset += whole_sectors(frame.len() as u64);
        Ok(())
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        self.segment.sync()
    }

    /// Has the next segment made ready once this one is half full. Called when nobody waits for an append.
    pub(crate) fn prepare_next(&mut self) {
        if self.prepare_ahead && self.next.is_none() && self.offset > self.length / 2 {
            let (disk, address, length) = (Arc::clone(&self.disk), self.address + self.length, self.segment_bytes);
            self.next = Some(std::thread::spawn(move || create(&*disk, address, length)));
        }
    }

    fn move_on(&mut self, needed: u64) -> io::Result<()> {
        let address = self.address + self.length;
        let segment = match self.next.take() {
            Some(creation) => creation.join().map_err(|_| io::Error::other("making the next segment panicked"))??,
            None => create(&*self.disk, address, self.segment_bytes.max(needed))?,
        };
        let length = segment.length()?;
        self.length = if length < needed { lengthen(&*segment, needed)? } else { length };
        self.segments.add(address, Arc::clone(&segment));
        (self.address, self.segment, self.offset) = (address, segment, 0);
        Ok(())
    }
}

impl Drop for ActiveSegment {
    /// Nothing may still be made in a folder that is about to be unlocked.
    fn drop(&mut self) {
        if let Some(creation) = self.next.take() {
            let _ = creation.join();
        }
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
