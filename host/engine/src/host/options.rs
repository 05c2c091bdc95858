//! Options for opening a host.

use std::path::PathBuf;

use polder_core::{Limits, MemoryBudget};
use polder_journal::{DISK_RESERVE_BYTES, OpenOptions};

use crate::deployments::Compilers;
use crate::machine::memory_bytes_max_default;

#[derive(Debug, Clone)]
pub struct HostOptions {
    /// The data folder: journal, indexes, components, views. It is created if missing, and used by one host at a time.
    pub data_dir: PathBuf,
    /// Threads that run guests. An aggregate always runs on the same thread. The default is the number of processors.
    pub workers: usize,
    /// Limits of tenants that have none of their own.
    pub limits: Limits,
    /// Memory that bodies, reads, guests, machine code, compilers and views may use together, in bytes
    /// (`memory_bytes_max`). Hosts whose options are clones of each other share it.
    pub memory: MemoryBudget,
    /// Whether a sample of the commands is run a second time, to find guests that depend on something that is in no
    /// event. It is only switched off to measure the cost of the audit.
    pub is_audited: bool,
    /// Whether the tenant [`MAIN_TENANT`](crate::tenancy::MAIN_TENANT) exists from the start. It does not if its
    /// history is in another journal.
    pub has_main: bool,
    /// It has no default: a host that accepts components from others needs a compiler with limits, in a process of its
    /// own.
    pub compilers: Compilers,
    /// Disk space reserved for the journal, in bytes. While less is left, views, snapshots, compiled code and uploads
    /// are not written.
    pub disk_reserve_bytes: u64,
}

impl HostOptions {
    /// Options for opening the host's journal.
    pub fn journal(&self) -> OpenOptions {
        OpenOptions { reserve_bytes: self.disk_reserve_bytes, ..OpenOptions::default() }
    }

    pub fn new(data_dir: impl Into<PathBuf>, compilers: Compilers) -> Self {
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            data_dir: data_dir.into(),
            workers,
            limits: Limits::DEFAULT,
            memory: MemoryBudget::new(memory_bytes_max_default()),
            is_audited: true,
            has_main: true,
            disk_reserve_bytes: DISK_RESERVE_BYTES,
            compilers,
        }
    }
}
