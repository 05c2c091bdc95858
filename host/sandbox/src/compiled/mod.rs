//! A cache of machine code, so that a restart compiles nothing. The host uses only files that it wrote on this machine
//! and that are unchanged; it deletes all other files in the folder that it would have used. A copy of a file is never
//! used: the seal covers the file's identity, which is its number in the file system and the time of its creation
//! there. A copy has another identity, and no user can choose it. So a folder from another machine brings no code
//! along.

mod trusted;

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use polder_core::Revision;
use wasmtime::Engine;
use wasmtime::component::Component;

use trusted::VerifiedCode;

/// Changes whenever the format of the file or the checks before compilation change, so that older files are ignored.
const MAGIC: &[u8; 16] = b"polder compiled2";
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
/// Permission bits of other users. The host's files and folders must have none of them.
const OTHERS_MODE: u32 = 0o077;
/// Makes backup programs skip the folder (the cache directory tagging standard).
const COPY_TAG: &str = "CACHEDIR.TAG";
const COPY_TAG_TEXT: &str = "Signature: 8a477f597d28d172789f06886806bc55\n# Machine code of this machine. Copies are of no use: it is compiled again.\n";

static FILES_BEGUN: AtomicU64 = AtomicU64::new(0);

/// Loads code that the compiler of this program has just made.
pub(crate) fn fresh(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    trusted::deserialize(engine, &VerifiedCode(code))
}

pub(crate) struct Cache<'a> {
    folder: &'a Path,
    engine: &'a Engine,
    /// Identifies the engine and its settings. Code with another value cannot be run.
    compatibility: u64,
}

impl<'a> Cache<'a> {
    pub(crate) fn new(folder: &'a Path, engine: &'a Engine) -> Self {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Self { folder, engine, compatibility: hasher.finish() }
    }

    pub(crate) fn find(&self, revision: &Revision) -> Option<Component> {
        let path = self.path(revision);
        let found = self.trusted(revision, &path);
        if found.is_none() {
            // The file cannot be used, so remove it. Most often there is none.
            let _ = fs::remove_file(&path);
        }
        found
    }

    fn trusted(&self, revision: &Revision, path: &Path) -> Option<Component> {
        // Another user who could write here could make the host run any code.
        let folder = fs::symlink_metadata(self.folder).ok()?;
        if !folder.is_dir() || !is_ours_alone(&folder) {
            return None;
        }
        let linked = fs::symlink_metadata(path).ok()?;
        let mut file = File::open(path).ok()?;
        let opened = file.metadata().ok()?;
        let is_plain =
            opened.is_file() && opened.nlink() == 1 && (linked.dev(), linked.ino()) == (opened.dev(), opened.ino());
        if !is_plain || !is_ours_alone(&opened) {
            return None;
        }
        let identity = identity(&opened).ok()?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).ok()?;
        let code = self.verify(revision, &identity, &bytes)?;
        trusted::deserialize(self.engine, &code).ok()
    }

    pub(crate) fn keep(&self, revision: &Revision, code: &[u8]) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(self.folder)?;
        fs::set_permissions(self.folder, Permissions::from_mode(FOLDER_MODE))?;
        let tag = self.folder.join(COPY_TAG);
        if !tag.exists() {
            fs::write(tag, COPY_TAG_TEXT)?;
        }
        let path = self.path(revision);
        let begun = FILES_BEGUN.fetch_add(1, Ordering::Relaxed);
        let draft = path.with_extension(format!("{}-{begun}.draft", std::process::id()));
        let written = self.write(&draft, revision, code).and_then(|()| fs::rename(&draft, &path));
        if written.is_err() {
            // The draft is of no use, and would keep a full disk full.
            let _ = fs::remove_file(&draft);
        }
        written
    }

    /// Writes the file without a sync: if a crash tears it, the check fails and it is written again.
    fn write(&self, draft: &Path, revision: &Revision, code: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(draft)?;
        let identity = identity(&file.metadata()?)?;
        file.rewind()?;
        file.write_all(MAGIC)?;
        file.write_all(self.seal(revision, &identity, code).as_bytes())?;
        file.write_all(code)
    }

    fn verify<'bytes>(
        &self,
        revision: &Revision,
        identity: &Identity,
        bytes: &'bytes [u8],
    ) -> Option<VerifiedCode<'bytes>> {
        let sealed = bytes.strip_prefix(MAGIC)?;
        let (seal, code) = sealed.split_first_chunk::<{ blake3::OUT_LEN }>()?;
        (self.seal(revision, identity, code) == *seal).then_some(VerifiedCode(code))
    }

    /// The seal of a file. It covers what the code is for and which file it is in, so that a renamed or copied file is
    /// detected too.
    fn seal(&self, revision: &Revision, identity: &Identity, code: &[u8]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        hasher.update(revision.as_bytes()).update(&self.compatibility.to_le_bytes());
        for number in identity {
            hasher.update(&number.to_le_bytes());
        }
        hasher.update(code);
        hasher.finalize()
    }

    fn path(&self, revision: &Revision) -> PathBuf {
        self.folder.join(format!("{revision}-{:016x}.code", self.compatibility))
    }
}

