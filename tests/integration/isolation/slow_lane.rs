//! Long calls run with low priority. Decisions beside them, before them and by them are recorded once.

use std::collections::BTreeSet;
use std::sync::Arc;

use polder_core::{CommandAck, DomainName, Limits};
use polder_engine::{HostOptions, SubmitError};
use polder_journal::disk::{Fault, FaultyDisk};
use serde_json::json;

use super::metric;
use crate::engine::door::{Door, component, options, tenant};

/// Far more than a time slice, but soon over.
const TOIL_ROUNDS: u64 = 20_000_000;
/// The fuel of a loop: some tenths of a second.
const LOOP_FUEL: u64 = 200_000_000;

fn limits() -> Limits {
    // Much time, so that the fuel ends a loop on every machine.
    Limits { fuel_per_call_max: LOOP_FUEL, call_wall_ms_max: 600_000, ..Limits::DEFAULT }
}

async fn saboteur(folder: &std::path::Path) -> Arc<Door> {
    Arc::new(Door::open_with(folder, limits(), "saboteur", "machine").await)
}

fn slow_commands(door: &Door) -> u64 {
    metric(door, "polder_slow_lane_commands_total")
}

/// A loop takes as long as all calls of this test together; if it blocked others, an order would come after it.
#[tokio::test(flavor = "multi_thread")]
async fn others_are_answered_while_one_loops() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { fuel_per_call_max: u64::MAX, call_wall_ms_max: 2_000, ..Limits::DEFAULT };
    let machines = Door::open_with(folder.path(), limits, "saboteur", "machine").await;
    machines
        .host
        .deployments()
        .deploy(&tenant(), component("orders").into(), polder_engine::DeployOptions::default())
        .await
        .unwrap();
    let orders = Door::at(machines.host.clone(), "orders", "order");
    let machines = Arc::new(machines);
    // Enough for each worker to get some.
    let loops: Vec<_> = (0..2)
        .map(|number| {
            let machines = Arc::clone(&machines);
            tokio::spawn(async move { machines.send(&format!("m-{number}"), "spin", json!({})).await })
        })
        .collect();
    while slow_commands(&machines) == 0 {
        tokio::task::yield_now().await;
    }
    for number in 0..100 {
        orders.accept(&format!("o-{number}"), "draft-order", json!({ "customer": "c-1" })).await;
    }
    assert!(loops.iter().all(|looping| !looping.is_finished()), "an order waited for a loop");
    for looping in loops {
        match looping.await.unwrap() {
            Err(SubmitError::GuestFault { reason, .. }) => {
                assert!(reason.contains("ran for more than 2000 ms (limit call_wall_ms_max)"), "{reason}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_takes_long_and_ends_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let door = saboteur(folder.path()).await;
    door.accept("m-1", "turn", json!({})).await;
    assert_eq!(slow_commands(&door), 0);
    assert_eq!(door.accept("m-1", "toil", json!({ "rounds": TOIL_ROUNDS })).await.sequence.0, 2);
    assert_eq!(slow_commands(&door), 1);
    // Later calls follow it, and after a while the domain is back on the first lane.
    let mut turns = 2;
    while slow_commands(&door) == turns - 1 {
        turns += 1;
        assert_eq!(door.accept("m-1", "turn", json!({})).await.sequence.0, turns);
    }
    assert_eq!(door.history("m-1").await.len() as u64, turns);
}

/// Many at once, including calls that are stopped on one lane and run again on the other.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_between_the_lanes() {
    let folder = tempfile::tempdir().unwrap();
    let mut door = saboteur(folder.path()).await;
    let mut acknowledged: Vec<CommandAck> = Vec::new();
    for round in 0..4_u32 {
        let sent = (0..200_u32).map(|number| {
            let door = Arc::clone(&door);
            let (name, payload) = match number {
                60 => ("spin", json!({})),
                61 | 120 => ("toil", json!({ "rounds": TOIL_ROUNDS })),
                _ => ("turn", json!({})),
            };
            let id = format!("c-{round}-{number}");
            tokio::spawn(async move { door.send_as(&id, &format!("m-{}", number % 7), name, payload).await })
        });
        for (number, answer) in sent.collect::<Vec<_>>().into_iter().enumerate() {
            match answer.await.unwrap() {
                Ok(ack) => acknowledged.push(ack),
                Err(SubmitError::GuestFault { reason, .. }) => {
                    assert!(number == 60 && reason.contains(&format!("fuel of {LOOP_FUEL}")), "{number}: {reason}");
                }
                Err(other) => panic!("{number}: {other:?}"),
            }
        }
        // On either lane, a repeat gets its first answer.
        let again = door.send_as(&format!("c-{round}-61"), "m-5", "toil", json!({ "rounds": TOIL_ROUNDS })).await;
        assert!(again.unwrap().repeated);
        if round % 2 == 1 {
            Arc::into_inner(door).expect("every command is answered").close().await;
            door = saboteur(folder.path()).await;
        }
    }
    assert_eq!(acknowledged.len(), 4 * 199);
    check(&door, &acknowledged).await;
}

/// Checks that each acknowledged decision is where its acknowledgement says, and that there is nothing else.
async fn check(door: &Door, acknowledged: &[CommandAck]) {
    let mut found = BTreeSet::new();
    for machine in 0..7 {
        let history = door.history(&format!("m-{machine}")).await;
        let sequences: Vec<u64> = history.iter().map(|event| event.sequence.0).collect();
        assert_eq!(sequences, (1..=history.len() as u64).collect::<Vec<_>>(), "m-{machine}");
        for event in history {
            assert!(found.insert((event.command_id.to_string(), event.sequence, event.position)));
        }
    }
    let expected = acknowledged.iter().map(|ack| (ack.command_id.to_string(), ack.sequence, ack.position));
    assert_eq!(found, expected.collect::<BTreeSet<_>>());
}

/// Commands on both lanes when the disk fails: each is acknowledged and recorded, or refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fails_while_a_domain_is_lent() {
    for call in 1..=6 {
        let (disk, folder) = (FaultyDisk::new(call), tempfile::tempdir().unwrap());
        let host_options = || HostOptions { limits: limits(), ..options(folder.path()) };
        let host = polder_engine::Host::open_on(Arc::new(disk.clone()), host_options()).unwrap();
        let door = Arc::new(Door::at(host, "saboteur", "machine"));
        door.deploy(component("saboteur")).await;
        door.accept("m-0", "toil", json!({ "rounds": TOIL_ROUNDS })).await;
        disk.fail_at(disk.calls() + call, Fault::Error);
        let sent = (0..60_u32).map(|number| {
            let door = Arc::clone(&door);
            tokio::spawn(async move { door.send(&format!("m-{}", number % 7), "turn", json!({})).await })
        });
        let mut acknowledged = Vec::new();
        for answer in sent.collect::<Vec<_>>() {
            match answer.await.unwrap() {
                Ok(ack) => acknowledged.push(ack),
                Err(SubmitError::ReadOnly(_) | SubmitError::OutcomeUnknown { .. }) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
        Arc::into_inner(door).expect("every command is answered").close().await;
        let host = polder_engine::Host::open_on(Arc::new(disk.after_power_loss()), host_options()).unwrap();
        let door = Door::at(host, "saboteur", "machine");
        let events = door.events().await;
        for ack in acknowledged {
            let event = events.iter().find(|event| event.command_id == ack.command_id).expect("acknowledged");
            assert_eq!((event.position, event.sequence), (ack.position, ack.sequence));
        }
        let domain = DomainName::new("saboteur").unwrap();
        assert!(events.iter().all(|event| event.domain == domain));
        door.close().await;
    }
}
