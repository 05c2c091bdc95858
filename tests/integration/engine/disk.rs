//! A disk that fails under the host: the host acknowledges nothing from then on, reports the reason, and continues to
//! answer reads. Acknowledged events are there after the next start. If the disk is only full for a while, the host
//! waits and recovers.

use polder_engine::{AsOf, SubmitError};
use polder_journal::disk::{Fault, FaultyDisk};
use serde_json::json;
use tempfile::TempDir;

use super::door::{Door, another_revision, component};
use super::laws::fold_natively;

/// The call that fails, counted from the next call that changes something: an append writes, then syncs.
const WRITE: u64 = 1;
const SYNC: u64 = 2;

async fn fails_and_comes_back(fault: Fault, call: u64, expected: &str) {
    let (disk, folder) = (FaultyDisk::new(1), tempfile::tempdir().unwrap());
    let door = Door::open_on(&disk, folder.path(), "orders", "order").await;
    door.accept("o-1", "draft-order", json!({ "customer": "c-1" })).await;
    let last = door.accept("o-1", "add-line", json!({ "sku": "TEA", "quantity": 2, "price": 3 })).await;
    assert!(door.host.health().writable);

    disk.fail_at(disk.calls() + call, fault);
    let line = || json!({ "sku": "POT", "quantity": 1, "price": 1 });
    let refused = |error: SubmitError| match error {
        SubmitError::ReadOnly(reason) => assert!(reason.contains(expected), "{reason}"),
        other => panic!("{other:?}"),
    };
    // The event that was being written may be found later: its outcome is unknown.
    match door.send_as("pot", "o-1", "add-line", line()).await.unwrap_err() {
        SubmitError::OutcomeUnknown { command_id, reason } => {
            assert_eq!(command_id.unwrap().as_str(), "pot");
            assert!(reason.contains(expected), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    let health = door.host.health();
    assert!(!health.writable && health.reason.as_deref().is_some_and(|reason| reason.contains(expected)), "{health:?}");

    // Every later command is refused with the same reason, repeated or new, on this or another aggregate, and none is
    // tried.
    let calls = disk.calls();
    refused(door.send_as("pot", "o-1", "add-line", line()).await.unwrap_err());
    refused(door.send("o-2", "draft-order", json!({ "customer": "c-1" })).await.unwrap_err());
    let deployed = another_revision(&component("orders"), 1);
    let error = door
        .host
        .deployments()
        .deploy(&super::door::tenant(), deployed.into(), polder_engine::DeployOptions::default())
        .await
        .unwrap_err();
    assert!(matches!(&error, polder_engine::DeployError::ReadOnly(reason) if reason.contains(expected)), "{error:?}");
    assert_eq!(disk.calls(), calls);

    // Reads continue, and show the acknowledged events and nothing else.
    let history = door.history("o-1").await;
    assert_eq!((history.len(), door.position()), (2, last.position));
    let state = (2, fold_natively(orders::domain(), &history));
    assert_eq!(door.state("o-1", AsOf::Now).await.unwrap(), state);
    let documents = door.documents("order-summary", last.position).await;
    assert_eq!(documents[0].1["total"], 6);
    door.close().await;

    // With a power failure or without one; the failed event may be there or not, but not at another position.
    for disk in [disk.after_restart(), disk.after_power_loss()] {
        let folder = with_components_of(&folder);
        let door = Door::open_on(&disk, folder.path(), "orders", "order").await;
        assert!(door.host.health().writable);
        assert_eq!(door.history("o-1").await[..2].iter().map(|event| event.id).collect::<Vec<_>>(), ids(&history));
        let again = door.send_as("pot", "o-1", "add-line", line()).await.unwrap();
        assert_eq!(again.sequence.0, 3, "{again:?}");
        assert_eq!(door.history("o-1").await.len(), 3);
        door.close().await;
    }
}

/// A new folder with the components and the tenants' keys; the views are built again.
fn with_components_of(folder: &TempDir) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for part in ["components", "tenant-keys"] {
        std::fs::create_dir(copy.path().join(part)).unwrap();
        for file in std::fs::read_dir(folder.path().join(part)).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), copy.path().join(part).join(file.file_name())).unwrap();
        }
    }
    copy
}

fn ids(history: &[polder_core::Event]) -> Vec<polder_core::ContentId> {
    history.iter().map(|event| event.id).collect()
}

/// A half-written frame is cut off, and the same host continues when there is space.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_for_a_while_heals_without_a_restart() {
    for seed in 0..6 {
        let (disk, folder) = (FaultyDisk::new(seed), tempfile::tempdir().unwrap());
        let door = Door::open_on(&disk, folder.path(), "orders", "order").await;
        door.accept("o-1", "draft-order", json!({ "customer": "c-1" })).await;
        disk.fail_at(disk.calls() + WRITE, Fault::NoSpace);
        let line = || json!({ "sku": "POT", "quantity": 1, "price": 1 });
        match door.send_as("pot", "o-1", "add-line", line()).await.unwrap_err() {
            SubmitError::NoRoom { reason, is_disk_full: true } => {
                assert!(reason.contains("cannot write a frame at the moment: no storage space"), "{reason}");
            }
            other => panic!("{other:?}"),
        }
        // The refused command left no event, and no state contains it.
        assert_eq!(door.history("o-1").await.len(), 1);
        while !door.host.health().writable {
            tokio::task::yield_now().await;
        }
        let again = door.send_as("pot", "o-1", "add-line", line()).await.unwrap();
        assert_eq!((again.sequence.0, again.repeated), (2, false), "{again:?}");
        let third = door.accept("o-1", "add-line", json!({ "sku": "TEA", "quantity": 2, "price": 3 })).await;
        assert_eq!(third.sequence.0, 3);
        let history = door.history("o-1").await;
        assert_eq!(door.state("o-1", AsOf::Now).await.unwrap(), (3, fold_natively(orders::domain(), &history)));
        door.close().await;
        let folder = with_components_of(&folder);
        let door = Door::open_on(&disk.after_power_loss(), folder.path(), "orders", "order").await;
        assert_eq!(ids(&door.history("o-1").await), ids(&history));
        door.close().await;
    }
}

