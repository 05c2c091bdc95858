//! A disk that fails under the host: nothing is acknowledged from then on, the host says why, and goes on answering reads.
//! What was acknowledged is there after the next start.

use polder_engine::{AsOf, SubmitError};
use polder_journal::disk::{Fault, FaultyDisk};
use serde_json::json;
use tempfile::TempDir;

use super::door::{Door, another_revision, component};
use super::laws::fold_natively;

/// The call that fails, counted from the next one that changes something: an append writes, then syncs.
const WRITE: u64 = 1;
const SYNC: u64 = 2;

async fn fails_and_comes_back(fault: Fault, call: u64, said: &str) {
    let (disk, folder) = (FaultyDisk::new(1), tempfile::tempdir().unwrap());
    let door = Door::open_on(&disk, folder.path(), "orders", "order").await;
    door.accept("o-1", "draft-order", json!({ "customer": "c-1" })).await;
    let last = door.accept("o-1", "add-line", json!({ "sku": "TEA", "quantity": 2, "price": 3 })).await;
    assert!(door.host.health().writable);

    disk.fail_at(disk.calls() + call, fault);
    let line = || json!({ "sku": "POT", "quantity": 1, "price": 1 });
    let refused = |error: SubmitError| match error {
        SubmitError::ReadOnly(reason) => assert!(reason.contains(said), "{reason}"),
        other => panic!("{other:?}"),
    };
    refused(door.send_as("pot", "o-1", "add-line", line()).await.unwrap_err());
    let health = door.host.health();
    assert!(!health.writable && health.reason.as_deref().is_some_and(|reason| reason.contains(said)), "{health:?}");

    // Whatever comes now is refused for the same reason, repeated or new, here or elsewhere, and nothing of it is tried.
    let calls = disk.calls();
    refused(door.send_as("pot", "o-1", "add-line", line()).await.unwrap_err());
    refused(door.send("o-2", "draft-order", json!({ "customer": "c-1" })).await.unwrap_err());
    let deployed = another_revision(&component("orders"), 1);
    let error = door
        .host
        .deploy(&super::door::tenant(), deployed.into(), polder_engine::DeployOptions::default())
        .await
        .unwrap_err();
    assert!(matches!(&error, polder_engine::DeployError::ReadOnly(reason) if reason.contains(said)), "{error:?}");
    assert_eq!(disk.calls(), calls);

    // Reads go on, and show what was acknowledged and nothing else.
    let history = door.history("o-1").await;
    assert_eq!((history.len(), door.position()), (2, last.position));
    let state = (2, fold_natively(orders::domain(), &history));
    assert_eq!(door.state("o-1", AsOf::Now).await.unwrap(), state);
    let documents = door.documents("order-summary", last.position).await;
    assert_eq!(documents[0].1["total"], 6);
    door.close().await;

    // With or without a power failure; what failed may be there or not, but in no other place.
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

/// A folder of its own, with what was deployed and the tenants' keys: the views are built again.
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

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk() {
    fails_and_comes_back(Fault::NoSpace, WRITE, "write a frame: no storage space").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_fails() {
    fails_and_comes_back(Fault::Error, WRITE, "write a frame").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_that_fails() {
    fails_and_comes_back(Fault::Error, SYNC, "sync a frame").await;
}

/// Many commands in flight when the disk fails: each is either acknowledged and there, or refused.
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
                Err(SubmitError::ReadOnly(_)) => refused += 1,
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
