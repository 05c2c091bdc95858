//! Appends records to the journal. Records become durable in the order given, with one sync per frame; a frame is
//! neither acknowledged nor visible to readers before its sync has returned.
//!
//! After a failed append there are two cases:
//! 1. None of the frame is in the journal, as when there was no space for it: the writer can be used on.
//! 2. Part of the frame may be in the journal: the writer is poisoned and writes nothing more.

use std::io;

use polder_core::TimestampMs;

use super::group_commit::{GroupCommit, fitting_one_frame};
use super::outcome::{AppendError, Appended};
use super::tail::Tail;
use crate::format::frame::FRAME_BYTES_MAX;
use crate::format::record::EncodedRecord;
use crate::frame_log::FrameLog;
use crate::segments::active::WriteError;

pub struct Writer {
    commit: GroupCommit,
    /// Why the writer accepts nothing more; `None` while it does.
    poisoned: Option<String>,
}

impl Writer {
    pub(crate) fn new(tail: Tail, epoch: u64, mark: u32, log: Option<Box<dyn FrameLog>>) -> Self {
        Self { commit: GroupCommit::new(tail, epoch, mark, log), poisoned: None }
    }

    /// Makes the records durable, in their order: in one frame if they fit, otherwise in several, with one sync per
    /// frame. A frame is written only after the previous one is durable; recovery needs this to distinguish a torn end
    /// from damage.
    ///
    /// # Errors
    /// 1. After [`AppendError::NoRoom`] and [`AppendError::Key`] the first records may be durable; the error holds
    ///    which. The others are not in the journal, and the writer can be used on.
    /// 2. After any other error none of these records may be acknowledged, though some may turn out to be durable when
    ///    the journal is opened again. All later appends fail with [`AppendError::Poisoned`].
    pub fn append(&mut self, records: &[EncodedRecord]) -> Result<Appended, AppendError> {
        self.guarded(|writer| {
            let mut appended = Appended { last_positions: Vec::with_capacity(records.len()), frames: 0, bytes: 0 };
            writer.check_index()?;
            let mut rest = records;
            while !rest.is_empty() {
                let (frame, after) = rest.split_at(fitting_one_frame(rest));
                if let Err(error) = writer.commit.commit(frame, &mut appended) {
                    return Err(error.with_appended(appended));
                }
                rest = after;
            }
            assert_eq!(appended.last_positions.len(), records.len(), "each record has a position");
            Ok(appended)
        })
    }

    /// Makes room for the next frame if there is none. Call this after [`AppendError::NoRoom`], to find out whether an
    /// append would have room now.
    ///
    /// # Errors
    /// The same as for [`Writer::append`].
    pub fn make_room(&mut self) -> Result<(), AppendError> {
        self.guarded(|writer| {
            writer.check_index()?;
            if writer.commit.log.is_none() {
                let made = writer.commit.tail.active.make_room(FRAME_BYTES_MAX as u64);
                made.map_err(|error| {
                    AppendError::not_written("go on to a new segment", WriteError::before_writing(error))
                })?;
            }
            Ok(())
        })
    }

    /// The time of the last frame. No record in the journal is newer, even if the machine's clock was set back since.
    pub fn newest_at_ms(&self) -> TimestampMs {
        self.commit.tail.at_ms
    }

    /// Writes a closing frame and brings the index up to date. A torn last frame can then only be the closing frame
    /// itself. Readers can still read.
    ///
    /// # Errors
    /// The same as for [`Writer::append`]. What was appended before is durable in any case.
    pub fn close(mut self) -> Result<(), AppendError> {
        self.guarded(|writer| writer.commit.commit_closing())?;
        self.into_tail().close().map_err(|error| AppendError::Index { what: error.to_string() })
    }

    pub(super) fn into_tail(self) -> Tail {
        self.commit.tail
    }

    fn guarded<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, AppendError>) -> Result<T, AppendError> {
        if let Some(reason) = &self.poisoned {
            return Err(AppendError::Poisoned { reason: reason.clone() });
        }
        let result = work(self);
        if let Err(error) = &result
            && !matches!(error, AppendError::NoRoom { .. } | AppendError::Key { .. })
        {
            self.poisoned = Some(error.with_source());
        }
        result
    }

    /// An index that cannot be written to disk grows in memory. This check keeps that growth bounded.
    fn check_index(&self) -> Result<(), AppendError> {
        let has_room = self.commit.tail.journal.index.check_room();
        has_room.map_err(|error| AppendError::no_room("bring the index up to date", io::Error::other(error)))
    }
}
