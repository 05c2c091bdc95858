//! The one place where the compiler's checks are set aside.

use wasmtime::Engine;
use wasmtime::component::Component;

/// Machine code that this program's compiler made: fresh from it, or written by this host and found byte for byte as it was written.
pub(super) struct VerifiedCode<'a>(pub(super) &'a [u8]);

#[allow(
    unsafe_code,
    reason = "wasmtime cannot check machine code; the seal and who owns folder and file stand in for that"
)]
pub(super) fn deserialize(engine: &Engine, code: &VerifiedCode<'_>) -> wasmtime::Result<Component> {
    // SAFETY: the bytes must come from `Engine::precompile_component`, unchanged. They were read into memory, so they cannot change
    // any more. Fresh code comes from this program itself, in this process or in a child process that had the one handle of a file
    // without a name. Kept code carries the BLAKE3 hash that was computed when it was fresh: neither a torn write nor a
    // flipped bit passes. The hash is no signature; against forgery stands that folder and file are readable and writable by the
    // host's own user alone, who could as well replace the host, and that the hash covers which file it is, so that no copy passes.
    // Code of another wasmtime or set-up is refused by wasmtime itself.
    unsafe { Component::deserialize(engine, code.0) }
}
