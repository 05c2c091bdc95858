//! The items that generated code calls. They are not part of the public interface and may change at any time.
#![allow(missing_docs)]

pub use schemars;
pub use serde;

pub use crate::aggregate::AggregateInfo;
pub use crate::chart::{Move, NoChart};
pub use crate::data::{Data, Field, Form, assert_data, form, of, schema_of_shape, written};
pub use crate::describe::{CommandVariant, EventVariant};
pub use crate::payload::{read_command, read_event, read_own, unknown_command, unknown_event, upcast, write_event};
pub use crate::projection::ProjectionInfo;
pub use crate::value::{characters, read_number, read_text};

pub use crate::compile_time::{
    assert_distinct, assert_known, bytes_count, bytes_joined, forgotten, names_count, names_joined, place_of, text,
};

#[cfg(target_arch = "wasm32")]
#[path = "glue.rs"]
pub mod glue;

#[cfg(target_arch = "wasm32")]
pub use glue::bindings::export as export_component;
