//! The child process: limits itself first, then reads and compiles.

use std::io::{Read as _, Write as _};

use polder_sandbox::{COMPONENT_BYTES_MAX, Refusal};
use rustix::process::{Pid, Resource, Rlimit, Signal, getppid, setpriority_process, setrlimit};

use crate::limits::CompilerLimits;

/// Nice value of the child when it starts. The parent raises it to the maximum if the child takes long.
const NICE_AT_FIRST: i32 = 5;
/// Address space allowed in addition to the limit on resident memory: for the program itself, and for memory that its
/// allocator reserves but does not use. The kernel enforces the limit on address space even when the parent is starved
/// and does not check the resident memory.
const ADDRESS_SPACE_RESERVE_BYTES: u64 = 2 * 1024 * 1024 * 1024;

/// Why a child produced no machine code.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("the compiler cannot limit itself: {0}")]
    Limits(#[from] rustix::io::Errno),
    #[error("the compiler's parent has ended")]
    Orphaned,
    #[error("the compiler cannot read or write: {0}")]
    Files(#[from] std::io::Error),
}

/// Compiles the component on stdin to stdout, within `limits`. `parent` is the id of the process that started this one.
///
/// # Errors
/// Fails if the component is refused, or if the process cannot limit itself. Nothing was written then.
pub fn compile_stdin(limits: &CompilerLimits, parent: u32) -> Result<(), ChildError> {
    limit_this_process(limits)?;
    end_with(parent)?;
    let mut component = Vec::new();
    std::io::stdin().lock().take(COMPONENT_BYTES_MAX as u64 + 1).read_to_end(&mut component)?;
    let code = polder_sandbox::compile(&component)?;
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(&code)?;
    Ok(stdout.flush()?)
}

fn limit_this_process(limits: &CompilerLimits) -> Result<(), ChildError> {
    let address_space = limits.memory_bytes_max.saturating_add(ADDRESS_SPACE_RESERVE_BYTES);
    for (resource, current, maximum) in [
        // At the first value the kernel sends a signal that names the limit.
        (Resource::Cpu, limits.cpu_s_max, limits.cpu_s_max + 1),
        (Resource::As, address_space, address_space),
        (Resource::Fsize, limits.code_bytes_max, limits.code_bytes_max),
        (Resource::Core, 0, 0),
    ] {
        setrlimit(resource, Rlimit { current: Some(current), maximum: Some(maximum) })?;
    }
    Ok(setpriority_process(None, NICE_AT_FIRST)?)
}

/// Makes the kernel kill this process when the thread that started it ends.
fn end_with(parent: u32) -> Result<(), ChildError> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // The parent may have ended before that call.
    let now = getppid().map(Pid::as_raw_nonzero).map_or(0, |pid| pid.get().unsigned_abs());
    if now == parent { Ok(()) } else { Err(ChildError::Orphaned) }
}
