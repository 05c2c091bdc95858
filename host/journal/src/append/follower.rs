//! Copies frames that another host wrote: verifies each frame, copies it into the segments, and adds it to the index,
//! so that readers here see what readers at the writer's host see.

use std::collections::HashSet;
use std::io;

use polder_core::{TenantName, TimestampMs};

use super::outcome::AppendError;
use super::tail::Tail;
use crate::format::frame::{Frame, FrameBuilder, FrameKind};
use crate::format::record::tenant_of;
use crate::frame_log::FrameLog;
use crate::index::index_frame;
use crate::segments::active::WriteError;

pub struct Follower {
    tail: Tail,
    /// Tenants without a key in the key store, so that the store is asked for each only once. Most of them were
    /// removed.
    keyless: HashSet<TenantName>,
    /// Why following has failed for good; the copy may hold part of a frame.
    broken: Option<String>,
}

/// What a frame contained.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Followed {
    /// Number of the frame.
    pub number: u64,
    /// The tenants with records in the frame, each once.
    pub tenants: Vec<TenantName>,
}

/// The last frame of a journal. Its hash covers the whole journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalEnd {
    /// Number of the last frame, which is also the number of frames.
    pub number: u64,
    pub hash: [u8; 32],
}

/// A frame of another writer was not copied. Readers see all frames before it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FollowError {
    /// The source of the frames has lost or changed something; check it.
    #[error("frame {number} is refused: {what}")]
    Refused { number: u64, what: String },
    /// Try the same frame again once the keys can be stored.
    #[error("frame {number} waits for its tenants' keys")]
    Keys { number: u64, source: io::Error },
    /// Try the same frame again; there may be space or file descriptors by then.
    #[error("there is no room for frame {number} at the moment")]
    NoRoom { number: u64, source: io::Error },
    /// Check this machine's disk. Opening the copy again continues from there, or starts the copy afresh.
    #[error("frame {number} cannot be copied")]
    Copy { number: u64, source: io::Error },
    /// An earlier call failed, with this reason.
    #[error("the copy accepts nothing more: {reason}")]
    Broken { reason: String },
}

impl Follower {
    pub(crate) fn new(tail: Tail) -> Self {
        Self { tail, keyless: HashSet::new(), broken: None }
    }

    /// The last frame of the local copy.
    pub fn end(&self) -> JournalEnd {
        JournalEnd { number: self.tail.link.number, hash: self.tail.link.hash }
    }

    /// Checks that `bytes`, the last frame that is kept elsewhere, is the last one of the local copy.
    ///
    /// # Errors
    /// Fails with how the two differ.
    pub fn check_end(&self, bytes: &[u8]) -> Result<(), String> {
        let frame = Frame::read(bytes).map_err(|error| error.to_string())?;
        match frame.header.link() == self.tail.link {
            true => Ok(()),
            false => Err("it is not the frame that was copied to this machine".to_owned()),
        }
    }

    /// Verifies and copies the next frame, which must be durable in the log it comes from. Readers see it when this
    /// returns.
    ///
    /// # Errors
    /// See [`FollowError`]. Readers then see nothing of the frame.
    pub fn apply(&mut self, bytes: &[u8]) -> Result<Followed, FollowError> {
        if let Some(reason) = &self.broken {
            return Err(FollowError::Broken { reason: reason.clone() });
        }
        let number = self.tail.link.number + 1;
        let refused = |what: String| FollowError::Refused { number, what };
        let frame = Frame::read(bytes).map_err(|error| refused(error.to_string()))?;
        let header = frame.header;
        if frame.bytes().len() != bytes.len() {
            return Err(refused(format!("{} bytes follow it", bytes.len() - frame.bytes().len())));
        }
        if !header.continues(&self.tail.link) {
            let (found, last) = (header.number, self.tail.link.number);
            return Err(refused(format!("frame {found} was found there, which does not continue frame {last}")));
        }
        if header.epoch < self.tail.epoch {
            let (epoch, last) = (header.epoch, self.tail.epoch);
            return Err(refused(format!("a writer of epoch {epoch} wrote it after one of epoch {last}")));
        }
        // Checked before anything is changed: an index that cannot be written to disk grows in memory.
        let has_room = self.tail.journal.index.check_room();
        has_room.map_err(|error| FollowError::NoRoom { number, source: io::Error::other(error) })?;
        self.load_new_keys(&frame).map_err(|source| FollowError::Keys { number, source })?;
        self.tail.copy(bytes, header.address).map_err(|error| match error {
            WriteError::NoRoom(source) => FollowError::NoRoom { number, source },
            WriteError::Unsure(source) => self.broke(number, source),
        })?;
        let written =
            self.tail.written((header.link(), header.epoch), header.at_ms, header.address, u64::from(header.length));
        let journal = &self.tail.journal;
        let followed = index_frame(&journal.index, &journal.keys, &frame, &written);
        let indexed = followed.map_err(|error| self.broke(number, io::Error::other(error.to_string())))?;
        self.tail.journal.counters.frame(u64::from(header.record_count), indexed.events, bytes.len() as u64);
        self.tail.tidy().map_err(|source| self.broke(number, source))?;
        let mut tenants = indexed.tenants;
        tenants.extend(indexed.sealed);
        Ok(Followed { number, tenants })
    }

