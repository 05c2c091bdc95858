//! What a host is opened with.

use std::path::PathBuf;

use polder_core::{Limits, MemoryBudget};
use polder_journal::{DISK_RESERVE_BYTES, OpenOptions};

use crate::deployments::{CompilerInProcess, Compilers};
use crate::machine::memory_bytes_max_default;

#[derive(Debug, Clone)]
pub struct HostOptions {
    /// The folder that holds everything: journal, indexes, components, views. Made when missing; used by one host at a time.
    pub data_dir: PathBuf,
    /// Threads that run guests. An aggregate always lands on the same one. By default as many as there are processors.
    pub workers: usize,
    /// What each tenant may use.
    pub limits: Limits,
    /// What bodies, reads, guests, compilers and views may hold together, in bytes (`memory_bytes_max`). Hosts whose options are clones
    /// of each other share it.
    pub memory: MemoryBudget,
    /// A sample of the commands is run a second time, to find guests that remember what is in no event. Off only where it is measured
    /// what that costs.
    pub is_audited: bool,
    /// Whether the tenant [`MAIN_TENANT`](crate::MAIN_TENANT) is there from the start: not where its history is in another journal.
    pub has_main: bool,
    /// By default components are compiled in this process, without limits. A host that takes components of others is given another compiler.
    pub compilers: Compilers,
    /// So much of the disk is kept for the journal, in bytes: while less is left, views, snapshots, compiled code and uploads are not written.
    pub disk_reserve_bytes: u64,
}

impl HostOptions {
    /// What the host's journal is opened with.
    pub fn journal(&self) -> OpenOptions {
        OpenOptions { reserve_bytes: self.disk_reserve_bytes, ..OpenOptions::default() }
    }

    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            data_dir: data_dir.into(),
            workers,
            limits: Limits::DEFAULT,
            memory: MemoryBudget::new(memory_bytes_max_default()),
            is_audited: true,
            has_main: true,
            disk_reserve_bytes: DISK_RESERVE_BYTES,
            compilers: Compilers::new(CompilerInProcess),
        }
    }
}
