//! A request that exceeds a limit is refused with the name of the limit. It affects neither the revision nor other
//! callers.

use polder_core::{Command, CommandStatus};
use polder_engine::{DeployOptions, SubmitError};
use polder_tests::Host;
use serde_json::{Value, json};

use super::vaults;
use crate::engine::door::{Door, another_revision, component, tenant};

/// Far more than are enough to withdraw a revision.
const ATTEMPTS: usize = 40;

async fn over_limit(door: &Door, id: &str, name: &str, payload: Value) -> (&'static str, u64, String) {
    match door.send(id, name, payload).await {
        Err(SubmitError::OverLimit { limit, limit_value, reason }) => (limit, limit_value, reason),
        other => panic!("{name}: {other:?}"),
    }
}

fn nested(levels: usize) -> Value {
    (0..levels).fold(json!(1), |value, _| json!([value]))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_excess_names_its_limit_and_counts_against_no_domain() {
    let folder = tempfile::tempdir().unwrap();
    let door = vaults(folder.path()).await;
    let first = door.projection("takings").await.revision;
    let second = door.deploy(another_revision(&component("vault"), 1)).await.revision;
    assert_ne!(first, second);
    for turn in 0..ATTEMPTS {
        let id = format!("v-{turn}");
        let (limit, value, message) = over_limit(&door, &id, "note", json!({ "text": "x".repeat(70_000) })).await;
        assert_eq!((limit, value), ("event_bytes_max", 65_536));
        assert!(message.starts_with("event noted has 70011 bytes; at most 65536 are allowed"), "{message}");
        let (limit, value, message) = over_limit(&door, &id, "repeat", json!({ "count": 1_001 })).await;
        assert_eq!((limit, value), ("events_per_command_max", 1_000));
        assert!(message.starts_with("the decision has 1001 events"), "{message}");
        let (limit, _, message) = over_limit(&door, &id, "wrap", json!({ "any": nested(90) })).await;
        assert!(limit == "json_depth_max" && message.starts_with("event kept has 131 levels"), "{limit}: {message}");
    }
    // A rejection that repeats its input is a rejection, cut to the limit.
    let ack = door.send("v-1", "refuse", json!({ "text": "ä".repeat(10_000) })).await.unwrap();
    let reason = ack.reason.unwrap();
    assert_eq!((ack.status, reason.code.as_str()), (CommandStatus::Rejected, "refused"));
    assert!(reason.message.len() <= 4_096 && reason.message.ends_with("ä … (cut)"), "{}", reason.message);

    let active = door.host.deployments().domains(&tenant()).await.unwrap()[0].revision;
    assert_eq!(active, second, "it was not rolled back");
    assert!(door.host.metrics().contains("polder_guest_faults_total 0\n"));
    door.accept("v-1", "note", json!({ "text": "x".repeat(60_000) })).await;
    door.accept("v-1", "repeat", json!({ "count": 1_000 })).await;
    door.close().await;
}

#[test]
fn over_http_the_limit_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start(folder.path());
    let client = host.client();
    client.deploy("vault");
    let send =
        |name: &str, payload: Value| client.post(&format!("/v1/main/vault/vault/v-1/{name}"), payload.to_string());
    let problem = send("note", json!({ "text": "x".repeat(70_000) })).problem(422, "over-limit");
    assert_eq!((&problem["limit_name"], &problem["limit"]), (&json!("event_bytes_max"), &json!(65_536)));
    let problem = send("note", json!({ "text": "x".repeat(300_000) })).problem(413, "too-large");
    assert_eq!(problem["limit_name"], "command_bytes_max");
    let problem = send("repeat", json!({ "count": 1_001 })).problem(422, "over-limit");
    assert_eq!((&problem["limit_name"], &problem["limit"]), (&json!("events_per_command_max"), &json!(1_000)));
    let ack = send("refuse", json!({ "text": "x".repeat(10_000) })).json(422);
    assert!(ack["reason"]["message"].as_str().unwrap().ends_with(" … (cut)"), "{ack}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_for_one_caller_or_one_aggregate_takes_no_revision_away() {
    let folder = tempfile::tempdir().unwrap();
    let door = vaults(folder.path()).await;
    let second = door.deploy(another_revision(&component("vault"), 1)).await.revision;
    let active = async || door.host.deployments().domains(&tenant()).await.unwrap()[0].revision;
    let fail = async |id: String, actor: Option<String>| {
        let command = Command { actor, ..door.command(&id, "fail", &json!({})) };
        match door.host.submit(command).await {
            Err(SubmitError::GuestFault { .. }) => {}
            other => panic!("{id}: {other:?}"),
        }
    };
    for turn in 0..ATTEMPTS {
        fail("v-1".to_owned(), Some(format!("caller-{turn}"))).await;
        fail(format!("v-{turn}"), Some("mallory".to_owned())).await;
        fail(format!("v-{turn}"), Some("mallory".to_owned())).await;
    }
    assert_eq!(active().await, second, "for one caller, and for one aggregate");
    door.accept("v-2", "count", json!({ "by": 1 })).await;
    // Several callers and several aggregates: the cause is the revision.
    let mut turn = 0;
    while active().await == second {
        let command = door.command(&format!("w-{turn}"), "fail", &json!({}));
        let _ = door.host.submit(Command { actor: Some(format!("caller-{turn}")), ..command }).await;
        turn += 1;
        assert!(turn < 10_000, "it went on failing");
    }
    let again = door
        .host
        .deployments()
        .deploy(&tenant(), another_revision(&component("vault"), 1).into(), DeployOptions::default())
        .await;
    assert!(again.unwrap_err().to_string().contains("is in quarantine"));
    door.close().await;
}
