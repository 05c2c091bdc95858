//! A repeated id gets the first acknowledgement, even if the command would be refused now.

use polder_core::{CommandAck, LimitChanges};
use polder_engine::{CheckOptions, DeployOptions, SubmitError};
use serde_json::json;

use super::door::{Door, component, patched, tenant};

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledged_command_is_repeated_though_its_kind_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let door = Door::open(folder.path(), "lamps", "lamp").await;
    door.send_as("c-1", "l-1", "light-lamp", json!({})).await.unwrap();
    let first = door.send_as("c-2", "l-1", "darken-lamp", json!({})).await.unwrap();
    let rejected = door.send_as("c-3", "l-1", "darken-lamp", json!({})).await.unwrap();
    assert!(rejected.reason.is_some());

    let without = patched(&component("lamps"), "darken-lamp", "shadow-lamp");
    let check = CheckOptions { accept_changes: true, ..CheckOptions::default() };
    door.host
        .deployments()
        .deploy(&tenant(), without.into(), DeployOptions { check, ..DeployOptions::default() })
        .await
        .unwrap();
    let repeated = |ack: CommandAck| CommandAck { repeated: true, ..ack };
    for _ in 0..2 {
        let again = door.send_as("c-2", "l-1", "darken-lamp", json!({})).await.unwrap();
        assert_eq!(again, repeated(first.clone()));
        let again = door.send_as("c-3", "l-1", "darken-lamp", json!({})).await.unwrap();
        assert_eq!(again, repeated(rejected.clone()));
    }
    // Another payload with the same id, another id, and none.
    let error = door.send_as("c-2", "l-1", "darken-lamp", json!({ "why": "late" })).await.unwrap_err();
    assert!(matches!(error, SubmitError::IdReused { .. }), "{error:?}");
    for answer in
        [door.send_as("c-4", "l-1", "darken-lamp", json!({})).await, door.send("l-1", "darken-lamp", json!({})).await]
    {
        assert!(matches!(&answer, Err(SubmitError::UnknownCommand { .. })), "{answer:?}");
    }

    // It also does not matter that the tenant accepts no commands now.
    let full: LimitChanges = serde_json::from_str("{\"storage_bytes_max\":1024}").unwrap();
    while let Ok(ack) = door.send("l-2", "light-lamp", json!({})).await {
        assert!(ack.position.0 < 100_000);
        door.host.tenants().change_limits(&tenant(), full.clone(), None).await.unwrap();
    }
    let again = door.send_as("c-2", "l-1", "darken-lamp", json!({})).await.unwrap();
    assert_eq!(again, repeated(first));
    door.close().await;
}
