//! The crate's entry point: creates the host's engine and loads domains.

use std::path::Path;
use std::sync::Arc;

use polder_core::{Limits, MemoryBudget, Revision};
use wasmtime::component::Linker;

use crate::compile::compile_for;
use crate::component::{Component, Origin};
use crate::platform::Platform;
use crate::refusal::Refusal;
use crate::sandbox_error::SandboxError;
use crate::watchdog::Watchdog;
use crate::{compiled, diagnostics, profile, self_check};

#[derive(Debug, Clone)]
pub struct SandboxOptions {
    /// The limits while a component is loaded, for its start functions and its description.
    pub load_limits: Limits,
    /// The budget for the machine code of components and the linear memory of instances.
    pub memory: MemoryBudget,
}

impl Default for SandboxOptions {
    /// The default limits, and a memory budget without a limit.
    fn default() -> Self {
        Self { load_limits: Limits::DEFAULT, memory: MemoryBudget::unlimited() }
    }
}

/// The engine that runs guests, one per host. Share it by reference; instances keep what they need of it.
pub struct Sandbox {
    platform: Arc<Platform>,
    options: SandboxOptions,
}

impl Sandbox {
    pub fn new(options: SandboxOptions) -> Result<Self, SandboxError> {
        let engine_error = |error: wasmtime::Error| SandboxError::Engine(format!("{error:#}"));
        let engine = profile::engine().map_err(engine_error)?;
        let mut linker = Linker::new(&engine);
        diagnostics::link(&mut linker).map_err(engine_error)?;
        let watchdog = Watchdog::start(engine.clone()).map_err(SandboxError::Watchdog)?;
        let memory = options.memory.clone();
        Ok(Self { platform: Arc::new(Platform { engine, linker, watchdog, memory }), options })
    }

    /// Runs into every limit once, on the engine in use. A host that fails this check must not serve.
    pub fn self_check(&self) -> Result<(), SandboxError> {
        self_check::run(&self.platform.engine, &self.platform.watchdog)
    }

    /// Checks and compiles a component, or the core module of one, in this process.
    pub fn load(&self, bytes: &[u8]) -> Result<Arc<Component>, Refusal> {
        let code = compile_for(&self.platform.engine, bytes)?;
        self.admit(&self.deserialize(&code)?, Revision::of(bytes), Origin::Compiled)
    }

    /// Loads the machine code of the revision from `cache_folder`. If it is not there, calls `compile`, and stores the
    /// result if `may_keep`. Cached code that is not exactly as this machine's host left it, or that other users could
    /// have written, is deleted. A cache that cannot be read or written only makes this slower; [`Component::origin`]
    /// reports it.
    ///
    /// `compile` must return exactly the bytes that [`compile`](crate::compile) of the same program returned, because
    /// the code is run without further checks.
    pub fn load_compiled<E: From<Refusal>>(
        &self,
        cache_folder: &Path,
        revision: Revision,
        may_keep: bool,
        compile: impl FnOnce() -> Result<Vec<u8>, E>,
    ) -> Result<Arc<Component>, E> {
        let cache = compiled::Cache::new(cache_folder, &self.platform.engine);
        if let Some(code) = cache.find(&revision) {
            return Ok(self.admit(&code, revision, Origin::Cached)?);
        }
        let code = compile()?;
        let kept = if may_keep { cache.keep(&revision, &code) } else { Err(std::io::ErrorKind::StorageFull.into()) };
        let origin = match kept {
            Ok(()) => Origin::Compiled,
            Err(problem) => Origin::CompiledUncached(problem.to_string()),
        };
        Ok(self.admit(&self.deserialize(&code)?, revision, origin)?)
    }

    fn deserialize(&self, code: &[u8]) -> Result<wasmtime::component::Component, Refusal> {
        compiled::fresh(&self.platform.engine, code).map_err(|error| Refusal::Invalid(format!("{error:#}")))
    }

    fn admit(
        &self,
        code: &wasmtime::component::Component,
        revision: Revision,
        origin: Origin,
    ) -> Result<Arc<Component>, Refusal> {
        Component::admit(&self.platform, code, revision, origin, &self.options.load_limits).map(Arc::new)
    }
}

#[cfg(test)]
mod tests {
    use polder_core::MemoryPurpose;

    use super::*;

    #[test]
    fn code_that_finds_no_memory_is_refused_and_holds_none() {
        let memory = MemoryBudget::new(1_000);
        let sandbox = Sandbox::new(SandboxOptions { memory: memory.clone(), ..SandboxOptions::default() }).unwrap();
        let bytes = wat::parse_str("(component)").unwrap();
        let code = sandbox.deserialize(&sandbox.platform.engine.precompile_component(&bytes).unwrap()).unwrap();
        match sandbox.admit(&code, Revision::of(&bytes), Origin::Compiled) {
            Err(Refusal::HostMemory(exhausted)) => assert_eq!(exhausted.purpose, MemoryPurpose::Code),
            other => panic!("{:?}", other.err()),
        }
        assert_eq!(memory.used(), 0);
    }
}
