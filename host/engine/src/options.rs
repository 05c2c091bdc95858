//! What a host is opened with.

use std::path::PathBuf;

use polder_core::Limits;

#[derive(Debug, Clone)]
pub struct HostOptions {
    /// The folder that holds everything: journal, indexes, components, views. Made when missing; used by one host at a time.
    pub data_dir: PathBuf,
    /// Threads that run guests. An aggregate always lands on the same one. By default one more than there are processors: each
    /// spends a part of its time waiting for the disk.
    pub workers: usize,
    /// What each tenant may use.
    pub limits: Limits,
}

impl HostOptions {
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        let workers = std::thread::available_parallelism().map_or(1, usize::from) + 1;
        Self { data_dir: data_dir.into(), workers, limits: Limits::DEFAULT }
    }
}
