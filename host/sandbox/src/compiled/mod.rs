//! Machine code kept between runs, so that a restart compiles nothing. Only what this host wrote and finds unchanged is
//! used; anything else in the folder counts as not there.

mod trusted;

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use polder_core::Revision;
use wasmtime::Engine;
use wasmtime::component::Component;

use trusted::VerifiedCode;

/// Changes whenever the file or the checks before compilation change, so that older files are passed over.
const MAGIC: &[u8; 16] = b"polder compiled1";
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

static FILES_BEGUN: AtomicU64 = AtomicU64::new(0);

/// Code that the compiler of this program has just made.
pub(crate) fn fresh(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    trusted::deserialize(engine, &VerifiedCode(code))
}

pub(crate) struct Cache<'a> {
    folder: &'a Path,
    engine: &'a Engine,
    /// Tells code apart that this engine, with this set-up, cannot run.
    compatibility: u64,
}

impl<'a> Cache<'a> {
    pub(crate) fn new(folder: &'a Path, engine: &'a Engine) -> Self {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Self { folder, engine, compatibility: hasher.finish() }
    }

    pub(crate) fn find(&self, revision: &Revision) -> Option<Component> {
        // The owner's alone: whoever can write here can run any code as the host. Fails for a folder of someone else.
        fs::set_permissions(self.folder, Permissions::from_mode(FOLDER_MODE)).ok()?;
        let mut bytes = Vec::new();
        File::open(self.path(revision)).ok()?.read_to_end(&mut bytes).ok()?;
        let code = self.verify(revision, &bytes)?;
        trusted::deserialize(self.engine, &code).ok()
    }

    pub(crate) fn keep(&self, revision: &Revision, code: &[u8]) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(self.folder)?;
        fs::set_permissions(self.folder, Permissions::from_mode(FOLDER_MODE))?;
        let path = self.path(revision);
        let begun = FILES_BEGUN.fetch_add(1, Ordering::Relaxed);
        let draft = path.with_extension(format!("{}-{begun}.draft", std::process::id()));
        let written = self.write(&draft, revision, code).and_then(|()| fs::rename(&draft, &path));
        if written.is_err() {
            // Nothing depends on it; without this a full disk would stay full.
            let _ = fs::remove_file(&draft);
        }
        written
    }

    /// Not synced: a file that a crash tears fails the check and is written anew.
    fn write(&self, draft: &Path, revision: &Revision, code: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(draft)?;
        file.write_all(MAGIC)?;
        file.write_all(self.seal(revision, code).as_bytes())?;
        file.write_all(code)
    }

    fn verify<'bytes>(&self, revision: &Revision, bytes: &'bytes [u8]) -> Option<VerifiedCode<'bytes>> {
        let sealed = bytes.strip_prefix(MAGIC)?;
        let (seal, code) = sealed.split_first_chunk::<{ blake3::OUT_LEN }>()?;
        (self.seal(revision, code) == *seal).then_some(VerifiedCode(code))
    }

    /// Covers what the code is for, so that a file under another's name is found out too.
    fn seal(&self, revision: &Revision, code: &[u8]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        hasher.update(revision.as_bytes()).update(&self.compatibility.to_le_bytes()).update(code);
        hasher.finalize()
    }

    fn path(&self, revision: &Revision) -> PathBuf {
        self.folder.join(format!("{revision}-{:016x}.code", self.compatibility))
    }
}
