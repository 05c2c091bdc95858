//! The memory of a process: its allocator and the size of its pages. Every program that depends on this crate gets the
//! allocator. `polder` and `polder-bench` share the crate, so that a measurement in one process runs as a host does.
#![forbid(unsafe_code)]

/// Commands, records and acknowledgements are allocated on one thread and freed on another. The system's allocator is
/// slow at that. This one returns free memory to the system within seconds, by a thread of its own, even if the thread
/// that used the memory sleeps. C code in the process uses it too, such as SQLite.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Turns huge pages off. The system may back memory by pages of 2 MiB. The first touch of such a page clears all of
/// it, and on a virtual machine the hypervisor may have to find the memory first: a command that touched two or three
/// of them took 12 ms. With small pages the throughput is the same, and an idle host uses a third less memory. Child
/// processes inherit the setting.
pub fn use_small_pages() {
    // If the kernel does not know the setting, the host only uses more time and memory.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}
