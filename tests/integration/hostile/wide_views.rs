//! Projections that spread over very many documents. The bytes of a tenant's views are bounded.

use std::path::Path;
use std::time::{Duration, Instant};

use polder_core::{LimitChanges, Limits};
use polder_engine::{MAIN_TENANT, ParkedFilter, ParkedKind};

use super::yard::{LIMITS, Yard, tenant};

const WAIT_MS: u64 = 60_000;
const WAIT_MAX: Duration = Duration::from_secs(60);
const MIB: u64 = 1024 * 1024;

/// Enough for a guest that returns tens of thousands of keys.
const ROOMY: Limits = Limits { fuel_per_call_max: 1_000_000_000, memory_bytes_max: 256 * MIB, ..LIMITS };

/// The bytes of the view's files, which SQLite keeps beside each other.
fn view_bytes(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder.join("views")).unwrap().map(|entry| entry.unwrap());
    let own = files.filter(|file| file.file_name().to_string_lossy().starts_with("main."));
    own.map(|file| file.metadata().map_or(0, |metadata| metadata.len())).sum()
}

/// The keys of these events are a gigabyte.
#[tokio::test(flavor = "multi_thread")]
async fn fifty_thousand_keys_for_each_event_take_no_disk() {
    let _alone = polder_tests::heavy_async().await;
    let mut yard = Yard::with(ROOMY).await;
    for _ in 0..40 {
        yard.good_call("route-wide").await;
    }
    let last = yard.good_call("t-1").await.position;
    let documents = yard.documents(MAIN_TENANT, "board", last, WAIT_MS).await.unwrap();
    assert_eq!(documents, [("t-1".to_owned(), "{\"seen\":1}".to_owned())]);
    let page = yard.host.views().parked(&tenant(MAIN_TENANT), ParkedFilter::default(), 1_000).await.unwrap();
    let first = &page.parked[0];
    assert_eq!((page.parked.len(), first.kind), (40, ParkedKind::Unrouted));
    // Which of the two comes first depends on the machine code of the guest.
    let reasons = [
        "one event has 50000 documents; at most 1000 are allowed (limit documents_per_event_max)",
        "the domain's code used up its fuel of 1000000000 per call (limit fuel_per_call_max)",
    ];
    assert!(reasons.iter().any(|reason| first.reason.contains(reason)), "{}", first.reason);
    assert!(view_bytes(yard.folder.path()) < 8 * MIB, "{}", view_bytes(yard.folder.path()));
    yard.neighbour_goes_on().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_at_its_limit_says_so_and_goes_on_when_the_limit_is_raised() {
    let _alone = polder_tests::heavy_async().await;
    const VIEW_BYTES_MAX: u64 = 512 * 1024;
    let mut yard = Yard::with(Limits { documents_per_event_max: 2_000, view_bytes_max: VIEW_BYTES_MAX, ..ROOMY }).await;
    let before = yard.good_call("t-1").await.position;
    yard.documents(MAIN_TENANT, "board", before, WAIT_MS).await.unwrap();
    // Two thousand documents whose keys alone are a megabyte.
    yard.good_call("route-much").await;
    let last = yard.good_call("t-1").await.position;
    let began = Instant::now();
    let stalled = loop {
        let domains = yard.host.deployments().domains(&tenant(MAIN_TENANT)).await.unwrap();
        if let Some(stalled) = domains[0].projections[0].stalled.clone() {
            break stalled;
        }
        assert!(began.elapsed() < WAIT_MAX, "the view did not meet its limit");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(stalled.contains("view_bytes_max"), "{stalled}");
    // Readers keep what the view has, and the write side continues.
    let documents = yard.documents(MAIN_TENANT, "board", before, WAIT_MS).await.unwrap();
    assert_eq!(documents, [("t-1".to_owned(), "{\"seen\":1}".to_owned())]);
    yard.good_call("t-2").await;
    yard.neighbour_goes_on().await;

    let changes: LimitChanges = serde_json::from_str(r#"{"view_bytes_max": 104857600}"#).unwrap();
    yard.host.tenants().change_limits(&tenant(MAIN_TENANT), changes, None).await.unwrap();
    let documents = yard.documents(MAIN_TENANT, "board", last, WAIT_MS).await.unwrap();
    assert!(documents.len() > 2 && view_bytes(yard.folder.path()) > VIEW_BYTES_MAX);
    yard.neighbour_goes_on().await;
}
