//! Watches the process of a host: resident memory, that of its compilers, threads and open files, ten times a second.

use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::Serialize;

const INTERVAL: Duration = Duration::from_millis(100);

/// The most that was seen of each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Peak {
    pub(super) host_bytes: u64,
    /// Resident memory of all child processes, which compile.
    pub(super) compilers_bytes: u64,
    /// Both at the same time.
    pub(super) together_bytes: u64,
    pub(super) threads: u64,
    pub(super) descriptors: u64,
}

/// A thread that watches until this value is dropped.
pub(super) struct Watcher {
    peak: Arc<Mutex<Peak>>,
    thread: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Watcher {
    pub(super) fn start(process: u32) -> Self {
        let peak = Arc::new(Mutex::new(Peak::default()));
        let (end, ended) = channel::<()>();
        let thread = std::thread::spawn({
            let peak = Arc::clone(&peak);
            move || {
                while ended.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                    // The process may have ended, which the measurement finds by other means.
                    if let Some(now) = sample(process) {
                        let mut peak = lock(&peak);
                        *peak = peak.most(now);
                    }
                }
            }
        });
        Self { peak, thread: Some((end, thread)) }
    }

    /// The peak since the last call.
    pub(super) fn take(&self) -> Peak {
        std::mem::take(&mut *lock(&self.peak))
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.thread.take() {
            drop(end);
            // A panic of the thread was printed where it happened.
            let _ = thread.join();
        }
    }
}

impl Peak {
    fn most(self, other: Self) -> Self {
        Self {
            host_bytes: self.host_bytes.max(other.host_bytes),
            compilers_bytes: self.compilers_bytes.max(other.compilers_bytes),
            together_bytes: self.together_bytes.max(other.together_bytes),
            threads: self.threads.max(other.threads),
            descriptors: self.descriptors.max(other.descriptors),
        }
    }
}

fn sample(process: u32) -> Option<Peak> {
    let folder = Path::new("/proc").join(process.to_string());
    let status = std::fs::read_to_string(folder.join("status")).ok()?;
    let host_bytes = field(&status, "VmRSS:")? * 1_024;
    let compilers_bytes = children(process).map(|child| resident_bytes(&child)).sum();
    Some(Peak {
        host_bytes,
        compilers_bytes,
        together_bytes: host_bytes + compilers_bytes,
        threads: field(&status, "Threads:")?,
        descriptors: std::fs::read_dir(folder.join("fd")).ok()?.count() as u64,
    })
}

/// The folders of the child processes below `/proc`.
fn children(process: u32) -> impl Iterator<Item = std::path::PathBuf> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    processes.map(|entry| entry.path()).filter(move |path| {
        let stat = std::fs::read_to_string(path.join("stat")).unwrap_or_default();
        // The second field is the program's name in brackets, which may hold any text.
        let parent = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse().ok());
        parent == Some(process)
    })
}

/// Zero when the process has just ended.
fn resident_bytes(folder: &Path) -> u64 {
    let status = std::fs::read_to_string(folder.join("status")).unwrap_or_default();
    field(&status, "VmRSS:").unwrap_or_default() * 1_024
}

fn field(status: &str, name: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix(name))?;
    value.trim().trim_end_matches(" kB").parse().ok()
}

fn lock(peak: &Mutex<Peak>) -> MutexGuard<'_, Peak> {
    peak.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_threads_and_open_files() {
        let seen = sample(std::process::id()).expect("this process exists");
        assert!(seen.host_bytes > 0 && seen.threads > 0 && seen.descriptors > 0, "{seen:?}");
        assert!(seen.together_bytes >= seen.host_bytes);
    }

    #[test]
    fn a_process_that_does_not_exist_is_not_seen() {
        assert_eq!(sample(u32::MAX), None);
    }
}
