//! From a folder to a journal that can be read, and on to one that can be written.

use std::path::Path;

use polder_journal::{AppendError, Follower, Journal, LogError, OpenOptions, OpenReport, Reader, Writer};

use super::error::JournalError;
use super::frame_log::StreamLog;
use super::link::JournalLink;

/// So often another host may be faster in putting a frame before this one says that it owns the journal.
const CLAIMS_MAX: usize = 100;

impl JournalLink {
    /// Opens this machine's copy in `dir`, or begins one, and brings it up to all that the stream has. Blocks.
    ///
    /// # Errors
    /// See [`JournalError`].
    pub fn open_copy(&self, dir: &Path, options: OpenOptions) -> Result<(Follower, Reader, OpenReport), JournalError> {
        let (mut follower, reader, report) = Journal::open_copy(dir, self.keyring()?, options)?;
        self.catch_up(&mut follower)?;
        Ok((follower, reader, report))
    }

    /// Takes the journal over from whoever owns it: catches up, and puts a frame that says so. From then on nobody else can
    /// append without taking it over in turn. Blocks.
    ///
    /// # Errors
    /// See [`JournalError`].
    pub fn claim(&self, follower: &mut Follower) -> Result<(), JournalError> {
        for _ in 0..CLAIMS_MAX {
            self.catch_up(follower)?;
            match follower.claim(&mut StreamLog::new(self)) {
                Err(AppendError::Log(LogError::Overtaken { .. })) => {}
                claimed => return Ok(claimed?),
            }
        }
        Err(JournalError::unavailable("let this host own the journal", "another host goes on appending"))
    }

    /// To append, once the journal is [claimed](Self::claim).
    ///
    /// # Errors
    /// When no random number can be had.
    pub fn writer(&self, follower: Follower) -> Result<Writer, JournalError> {
        let writer = follower.into_writer(Box::new(StreamLog::new(self)));
        writer.map_err(|source| JournalError::Io { what: "get a random number", source })
    }
}
