//! The host finds a guest that keeps state outside its events by running some of its commands a second time; a guest
//! without such state is left alone.

use std::sync::Arc;

use polder_core::Position;
use polder_engine::{
    DeployError, DeployOptions, EventFilter, Host, RevisionInfo, RevisionStatus, SYSTEM_TENANT, SubmitError,
};
use serde_json::json;

use super::metric;
use crate::engine::door::{Door, another_revision, component, options, tenant};

/// The number of commands within which it must be found.
const COMMANDS_MAX: u64 = 1_000;
/// The number of callers at the same time.
const CALLERS: u64 = 256;
/// More than enough for a sample of each worker's instance.
const HONEST_COMMANDS: u64 = 600;

/// Sends the command until the domain is closed; returns the reason and the number of acknowledged commands.
async fn found(door: &Door, command: &str) -> (String, u64) {
    let mut acknowledged = 0;
    loop {
        match door.send(&format!("m-{}", acknowledged % 5), command, json!({})).await {
            Ok(_) => acknowledged += 1,
            Err(SubmitError::OutOfService { domain, reason, retry_after_ms, .. }) => {
                assert_eq!((domain.as_str(), retry_after_ms), ("hidden-counter", None));
                return (reason, acknowledged);
            }
            Err(other) => panic!("{other:?}"),
        }
        assert!(acknowledged < COMMANDS_MAX, "not found:\n{}", door.host.metrics());
    }
}

