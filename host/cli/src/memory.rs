//! Where the process has its memory from.

/// Commands, records and acknowledgements are made on one thread and freed on another, which the system's allocator is slow at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The allocator asks for pages of 2 MiB. The first touch of one clears all of it, and on a virtual machine its host may have to find the memory
/// first: a command that met two or three of them was seen to take 12 ms. Throughput is the same with small ones, and a host at rest is a
/// third smaller. Programs that are started from here have small pages too.
pub(crate) fn use_small_pages() {
    // Where the kernel does not know of it, it costs time and memory, and nothing else.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}
