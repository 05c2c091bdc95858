//! Histories in pages: a page is bounded in events and bytes, may begin within a record, and costs no more than it
//! shows.

use std::time::{Duration, Instant};

use polder_core::{AggregateId, AggregateName, DomainName, Event, Limits, MemoryPurpose, Position, Sequence};
use polder_engine::{AsOf, EventFilter, ReadError};
use serde_json::json;

use super::door::{Door, tenant};

const EVENTS_PER_PAGE: usize = 256;

async fn history_by_pages(door: &Door, id: &str) -> (Vec<Event>, Duration) {
    let (domain, aggregate) = (DomainName::new("saboteur").unwrap(), AggregateName::new("machine").unwrap());
    let (id, began, mut events) = (AggregateId::new(id).unwrap(), Instant::now(), Vec::new());
    loop {
        let from = Sequence(events.len() as u64 + 1);
        let page = door
            .host
            .queries()
            .further_history(&tenant(), &domain, &aggregate, &id, from, EVENTS_PER_PAGE)
            .await
            .unwrap();
        if page.events.is_empty() {
            return (events, began.elapsed());
        }
        assert!(page.events.len() <= EVENTS_PER_PAGE);
        assert_eq!(page.next, page.events.last().unwrap().sequence);
        events.extend(page.events);
    }
}

async fn feed_by_pages(door: &Door) -> (Vec<Event>, Duration) {
    let (began, mut after, mut events) = (Instant::now(), Position::ZERO, Vec::new());
    loop {
        let filter = EventFilter::default();
        let page = door.host.queries().further_events(&tenant(), &filter, after, EVENTS_PER_PAGE, false).await.unwrap();
        if page.next == after {
            return (events, began.elapsed());
        }
        assert!(page.events.len() <= EVENTS_PER_PAGE);
        after = page.next;
        events.extend(page.events);
    }
}

/// Decisions of a thousand events each: a page shows a part of one.
#[tokio::test(flavor = "multi_thread")]
async fn an_aggregates_history_is_about_as_fast_as_the_tenants() {
    let folder = tempfile::tempdir().unwrap();
    let door = Door::open(folder.path(), "saboteur", "machine").await;
    for _ in 0..20 {
        door.accept("m-1", "rush", json!({})).await;
    }
    let (feed, feed_time) = feed_by_pages(&door).await;
    let (history, history_time) = history_by_pages(&door, "m-1").await;
    let ids = |events: &[Event]| events.iter().map(|event| event.id).collect::<Vec<_>>();
    assert!(ids(&feed) == ids(&history) && history.len() == 20_000);
    assert!(history_time < 3 * feed_time, "{history_time:?} and {feed_time:?}");
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_ends_when_its_events_are_large_and_holds_its_memory_until_it_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { event_bytes_max: 1024 * 1024, ..Limits::DEFAULT };
    let door = Door::open_with(folder.path(), limits, "rogue", "thing").await;
    let memory = door.host.memory().clone();
    for _ in 0..10 {
        // An event of 64 KiB and two quotes.
        door.accept("t-1", "wide-event", json!({})).await;
    }
    let page =
        door.host.queries().events(&tenant(), &EventFilter::default(), Position::ZERO, EVENTS_PER_PAGE).await.unwrap();
    assert_eq!((page.events.len(), page.next.0), (2, 2));
    let held = memory.used_by(MemoryPurpose::Reads);
    assert!((200_000..=300_000).contains(&held), "{held}");
    drop(page);
    assert_eq!(memory.used_by(MemoryPurpose::Reads), 0);
    assert_eq!(door.events().await.len(), 10);
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn domains_revisions_and_components_hold_their_memory_until_they_are_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let door = Door::orders(folder.path()).await;
    let (memory, deployments) = (door.host.memory(), door.host.deployments());
    let domain = DomainName::new("orders").unwrap();
    let held = || memory.used_by(MemoryPurpose::Reads);
    let domains = deployments.domains(&tenant()).await.unwrap();
    let descriptor_bytes = serde_json::to_vec(&domains[0].descriptor).unwrap().len() as u64;
    assert!(held() >= 2 * descriptor_bytes, "{} bytes for a descriptor of {descriptor_bytes}", held());
    let none = deployments.domains_named(&tenant(), vec![DomainName::new("unknown").unwrap()]).await.unwrap();
    assert!(none.is_empty());
    let revision = domains[0].revision;
    drop(domains);
    assert_eq!(held(), 0);
    let revisions = deployments.revisions(&tenant(), &domain).await.unwrap();
    assert!(revisions.len() == 1 && held() > 0);
    drop(revisions);
    let component = deployments.component(&tenant(), revision).await.unwrap();
    assert_eq!(held(), component.bytes.len() as u64);
    drop(component);
    assert_eq!(held(), 0);
    let all = loop {
        if let Ok(all) = memory.try_reserve(MemoryPurpose::Views, memory.bytes_max() - memory.used()) {
            break all;
        }
    };
    let refusals = [
        deployments.domains(&tenant()).await.unwrap_err(),
        deployments.revisions(&tenant(), &domain).await.unwrap_err(),
        deployments.component(&tenant(), revision).await.unwrap_err(),
    ];
    for refused in refusals {
        assert!(matches!(&refused, ReadError::MemoryExhausted(_)), "{refused:?}");
    }
    drop(all);
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_the_host_has_no_memory_for_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let door = Door::orders(folder.path()).await;
    door.accept("o-1", "draft-order", json!({ "customer": "c-1" })).await;
    let memory = door.host.memory();
    let held = loop {
        if let Ok(held) = memory.try_reserve(MemoryPurpose::Views, memory.bytes_max() - memory.used()) {
            break held;
        }
    };
    match door.host.queries().events(&tenant(), &EventFilter::default(), Position::ZERO, 1).await {
        Err(ReadError::MemoryExhausted(exhausted)) => assert_eq!(exhausted.purpose, MemoryPurpose::Reads),
        other => panic!("{other:?}"),
    }
    drop(held);
    assert_eq!(door.events().await.len(), 1);
    door.close().await;
}

/// Found by bisection: each time of an event, and the millisecond before it.
#[tokio::test(flavor = "multi_thread")]
async fn every_time_of_a_long_history_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let door = Door::open(folder.path(), "saboteur", "machine").await;
    for _ in 0..60 {
        door.accept("m-1", "turn", json!({})).await;
    }
    let (history, _) = history_by_pages(&door, "m-1").await;
    let last_by = |at_ms| history.iter().rev().find(|event| event.at_ms <= at_ms).map(|event| event.sequence.0);
    let mut times: Vec<_> = history.iter().map(|event| event.at_ms).collect();
    times.dedup();
    for at_ms in times {
        let before = polder_core::TimestampMs(at_ms.0 - 1);
        for asked in [at_ms, before] {
            let found = match door.state("m-1", AsOf::Time(asked)).await {
                Ok((sequence, _)) => Some(sequence),
                Err(ReadError::NoSuchAggregate { .. }) => None,
                other => panic!("{other:?}"),
            };
            assert_eq!(found, last_by(asked), "{asked:?}");
        }
    }
    door.close().await;
}