/// Many callers while the space runs out and comes back: each gets the outcome of its command, and no command is
/// recorded twice or without the ones before it.
#[tokio::test(flavor = "multi_thread")]
async fn commands_in_flight_when_the_space_ends_are_recorded_or_refused() {
    for seed in 1..=6 {
        let (disk, folder) = (FaultyDisk::new(seed), tempfile::tempdir().unwrap());
        let door = std::sync::Arc::new(Door::open_on(&disk, folder.path(), "orders", "order").await);
        for order in 0..10 {
            door.accept(&format!("o-{order}"), "draft-order", json!({ "customer": "c-1" })).await;
        }
        // Writes and syncs alternate.
        disk.fail_at(disk.calls() + 2 * seed - 1, Fault::NoSpace);
        let sent = (0..400).map(|number| {
            let door = std::sync::Arc::clone(&door);
            let line = json!({ "sku": format!("S-{number}"), "quantity": 1, "price": 1 });
            tokio::spawn(async move { door.send(&format!("o-{}", number % 10), "add-line", line).await })
        });
        let (mut acknowledged, mut refused) = (0, 0);
        for answer in sent.collect::<Vec<_>>() {
            match answer.await.unwrap() {
                Ok(_) => acknowledged += 1,
                Err(SubmitError::NoRoom { .. }) => refused += 1,
                Err(other) => panic!("{other:?}"),
            }
        }
        assert!(acknowledged + refused == 400 && refused > 0, "{acknowledged} {refused}");
        while !door.host.health().writable {
            tokio::task::yield_now().await;
        }
        door.accept("o-1", "add-line", json!({ "sku": "LAST", "quantity": 1, "price": 1 })).await;
        assert_eq!(door.events().await.len(), 10 + acknowledged + 1);
        for order in 0..10 {
            let order = format!("o-{order}");
            let history = door.history(&order).await;
            let expected = (history.len() as u64, fold_natively(orders::domain(), &history));
            assert_eq!(door.state(&order, AsOf::Now).await.unwrap(), expected, "{order}");
        }
        std::sync::Arc::into_inner(door).unwrap().close().await;
        polder_journal::verify_on(&disk, &polder_journal::Keyring::open(&folder.path().join("tenant-keys")).unwrap())
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_fails() {
    fails_and_comes_back(Fault::Error, WRITE, "write a frame").await;
}

/// After a failed sync it is unknown what is durable, also when the reason is a full disk.
#[tokio::test(flavor = "multi_thread")]
async fn a_sync_for_which_there_is_no_space() {
    fails_and_comes_back(Fault::NoSpace, SYNC, "sync a frame: no storage space").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_that_fails() {
    fails_and_comes_back(Fault::Error, SYNC, "sync a frame").await;
}

/// Many commands in flight when the disk fails: each is acknowledged and recorded, or refused, or its outcome is
/// reported as unknown.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_flight_is_acknowledged_or_refused() {
    for call in 1..=4 {
        let (disk, folder) = (FaultyDisk::new(call), tempfile::tempdir().unwrap());
        let door = std::sync::Arc::new(Door::open_on(&disk, folder.path(), "orders", "order").await);
        disk.fail_at(disk.calls() + call, Fault::Error);
        let sent = (0..200).map(|number| {
            let door = std::sync::Arc::clone(&door);
            tokio::spawn(async move {
                door.send(&format!("o-{}", number % 20), "draft-order", json!({ "customer": "c-1" })).await
            })
        });
        let (mut acknowledged, mut refused) = (Vec::new(), 0);
        for answer in sent.collect::<Vec<_>>() {
            match answer.await.unwrap() {
                Ok(ack) => acknowledged.push(ack),
                Err(SubmitError::ReadOnly(_) | SubmitError::OutcomeUnknown { .. }) => refused += 1,
                Err(other) => panic!("{other:?}"),
            }
        }
        assert_eq!(acknowledged.len() + refused, 200);
        std::sync::Arc::into_inner(door).unwrap().close().await;
        let folder = with_components_of(&folder);
        let door = Door::open_on(&disk.after_power_loss(), folder.path(), "orders", "order").await;
        let events = door.events().await;
        for ack in acknowledged.iter().filter(|ack| ack.reason.is_none()) {
            let event = events.iter().find(|event| event.command_id == ack.command_id).expect("acknowledged");
            assert_eq!((event.position, event.sequence), (ack.position, ack.sequence));
        }
        door.close().await;
    }
}
