//! The seam for a journal that is kept elsewhere than on this machine: whoever appends hands each frame to it first, and what lies in the
//! segments is a copy.

use std::io;

/// Keeps frames for all who have a copy, in order, one behind the other. Whichever of several writers is first puts the next frame; the
/// others learn that they came too late.
pub trait FrameLog: Send {
    /// Keeps a frame as the one behind frame `number - 1`. Durable when it returns.
    ///
    /// # Errors
    /// See [`LogError`].
    fn append(&mut self, number: u64, frame: &[u8]) -> Result<(), LogError>;
}

/// The frame was not kept as far as anyone may say.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Somebody else owns the journal now: catch up, and append no more.
    #[error("another host has put frame {number} before this one could")]
    Overtaken { number: u64 },
    /// Whether it was kept will turn out when the log is read.
    #[error("the log of frames does not take frame {number}")]
    Unavailable { number: u64, source: io::Error },
}
