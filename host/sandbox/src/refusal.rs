//! Why a file is not accepted as a domain. The author has to fix it: each message says what was found and what is
//! expected. The one exception is [`Refusal::HostMemory`].

mod imports;

use polder_core::{DescriptorError, MemoryExhausted};

use crate::call_error::{CallError, CallErrorKind};

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    #[error(
        "the file is not WebAssembly: expected a component, or the core module that \
         `cargo build --target wasm32-unknown-unknown` leaves"
    )]
    NotWasm,
    #[error("the file has {bytes} bytes; at most {bytes_max} are allowed (limit component_bytes_max)")]
    TooLarge { bytes: u64, bytes_max: u64 },
    #[error(
        "the file has {bytes} bytes; at most {bytes_max} are allowed (limit component_bytes_max). It is a debug build: {debug_bytes} bytes \
         are debug information. `polder build` or `cargo build --release --target wasm32-unknown-unknown` makes one without"
    )]
    DebugBuild { bytes: u64, bytes_max: u64, debug_bytes: u64 },
    #[error("the file is damaged, or uses a part of WebAssembly that a domain may not: {0}")]
    Invalid(String),
    #[error("the file has {what}: {found}; at most {allowed} are allowed")]
    TooComplex { what: &'static str, found: u64, allowed: u64 },
    /// The message of [`compile`](crate::compile) in another process.
    #[error("{0}")]
    Compiler(String),
    #[error(
        "the domain imports {}; it may import nothing but polder:domain/diagnostics@0.2.0, because it gets all its data from its calls: {}",
        imports::listed(.0), imports::remedy(.0)
    )]
    Imports(Vec<String>),
    #[error(
        "a tool has stripped the module's custom sections: it exports a domain, but the section component-type:… that says its functions' \
         types is gone. Strip with `strip = true` in Cargo.toml, which keeps it, or configure the tool to keep the section"
    )]
    Stripped,
    #[error(
        "the module exports no domain: it needs polder_sdk::domain! in a crate of the type cdylib, and is built with polder-sdk"
    )]
    NoDomain,
    #[error(
        "the file does not carry the world polder:domain/domain@0.2.0: it lacks {}; is it built with polder-sdk?",
        .0.join(", ")
    )]
    WrongWorld(Vec<String>),
    #[error(
        "the file's functions are not those of the world polder:domain/domain@0.2.0: {0}; is it built with a \
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
    #[error(
        "the domain describes itself differently from call to call; a descriptor must be constant: a HashMap's order is not, a BTreeMap's is"
    )]
    DescriptorChanges,
    /// The host has no memory left for the component's code or its first instance. The component is not at fault, and
    /// loading it can be tried again.
    #[error("{0}")]
    HostMemory(MemoryExhausted),
}

impl Refusal {
    /// A failed call as the refusal that `refusal` makes of it, unless the host had no memory for the call.
    pub(crate) fn of_call(error: CallError, refusal: impl FnOnce(CallError) -> Self) -> Self {
        match error.kind {
            CallErrorKind::HostMemory(exhausted) => Self::HostMemory(exhausted),
            _ => refusal(error),
        }
    }
}
