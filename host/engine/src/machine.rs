//! The memory that the machine allows this process, and the share that the host uses by default.

use std::fs;
use std::path::Path;

/// Smallest memory budget of a host, in bytes: one guest instance at its default limit, and room for everything else.
pub const MEMORY_BYTES_MAX_LEAST: u64 = 512 * 1024 * 1024;
/// By default the host uses one in this many parts of the memory that the machine or the control group allows. The rest
/// is for memory that the budget does not count: indexes, stacks, and the system's file cache.
const SHARE: u64 = 2;

/// Default of `memory_bytes_max`: half of the memory that the machine or the control group allows, and at least
/// [`MEMORY_BYTES_MAX_LEAST`].
pub fn memory_bytes_max_default() -> u64 {
    let read = |path: &str| fs::read_to_string(Path::new(path)).ok();
    let machine = read("/proc/meminfo").and_then(|text| total_of(&text));
    let own_group = read("/proc/self/cgroup").and_then(|text| group_of(&text).map(str::to_owned));
    let groups = own_group.iter().flat_map(|group| limit_files(group));
    let limits = groups.filter_map(|file| fs::read_to_string(file).ok()).filter_map(|text| text.trim().parse().ok());
    share_of(machine.into_iter().chain(limits))
}

fn share_of(allowed: impl Iterator<Item = u64>) -> u64 {
    allowed.min().map_or(MEMORY_BYTES_MAX_LEAST, |bytes| (bytes / SHARE).max(MEMORY_BYTES_MAX_LEAST))
}

/// The machine's memory in bytes, from the text of `/proc/meminfo`.
fn total_of(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// The process's control group, from the text of `/proc/self/cgroup`.
fn group_of(cgroup: &str) -> Option<&str> {
    cgroup.lines().find_map(|line| line.strip_prefix("0::"))
}

/// The files with the limits of the group and of each group above it. Inside a container the group appears as the root.
fn limit_files(group: &str) -> Vec<String> {
    let mut files = vec!["/sys/fs/cgroup/memory/memory.limit_in_bytes".to_owned()];
    for above in Path::new(group.trim_start_matches('/')).ancestors() {
        files.push(Path::new("/sys/fs/cgroup").join(above).join("memory.max").display().to_string());
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_smallest_bound_is_used_but_never_less_than_the_minimum() {
        let gib = 1024 * 1024 * 1024;
        assert_eq!(share_of([8 * gib, 6 * gib, u64::MAX].into_iter()), 3 * gib);
        assert_eq!(share_of([gib / 4].into_iter()), MEMORY_BYTES_MAX_LEAST);
        assert_eq!(share_of(std::iter::empty()), MEMORY_BYTES_MAX_LEAST);
        assert!(memory_bytes_max_default() >= MEMORY_BYTES_MAX_LEAST);
    }

    #[test]
    fn the_machine_and_the_groups_are_read() {
        assert_eq!(total_of("MemTotal:       16384 kB\nMemFree:        1 kB\n"), Some(16_777_216));
        assert_eq!(total_of("MemFree: 1 kB\n"), None);
        assert_eq!(group_of("1:memory:/old\n0::/host.slice/polder\n"), Some("/host.slice/polder"));
        let files = limit_files("/host.slice/polder");
        for group in ["host.slice/polder/memory.max", "host.slice/memory.max", "memory.max"] {
            assert!(files.contains(&format!("/sys/fs/cgroup/{group}")), "{files:?}");
        }
    }
}
