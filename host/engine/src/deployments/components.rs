//! The folders of components by revision: the uploaded bytes, and the compiled form. A revision in use is in memory
//! once, however many tenants use it.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use polder_core::{MemoryBudget, MemoryPurpose, Revision, TenantName};
use polder_journal::Reader;
use polder_journal::disk::create_private_folder;
use polder_sandbox::{Component, Origin, Sandbox};

use super::compile_error::CompileError;
use super::compiling::{CompileJob, Compilers};
use super::stop::Stop;
use super::uploads::{Upload, UploadError, Uploaded, Uploads};

/// Stores components for all hosts that share a journal.
pub trait ComponentStore: Send + Sync {
    /// Stores a component. It is durable when this returns.
    fn keep(&self, revision: Revision, bytes: &[u8]) -> io::Result<()>;

    fn find(&self, revision: Revision) -> io::Result<Option<Vec<u8>>>;

    fn remove(&self, revision: Revision) -> io::Result<()>;
}

pub(crate) struct Components {
    /// Has the components of all hosts that share the journal. `None` if no other host shares it.
    depot: Option<Arc<dyn ComponentStore>>,
    uploaded: PathBuf,
    compiled: PathBuf,
    in_use: Mutex<HashMap<Revision, Weak<Component>>>,
    /// Two threads that store the same revision would write the same unfinished file.
    storing: Mutex<()>,
    uploads: Uploads,
    compilers: Compilers,
    memory: MemoryBudget,
    stopping: Arc<AtomicBool>,
    compilations: AtomicU64,
    /// Checks that there is room on the disk.
    reader: Reader,
}

/// The reason why the component of an active revision cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ComponentError {
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// The store that the hosts share does not answer.
    #[error("the component cannot be fetched from the store that the hosts share: {0}")]
    Unreachable(io::Error),
    #[error("{} is damaged: its content has another digest; restore it from a copy", path.display())]
    Damaged { path: PathBuf },
    #[error("{0}")]
    NotLoaded(#[from] CompileError),
}

impl ComponentError {
    /// Whether the host should try again: neither the component nor this host's folder is at fault.
    pub(crate) fn is_temporary(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::NotLoaded(CompileError::Busy { .. } | CompileError::Memory(_)) => true,
            Self::Read { .. } | Self::Damaged { .. } | Self::NotLoaded(_) => false,
        }
    }

    /// The reason as a text for callers, without details of the host.
    pub(crate) fn public(&self) -> &'static str {
        match self {
            Self::Read { .. } => "its component is missing here or cannot be read: deploy it again",
            Self::Unreachable(_) => {
                "this host cannot fetch its component at the moment, because the servers that keep it do not answer; it tries again by itself"
            }
            Self::Damaged { .. } => "its component is damaged here: deploy it again",
            Self::NotLoaded(CompileError::Refused(_)) => {
                "this version of polder does not accept its component: deploy it again"
            }
            Self::NotLoaded(CompileError::Limit { .. }) => {
                "compiling its component takes more than this host allows: deploy a smaller one"
            }
            Self::NotLoaded(CompileError::Busy { .. }) => {
                "this host has no room to compile its component at the moment; it tries again by itself"
            }
            Self::NotLoaded(CompileError::Memory(_)) => {
                "this host has no memory for its component at the moment; it tries again by itself"
            }
            Self::NotLoaded(CompileError::Stopped) => "the host is shutting down",
            Self::NotLoaded(CompileError::Failed(_)) => {
                "the host cannot compile its component: the operator has to look into it"
            }
        }
    }
}

impl Components {
    pub(crate) fn open(
        data_dir: &Path,
        depot: Option<Arc<dyn ComponentStore>>,
        compilers: Compilers,
        memory: MemoryBudget,
        reader: Reader,
    ) -> io::Result<Self> {
        let components = Self {
            depot,
            uploaded: data_dir.join("components"),
            compiled: data_dir.join("compiled"),
            in_use: Mutex::default(),
            storing: Mutex::default(),
            uploads: Uploads::open(data_dir, Arc::clone(&compilers.uploads))?,
            compilers,
            memory,
            stopping: Arc::default(),
            compilations: AtomicU64::new(0),
            reader,
        };
        create_private_folder(&components.uploaded)?;
        create_private_folder(&components.compiled)?;
        Ok(components)
    }

