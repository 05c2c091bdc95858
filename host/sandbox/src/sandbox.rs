//! The door: makes the one engine of a host and takes in domains.

use std::path::Path;
use std::sync::Arc;

use polder_core::{Limits, MemoryBudget, Revision};
use wasmtime::Engine;
use wasmtime::component::Linker;

use crate::compile::compile_for;
use crate::component::{Component, Origin};
use crate::live::Inside;
use crate::watchdog::Watchdog;
use crate::{Refusal, compiled, notes, profile, self_check};

#[derive(Debug, Clone)]
pub struct SandboxOptions {
    /// What a component may use while it is loaded: its start functions and its description.
    pub load_limits: Limits,
    /// Where instances take their linear memory from.
    pub memory: MemoryBudget,
}

impl Default for SandboxOptions {
    /// The budget of these refuses nothing.
    fn default() -> Self {
        Self { load_limits: Limits::DEFAULT, memory: MemoryBudget::unlimited() }
    }
}

/// One per host. Cheap to share by reference; instances hold on to what they need of it.
pub struct Sandbox {
    platform: Arc<Platform>,
    options: SandboxOptions,
}

/// What everything that was loaded shares. The watchdog ends with the last of them, so that no call goes unwatched.
pub(crate) struct Platform {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<Inside>,
    pub(crate) watchdog: Watchdog,
    pub(crate) memory: MemoryBudget,
}

/// The host cannot run guests here: the operator's to fix.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    #[error("the WebAssembly engine cannot be set up: {0}")]
    Engine(String),
    #[error("the watchdog thread cannot be started")]
    Watchdog(#[source] std::io::Error),
    #[error("the limit on {limit} is not live on this engine: {found}")]
    NotLive { limit: &'static str, found: String },
}

impl Sandbox {
    pub fn new(options: SandboxOptions) -> Result<Self, SandboxError> {
        let engine_error = |error: wasmtime::Error| SandboxError::Engine(format!("{error:#}"));
        let engine = profile::engine().map_err(engine_error)?;
        let mut linker = Linker::new(&engine);
        notes::link(&mut linker).map_err(engine_error)?;
        let watchdog = Watchdog::start(engine.clone()).map_err(SandboxError::Watchdog)?;
        let memory = options.memory.clone();
        Ok(Self { platform: Arc::new(Platform { engine, linker, watchdog, memory }), options })
    }

    /// Trips every limit once, on the engine in use. A host that does not pass must not serve.
    pub fn self_check(&self) -> Result<(), SandboxError> {
        self_check::run(&self.platform.engine, &self.platform.watchdog)
    }

    /// Checks and compiles a component, or the core module of one, in this process.
    pub fn load(&self, bytes: &[u8]) -> Result<Arc<Component>, Refusal> {
        let code = compile_for(&self.platform.engine, bytes)?;
        self.admit(&self.deserialize(&code)?, Revision::of(bytes), Origin::Compiled)
    }

    /// Loads the machine code that `cache_folder` keeps of the revision. When there is none, `compile` has to give it, and it is kept if
    /// `may_keep`. Code there that is not as this machine's host left it, or that others could have written, is thrown away. A cache that
    /// cannot be read or written makes this slower, nothing else; [`Component::origin`] says so.
    ///
    /// `compile` must return what [`compile`](crate::compile) of the same program returned, byte for byte: the code is run as it is.
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
