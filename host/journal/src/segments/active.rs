//! The segment that frames are written to. It finds room for a frame, and moves on to the next segment when there is
//! none.

use std::cmp::Ordering;
use std::io;
use std::sync::Arc;

use super::next::NextSegment;
use crate::disk::{Disk, Segment, is_whole_sectors, passes, unsure, whole_sectors};
use crate::options::{FIRST_SEGMENT_BYTES, SEGMENT_GROWTH};
use crate::segments::Segments;

pub(crate) struct ActiveSegment {
    segments: Arc<Segments>,
    segment: Arc<dyn Segment>,
    address: u64,
    /// Where the next frame goes, in bytes from the start of the segment.
    offset: u64,
    length: u64,
    segment_bytes: u64,
    prepare_ahead: bool,
    next: NextSegment,
    /// Whether anything was written since the last sync.
    is_written: bool,
}

/// Why a frame was not written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    /// Nothing of the frame is in the segment. The write can be tried again.
    #[error(transparent)]
    NoRoom(io::Error),
    /// Part of the frame may be in the segment.
    #[error(transparent)]
    Unsure(io::Error),
}

impl WriteError {
    /// Wraps an error that occurred before anything of the frame was written.
    pub(crate) fn before_writing(error: io::Error) -> Self {
        if passes(&error) { Self::NoRoom(error) } else { Self::Unsure(error) }
    }
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
        let (offset, segment_bytes) = (whole_sectors(offset), whole_sectors(segment_bytes));
        assert!(offset <= length, "a segment of {length} bytes cannot hold frames up to byte {offset}");
        let next = NextSegment::new(disk);
        let is_written = false;
        Ok(Self { segments, segment, address, offset, length, segment_bytes, prepare_ahead, next, is_written })
    }

    /// Makes room for a frame of this length and returns the address at which it will lie. Moves on to a new segment if
    /// this one has no room. A segment without any frame is lengthened instead, because an empty segment in the middle
    /// would look like one that lost its frames.
    ///
    /// # Errors
    /// Nothing of the frame is written. If the error [passes], the caller may try again.
    pub(crate) fn make_room(&mut self, frame_bytes: u64) -> io::Result<u64> {
        let address = self.next_address(frame_bytes);
        self.go_to(address, frame_bytes)?;
        Ok(address)
    }

    /// The address that [`ActiveSegment::make_room`] would return. Changes nothing.
    pub(crate) fn next_address(&self, frame_bytes: u64) -> u64 {
        let fits = self.length - self.offset >= whole_sectors(frame_bytes);
        if fits || self.offset == 0 { self.address + self.offset } else { self.address + self.length }
    }

    /// Makes room for a frame at `address`. Its writer chose the address; its segments may have other lengths.
    pub(crate) fn go_to(&mut self, address: u64, frame_bytes: u64) -> io::Result<()> {
        let needed = whole_sectors(frame_bytes);
        match address.cmp(&(self.address + self.offset)) {
            // The segment is full to the last byte, so the address is that of the next segment.
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
        // Frames begin at a sector's start, so that a write never touches a sector of another frame.
        assert!(is_whole_sectors(self.address + self.offset) && self.offset + needed <= self.length);
        Ok(())
    }

    /// The address of the segment that holds the next frame.
    pub(crate) fn segment_address(&self) -> u64 {
        self.address
    }

    /// Writes the frame at the address that [`ActiveSegment::make_room`] returned. It is durable after
    /// [`ActiveSegment::sync`].
    ///
    /// # Errors
    /// [`WriteError::NoRoom`] if the disk was full and the part that was written has been cut off again; otherwise
    /// [`WriteError::Unsure`].
    pub(crate) fn write(&mut self, frame: &[u8]) -> Result<(), WriteError> {
        let length = whole_sectors(frame.len() as u64);
        assert!(self.offset + length <= self.length, "there is no room for a frame of {length} bytes");
        match self.segment.write_at(self.offset, frame) {
            Ok(()) => {
                self.offset += length;
                self.is_written = true;
                Ok(())
            }
            Err(error) if passes(&error) => match self.cut_off() {
                Ok(()) => Err(WriteError::NoRoom(error)),
                Err(cutting) => {
                    let what = format!("{error}; what is half written cannot be cut off: {cutting}");
                    Err(WriteError::Unsure(io::Error::new(error.kind(), what)))
                }
            },
            Err(error) => Err(WriteError::Unsure(error)),
        }
    }

    /// Cuts the segment off after its last whole frame, durably. The next frame goes into another segment, or into this
    /// one if it has no frame.
    fn cut_off(&mut self) -> io::Result<()> {
        self.segment.cut(self.offset)?;
        self.segment.sync_length()?;
        self.length = self.offset;
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

    /// Starts the preparation of the next segment once this one is half full. Call it when no append is waiting.
    pub(crate) fn prepare_next(&mut self) {
        if self.prepare_ahead && self.offset > self.length / 2 {
            self.next.prepare(self.address + self.length, self.next_length());
        }
    }

    fn move_on(&mut self, address: u64, needed: u64) -> io::Result<()> {
        // This applies to copies only; everything else in the segment is durable already.
        self.sync_if_written().map_err(unsure)?;
        let segment = self.next.take(address, self.next_length().max(needed))?;
        let length = segment.length().and_then(|length| match length < needed {
            true => lengthen(&*segment, needed),
            false => Ok(length),
        });
        self.length = length.inspect_err(|_| self.next.discard(address))?;
        self.segments.add(address, Arc::clone(&segment));
        (self.address, self.segment, self.offset) = (address, segment, 0);
        Ok(())
    }

    fn next_length(&self) -> u64 {
        // A segment that was cut off is shorter than the sizes below assume, hence the minimum.
        self.length
            .max(FIRST_SEGMENT_BYTES.min(self.segment_bytes))
            .saturating_mul(SEGMENT_GROWTH)
            .min(self.segment_bytes)
    }
}

fn lengthen(segment: &dyn Segment, length: u64) -> io::Result<u64> {
    segment.extend(length)?;
    segment.sync_length().map_err(unsure)?;
    segment.length()
}
