//! Components on their way to the host, in temporary files without a name and in bounded number. An unfinished upload
//! is removed when its caller goes away.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use polder_core::{Revision, RevisionHasher, TenantName};
use polder_journal::disk::create_private_folder;
use polder_sandbox::COMPONENT_BYTES_MAX;
use tokio::io::AsyncWriteExt as _;

/// Uploads of one tenant that may be in progress at a time. More are refused.
pub const UPLOADS_PER_TENANT_MAX: usize = 4;
/// Uploads of all tenants that may be in progress at a time. Each is a file of at most [`COMPONENT_BYTES_MAX`] bytes.
pub const UPLOADS_MAX: usize = 16;

const FOLDER: &str = "uploads";

/// The reason why an upload fails.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UploadError {
    #[error("{value} uploads are in progress already (limit {limit}): try again when one has ended")]
    Busy { limit: &'static str, value: u64 },
    #[error(
        "the component has more than {COMPONENT_BYTES_MAX} bytes (limit component_bytes_max); `polder build` builds without debug \
         information, which is most of a debug build"
    )]
    TooLarge,
    #[error("nothing can be uploaded: {0}")]
    NoRoom(#[from] polder_journal::Shortage),
    #[error("the host cannot keep the component: {0}")]
    Storage(#[from] io::Error),
}

#[derive(Debug)]
pub(crate) struct Uploads {
    folder: PathBuf,
    counts: UploadCounts,
}

pub(crate) type UploadCounts = Arc<Mutex<Counts>>;

#[derive(Debug, Default)]
pub(crate) struct Counts {
    all: usize,
    by_tenant: HashMap<TenantName, usize>,
}

/// A place among the uploads in progress. Dropping it frees the place.
#[derive(Debug)]
struct Place {
    tenant: TenantName,
    counts: UploadCounts,
}

/// An upload in progress. Dropping it removes the bytes received so far.
#[derive(Debug)]
pub struct Upload {
    file: tokio::fs::File,
    hasher: RevisionHasher,
    bytes: u64,
    place: Place,
}

/// A complete component that was not checked yet. Clones share it.
#[derive(Debug, Clone)]
pub struct Uploaded(Arc<Whole>);

struct Whole {
    content: Content,
    revision: Revision,
    bytes: u64,
    _place: Option<Place>,
}

enum Content {
    File(File),
    Memory(Bytes),
}

impl Uploads {
    pub(crate) fn open(data_dir: &Path, counts: UploadCounts) -> io::Result<Self> {
        let folder = data_dir.join(FOLDER);
        create_private_folder(&folder)?;
        Ok(Self { folder, counts })
    }

    pub(crate) fn begin(&self, tenant: &TenantName) -> Result<Upload, UploadError> {
        let place = Place::take(&self.counts, tenant)?;
        let file = tokio::fs::File::from_std(tempfile::tempfile_in(&self.folder)?);
        Ok(Upload { file, hasher: RevisionHasher::default(), bytes: 0, place })
    }

    /// The folder for other temporary files.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Place {
    fn take(counts: &UploadCounts, tenant: &TenantName) -> Result<Self, UploadError> {
        let mut locked = counts.lock().unwrap_or_else(PoisonError::into_inner);
        let own = locked.by_tenant.get(tenant).copied().unwrap_or_default();
        if own >= UPLOADS_PER_TENANT_MAX {
            return Err(UploadError::Busy { limit: "uploads_per_tenant_max", value: own as u64 });
        }
        if locked.all >= UPLOADS_MAX {
            return Err(UploadError::Busy { limit: "uploads_max", value: locked.all as u64 });
        }
        locked.all += 1;
        locked.by_tenant.insert(tenant.clone(), own + 1);
        Ok(Self { tenant: tenant.clone(), counts: Arc::clone(counts) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.all -= 1;
        if let Some(own) = counts.by_tenant.get_mut(&self.tenant) {
            *own -= 1;
            if *own == 0 {
                counts.by_tenant.remove(&self.tenant);
            }
        }
    }
}

impl Upload {
    /// Appends the next piece.
    ///
    /// # Errors
    /// Fails when the component becomes too large, or when the disk refuses the piece. The upload cannot continue then.
    pub async fn write(&mut self, piece: &[u8]) -> Result<(), UploadError> {
        self.bytes += piece.len() as u64;
        if self.bytes > COMPONENT_BYTES_MAX as u64 {
            return Err(UploadError::TooLarge);
        }
        self.hasher.update(piece);
        Ok(self.file.write_all(piece).await?)
    }

    /// Completes the upload.
    ///
    /// # Errors
    /// Fails when the disk refuses the last bytes.
    pub async fn finish(self) -> Result<Uploaded, UploadError> {
        let Self { mut file, hasher, bytes, place } = self;
        file.flush().await?;
        let content = Content::File(file.into_std().await);
        Ok(Uploaded(Arc::new(Whole { content, revision: hasher.finish(), bytes, _place: Some(place) })))
    }
}

impl Uploaded {
    pub fn revision(&self) -> Revision {
        self.0.revision
    }

    pub fn bytes_count(&self) -> u64 {
        self.0.bytes
    }

    /// Reads the whole component into memory.
    ///
    /// # Errors
    /// Fails when the file cannot be read.
    pub fn bytes(&self) -> io::Result<Bytes> {
        match &self.0.content {
            Content::Memory(bytes) => Ok(bytes.clone()),
            Content::File(file) => {
                let mut bytes = Vec::with_capacity(usize::try_from(self.0.bytes).unwrap_or_default());
                reopened(file)?.read_to_end(&mut bytes)?;
                Ok(bytes.into())
            }
        }
    }

    /// Opens the component as a file at its beginning, with a position of its own. A component in memory is first
    /// written to a temporary file in `folder`.
    ///
    /// # Errors
    /// Fails when the file cannot be opened or written.
    pub fn file(&self, folder: &Path) -> io::Result<File> {
        match &self.0.content {
            Content::File(file) => reopened(file),
            Content::Memory(bytes) => {
                let mut file = tempfile::tempfile_in(folder)?;
                file.write_all(bytes)?;
                file.rewind()?;
                Ok(file)
            }
        }
    }
}

/// Opens the file again. A cloned handle would share the position; opening the kernel's path for it gives a new one,
/// even if the file has no name.
fn reopened(file: &File) -> io::Result<File> {
    File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

impl From<Bytes> for Uploaded {
    fn from(bytes: Bytes) -> Self {
        let (revision, count) = (Revision::of(&bytes), bytes.len() as u64);
        Self(Arc::new(Whole { content: Content::Memory(bytes), revision, bytes: count, _place: None }))
    }
}

impl From<Vec<u8>> for Uploaded {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<&'static str> for Uploaded {
    fn from(text: &'static str) -> Self {
        Bytes::from(text).into()
    }
}

impl fmt::Debug for Whole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "component {} of {} bytes", self.revision.short(), self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(name: &str) -> TenantName {
        name.parse().unwrap()
    }

    fn uploads() -> (tempfile::TempDir, Uploads) {
        let folder = tempfile::tempdir().unwrap();
        let uploads = Uploads::open(folder.path(), UploadCounts::default()).unwrap();
        (folder, uploads)
    }

    #[tokio::test]
    async fn a_component_comes_in_pieces_and_has_no_name_on_the_disk() {
        let (folder, uploads) = uploads();
        let mut upload = uploads.begin(&tenant("a")).unwrap();
        upload.write(b"one").await.unwrap();
        upload.write(b" two").await.unwrap();
        let whole = upload.finish().await.unwrap();
        assert_eq!((whole.revision(), whole.bytes_count()), (Revision::of(b"one two"), 7));
        for _ in 0..2 {
            assert_eq!(whole.bytes().unwrap(), "one two");
            assert_eq!(io::read_to_string(whole.file(folder.path()).unwrap()).unwrap(), "one two");
        }
        assert_eq!(std::fs::read_dir(uploads.folder()).unwrap().count(), 0);
        let in_memory = Uploaded::from("one two");
        assert_eq!(in_memory.revision(), whole.revision());
        assert_eq!(io::read_to_string(in_memory.file(folder.path()).unwrap()).unwrap(), "one two");
    }

    #[tokio::test]
    async fn a_component_beyond_the_limit_is_refused() {
        let (_folder, uploads) = uploads();
        let mut upload = uploads.begin(&tenant("a")).unwrap();
        upload.write(&vec![0; COMPONENT_BYTES_MAX]).await.unwrap();
        let refused = upload.write(b"x").await.unwrap_err().to_string();
        assert!(refused.contains("limit component_bytes_max") && refused.contains("polder build"), "{refused}");
    }

    #[tokio::test]
    async fn uploads_are_bounded_for_each_tenant_and_in_all() {
        let (_folder, uploads) = uploads();
        let begin = |name: String| uploads.begin(&tenant(&name));
        let refused = |name: &str| begin(name.to_owned()).unwrap_err().to_string();
        let mut held: Vec<_> = (0..UPLOADS_PER_TENANT_MAX).map(|_| begin("a".into()).unwrap()).collect();
        assert!(refused("a").contains("uploads_per_tenant_max"));
        held.extend((0..UPLOADS_MAX - UPLOADS_PER_TENANT_MAX).map(|number| begin(format!("t{number}")).unwrap()));
        assert!(refused("b").contains("uploads_max"));
        let whole = held.pop().unwrap().finish().await.unwrap();
        assert!(refused("b").contains("uploads_max"), "a whole component takes its place until it is deployed");
        drop(whole);
        let again = begin("b".into()).unwrap();
        drop((held, again));
        assert_eq!(uploads.counts.lock().unwrap().all, 0);
        assert!(uploads.counts.lock().unwrap().by_tenant.is_empty());
    }
}
