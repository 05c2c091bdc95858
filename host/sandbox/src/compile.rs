//! Turns a component into machine code. Runs none of the component's code, so it needs no sandbox; it may take long, so hosts call it in a
//! process of its own.

use wasmtime::Engine;

use crate::{Refusal, admission, profile};

/// Checks the outline of a component, or of the core module of one, and compiles it. The code fits [`Sandbox::load_compiled`](crate::Sandbox::load_compiled)
/// of the same program only.
///
/// # Errors
/// When the outline breaks a limit, or the file is no valid component. The message is for the author.
pub fn compile(bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    let engine = profile::engine().map_err(|error| Refusal::Invalid(format!("{error:#}")))?;
    compile_for(&engine, bytes)
}

pub(crate) fn compile_for(engine: &Engine, bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    let component = admission::component(bytes)?;
    engine.precompile_component(&component).map_err(|error| Refusal::Invalid(format!("{error:#}")))
}
