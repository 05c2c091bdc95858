//! The memory of a process: its allocator and the size of its pages. Every program that depends on this crate gets the
//! allocator. `polder` and `polder-bench` share the crate, so that a measurement in one process runs as a host does.
#![forbid(unsafe_code)]

/// Commands, records and acknowledgements are allocated on one thread and freed on another. The system's allocator is
/// slow at that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Turns huge pages off. The allocator asks for pages of 2 MiB. The first touch of such a page clears all of it, and on
/// a virtual machine the hypervisor may have to find the memory first: a command that touched two or three of them took
/// 12 ms. With small pages the throughput is the same, and an idle host uses a third less memory. Child processes
/// inherit the setting.
pub fn use_small_pages() {
    // If the kernel does not know the setting, the host only uses more time and memory.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}
