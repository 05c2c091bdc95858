//! Runs domain components in wasmtime: loads and checks them, enforces their limits, keeps their states in memory.
//!
//! A guest receives nothing but the arguments of its calls, and a fault of its costs only its own call: every answer is
//! checked, and every trap ends one [`Instance`] and nothing else. This crate knows no journal, no tenants, no waiting.
//! Calls are synchronous and run on the caller's thread.
#![deny(unsafe_code)]

mod admission;
mod answers;
pub mod baseline;
mod bindings;
mod call_error;
mod call_limits;
mod call_time;
mod catalog;
mod compile;
mod compiled;
mod component;
mod cpu_time;
mod diagnostics;
mod handles;
mod instance;
mod interrupt;
mod live;
mod loaded;
mod lost_numbers;
mod notes;
mod platform;
mod profile;
mod refusal;
mod resources;
mod sandbox;
mod sandbox_error;
mod self_check;
mod store_data;
mod watchdog;

pub use admission::{
    COMPONENT_BYTES_MAX, COMPONENT_DEPTH_MAX, DECLARATIONS_MAX, FUNCTION_BYTES_MAX, INSTANTIATIONS_MAX, LOCALS_MAX,
    PASSED_VALUES_MAX,
};
pub use answers::{
    DOCUMENT_KEY_BYTES_MAX, Effect, GuestNewEvent, REJECTION_CODE_BYTES_MAX, REJECTION_MESSAGE_BYTES_MAX,
};
pub use bindings::wire::{Command as GuestCommand, Event as GuestEvent};
pub use call_error::{CallError, CallErrorKind, OverLimit};
pub use compile::compile;
pub use component::{Component, Origin};
pub use cpu_time::CpuTime;
pub use handles::{DocumentHandle, StateHandle};
pub use instance::Instance;
pub use interrupt::{Interrupt, is_interrupted};
pub use notes::{Note, NoteLevel};
pub use refusal::Refusal;
pub use resources::{HANDLES_MAX, MEMORY_BYTES_CEILING, TABLE_ELEMENTS_MAX};
pub use sandbox::{Sandbox, SandboxOptions};
pub use sandbox_error::SandboxError;
pub use watchdog::TICK_MS;
