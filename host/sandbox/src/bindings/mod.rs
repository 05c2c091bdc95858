//! The guest interface in Rust, generated from `wit/`. Arguments are borrowed, so that a call copies each byte only
//! once, into the guest. The shared records are written by hand in `wire`, with the host's names.

#![allow(unreachable_pub, dead_code, reason = "the generated code decides; what leaves the crate is named in lib.rs")]

pub mod wire;

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "domain",
    ownership: Borrowing { duplicate_if_necessary: true },
    with: { "polder:domain/types": crate::bindings::wire },
});
