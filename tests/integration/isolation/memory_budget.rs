//! Guest memory counts towards the host's total limit. A call that does not fit is refused, and does not count as a
//! failure.

use polder_core::{Command, CommandAck, MemoryBudget, MemoryPurpose, MemoryReservation, TenantName};
use polder_engine::{AsOf, DeployOptions, Host, HostOptions, ReadError, SubmitError};
use serde_json::json;

use crate::engine::door::{Door, component, options};

const MIB: u64 = 1024 * 1024;
/// More than the number that opens a circuit.
const REFUSALS: usize = 30;
/// The longest wait for the next attempt to load a component, which comes after ten seconds at the latest.
const BACK_WAIT_MAX: std::time::Duration = std::time::Duration::from_secs(60);

fn host_with(folder: &std::path::Path, memory: &MemoryBudget) -> Host {
    Host::open(HostOptions { memory: memory.clone(), is_audited: false, ..options(folder) }).unwrap()
}

/// Reserves all free memory, so that nothing is left for guests.
fn all_of(memory: &MemoryBudget) -> MemoryReservation {
    loop {
        if let Ok(held) = memory.try_reserve(MemoryPurpose::Views, memory.bytes_max() - memory.used()) {
            return held;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_memory_commands_and_states_are_refused_and_no_failure_counts() {
    let folder = tempfile::tempdir().unwrap();
    let memory = MemoryBudget::new(64 * MIB);
    let door = Door::at(host_with(folder.path(), &memory), "orders", "order");
    door.deploy(component("orders")).await;
    let held = all_of(&memory);
    for _ in 0..REFUSALS {
        match door.send("o-1", "draft-order", json!({ "customer": "c-1" })).await {
            Err(SubmitError::MemoryExhausted(exhausted)) => assert_eq!(exhausted.bytes_max, 64 * MIB),
            other => panic!("{other:?}"),
        }
    }
    drop(held);
    door.accept("o-1", "draft-order", json!({ "customer": "c-1" })).await;
    let held = all_of(&memory);
    match door.state("o-1", AsOf::Now).await {
        Err(ReadError::MemoryExhausted(exhausted)) => assert_eq!(exhausted.purpose, MemoryPurpose::Guests),
        other => panic!("{other:?}"),
    }
    drop(held);
    assert_eq!(door.state("o-1", AsOf::Now).await.unwrap().0, 1);
    door.close().await;
    for _ in 0..200 {
        if memory.used() > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
    assert_eq!(memory.used(), 0, "everything is given back");
}

async fn turn(host: &Host, tenant: &TenantName, door: &Door, id: &str) -> CommandAck {
    // Workers that hold memory are asked to free it; the refused worker does not wait for that.
    for _ in 0..1_000 {
        let command = Command { tenant: tenant.clone(), ..door.command(id, "turn", &json!({})) };
        match host.submit(command).await {
            Err(SubmitError::MemoryExhausted(_)) => tokio::task::yield_now().await,
            answer => return answer.unwrap(),
        }
    }
    panic!("no memory was given back");
}

/// The host starts, and the domain comes back by itself once there is memory.
#[tokio::test(flavor = "multi_thread")]
async fn a_domain_whose_code_finds_no_memory_is_out_of_service_until_there_is_some() {
    let folder = tempfile::tempdir().unwrap();
    let memory = MemoryBudget::new(64 * MIB);
    let door = Door::at(host_with(folder.path(), &memory), "orders", "order");
    door.deploy(component("orders")).await;
    door.accept("o-1", "draft-order", json!({ "customer": "c-1" })).await;
    assert!(memory.used_by(MemoryPurpose::Code) > 0);
    door.close().await;

    let memory = MemoryBudget::new(64 * MIB);
    let held = memory.try_reserve(MemoryPurpose::Code, memory.bytes_max() / 2 - 64 * 1024).unwrap();
    let door = Door::at(host_with(folder.path(), &memory), "orders", "order");
    let refused = door.state("o-1", AsOf::Now).await.unwrap_err();
    assert!(matches!(refused, ReadError::DomainUnavailable { .. }), "{refused:?}");
    assert!(refused.to_string().contains("no memory for its component at the moment"), "{refused}");
    drop(held);
    let began = std::time::Instant::now();
    while door.state("o-1", AsOf::Now).await.is_err() {
        assert!(began.elapsed() < BACK_WAIT_MAX, "{:?}", door.state("o-1", AsOf::Now).await);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    door.close().await;
}

/// Six tenants on two workers need more instances than fit into memory.
#[tokio::test(flavor = "multi_thread")]
async fn instances_that_were_used_least_make_room_for_others() {
    let folder = tempfile::tempdir().unwrap();
    let memory = MemoryBudget::new(20 * MIB);
    let host = host_with(folder.path(), &memory);
    let door = Door::at(host.clone(), "saboteur", "machine");
    let tenants: Vec<_> = (0..6).map(|number| TenantName::new(&format!("t-{number}")).unwrap()).collect();
    for tenant in &tenants {
        host.tenants().add(tenant, None).await.unwrap();
        host.deployments().deploy(tenant, component("saboteur").into(), DeployOptions::default()).await.unwrap();
    }
    let mut used_most = 0;
    for round in 1..=3 {
        for tenant in &tenants {
            for id in 0..4 {
                assert_eq!(turn(&host, tenant, &door, &format!("m-{id}")).await.sequence.0, round);
                used_most = used_most.max(memory.used_by(MemoryPurpose::Guests));
            }
        }
    }
    assert!((8 * MIB..=15 * MIB).contains(&used_most), "{used_most}");
    host.shutdown().await;
}
