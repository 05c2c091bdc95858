//! Notes that a guest writes for its author: its only output besides its answers. Bounded per call; the guest receives
//! nothing back.

use polder_core::{Limits, counted};

/// Bytes that each note counts in addition to its text, so that a million empty notes are not free.
const NOTE_OVERHEAD_BYTES: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    pub level: NoteLevel,
    pub message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoteLevel {
    Error,
    Warning,
    Information,
    Detail,
}

impl From<u8> for NoteLevel {
    fn from(level: u8) -> Self {
        match level {
            1 => Self::Error,
            2 => Self::Warning,
            3 => Self::Information,
            _ => Self::Detail,
        }
    }
}

/// The notes of one call.
pub(crate) struct Notes {
    kept: Vec<Note>,
    bytes_left: usize,
    bytes_max: usize,
    dropped: u64,
}

impl Notes {
    pub(crate) fn new(limits: &Limits) -> Self {
        let bytes_max = usize::try_from(limits.diagnostics_bytes_max).unwrap_or(usize::MAX);
        Self { kept: Vec::new(), bytes_left: bytes_max, bytes_max, dropped: 0 }
    }

    /// Called before each call. Costs nothing if there are no notes.
    pub(crate) fn clear(&mut self) {
        if self.bytes_left != self.bytes_max || self.dropped != 0 {
            self.kept.clear();
            self.bytes_left = self.bytes_max;
            self.dropped = 0;
        }
    }

    pub(crate) fn take(&mut self) -> Vec<Note> {
        let mut notes = std::mem::take(&mut self.kept);
        if self.dropped > 0 {
            let dropped = counted(self.dropped, "note");
            let message = format!("{dropped} more had no room: a call may write {} bytes of notes", self.bytes_max);
            notes.push(Note { level: NoteLevel::Warning, message });
        }
        self.clear();
        notes
    }

    /// Counts a note that is not kept.
    pub(crate) fn drop_one(&mut self) {
        self.dropped += 1;
    }

    pub(crate) fn is_full(&self) -> bool {
        self.bytes_left <= NOTE_OVERHEAD_BYTES
    }

    /// Keeps as much of the message as there is room for.
    pub(crate) fn keep(&mut self, level: u8, message: &str) {
        let text_bytes = message.floor_char_boundary(self.bytes_left.saturating_sub(NOTE_OVERHEAD_BYTES));
        self.bytes_left = self.bytes_left.saturating_sub(text_bytes + NOTE_OVERHEAD_BYTES);
        self.kept.push(Note { level: level.into(), message: message[..text_bytes].to_owned() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notes(diagnostics_bytes_max: u64) -> Notes {
        Notes::new(&Limits { diagnostics_bytes_max, ..Limits::DEFAULT })
    }

    #[test]
    fn a_long_note_is_cut_between_characters() {
        let mut notes = notes(NOTE_OVERHEAD_BYTES as u64 + 4);
        notes.keep(1, "äöü");
        assert!(notes.is_full());
        assert_eq!(notes.take(), [Note { level: NoteLevel::Error, message: "äö".into() }]);
    }

    #[test]
    fn taking_makes_room_again() {
        let mut notes = notes(1_000);
        while !notes.is_full() {
            notes.keep(9, "");
        }
        notes.dropped = 3;
        let taken = notes.take();
        assert_eq!(taken.first().map(|note| note.level), Some(NoteLevel::Detail));
        assert!(taken.last().unwrap().message.starts_with("3 notes more"));
        assert!(!notes.is_full() && notes.take().is_empty());
    }
}
