//! Little space is left on the disk: all of it is reserved for the journal, and everything else waits and reports it.

use polder_core::Limits;
use polder_engine::{DeployError, DeployOptions, Host, HostOptions};
use polder_journal::disk::FaultyDisk;
use serde_json::json;

use super::door::{Door, another_revision, component, options, tenant};

const RESERVE_BYTES: u64 = 1_000_000;

/// Waits longer than the host caches the file system's answer.
async fn is_short(door: &Door) {
    let stalled = async {
        loop {
            if let Some(reason) = door.projection("order-summary").await.stalled {
                return reason;
            }
            tokio::task::yield_now().await;
        }
    };
    let reason = stalled.await;
    assert!(reason.contains("999999 bytes are left, and 1000000 are kept for the journal"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_goes_on_and_views_snapshots_and_uploads_wait() {
    let (disk, folder) = (FaultyDisk::new(1), tempfile::tempdir().unwrap());
    let limits = Limits { warm_states_max: 1, ..Limits::DEFAULT };
    let options = HostOptions { disk_reserve_bytes: RESERVE_BYTES, limits, ..options(folder.path()) };
    let host = Host::open_on(std::sync::Arc::new(disk.clone()), options).unwrap();
    let door = Door::at(host, "orders", "order");
    door.deploy(component("orders")).await;
    let drafted = door.accept("o-1", "draft-order", json!({ "customer": "c-1" })).await;
    door.documents("order-summary", drafted.position).await;

    disk.set_free_bytes(RESERVE_BYTES - 1);
    let (mut last, mut lines) = (drafted, 0);
    while door.projection("order-summary").await.stalled.is_none() {
        lines += 1;
        let line = json!({ "sku": format!("TEA-{lines}"), "quantity": 1, "price": 2 });
        last = door.accept("o-1", "add-line", line).await;
        tokio::task::yield_now().await;
    }
    is_short(&door).await;
    assert!(door.projection("order-summary").await.position < last.position, "nothing is written");
    let upload = door
        .host
        .deployments()
        .deploy(&tenant(), another_revision(&component("orders"), 1).into(), DeployOptions::default())
        .await;
    assert!(matches!(upload, Err(DeployError::NoRoom(_))), "{upload:?}");
    let last = door.accept("o-1", "add-line", json!({ "sku": "POT", "quantity": 1, "price": 2 })).await;

    disk.set_free_bytes(RESERVE_BYTES);
    assert_eq!(door.documents("order-summary", last.position).await.len(), 1, "it goes on by itself");
    assert_eq!(door.projection("order-summary").await.stalled, None);
    door.deploy(another_revision(&component("orders"), 1)).await;
    door.close().await;
}
