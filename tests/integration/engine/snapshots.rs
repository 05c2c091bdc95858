//! A snapshot is only a shortcut: with it, without it and with another revision the state is the same.

use polder_core::Limits;
use polder_engine::AsOf;
use polder_journal::{AggregateKey, Journal, OpenOptions, Snapshot};
use serde_json::json;

use super::door::{Door, another_revision, component, tenant};
use super::laws::fold_natively;

const LINES: u64 = 400;

async fn filled(folder: &std::path::Path) {
    // One warm state per worker, so that every second command has to build its state from the stored data.
    let limits = Limits { warm_states_max: 1, ..Limits::DEFAULT };
    let door = Door::open_with(folder, limits, "orders", "order").await;
    for order in ["o-1", "o-2", "o-3"] {
        door.accept(order, "draft-order", json!({ "customer": "c-1" })).await;
    }
    for line in 0..LINES {
        for order in ["o-1", "o-2", "o-3"] {
            let payload = json!({ "sku": format!("S-{line}"), "quantity": 1, "price": line });
            door.accept(order, "add-line", payload).await;
        }
    }
    door.close().await;
}

fn key(order: &str) -> AggregateKey {
    let (domain, aggregate) = ("orders".parse().unwrap(), "order".parse().unwrap());
    AggregateKey::of(&tenant(), &domain, &aggregate, &order.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_history_comes_back_the_same() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).await;
    let revision = polder_core::Revision::of(&component("orders"));
    let (writer, reader, _) = Journal::open(folder.path(), OpenOptions::default()).unwrap();
    for order in ["o-1", "o-2", "o-3"] {
        let snapshot = reader.snapshot(key(order), &revision).unwrap().expect("a snapshot was taken");
        assert!(snapshot.sequence.0 >= 100);
    }
    writer.close().unwrap();
    drop(reader);

    let door = Door::orders(folder.path()).await;
    for order in ["o-1", "o-2", "o-3"] {
        let history = door.history(order).await;
        let expected = (LINES + 1, fold_natively(orders::domain(), &history));
        assert_eq!(door.state(order, AsOf::Now).await.unwrap(), expected);
        let next = door.accept(order, "remove-line", json!({ "sku": "S-0" })).await;
        assert_eq!(next.sequence.0, LINES + 2);
    }
}

/// A snapshot with other contents than the history shows which states were read from it.
#[tokio::test(flavor = "multi_thread")]
async fn only_its_own_revision_reads_a_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).await;
    let revision = polder_core::Revision::of(&component("orders"));
    let (writer, reader, _) = Journal::open(folder.path(), OpenOptions::default()).unwrap();
    let snapshot = reader.snapshot(key("o-1"), &revision).unwrap().expect("a snapshot was taken");
    let mut state: serde_json::Value = serde_json::from_slice(&snapshot.state).unwrap();
    state["total"] = json!(1_000_000_000);
    let forged = Snapshot { state: state.to_string().into_bytes(), ..snapshot };
    reader.put_snapshot(key("o-1"), &revision, &forged).unwrap();
    writer.close().unwrap();
    drop(reader);

    let door = Door::orders(folder.path()).await;
    let (_, read) = door.state("o-1", AsOf::Now).await.unwrap();
    assert!(read["total"].as_u64().unwrap() >= 1_000_000_000, "the snapshot is what a state is read from");
    let history = door.history("o-1").await;
    let folded = fold_natively(orders::domain(), &history);
    // Before the snapshot there is only the history.
    let early = fold_natively(orders::domain(), &history[..50]);
    assert_eq!(door.state("o-1", AsOf::Sequence(polder_core::Sequence(50))).await.unwrap(), (50, early));

    door.deploy(another_revision(&component("orders"), 1)).await;
    assert_eq!(door.state("o-1", AsOf::Now).await.unwrap(), (LINES + 1, folded));
    // The command path does the same.
    let submitted = door.accept("o-1", "submit-order", json!({})).await;
    let event = door.history("o-1").await.pop().unwrap();
    let payload: serde_json::Value = serde_json::from_str(event.payload.get()).unwrap();
    assert_eq!((submitted.sequence.0, &payload["total"]), (LINES + 2, &json!((0..LINES).sum::<u64>())));
}
