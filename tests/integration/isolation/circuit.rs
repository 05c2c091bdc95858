//! A domain whose calls fail too often is closed to its callers, without effects on others, and opens again when it has
//! recovered.

use polder_core::{Command, CommandAck, CommandStatus};
use polder_engine::SubmitError;
use serde_json::json;

use super::metric;
use crate::engine::door::{Door, another_revision, component, tenant};

const CIRCUIT: &str = "polder_domain_circuit{tenant=\"main\",domain=\"saboteur\"}";

/// Sends from a new caller to a new machine: failures for a single one do not count against the domain.
async fn send_as_another(machines: &Door, number: u64, name: &str) -> Result<CommandAck, SubmitError> {
    let command = machines.command(&format!("m-{number}"), name, &json!({}));
    machines.host.submit(Command { actor: Some(format!("caller-{number}")), ..command }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_that_fails_is_kept_from_its_callers_until_it_is_well() {
    let folder = tempfile::tempdir().unwrap();
    let machines = Door::open(folder.path(), "saboteur", "machine").await;
    machines
        .host
        .deployments()
        .deploy(&tenant(), component("orders").into(), polder_engine::DeployOptions::default())
        .await
        .unwrap();
    let orders = Door::at(machines.host.clone(), "orders", "order");
    machines.accept("m-1", "turn", json!({})).await;
    let mut faults = 0;
    let retry_after_ms = loop {
        match send_as_another(&machines, faults, "break").await {
            Err(SubmitError::GuestFault { .. }) => faults += 1,
            Err(SubmitError::OutOfService { reason, retry_after_ms, .. }) => {
                assert!(reason.contains("too many of its calls failed"), "{reason}");
                break retry_after_ms.expect("it is tried again");
            }
            other => panic!("{other:?}"),
        }
        assert!(faults < 1_000, "it went on failing");
    };
    assert!(faults >= 10 && retry_after_ms <= 5_000, "{faults} faults, then {retry_after_ms} ms");
    assert_eq!(metric(&machines, CIRCUIT), 2);
    assert_eq!(metric(&machines, "polder_domain_faults_total{tenant=\"main\",domain=\"saboteur\"}"), faults);
    // Other domains are not affected.
    orders.accept("o-1", "draft-order", json!({ "customer": "c-1" })).await;
    // Some calls are let through, and when they succeed, all are.
    let mut turns = 1;
    while metric(&machines, CIRCUIT) != 0 {
        match machines.send("m-1", "turn", json!({})).await {
            Ok(ack) => {
                turns += 1;
                assert_eq!((ack.status, ack.sequence.0), (CommandStatus::Accepted, turns));
            }
            Err(SubmitError::OutOfService { retry_after_ms: Some(ms), .. }) => {
                tokio::time::sleep(std::time::Duration::from_millis(ms)).await;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(turns, 6, "five trials");
    machines.accept("m-1", "turn", json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_revision_that_fails_goes_back_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let machines = Door::open(folder.path(), "saboteur", "machine").await;
    machines.accept("m-1", "turn", json!({})).await;
    let first = machines.projection("ledger").await.revision;
    let second = machines.deploy(another_revision(&component("saboteur"), 1)).await.revision;
    let revision = async || machines.host.deployments().domains(&tenant()).await.unwrap()[0].revision;
    assert_eq!((revision().await, first != second), (second, true));
    let mut faults = 0;
    while revision().await == second {
        let _ = send_as_another(&machines, faults, "break").await;
        faults += 1;
        assert!(faults < 10_000, "it went on failing");
    }
    assert_eq!(revision().await, first);
    assert_eq!(machines.accept("m-1", "turn", json!({})).await.sequence.0, 2);
}
