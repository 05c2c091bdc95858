//! Answers that hold memory of the host's budget: lists, and the memory of their items and of their serialized text.

use std::io;
use std::ops::{Deref, DerefMut};

use polder_core::MemoryReservation;
use serde::Serialize;

use super::read_error::ReadError;
use super::time_slice::ReadTurn;

/// A list with the memory of its items and their serialized text.
#[derive(Debug)]
pub struct HeldList<T> {
    pub items: Vec<T>,
    /// Reserved until the client has received the answer.
    pub reserved: Option<MemoryReservation>,
}

impl<T> HeldList<T> {
    pub(crate) fn new() -> Self {
        Self { items: Vec::new(), reserved: None }
    }

    /// Reserves memory for one more item, which serializes as `value` does. Call it before the item is made.
    pub(crate) fn hold(&mut self, turn: &ReadTurn<'_>, value: &impl Serialize) -> Result<(), ReadError> {
        let bytes = held_bytes(value);
        match &mut self.reserved {
            Some(reserved) => reserved.grow(bytes).map_err(ReadError::MemoryExhausted),
            none => {
                *none = Some(turn.reserve(bytes)?);
                Ok(())
            }
        }
    }
}

impl<T> Deref for HeldList<T> {
    type Target = Vec<T>;

    fn deref(&self) -> &Self::Target {
        &self.items
    }
}

impl<T> DerefMut for HeldList<T> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.items
    }
}

/// The memory of a value and of its serialized text, in bytes. Counts the text without making it.
pub(crate) fn held_bytes(value: &impl Serialize) -> u64 {
    let mut counter = ByteCounter { bytes: 0 };
    serde_json::to_writer(&mut counter, value).expect("answers have string keys only, and so always serialize");
    2 * counter.bytes
}

struct ByteCounter {
    bytes: u64,
}

impl io::Write for ByteCounter {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.bytes += text.len() as u64;
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_counted_with_its_text() {
        assert_eq!(held_bytes(&["a", "bc"]), 2 * r#"["a","bc"]"#.len() as u64);
        assert_eq!(held_bytes(&"x".repeat(100_000)), 2 * 100_002);
    }
}
