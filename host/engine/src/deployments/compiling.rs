//! The host's interface to compilers, and the bounds of their use. How a compiler runs is not known here.

use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use polder_core::{MemoryExhausted, MemoryReservation};
use polder_sandbox::Refusal;

use super::compile_seats::CompileSeats;
use super::uploads::{UploadCounts, Uploaded};

/// Turns a component into machine code.
pub trait Compiler: Debug + Send + Sync {
    /// Blocks until the code is complete. Returns early when `job.stop` is set.
    ///
    /// The code must be what `polder_sandbox::compile` of this program returned: it is run without further checks.
    ///
    /// # Errors
    /// Fails when the component is refused, a limit is reached, or the job is stopped.
    fn compile(&self, job: CompileJob<'_>) -> Result<Vec<u8>, CompileError>;
}

/// A compiler, and the bounds of its use. The hosts of one process share it: clones have the same bounds.
#[derive(Debug, Clone)]
pub struct Compilers {
    pub(super) compiler: Arc<dyn Compiler>,
    pub(super) seats: Arc<CompileSeats>,
    pub(super) uploads: UploadCounts,
}

impl Compilers {
    pub fn new(compiler: impl Compiler + 'static) -> Self {
        Self { compiler: Arc::new(compiler), seats: Arc::new(CompileSeats::new()), uploads: UploadCounts::default() }
    }
}

/// One component to be compiled.
#[derive(Debug)]
pub struct CompileJob<'a> {
    pub component: &'a Uploaded,
    /// The folder for temporary files, which have no name.
    pub folder: &'a Path,
    /// The compiler's memory. It must be reserved before the compiler allocates it, so that the host's budget counts
    /// it.
    pub memory: &'a mut MemoryReservation,
    pub stop: &'a Stop,
}

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

/// Ends work whose caller has left. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    own: Arc<AtomicBool>,
    /// Set when the host stops.
    host: Arc<AtomicBool>,
}

impl Stop {
    pub(super) fn within(host: &Arc<AtomicBool>) -> Self {
        Self { own: Arc::default(), host: Arc::clone(host) }
    }

    pub fn set(&self) {
        self.own.store(true, Ordering::Relaxed);
    }

    pub fn is_set(&self) -> bool {
        self.own.load(Ordering::Relaxed) || self.host.load(Ordering::Relaxed)
    }
}

/// Sets the stop when it is dropped.
#[derive(Debug)]
pub(crate) struct StopOnDrop(pub(crate) Stop);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.set();
    }
}

/// Compiles in this process and without limits. It is meant for tests, benchmarks, and tools that run the author's own
/// components.
#[derive(Debug, Clone, Copy, Default)]
pub struct CompilerInProcess;

impl Compiler for CompilerInProcess {
    fn compile(&self, job: CompileJob<'_>) -> Result<Vec<u8>, CompileError> {
        let bytes = job.component.bytes().map_err(|error| CompileError::Failed(error.to_string()))?;
        Ok(polder_sandbox::compile(&bytes)?)
    }
}
