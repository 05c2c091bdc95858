//! How many files and connections the process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// More are of no use to a host, and some systems make their tables as large as the limit says.
const DESCRIPTORS_USEFUL_MAX: u64 = 256 * 1024;

/// Raises the limit of the process as far as the system lets it, and returns the limit that holds.
pub fn raise_descriptors() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let now = current.unwrap_or(u64::MAX);
    let wanted = maximum.unwrap_or(u64::MAX).min(DESCRIPTORS_USEFUL_MAX);
    if wanted > now {
        match setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }) {
            Ok(()) => return wanted,
            Err(error) => tracing::warn!(%error, now, wanted, "the limit of open files cannot be raised"),
        }
    }
    now
}

pub(crate) fn descriptors_max() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}
