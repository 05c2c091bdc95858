//! The interface to a journal that is kept elsewhere than on this machine. The writer appends each frame to this log
//! first; the local segments are a copy.

use std::io;

/// Keeps frames in order for all hosts that have a copy. When several writers compete for a number, the first one's
/// frame is kept, and the others get [`LogError::Overtaken`].
pub trait FrameLog: Send {
    /// Keeps `frame` as frame `number`, directly after frame `number - 1`. It is durable when this returns.
    ///
    /// # Errors
    /// See [`LogError`].
    fn append(&mut self, number: u64, frame: &[u8]) -> Result<(), LogError>;
}

/// Why the log did not confirm a frame.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Another host owns the journal now. Catch up with it, and stop appending.
    #[error("another host has already appended frame {number}: this host does not own the journal any more")]
    Overtaken { number: u64 },
    /// The frame may or may not have been kept; reading the log shows which.
    #[error("the shared log did not confirm frame {number}")]
    Unavailable { number: u64, source: io::Error },
}
