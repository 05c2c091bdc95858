//! The folder of components by revision: what was uploaded, byte for byte, and its compiled form.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use polder_core::Revision;
use polder_sandbox::{Component, Refusal, Sandbox};

pub(crate) struct Components {
    uploaded: PathBuf,
    compiled: PathBuf,
}

/// Why an active revision cannot be had back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ComponentError {
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is damaged: its content has another digest; restore it from a copy", path.display())]
    Damaged { path: PathBuf },
    #[error("{0}")]
    Refused(#[from] Refusal),
}

impl Components {
    pub(crate) fn open(data_dir: &Path) -> io::Result<Self> {
        let components = Self { uploaded: data_dir.join("components"), compiled: data_dir.join("compiled") };
        fs::create_dir_all(&components.uploaded)?;
        fs::create_dir_all(&components.compiled)?;
        Ok(components)
    }

    /// Checks and compiles; stores nothing but the compiled form.
    pub(crate) fn load(&self, sandbox: &Sandbox, bytes: &[u8]) -> Result<Arc<Component>, Refusal> {
        sandbox.load_compiled(&self.compiled, bytes)
    }

    /// Durable when it returns: the event that names the revision must never be there without it.
    pub(crate) fn store(&self, revision: Revision, bytes: &[u8]) -> io::Result<()> {
        let path = self.path(revision);
        if path.exists() {
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
        let path = self.path(revision);
        let bytes = fs::read(&path).map_err(|source| ComponentError::Read { path: path.clone(), source })?;
        if Revision::of(&bytes) != revision {
            return Err(ComponentError::Damaged { path });
        }
        Ok(self.load(sandbox, &bytes)?)
    }

    fn path(&self, revision: Revision) -> PathBuf {
        self.uploaded.join(format!("{revision}.wasm"))
    }
}
