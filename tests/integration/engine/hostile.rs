//! A guest that traps, loops or uses up memory fails that call with the reason; everything else continues.

use polder_core::{Limits, Position};
use polder_engine::{AsOf, SubmitError};
use serde_json::json;

use super::door::Door;

async fn saboteur(folder: &std::path::Path) -> Door {
    // Little fuel, so that a loop ends soon; much time, so that the fuel ends it on every machine.
    let limits = Limits {
        fuel_per_call_max: 20_000_000,
        call_wall_ms_max: 600_000,
        memory_bytes_max: 32 * 1024 * 1024,
        ..Limits::DEFAULT
    };
    Door::open_with(folder, limits, "saboteur", "machine").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_fails_costs_one_call() {
    let folder = tempfile::tempdir().unwrap();
    let door = saboteur(folder.path()).await;
    let revision = door.projection("ledger").await.revision;
    let mut turns = 0;
    for (bad, reason) in [
        ("break", "broken on purpose"),
        ("spin", "used up its fuel of 20000000 per call (limit fuel_per_call_max)"),
        ("hoard", "wanted more than 33554432 bytes of memory (limit memory_bytes_max)"),
        ("sink", "nested too deep"),
    ] {
        door.accept("m-1", "turn", json!({})).await;
        door.accept("m-2", "turn", json!({})).await;
        match door.send("m-1", bad, json!({})).await {
            Err(SubmitError::GuestFault { domain, revision: at_fault, reason: given }) => {
                assert_eq!((domain.as_str(), at_fault), ("saboteur", revision));
                assert!(given.contains(reason), "{bad}: {given}");
            }
            other => panic!("{bad}: {other:?}"),
        }
        // The affected aggregate and another one continue from their states.
        turns += 2;
        for machine in ["m-1", "m-2"] {
            assert_eq!(door.accept(machine, "turn", json!({})).await.sequence.0, turns, "{machine} after {bad}");
            assert_eq!(door.state(machine, AsOf::Now).await.unwrap(), (turns, json!({ "turns": turns })));
        }
    }
    assert!(door.host.health().writable);
    assert!(door.host.metrics().contains("polder_guest_faults_total 4\n"), "{}", door.host.metrics());
}

/// With decisions in flight for the same aggregates: decisions before the trap stand, once.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_decided_before_a_trap_stands() {
    let folder = tempfile::tempdir().unwrap();
    let door = std::sync::Arc::new(saboteur(folder.path()).await);
    let sent = (0..400_u32).map(|number| {
        let door = std::sync::Arc::clone(&door);
        let name = if number % 20 == 19 { "break" } else { "turn" };
        tokio::spawn(async move { (name, door.send(&format!("m-{}", number % 3), name, json!({})).await) })
    });
    let mut turned = 0;
    for answer in sent.collect::<Vec<_>>() {
        match answer.await.unwrap() {
            ("turn", answer) => {
                answer.unwrap();
                turned += 1;
            }
            (_, answer) => assert!(matches!(answer, Err(SubmitError::GuestFault { .. })), "{answer:?}"),
        }
    }
    assert_eq!(turned, 380);
    let mut found = 0;
    for machine in ["m-0", "m-1", "m-2"] {
        let history = door.history(machine).await;
        let sequences: Vec<u64> = history.iter().map(|event| event.sequence.0).collect();
        assert_eq!(sequences, (1..=history.len() as u64).collect::<Vec<_>>());
        found += history.len();
    }
    assert_eq!(found, 380);
}

/// Saving is for a snapshot, which no command needs. A long history is applied in calls that each have their own fuel.
#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_cannot_be_saved_does_not_stop_its_commands() {
    let folder = tempfile::tempdir().unwrap();
    let mut door = saboteur(folder.path()).await;
    let mut turns = 0;
    for _ in 0..3 {
        for _ in 0..10 {
            turns += 1_000;
            assert_eq!(door.accept("m-1", "rush", json!({})).await.sequence.0, turns);
            turns += 1;
            assert_eq!(door.accept("m-1", "turn", json!({})).await.sequence.0, turns);
        }
        door.close().await;
        door = saboteur(folder.path()).await;
    }
    let error = door.state("m-1", AsOf::Now).await.unwrap_err();
    assert!(error.to_string().contains("brittle on purpose"), "{error}");
}

/// The event is set aside with its reason, later events of the same document queue behind it, and other documents
/// continue. The same holds after a restart.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_cannot_be_applied_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let mut door = saboteur(folder.path()).await;
    let mut last = Position::ZERO;
    for (machine, command) in
        [("m-1", "turn"), ("m-2", "turn"), ("m-1", "curse"), ("m-1", "turn"), ("m-2", "turn"), ("m-3", "curse")]
    {
        last = door.accept(machine, command, json!({})).await.position;
    }
    let expected = [("m-1".to_owned(), json!({ "turns": 1 })), ("m-2".to_owned(), json!({ "turns": 2 }))];
    for _ in 0..2 {
        assert_eq!(door.documents("ledger", last).await, expected);
        let ledger = door.projection("ledger").await;
        assert_eq!((ledger.parked, ledger.position, ledger.stalled), (3, last, None));
        door.close().await;
        door = saboteur(folder.path()).await;
    }
    last = door.accept("m-1", "turn", json!({})).await.position;
    assert_eq!(door.documents("ledger", last).await, expected);
    assert_eq!(door.projection("ledger").await.parked, 4);
}
