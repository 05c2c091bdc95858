//! The target of guests.

pub(crate) const WASM_TARGET: &str = "wasm32-unknown-unknown";
