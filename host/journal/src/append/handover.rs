//! The journal changes its owner: a writer becomes a follower, and a follower that has claimed the journal becomes the
//! writer.

use std::io;

use super::follower::Follower;
use super::writer::Writer;
use crate::format::record::random_mark;
use crate::frame_log::FrameLog;

impl Writer {
    /// Turns the writer into a follower, which copies what other hosts append. Writes nothing to the journal.
    pub fn into_follower(self) -> Follower {
        Follower::new(self.into_tail())
    }
}

impl Follower {
    /// Turns the follower into the writer, once the journal is [claimed](Self::claim).
    ///
    /// # Errors
    /// Fails if the system has no random number.
    pub fn into_writer(self, log: Box<dyn FrameLog>) -> io::Result<Writer> {
        let tail = self.into_tail();
        let epoch = tail.epoch;
        Ok(Writer::new(tail, epoch, random_mark()?, Some(log)))
    }
}
