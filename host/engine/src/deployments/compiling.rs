//! The host's interface to compilers, and the bounds of their use. How a compiler runs is not known here.

use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;

use polder_core::MemoryReservation;

use super::compile_error::CompileError;
use super::compile_seats::CompileSeats;
use super::stop::Stop;
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