/// Waits until the quarantine is recorded.
async fn quarantined(door: &Door) -> RevisionInfo {
    let domain = "hidden-counter".parse().unwrap();
    loop {
        let revisions = door.host.deployments().revisions(&tenant(), &domain).await.unwrap();
        if let Some(info) = revisions.items.into_iter().find(|info| info.status == RevisionStatus::Quarantined) {
            return info;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_counter_in_events_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let door = Door::open(folder.path(), "hidden-counter", "meter").await;
    let (reason, acknowledged) = found(&door, "report").await;
    assert!(reason.starts_with("it remembers what is in no event: command report ("), "{reason}");
    assert!(
        reason.contains(") to meter m-") && reason.contains("event 1 was meter-reported@1 {\"count\":"),
        "{reason}"
    );
    assert!(metric(&door, "polder_audits_total{result=\"different\"}") > 0);
    // Acknowledged events stay, because they are facts.
    assert_eq!(door.events().await.len() as u64, acknowledged);
}

/// Regardless of the rate of commands and of the load of the machine: no command waits for a thread of low priority.
#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_counter_is_found_among_many_callers() {
    let folder = tempfile::tempdir().unwrap();
    let door = Arc::new(Door::open(folder.path(), "hidden-counter", "meter").await);
    let caller = |number: u64| {
        let door = Arc::clone(&door);
        tokio::spawn(async move { while door.send(&format!("m-{number}"), "report", json!({})).await.is_ok() {} })
    };
    futures::future::join_all((0..CALLERS).map(caller)).await;
    let acknowledged = door.events().await.len() as u64;
    assert!(acknowledged < COMMANDS_MAX, "{acknowledged}");
    let (reason, more) = found(&door, "report").await;
    assert_eq!(more, 0, "it is shut for everyone");

    // Several samples find it; one cause is returned and recorded.
    let domain = "hidden-counter".parse().unwrap();
    let recorded = quarantined(&door).await;
    assert_eq!(recorded.cause.as_deref(), Some(&*reason));
    let door = Arc::into_inner(door).unwrap();
    door.close().await;
    let host = Host::open(options(folder.path())).unwrap();
    let revisions = host.deployments().revisions(&tenant(), &domain).await.unwrap();
    assert_eq!(revisions[0].cause.as_deref(), Some(&*reason));
    let (filter, system) = (EventFilter::default(), SYSTEM_TENANT.parse().unwrap());
    let facts = host.queries().events(&system, &filter, Position::ZERO, 1_000).await.unwrap().events;
    let quarantines = facts.iter().filter(|fact| fact.name.as_str() == "revision-quarantined").count();
    assert_eq!(quarantines, 1);
    host.shutdown().await;
}

/// There is no earlier revision to return to.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_found_is_in_quarantine_until_it_is_released() {
    let folder = tempfile::tempdir().unwrap();
    let door = Door::open(folder.path(), "hidden-counter", "meter").await;
    let (reason, _) = found(&door, "report").await;
    let domain = "hidden-counter".parse().unwrap();
    assert_eq!(quarantined(&door).await.cause.as_deref(), Some(&*reason));
    door.close().await;

    let host = Host::open(options(folder.path())).unwrap();
    let door = Door::at(host.clone(), "hidden-counter", "meter");
    assert_eq!(found(&door, "report").await, (reason.clone(), 0), "a restart does not open it");
    let (tenant, bytes) = (tenant(), component("hidden-counter"));
    match host.deployments().deploy(&tenant, bytes.clone().into(), DeployOptions::default()).await {
        Err(DeployError::Quarantined { cause, .. }) => assert_eq!(cause, reason),
        other => panic!("{other:?}"),
    }
    let released = DeployOptions { release_quarantine: true, ..DeployOptions::default() };
    host.deployments().deploy(&tenant, bytes.into(), released).await.unwrap();
    door.accept("m-9", "report", json!({})).await;
    let revisions = host.deployments().revisions(&tenant, &domain).await.unwrap();
    assert_eq!(revisions.last().unwrap().status, RevisionStatus::Active);
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_domain_goes_back_to_the_revision_before() {
    let folder = tempfile::tempdir().unwrap();
    let door = Door::open(folder.path(), "hidden-counter", "meter").await;
    door.accept("m-9", "read", json!({})).await;
    let second = door.deploy(another_revision(&component("hidden-counter"), 1)).await;
    let (reason, _) = found(&door, "report").await;
    let bad = quarantined(&door).await;
    assert_eq!((bad.revision, bad.cause.as_deref()), (second.revision, Some(&*reason)));
    let active = door.host.deployments().domains(&tenant()).await.unwrap()[0].revision;
    assert_eq!(Some(active), second.previous);
    door.accept("m-9", "read", json!({})).await;
}

/// Its instances were kept for a possible return, and their hidden counters have advanced.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_released_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    let door = Door::open(folder.path(), "hidden-counter", "meter").await;
    let second = another_revision(&component("hidden-counter"), 1);
    door.deploy(second.clone()).await;
    // The first command went to the meter that is called again below, so its instance has counted.
    let (_, acknowledged) = found(&door, "report").await;
    assert!(acknowledged > 0);
    quarantined(&door).await;
    let released = DeployOptions { release_quarantine: true, ..DeployOptions::default() };
    door.host.deployments().deploy(&tenant(), second.into(), released).await.unwrap();
    door.accept("m-0", "report", json!({})).await;
    let events = door.events().await;
    assert_eq!(events.last().unwrap().payload.get(), r#"{"count":1}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_counter_in_the_state_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let door = Door::open(folder.path(), "hidden-counter", "meter").await;
    let (reason, _) = found(&door, "keep").await;
    assert!(reason.contains("the state was {\"read\":"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_without_hidden_state_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let orders = Door::orders(folder.path()).await;
    for number in 0..HONEST_COMMANDS {
        let order = format!("o-{}", number % 10);
        match number {
            0..10 => orders.accept(&order, "draft-order", json!({ "customer": "c-1" })).await,
            _ => {
                let line = json!({ "sku": format!("S-{number}"), "quantity": 1, "price": 2 });
                orders.accept(&order, "add-line", line).await
            }
        };
    }
    // Also some rejected commands.
    for number in 0..HONEST_COMMANDS {
        orders.send(&format!("o-{}", number % 10), "draft-order", json!({ "customer": "c-2" })).await.unwrap();
    }
    while metric(&orders, "polder_audits_total{result=\"same\"}") < 10 {
        tokio::task::yield_now().await;
    }
    for result in ["different", "inconclusive"] {
        assert_eq!(metric(&orders, &format!("polder_audits_total{{result=\"{result}\"}}")), 0);
    }
    orders.accept("o-1", "add-line", json!({ "sku": "TEA", "quantity": 1, "price": 2 })).await;
}
