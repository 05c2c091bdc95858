//! No event, state, document or effect holds an infinity or a NaN: JSON has none, so they could not be read back.

use polder_engine::{AsOf, SubmitError};
use serde_json::{Value, json};

use super::vaults;
use crate::engine::door::{Door, another_revision, component};

async fn fault(door: &Door, id: &str, name: &str, payload: Value) -> String {
    match door.send(id, name, payload).await {
        Err(SubmitError::GuestFault { reason, .. }) => reason,
        other => panic!("{name}: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_that_would_not_read_back_is_not_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let door = vaults(folder.path()).await;
    door.accept("v-1", "pay-in", json!({ "amount": 1e308 })).await;
    door.accept("v-2", "pay-in", json!({ "amount": 1 })).await;
    let reason = fault(&door, "v-1", "scale", json!({ "by": 1e10 })).await;
    assert!(reason.contains("event scaled has no JSON: `balance` is inf, and JSON has no such number"), "{reason}");

    // Its events are finite, but their sum is not.
    door.accept("v-1", "burden", json!({ "amount": 1e308 })).await;
    let reason = fault(&door, "v-1", "burden", json!({ "amount": 1e308 })).await;
    assert!(reason.contains("this vault has no JSON: `burden` is inf"), "{reason}");

    // Each aggregate continues from its state, and a live state equals the rebuilt one.
    assert_eq!(door.accept("v-1", "burden", json!({ "amount": -1e308 })).await.sequence.0, 3);
    assert_eq!(door.accept("v-2", "pay-in", json!({ "amount": 1 })).await.sequence.0, 2);
    assert_eq!(door.state("v-1", AsOf::Now).await.unwrap().1["balance"], 1e308);

    // A later revision reads all of it.
    door.deploy(another_revision(&component("vault"), 1)).await;
    door.accept("v-1", "pay-in", json!({ "amount": 0.5 })).await;
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_whose_document_or_effect_has_no_json_is_set_aside_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let door = vaults(folder.path()).await;
    door.accept("good", "pay-in", json!({ "amount": 2 })).await;
    // The share of an empty payment is NaN, and goes into an effect.
    door.accept("nothing", "pay-in", json!({ "amount": 0 })).await;
    // Each event and each state is finite; the sum in the document is not.
    door.accept("much", "pay-in", json!({ "amount": 1e308 })).await;
    door.accept("much", "scale", json!({ "by": 0 })).await;
    let last = door.accept("much", "pay-in", json!({ "amount": 1e308 })).await;
    let documents = door.documents("takings", last.position).await;
    let shown: Vec<_> = documents.iter().map(|(key, document)| (key.as_str(), &document["amount"])).collect();
    assert_eq!(shown, [("good", &json!(2.0)), ("much", &json!(1e308))]);
    assert_eq!(door.projection("takings").await.parked, 2);
    door.close().await;
}
