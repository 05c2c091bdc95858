//! What generated code calls. Not for people, and may change at any time.
#![allow(missing_docs)]

pub use schemars;
pub use serde;

pub use crate::aggregate::AggregateInfo;
pub use crate::chart::{Move, NoChart};
pub use crate::describe::{CommandVariant, EventVariant, schema_read};
pub use crate::payload::{read_command, read_event, unknown_command, unknown_event, upcast, write_event};
pub use crate::projection::ProjectionInfo;
pub use crate::value::{characters, read_number, read_text};

#[cfg(target_arch = "wasm32")]
#[path = "glue.rs"]
pub mod glue;

#[cfg(target_arch = "wasm32")]
pub use glue::bindings::export as export_component;

/// Stops the build when two names are the same.
pub const fn assert_distinct(names: &[&str], problem: &str) {
    let mut i = 0;
    while i < names.len() {
        let mut j = i + 1;
        while j < names.len() {
            assert!(!same(names[i], names[j]), "{}", problem);
            j += 1;
        }
        i += 1;
    }
}

/// Stops the build when a projection reads what the domain does not have.
pub const fn assert_known(read: &[&str], aggregates: &[&str]) {
    let mut i = 0;
    while i < read.len() {
        let (mut known, mut j) = (false, 0);
        while j < aggregates.len() {
            known |= same(read[i], aggregates[j]);
            j += 1;
        }
        assert!(
            known,
            "a projection of this domain reads the events of an aggregate that is not one of its aggregates"
        );
        i += 1;
    }
}

const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

pub const fn names_count(parts: &[&[&str]]) -> usize {
    let mut count = 0;
    let mut i = 0;
    while i < parts.len() {
        count += parts[i].len();
        i += 1;
    }
    count
}

pub const fn names_joined<const COUNT: usize>(parts: &[&[&'static str]]) -> [&'static str; COUNT] {
    let mut joined = [""; COUNT];
    let (mut filled, mut i) = (0, 0);
    while i < parts.len() {
        let mut j = 0;
        while j < parts[i].len() {
            joined[filled] = parts[i][j];
            filled += 1;
            j += 1;
        }
        i += 1;
    }
    joined
}