    /// Ends running compilations and refuses new ones.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    pub(crate) fn begin_upload(&self, tenant: &TenantName) -> Result<Upload, UploadError> {
        self.reader.check_room()?;
        self.uploads.begin(tenant)
    }

    /// A stop for work that may be cancelled before the host stops.
    pub(crate) fn new_stop(&self) -> Stop {
        Stop::within(&self.stopping)
    }

    /// Checks and compiles a component for a tenant, or for the host itself. Stores only the compiled form. Waits for a
    /// compiler, and blocks until it has ended or `stop` is set.
    pub(crate) fn load(
        &self,
        sandbox: &Sandbox,
        tenant: Option<&TenantName>,
        component: &Uploaded,
        stop: &Stop,
    ) -> Result<Arc<Component>, CompileError> {
        match self.in_use(component.revision()) {
            Some(component) => Ok(component),
            None => self.load_anew(sandbox, tenant, component, stop),
        }
    }

    /// Number of compilations since the host started.
    pub(crate) fn compilations(&self) -> u64 {
        self.compilations.load(Ordering::Relaxed)
    }

    /// Stores an uploaded component. It is durable when this returns, because the event that names the revision must
    /// never exist without it.
    pub(crate) fn store(&self, component: &Uploaded) -> io::Result<()> {
        let bytes = component.bytes()?;
        if let Some(depot) = &self.depot {
            depot.keep(component.revision(), &bytes)?;
        }
        self.store_here(component.revision(), &bytes)
    }

    fn store_here(&self, revision: Revision, bytes: &[u8]) -> io::Result<()> {
        let path = self.path(revision);
        let _storing = self.storing.lock().unwrap_or_else(PoisonError::into_inner);
        // A damaged file is repaired by uploading the component again.
        if fs::read(&path).is_ok_and(|kept| kept == bytes) {
            return Ok(());
        }
        let unfinished = path.with_extension("part");
        let mut file = File::create(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&unfinished, &path)?;
        File::open(&self.uploaded)?.sync_all()
    }

    pub(crate) fn restore(&self, sandbox: &Sandbox, revision: Revision) -> Result<Arc<Component>, ComponentError> {
        if let Some(component) = self.in_use(revision) {
            return Ok(component);
        }
        let component = Uploaded::from(self.uploaded(revision)?);
        Ok(self.load_anew(sandbox, None, &component, &self.new_stop())?)
    }

    /// The size of the component in bytes; `None` if it is not on this host.
    pub(crate) fn size_here(&self, revision: Revision) -> Option<u64> {
        fs::metadata(self.path(revision)).ok().map(|file| file.len())
    }

    /// The component, byte for byte as it was uploaded.
    pub(crate) fn uploaded(&self, revision: Revision) -> Result<Vec<u8>, ComponentError> {
        let path = self.path(revision);
        let read = |source| ComponentError::Read { path: path.clone(), source };
        let bytes = match (fs::read(&path), &self.depot) {
            (Err(error), Some(depot)) if error.kind() == io::ErrorKind::NotFound => {
                let found = depot.find(revision).map_err(ComponentError::Unreachable)?;
                let found = found.ok_or(error).map_err(read)?;
                self.store_here(revision, &found).map_err(read)?;
                found
            }
            (bytes, _) => bytes.map_err(read)?,
        };
        if Revision::of(&bytes) != revision {
            return Err(ComponentError::Damaged { path });
        }
        Ok(bytes)
    }

    /// Removes the uploaded and the compiled form from the disk. Instances that run the component continue.
    pub(crate) fn remove(&self, revision: Revision) -> io::Result<()> {
        if let Some(depot) = &self.depot {
            depot.remove(revision)?;
        }
        let digits = revision.to_string();
        for folder in [&self.uploaded, &self.compiled] {
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                if entry.file_name().to_str().is_some_and(|name| name.starts_with(&digits)) {
                    fs::remove_file(entry.path())?;
                }
            }
        }
        File::open(&self.uploaded)?.sync_all()
    }

    fn in_use(&self, revision: Revision) -> Option<Arc<Component>> {
        self.in_use.lock().unwrap_or_else(PoisonError::into_inner).get(&revision)?.upgrade()
    }

    fn load_anew(
        &self,
        sandbox: &Sandbox,
        tenant: Option<&TenantName>,
        component: &Uploaded,
        stop: &Stop,
    ) -> Result<Arc<Component>, CompileError> {
        let _seat = self.compilers.seats.take(tenant, stop)?;
        // Another caller may have loaded the same component in the meantime.
        if let Some(component) = self.in_use(component.revision()) {
            return Ok(component);
        }
        // It grows with the compiler, which uses more memory than the code that it produces. Then it holds the code
        // until the component is loaded. The loaded component has a reservation of its own, for as long as it is used.
        let mut memory = self.memory.try_reserve(MemoryPurpose::Compilers, 0)?;
        let compile = || {
            let job = CompileJob { component, folder: self.uploads.folder(), memory: &mut memory, stop };
            let code = self.compilers.compiler.compile(job)?;
            memory.shrink_to(code.len() as u64);
            Ok::<_, CompileError>(code)
        };
        let may_keep = self.reader.check_room().is_ok();
        let component = sandbox.load_compiled(&self.compiled, component.revision(), may_keep, compile)?;
        if component.origin != Origin::Cached {
            self.compilations.fetch_add(1, Ordering::Relaxed);
        }
        let mut in_use = self.in_use.lock().unwrap_or_else(PoisonError::into_inner);
        in_use.retain(|_, component| component.strong_count() > 0);
        in_use.insert(component.revision, Arc::downgrade(&component));
        Ok(component)
    }

    fn path(&self, revision: Revision) -> PathBuf {
        self.uploaded.join(format!("{revision}.wasm"))
    }
}
