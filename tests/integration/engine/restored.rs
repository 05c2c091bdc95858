//! An older copy of the journal replaces a newer one: nothing that was derived from the newer one is trusted.

use std::fs;
use std::path::Path;

use polder_core::Position;
use polder_engine::{AsOf, EffectCursor, Host};
use serde_json::json;

use super::door::{Door, options, tenant};

const DERIVED: &str = "views";

/// Fills a folder with an order for each of these numbers, and their views.
async fn written(folder: &Path, orders: std::ops::Range<u64>) {
    let door = Door::orders(folder).await;
    for order in orders {
        let order = format!("o-{order}");
        door.accept(&order, "draft-order", json!({ "customer": "c-1" })).await;
        door.accept(&order, "add-line", json!({ "sku": "TEA", "quantity": 1, "price": 2 })).await;
        for command in ["submit-order", "validate-order", "fulfil-order"] {
            door.accept(&order, command, json!({})).await;
        }
    }
    seen(&door).await;
    door.close().await;
}

/// The keys of all documents, and those of all effects, once the views have applied everything.
async fn seen(door: &Door) -> (Vec<String>, Vec<String>) {
    let documents = door.documents("order-summary", door.position()).await;
    door.documents("customer-totals", door.position()).await;
    let effects =
        door.host.views().effects(&tenant(), &"orders".parse().unwrap(), EffectCursor::default(), 1_000).await.unwrap();
    let effects = effects.effects.into_iter().map(|effect| effect.key).collect();
    (documents.into_iter().map(|(key, _)| key).collect(), effects)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

/// Restores the journal from the time of the copy, beside the current rest of the folder.
fn restore(folder: &Path, copied: &Path) {
    for derived in ["journal", "index"] {
        fs::remove_dir_all(folder.join(derived)).unwrap();
    }
    copy(copied, &folder.join("journal"));
}

/// The views have applied events that the journal does not have: acknowledged events are missing.
#[tokio::test(flavor = "multi_thread")]
async fn a_journal_older_than_the_views_is_refused_until_they_are_deleted() {
    let (folder, copied) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    written(folder.path(), 1..3).await;
    copy(&folder.path().join("journal"), copied.path());
    written(folder.path(), 3..5).await;
    restore(folder.path(), copied.path());

    let problem = Host::open(options(folder.path())).err().expect("it is refused").to_string();
    assert!(problem.contains("ends at position 10") && problem.contains("have seen position 20"), "{problem}");
    assert!(problem.contains("delete the folder") && problem.contains(DERIVED), "{problem}");
    fs::remove_dir_all(folder.path().join(DERIVED)).unwrap();
    let door = Door::at(Host::open(options(folder.path())).unwrap(), "orders", "order");
    assert_eq!(door.position(), Position(10));
    let notified = |orders: &[u64]| orders.iter().map(|order| format!("fulfilled:o-{order}")).collect::<Vec<_>>();
    assert_eq!(seen(&door).await, (vec!["o-1".into(), "o-2".into()], notified(&[1, 2])));
    assert!(door.state("o-3", AsOf::Now).await.is_err());
    // An event at a position that another event had is not skipped.
    door.accept("o-9", "draft-order", json!({ "customer": "c-9" })).await;
    assert_eq!(seen(&door).await.0, ["o-1", "o-2", "o-9"]);
    door.close().await;
}

/// When the host compares the views, the restored journal has reached their position again, with other events.
#[tokio::test(flavor = "multi_thread")]
async fn views_that_have_come_another_way_are_built_anew() {
    let (folder, copied) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    written(folder.path(), 1..3).await;
    copy(&folder.path().join("journal"), copied.path());
    written(folder.path(), 3..5).await;
    restore(folder.path(), copied.path());
    let (views, aside) = (folder.path().join(DERIVED), folder.path().join("aside"));
    fs::rename(&views, &aside).unwrap();
    written(folder.path(), 6..9).await;
    fs::remove_dir_all(&views).unwrap();
    fs::rename(&aside, &views).unwrap();

    let door = Door::at(Host::open(options(folder.path())).unwrap(), "orders", "order");
    let (documents, effects) = seen(&door).await;
    assert_eq!(documents, ["o-1", "o-2", "o-6", "o-7", "o-8"]);
    assert_eq!(effects.len(), 5, "{effects:?}");
    door.close().await;
}

/// Two histories that agree up to the position of the views need no rebuild.
#[tokio::test(flavor = "multi_thread")]
async fn views_of_the_same_history_go_on() {
    let (folder, copied) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    written(folder.path(), 1..3).await;
    copy(&folder.path().join(DERIVED), copied.path());
    written(folder.path(), 3..5).await;
    fs::remove_dir_all(folder.path().join(DERIVED)).unwrap();
    copy(copied.path(), &folder.path().join(DERIVED));
    let door = Door::at(Host::open(options(folder.path())).unwrap(), "orders", "order");
    let page =
        door.host.views().effects(&tenant(), &"orders".parse().unwrap(), EffectCursor::default(), 1_000).await.unwrap();
    assert_eq!(page.effects[0].cursor.to_string(), "5.1", "it is not asked for again");
    assert_eq!(seen(&door).await.0.len(), 4);
    door.close().await;
}

/// If the index has more than the journal, the host does not guess which of the two is right.
#[tokio::test(flavor = "multi_thread")]
async fn an_index_with_more_than_the_journal_is_reported() {
    let (folder, copied) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    written(folder.path(), 1..3).await;
    copy(&folder.path().join("journal"), copied.path());
    written(folder.path(), 3..5).await;
    fs::remove_dir_all(folder.path().join("journal")).unwrap();
    copy(copied.path(), &folder.path().join("journal"));
    let problem = Host::open(options(folder.path())).err().expect("it is refused").to_string();
    assert!(
        problem.contains("the index remembers frame") && problem.contains("delete the folder of the index"),
        "{problem}"
    );
}
