//! The limit of open files and connections of the process.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The most descriptors that are of use. More would not help, and some systems size their tables by the limit.
const DESCRIPTORS_USEFUL_MAX: u64 = 256 * 1024;

/// Raises the limit of the process as far as the system permits, and returns the limit that is in force.
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
