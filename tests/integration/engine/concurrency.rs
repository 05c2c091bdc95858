//! Many writers to one aggregate: each accepted command was decided after all earlier ones, regardless of their senders
//! and their order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use polder_core::{Command, CommandAck, CommandStatus, Sequence};
use polder_engine::{AsOf, SubmitError};
use polder_tests::Random;
use serde_json::json;

use super::door::Door;
use super::laws::fold_natively;

const WRITERS: u64 = 8;
const COMMANDS_PER_WRITER: u64 = 150;

/// The answers that the writers received.
#[derive(Default)]
struct Answers {
    accepted: Vec<CommandAck>,
    rejected: Vec<CommandAck>,
    conflicts: u64,
}

/// Each writer adds and removes lines of the same few articles, so that the commands of one decide what another may do.
/// Sometimes it requires a sequence that it has seen. A writer starts after a number of answered commands, so that they
/// do not all start at once.
async fn write(door: Arc<Door>, writer: u64, answered: Arc<AtomicU64>, seed: u64) -> Answers {
    let mut random = Random::seeded(seed ^ writer);
    while answered.load(Ordering::SeqCst) < writer * 20 {
        tokio::task::yield_now().await;
    }
    let (mut answers, mut seen) = (Answers::default(), Sequence(1));
    for _ in 0..COMMANDS_PER_WRITER {
        let sku = *random.one_of(&["TEA", "POT", "CUP"]);
        let command = match random.below(2) {
            0 => door.command("o-1", "add-line", &json!({ "sku": sku, "quantity": 1 + writer, "price": 3 })),
            _ => door.command("o-1", "remove-line", &json!({ "sku": sku })),
        };
        let expected_sequence = (random.below(3) == 0).then_some(seen);
        match door.host.submit(Command { expected_sequence, ..command }).await {
            Ok(ack) => {
                if let Some(expected) = expected_sequence {
                    let own = u64::from(ack.status == CommandStatus::Accepted);
                    assert_eq!(ack.sequence, expected.plus(own), "decided elsewhere than expected");
                }
                assert!(ack.sequence >= seen, "went back from {seen} to {}", ack.sequence);
                seen = ack.sequence;
                match ack.status {
                    CommandStatus::Accepted => answers.accepted.push(ack),
                    _ => answers.rejected.push(ack),
                }
            }
            Err(SubmitError::Conflict { expected, actual }) => {
                assert_eq!((Some(expected), true), (expected_sequence, actual > expected));
                (seen, answers.conflicts) = (actual, answers.conflicts + 1);
            }
            Err(other) => panic!("{other}"),
        }
        answered.fetch_add(1, Ordering::SeqCst);
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn every_accepted_command_has_seen_all_before_it() {
    let seed = std::env::var("POLDER_SEED").map_or(20_261_121, |seed| seed.parse().expect("POLDER_SEED is a number"));
    println!("POLDER_SEED={seed}");
    let folder = tempfile::tempdir().unwrap();
    let door = Arc::new(Door::orders(folder.path()).await);
    door.accept("o-1", "draft-order", json!({ "customer": "c-1" })).await;
    let answered = Arc::new(AtomicU64::new(0));
    let writers =
        (0..WRITERS).map(|writer| tokio::spawn(write(Arc::clone(&door), writer, Arc::clone(&answered), seed)));
    let mut all = Answers::default();
    for writer in writers.collect::<Vec<_>>() {
        let answers = writer.await.unwrap();
        all.accepted.extend(answers.accepted);
        all.rejected.extend(answers.rejected);
        all.conflicts += answers.conflicts;
    }
    println!("{} accepted, {} rejected, {} conflicts", all.accepted.len(), all.rejected.len(), all.conflicts);
    assert!(all.accepted.len() > 100 && all.rejected.len() > 100 && all.conflicts > 10, "nothing met");

    let history = door.history("o-1").await;
    let sequences: Vec<u64> = history.iter().map(|event| event.sequence.0).collect();
    assert_eq!(sequences, (1..=history.len() as u64).collect::<Vec<_>>(), "without a gap");
    assert!(history.is_sorted_by(|a, b| a.position < b.position));
    let by_command: BTreeMap<_, _> = history.iter().map(|event| (event.command_id.clone(), event)).collect();
    assert_eq!(by_command.len(), history.len(), "one event each");
    assert_eq!(all.accepted.len(), history.len() - 1, "all but the draft");
    for ack in &all.accepted {
        let event = by_command[&ack.command_id];
        assert_eq!((ack.sequence, ack.position), (event.sequence, event.position));
    }
    // A native replay shows that every decision was possible in its state.
    let mut on_order: BTreeMap<String, bool> = BTreeMap::new();
    for event in &history[1..] {
        let payload: serde_json::Value = serde_json::from_str(event.payload.get()).unwrap();
        let was_on = on_order.insert(payload["sku"].to_string(), event.name.as_str() == "line-added").unwrap_or(false);
        assert_ne!(was_on, event.name.as_str() == "line-added", "{} at {}", event.name, event.sequence);
    }
    for ack in &all.rejected {
        assert!(ack.sequence.0 <= history.len() as u64);
    }
    let expected = (history.len() as u64, fold_natively(orders::domain(), &history));
    assert_eq!(door.state("o-1", AsOf::Now).await.unwrap(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_command_gets_its_first_answer() {
    let folder = tempfile::tempdir().unwrap();
    let door = Arc::new(Door::orders(folder.path()).await);
    let drafted = door.send_as("draft", "o-1", "draft-order", json!({ "customer": "c-1" })).await.unwrap();
    let rejected = door.send_as("submit", "o-1", "submit-order", json!({})).await.unwrap();
    assert_eq!((drafted.repeated, rejected.status), (false, CommandStatus::Rejected));

    // Many repeats at once: while the first is in flight, and afterwards.
    let line = || json!({ "sku": "TEA", "quantity": 2, "price": 3 });
    let at_once = (0..50).map(|_| {
        let door = Arc::clone(&door);
        tokio::spawn(async move { door.send_as("line", "o-1", "add-line", line()).await.unwrap() })
    });
    let mut acks = Vec::new();
    for ack in at_once.collect::<Vec<_>>() {
        acks.push(ack.await.unwrap());
    }
    assert_eq!(acks.iter().filter(|ack| !ack.repeated).count(), 1);
    for ack in &acks {
        assert_eq!((ack.status, ack.sequence, ack.position.0), (CommandStatus::Accepted, Sequence(2), 2));
    }

    let other = door.send_as("line", "o-1", "add-line", json!({ "sku": "POT", "quantity": 2, "price": 3 })).await;
    assert!(matches!(other, Err(SubmitError::IdReused { was_rejected: false, .. })), "{other:?}");
    let elsewhere = door.send_as("line", "o-2", "add-line", line()).await.unwrap();
    assert!(!elsewhere.repeated, "ids are the aggregate's own");

    // Neither a restart nor later commands change the result.
    door.accept("o-1", "add-line", json!({ "sku": "CUP", "quantity": 1, "price": 1 })).await;
    Arc::into_inner(door).unwrap().close().await;
    let door = Door::orders(folder.path()).await;
    let again = door.send_as("draft", "o-1", "draft-order", json!({ "customer": "c-1" })).await.unwrap();
    assert_eq!(again, CommandAck { repeated: true, ..drafted });
    let again = door.send_as("submit", "o-1", "submit-order", json!({})).await.unwrap();
    assert_eq!((again.status, again.reason), (CommandStatus::Rejected, rejected.reason));
    assert_eq!((again.repeated, again.sequence), (true, rejected.sequence));
    assert_eq!(door.history("o-1").await.len(), 3);
}