/// Device and number of a file, and the time of its creation, in nanoseconds.
type Identity = [u64; 3];

fn identity(file: &Metadata) -> io::Result<Identity> {
    let made = file.created()?.duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
    let made_ns = u64::try_from(made.as_nanos()).map_err(io::Error::other)?;
    Ok([file.dev(), file.ino(), made_ns])
}

/// Whether the host's user owns the file and no other user has any access to it.
fn is_ours_alone(file: &Metadata) -> bool {
    file.uid() == rustix::process::geteuid().as_raw() && file.mode() & OTHERS_MODE == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(folder: &Path) -> PathBuf {
        let mut files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        files.find(|path| path.extension().is_some_and(|ending| ending == "code")).expect("it was kept")
    }

    /// An engine, and the revision of a component that was cached in the folder.
    fn kept(folder: &Path) -> (Engine, Revision) {
        let engine = crate::profile::engine().unwrap();
        let bytes = wat::parse_str("(component)").unwrap();
        let revision = Revision::of(&bytes);
        let machine_code = engine.precompile_component(&bytes).unwrap();
        Cache::new(folder, &engine).keep(&revision, &machine_code).unwrap();
        assert!(Cache::new(folder, &engine).find(&revision).is_some(), "an unchanged file is used");
        (engine, revision)
    }

    /// Checks that a file on which `what` was done is not loaded, and is removed.
    fn is_thrown_away(folder: &Path, what: impl FnOnce(&Path)) {
        let (engine, revision) = kept(folder);
        let path = code(folder);
        what(&path);
        assert!(Cache::new(folder, &engine).find(&revision).is_none());
        assert!(!path.exists());
    }

    #[test]
    fn code_from_elsewhere_is_thrown_away() {
        let folder = tempfile::tempdir().unwrap();
        is_thrown_away(&folder.path().join("compiled"), |path| {
            // A byte-for-byte copy with the same permissions, as from an archive.
            let copy = path.with_extension("copy");
            fs::copy(path, &copy).unwrap();
            fs::remove_file(path).unwrap();
            fs::rename(&copy, path).unwrap();
        });
    }

    #[test]
    fn code_that_others_could_write_is_thrown_away() {
        let folder = tempfile::tempdir().unwrap();
        for mode in [0o620, 0o602, 0o666, 0o640] {
            let own = folder.path().join(format!("file-{mode:o}"));
            is_thrown_away(&own, |path| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap());
        }
        for mode in [0o770, 0o707, 0o755] {
            let own = folder.path().join(format!("folder-{mode:o}"));
            is_thrown_away(&own, |path| {
                fs::set_permissions(path.parent().unwrap(), Permissions::from_mode(mode)).unwrap();
            });
        }
    }

    #[test]
    fn a_link_and_a_second_name_are_thrown_away() {
        let folder = tempfile::tempdir().unwrap();
        is_thrown_away(&folder.path().join("link"), |path| {
            let elsewhere = folder.path().join("elsewhere");
            fs::rename(path, &elsewhere).unwrap();
            std::os::unix::fs::symlink(&elsewhere, path).unwrap();
        });
        is_thrown_away(&folder.path().join("name"), |path| {
            fs::hard_link(path, folder.path().join("second")).unwrap();
        });
    }

    #[test]
    fn changed_code_is_thrown_away() {
        let folder = tempfile::tempdir().unwrap();
        is_thrown_away(folder.path().join("compiled").as_path(), |path| {
            let mut bytes = fs::read(path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            // Written in place, so the file's identity is the same.
            OpenOptions::new().write(true).open(path).unwrap().write_all(&bytes).unwrap();
        });
    }
}
