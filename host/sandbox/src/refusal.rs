//! Why a file is not taken as a domain. The author's to fix: each message says what was found and what would be right.

use polder_core::DescriptorError;

use crate::CallError;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    #[error(
        "the file is not WebAssembly: expected a component, or the core module that \
         `cargo build --target wasm32-unknown-unknown` leaves"
    )]
    NotWasm,
    #[error("the file has {bytes} bytes; at most {bytes_max} are allowed")]
    TooLarge { bytes: u64, bytes_max: u64 },
    #[error("the file is damaged, or uses a part of WebAssembly that a domain may not: {0}")]
    Invalid(String),
    #[error("the file has {what}: {found}; at most {allowed} are allowed")]
    TooComplex { what: &'static str, found: u64, allowed: u64 },
    #[error(
        "the domain imports {}; it may import nothing but polder:domain/diagnostics@0.1.0, for it learns only what its \
         calls bring: build for wasm32-unknown-unknown, without WASI",
        .0.join(", ")
    )]
    Imports(Vec<String>),
    #[error(
        "the file does not carry the world polder:domain/domain@0.1.0: it lacks {}; is it built with polder-sdk?",
        .0.join(", ")
    )]
    WrongWorld(Vec<String>),
    #[error(
        "the file's functions are not those of the world polder:domain/domain@0.1.0: {0}; is it built with a \
         matching polder-sdk?"
    )]
    WrongTypes(String),
    #[error("the core module cannot be made a component: {0}; is it built with polder-sdk?")]
    NotEncodable(String),
    #[error("the domain needs {what}: {needed}; at most {allowed} are allowed")]
    Resources { what: &'static str, needed: u64, allowed: u64 },
    #[error("the domain cannot be started: {0}")]
    Start(#[source] CallError),
    #[error("the domain cannot describe itself: {0}")]
    Describe(#[source] CallError),
    #[error(transparent)]
    Descriptor(#[from] DescriptorError),
    #[error("the domain describes itself differently from call to call; a descriptor must be constant")]
    DescriptorChanges,
}