    /// Makes this host the owner of the journal by appending an opening frame to the log. When this returns, the
    /// previous owner can append no more.
    ///
    /// # Errors
    /// [`AppendError::Log`] when the log has frames that the local copy lacks: copy them, and try again.
    pub fn claim(&mut self, log: &mut dyn FrameLog) -> Result<(), AppendError> {
        if let Some(reason) = &self.broken {
            return Err(AppendError::Poisoned { reason: reason.clone() });
        }
        let mut builder = FrameBuilder::default();
        builder.begin();
        let address = self.tail.active.next_address(builder.length() as u64);
        let (epoch, at_ms) = (self.tail.epoch + 1, self.tail.next_at_ms(TimestampMs(0)));
        let (bytes, link) = builder.finish(&self.tail.link, FrameKind::Opening, epoch, address, at_ms);
        log.append(link.number, bytes)?;
        let copied = self.tail.copy(bytes, address);
        copied.map_err(|error| AppendError::Io { what: "copy the opening frame", source: io::Error::other(error) })?;
        self.tail.written((link, epoch), at_ms, address, bytes.len() as u64);
        Ok(())
    }

    /// Writes the index to disk, so that the next opening has little to do.
    ///
    /// # Errors
    /// Fails if the index cannot be written. The next opening then indexes the missing frames again.
    pub fn close(self) -> io::Result<()> {
        self.tail.close()
    }

    /// Loads the keys that other hosts created for tenants in this frame.
    fn load_new_keys(&mut self, frame: &Frame<'_>) -> io::Result<()> {
        for record in frame.record_offsets() {
            let (offset, length) = record.map_err(io::Error::other)?;
            let (tenant, _) = tenant_of(&frame.bytes()[offset..offset + length]).map_err(io::Error::other)?;
            let keys = &self.tail.journal.keys;
            if keys.get_by_text(tenant).is_some() || self.keyless.contains(tenant) {
                continue;
            }
            let tenant = TenantName::new(tenant).map_err(io::Error::other)?;
            if !keys.look_for(&tenant)? {
                self.keyless.insert(tenant);
            }
        }
        Ok(())
    }

    pub(super) fn into_tail(self) -> Tail {
        self.tail
    }

    fn broke(&mut self, number: u64, source: io::Error) -> FollowError {
        self.broken = Some(format!("frame {number} could not be copied: {source}"));
        FollowError::Copy { number, source }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::disk::{FaultyDisk, SECTOR_BYTES};
    use crate::format::frame::Link;
    use crate::journal::Journal;
    use crate::keyring::Keyring;
    use crate::options::OpenOptions;

    fn opening_frame(previous: &Link, epoch: u64, address: u64) -> (Vec<u8>, Link) {
        let mut builder = FrameBuilder::default();
        builder.begin();
        let (bytes, link) = builder.finish(previous, FrameKind::Opening, epoch, address, TimestampMs(1));
        (bytes.to_vec(), link)
    }

    #[test]
    fn a_frame_of_an_earlier_epoch_is_refused() {
        let disk = Arc::new(FaultyDisk::new(1));
        let options = OpenOptions { prepare_ahead: false, ..OpenOptions::default() };
        let (mut follower, _reader, _) = Journal::open_copy_on(disk, Keyring::default(), options).unwrap();
        let (first, link) = opening_frame(&Link::START, 2, 0);
        assert_eq!(follower.apply(&first).unwrap().number, 1);
        let (second, _) = opening_frame(&link, 1, SECTOR_BYTES);
        assert!(matches!(follower.apply(&second), Err(FollowError::Refused { number: 2, .. })));
        let (second, _) = opening_frame(&link, 2, SECTOR_BYTES);
        assert_eq!(follower.apply(&second).unwrap().number, 2, "a refused frame leaves nothing behind");
    }
}
