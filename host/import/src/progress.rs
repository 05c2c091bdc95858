//! Progress of reading a file, for a progress bar on another thread. Counts bytes of the file, before decompression.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug, Clone)]
pub struct Progress {
    read: Arc<AtomicU64>,
    bytes_total: u64,
    uncompared_keys: Arc<AtomicU64>,
}

impl Progress {
    pub fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Number of rows whose keys were not compared with all earlier ones: the number of different keys that are
    /// remembered is limited.
    pub fn uncompared_keys(&self) -> u64 {
        self.uncompared_keys.load(Ordering::Relaxed)
    }

    pub(crate) fn set_uncompared_keys(&self, count: u64) {
        self.uncompared_keys.store(count, Ordering::Relaxed);
    }

    /// Length of the file; 0 if it is unknown.
    pub fn bytes_total(&self) -> u64 {
        self.bytes_total
    }

    pub(crate) fn of<R: Read>(inner: R, bytes_total: u64) -> (CountingReader<R>, Self) {
        let read = Arc::new(AtomicU64::new(0));
        (CountingReader { inner, read: Arc::clone(&read) }, Self { read, bytes_total, uncompared_keys: Arc::default() })
    }
}

#[derive(Debug)]
pub(crate) struct CountingReader<R> {
    inner: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for CountingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}
