//! The limits of one compiler. They are passed to the child as arguments, so that both processes use the same numbers.

use polder_sandbox::COMPONENT_BYTES_MAX;

const MIB: u64 = 1024 * 1024;

/// The limits of one compilation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompilerLimits {
    /// Processor time, in seconds. The kernel kills the child when it is used up.
    pub cpu_s_max: u64,
    /// Wall time, in milliseconds.
    pub wall_ms_max: u64,
    /// Resident memory, in bytes. The parent checks it every 10 ms.
    pub memory_bytes_max: u64,
    /// Size of the machine code, in bytes. The kernel refuses to write more.
    pub code_bytes_max: u64,
}

impl CompilerLimits {
    /// A component of [`COMPONENT_BYTES_MAX`], made by a Rust compiler, needs about a third of the time and of the
    /// memory.
    pub const DEFAULT: Self = Self {
        cpu_s_max: 30,
        wall_ms_max: 120_000,
        memory_bytes_max: 768 * MIB,
        code_bytes_max: 16 * COMPONENT_BYTES_MAX as u64,
    };
}

impl Default for CompilerLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
