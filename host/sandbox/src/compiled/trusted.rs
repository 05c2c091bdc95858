//! The only place where code is loaded without the compiler's checks.

use wasmtime::Engine;
use wasmtime::component::Component;

/// Machine code from this program's compiler: either just made, or read from a file that is unchanged since this host
/// wrote it.
pub(super) struct VerifiedCode<'a>(pub(super) &'a [u8]);

#[allow(
    unsafe_code,
    reason = "wasmtime cannot check machine code; the seal and the owner of folder and file replace that check"
)]
pub(super) fn deserialize(engine: &Engine, code: &VerifiedCode<'_>) -> wasmtime::Result<Component> {
    // SAFETY: the bytes must come from `Engine::precompile_component`, unchanged.
    // 1. They were read into memory, so they cannot change any more.
    // 2. New code comes from this program itself: from this process, or from a child process that had the only handle
    //    of a file without a name.
    // 3. Cached code carries the BLAKE3 hash that was computed when it was new, so a torn write or a flipped bit is
    //    detected.
    // 4. The hash is not a signature. Against forgery, folder and file are readable and writable only by the host's own
    //    user, who could replace the host as well; and the hash covers the file's identity, so a copy is not accepted.
    // 5. wasmtime itself refuses code of another wasmtime or with other settings.
    unsafe { Component::deserialize(engine, code.0) }
}
