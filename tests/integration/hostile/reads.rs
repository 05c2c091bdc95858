//! States whose guests loop or hoard while they are shown or built. Readers get the reason, no other caller waits, and
//! a read ends with its reader.

use std::sync::Arc;
use std::time::{Duration, Instant};

use polder_core::{Limits, MemoryBudget, MemoryPurpose};
use polder_engine::ReadError;

use super::yard::{LIMITS, Yard};

/// Far more than the number of read threads.
const READERS: usize = 60;

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_loops_or_hoards_while_it_is_read_is_reported() {
    let mut yard = Yard::open().await;
    for (id, reason) in [
        ("inspect-loops", "used up its fuel of 20000000 per call (limit fuel_per_call_max)"),
        ("inspect-hoards", "wanted more than 33554432 bytes of memory (limit memory_bytes_max)"),
    ] {
        yard.good_call(id).await;
        match yard.state(id).await {
            Err(ReadError::GuestFault { reason: found, .. }) => assert!(found.contains(reason), "{id}: {found}"),
            other => panic!("{id}: {other:?}"),
        }
        // Failed reads do not count against the domain: it continues.
        assert_eq!(yard.good_call(id).await.sequence.0, 2);
        yard.neighbour_goes_on().await;
    }
}

/// Each read would take a minute. All readers of a tenant share one slow thread, and the neighbour's reads are answered
/// at once.
#[tokio::test(flavor = "multi_thread")]
async fn looping_reads_delay_no_other_reader_and_end_with_their_readers() {
    let limits = Limits { fuel_per_call_max: u64::MAX / 2, call_wall_ms_max: 60_000, ..LIMITS };
    let mut yard = Yard::with(limits).await;
    yard.good_call("inspect-loops").await;
    let shared = Arc::new(yard);
    let reads = (0..READERS).map(|_| {
        let yard = Arc::clone(&shared);
        tokio::spawn(async move { yard.state("inspect-loops").await.map(drop) })
    });
    let reads: Vec<_> = reads.collect();
    while shared.metric("polder_slow_reads_total") == 0 || shared.metric("polder_reads") < READERS as u64 {
        tokio::task::yield_now().await;
    }
    for _ in 0..20 {
        assert_eq!(shared.neighbours_state().await, "{\"done\":1}");
    }
    assert!(reads.iter().all(|read| !read.is_finished()), "a neighbour waited for a loop");
    assert_eq!(shared.metric("polder_reads"), READERS as u64);
    let began = Instant::now();
    for read in reads {
        read.abort();
        assert!(read.await.unwrap_err().is_cancelled());
    }
    assert_eq!(shared.metric("polder_reads"), 0);
    yard = Arc::into_inner(shared).expect("the readers are gone");
    yard.neighbour_goes_on().await;
    // The shutdown waits for running calls.
    yard.host.clone().shutdown().await;
    assert!(began.elapsed() < Duration::from_secs(30), "a call went on without its reader: {:?}", began.elapsed());
}

/// A guest's memory counts towards the host's limit. Beyond it readers are asked to retry, and all of the memory is
/// freed.
#[tokio::test(flavor = "multi_thread")]
async fn hoarding_reads_stay_within_the_hosts_memory() {
    const BYTES_MAX: u64 = 64 * 1024 * 1024;
    let limits = Limits { memory_bytes_max: 256 * 1024 * 1024, fuel_per_call_max: u64::MAX / 2, ..LIMITS };
    let memory = MemoryBudget::new(BYTES_MAX);
    let mut yard = Yard::within(limits, memory.clone()).await;
    yard.good_call("inspect-hoards").await;
    let shared = Arc::new(yard);
    let reads = (0..READERS).map(|_| {
        let yard = Arc::clone(&shared);
        tokio::spawn(async move { yard.state("inspect-hoards").await.map(drop) })
    });
    let (reads, mut refused) = (reads.collect::<Vec<_>>(), 0);
    for read in reads {
        match read.await.unwrap() {
            Err(ReadError::MemoryExhausted(exhausted)) => {
                assert_eq!(exhausted.purpose, MemoryPurpose::Guests);
                assert!(exhausted.used <= BYTES_MAX && exhausted.bytes_max <= BYTES_MAX, "{exhausted}");
                refused += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(refused, READERS);
    yard = Arc::into_inner(shared).expect("the readers are gone");
    yard.neighbour_goes_on().await;
    yard.host.clone().shutdown().await;
    assert_eq!(memory.used_by(MemoryPurpose::Reads), 0);
}
