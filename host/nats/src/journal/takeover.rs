//! Opens a journal from a folder for reading, and takes it over for writing.

use std::path::Path;

use polder_journal::{AppendError, Follower, Journal, LogError, OpenOptions, OpenReport, Reader, Writer};

use super::error::JournalError;
use super::frame_log::StreamLog;
use super::link::JournalLink;

/// Attempts to claim the journal while other hosts append first.
const CLAIMS_MAX: usize = 100;

impl JournalLink {
    /// Opens this machine's copy in `dir`, or makes an empty one, and brings it up to date with the stream. Blocks.
    ///
    /// # Errors
    /// See [`JournalError`].
    pub fn open_copy(&self, dir: &Path, options: OpenOptions) -> Result<(Follower, Reader, OpenReport), JournalError> {
        let (mut follower, reader, report) = Journal::open_copy(dir, self.keyring()?, options)?;
        self.catch_up(&mut follower)?;
        Ok((follower, reader, report))
    }

    /// Takes the journal over from its owner: catches up, and appends a frame that says so. From then on every other
    /// host must take it over in turn before it can append. Blocks.
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

    /// Makes a writer that appends, once the journal is [claimed](Self::claim).
    ///
    /// # Errors
    /// Fails if the system returns no random number.
    pub fn writer(&self, follower: Follower) -> Result<Writer, JournalError> {
        let writer = follower.into_writer(Box::new(StreamLog::new(self)));
        writer.map_err(|source| JournalError::Io { what: "get a random number", source })
    }
}
