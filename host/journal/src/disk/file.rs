//! Segments as files in one folder, named `00000000000000000000.seg`. The number is the address of the segment's first
//! byte.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Advice, FallocateFlags, fadvise, fallocate, statvfs};

use super::{Disk, Segment};

const SUFFIX: &str = ".seg";
/// Readable and writable only by the host's user.
const FILE_MODE: u32 = 0o600;
/// Number of digits of the largest address.
const NAME_DIGITS: usize = 20;
/// Zeros written at a time. A larger write may stay one large unit in the system's cache, and is then written to disk
/// again as a whole for the smallest frame in it.
const ZEROS: [u8; 4096] = [0; 4096];
/// Bytes of zeros between two syncs. Other syncs then wait only briefly behind one of these.
const ZEROS_PER_SYNC_BYTES: u64 = 128 * 1024;

#[derive(Debug)]
pub struct FileDisk {
    folder: PathBuf,
    writable: bool,
}

impl FileDisk {
    /// Opens the folder, which is created if it is missing.
    pub fn new(folder: &Path) -> io::Result<Self> {
        super::make_folder_private(folder)?;
        if let Some(parent) = folder.parent() {
            File::open(parent)?.sync_all()?;
        }
        Ok(Self { folder: folder.to_owned(), writable: true })
    }

    /// Opens the folder for reading only; every change fails.
    pub fn read_only(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), writable: false }
    }
}

impl Disk for FileDisk {
    fn segments(&self) -> io::Result<Vec<u64>> {
        let mut addresses = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            addresses.extend(entry?.file_name().to_str().and_then(address_of));
        }
        addresses.sort_unstable();
        Ok(addresses)
    }

    fn create(&self, address: u64, length: u64) -> io::Result<Arc<dyn Segment>> {
        let file = File::options().read(true).write(true).create_new(true).mode(FILE_MODE).open(self.path(address))?;
        let segment = FileSegment::new(file)?;
        segment.extend(length)?;
        segment.sync_length().map_err(super::unsure)?;
        Ok(Arc::new(segment))
    }

    fn open(&self, address: u64) -> io::Result<Arc<dyn Segment>> {
        let file = File::options().read(true).write(self.writable).open(self.path(address))?;
        Ok(Arc::new(FileSegment::new(file)?))
    }

    fn remove(&self, address: u64) -> io::Result<()> {
        fs::remove_file(self.path(address))
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let file_system = statvfs(&self.folder)?;
        Ok(file_system.f_bavail.saturating_mul(file_system.f_frsize))
    }

    fn sync_folder(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }

    fn path(&self, address: u64) -> PathBuf {
        self.folder.join(format!("{address:0NAME_DIGITS$}{SUFFIX}"))
    }
}

fn address_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SUFFIX)?;
    if digits.len() == NAME_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        digits.parse().ok()
    } else {
        None
    }
}

struct FileSegment(File);

impl FileSegment {
    fn new(file: File) -> io::Result<Self> {
        // With read-ahead, the cache would hold the unused rest of a segment in large units, and each would be written
        // as a whole for one frame.
        fadvise(&file, 0, None, Advice::Random)?;
        Ok(Self(file))
    }
}

impl Segment for FileSegment {
    fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.0.read_at(&mut buffer[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn cut(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn extend(&self, length: u64) -> io::Result<()> {
        Ok(fallocate(&self.0, FallocateFlags::empty(), 0, length)?)
    }

    fn prepare(&self, offset: u64) -> io::Result<u64> {
        // Space that is only reserved reads as zeros. The file system marks it as written with each frame, so a sync
        // would wait for the file system's own journal, and for everything that others have in it.
        let end = self.length()?.min(offset + ZEROS_PER_SYNC_BYTES);
        for begin in (offset..end).step_by(ZEROS.len()) {
            self.write_at(begin, &ZEROS[..(end - begin).min(ZEROS.len() as u64) as usize])?;
        }
        if end > offset {
            self.sync()?;
        }
        Ok(end.saturating_sub(offset))
    }

    fn sync_length(&self) -> io::Result<()> {
        self.0.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_names_are_segments() {
        assert_eq!(address_of("00000000000000000000.seg"), Some(0));
        assert_eq!(address_of("00000000000067108864.seg"), Some(67_108_864));
        for name in [
            "0.seg",
            "00000000000000000000",
            "00000000000000000000.seg~",
            "0000000000000000000x.seg",
            "+0000000000000000001.seg",
        ] {
            assert_eq!(address_of(name), None, "{name}");
        }
    }

    #[test]
    fn a_read_only_disk_cannot_write() {
        let folder = tempfile::tempdir().unwrap();
        FileDisk::new(folder.path()).unwrap().create(0, 4096).unwrap();
        let segment = FileDisk::read_only(folder.path()).open(0).unwrap();
        assert_eq!(segment.length().unwrap(), 4096);
        assert!(segment.write_at(0, b"x").is_err());
    }
}
