//! The reasons why a component is not compiled.

use polder_core::MemoryExhausted;
use polder_sandbox::Refusal;

/// The reason why there is no machine code.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// The author must fix the component.
    #[error("{0}")]
    Refused(String),
    /// The author must make the component smaller or simpler.
    #[error("compiling the component takes more than {value} {unit} (limit {limit})")]
    Limit { limit: &'static str, value: u64, unit: &'static str },
    /// The caller should retry later.
    #[error("compilers are busy: {what} (limit {limit}, {value})")]
    Busy { what: &'static str, limit: &'static str, value: u64 },
    /// The host has no memory left for the compiler, or for the code.
    #[error("there is no memory for the component: {0}")]
    Memory(#[from] MemoryExhausted),
    #[error("compiling was stopped, because the client has left or the host stops")]
    Stopped,
    /// The operator must look into the host.
    #[error("the compiler cannot run: {0}")]
    Failed(String),
}

impl From<Refusal> for CompileError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::HostMemory(exhausted) => Self::Memory(exhausted),
            other => Self::Refused(other.to_string()),
        }
    }
}
