//! Compiles a component to machine code. Runs none of the component's code, so it needs no sandbox. It may take long,
//! so hosts call it in a process of its own.

use wasmtime::Engine;

use crate::refusal::Refusal;
use crate::{admission, profile};

/// Checks the outline of a component, or of the core module of one, and compiles it. Only
/// [`Sandbox::load_compiled`](crate::Sandbox::load_compiled) of the same program can use the code.
///
/// # Errors
/// Fails if the outline exceeds a limit, or the file is not a valid component. The message is for the author.
pub fn compile(bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    let engine = profile::engine().map_err(|error| Refusal::Invalid(format!("{error:#}")))?;
    compile_for(&engine, bytes)
}

pub(crate) fn compile_for(engine: &Engine, bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    let component = admission::component(bytes)?;
    engine.precompile_component(&component).map_err(|error| Refusal::Invalid(format!("{error:#}")))
}
