//! Tests of transactions, and of the order in which readers find effects.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use polder_core::{ContentId, Position, Revision};
use rusqlite::Transaction;

use super::*;
use crate::views::answers::{EffectCursor, ParkedEvent, ParkedFilter, ParkedKind};

/// No query of these tests takes this long.
const TIME_MAX: Duration = Duration::from_secs(60);

fn view(store: &ViewStore, revision: &[u8]) -> View {
    let (domain, projection) = ("orders".parse().unwrap(), "summary".parse().unwrap());
    store.view(&domain, &projection, Revision::of(revision)).unwrap()
}

/// Wherever writing stops, nothing of it is visible: neither documents without their checkpoint, nor the reverse.
#[test]
fn documents_and_checkpoint_are_written_together_or_not_at_all() {
    for failing in ["INSERT ON effects", "INSERT ON parked", "UPDATE ON views"] {
        let folder = tempfile::tempdir().unwrap();
        let store = ViewStore::open(&folder.path().join("main.sqlite")).unwrap();
        let view = view(&store, b"1");
        let text = |text: &str| text.to_owned();
        let changes = Changes {
            documents: vec![(text("o-1"), Some(b"{}".to_vec()))],
            effects: vec![effect(1, "1")],
            parked: vec![parked(1, "o-2", ParkedKind::Failed)],
            mended: Vec::new(),
            checkpoint: Position(1),
            head: Some(ContentId::from_digest([7; 32])),
        };
        let fail = format!("CREATE TRIGGER fail BEFORE {failing} BEGIN SELECT RAISE(ABORT, 'on purpose'); END");
        store.writer().execute_batch(&fail).unwrap();
        assert!(store.write(&view, &changes, u64::MAX).is_err(), "{failing}");
        let effects = |store: &ViewStore| -> u64 {
            store.writer().query_row("SELECT count(*) FROM effects", [], |row| row.get(0)).unwrap()
        };
        assert_eq!(store.document(view.id, "o-1").unwrap(), None, "{failing}");
        assert_eq!((effects(&store), store.parked_count(view.id).unwrap()), (0, 0), "{failing}");
        assert_eq!(store.views().unwrap()[0].checkpoint, Position::ZERO, "{failing}");

        store.writer().execute_batch("DROP TRIGGER fail").unwrap();
        store.write(&view, &changes, u64::MAX).unwrap();
        assert_eq!(store.document(view.id, "o-1").unwrap().as_deref(), Some(&b"{}"[..]));
        assert_eq!((effects(&store), store.parked_count(view.id).unwrap()), (1, 1));
        let written = &store.views().unwrap()[0];
        assert_eq!((written.checkpoint, written.head), (Position(1), changes.head));
    }
}

/// Otherwise the last turn of the dropped view would write into the documents of the new one.
#[test]
fn a_dropped_views_id_is_not_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = ViewStore::open(&folder.path().join("main.sqlite")).unwrap();
    let (first, second) = (view(&store, b"1"), view(&store, b"2"));
    assert_eq!((first.live, second.live), (true, false));
    store.drop_view(second.id).unwrap();
    assert!(view(&store, b"3").id > second.id);
}

#[test]
fn a_late_write_of_a_dropped_view_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = ViewStore::open(&folder.path().join("main.sqlite")).unwrap();
    let (first, second) = (view(&store, b"1"), view(&store, b"2"));
    let parked = || vec![parked(1, "o-1", ParkedKind::Failed)];
    let changes = || Changes { parked: parked(), checkpoint: Position(1), ..Changes::default() };
    store.write(&second, &changes(), u64::MAX).unwrap();
    store.switch_to(&second).unwrap();
    assert!(store.write(&first, &changes(), u64::MAX).is_err());
    assert_eq!((store.parked_count(first.id).unwrap(), store.parked_count(second.id).unwrap()), (0, 1));
    assert_eq!(store.views().unwrap().len(), 1);
}

fn effect(position: u64, key: &str) -> NewEffect {
    let text = |text: &str| text.to_owned();
    NewEffect {
        position,
        document: text("o-1"),
        ordinal: 0,
        kind: text("k"),
        target: text("t"),
        key: text(key),
        payload: text("{}"),
    }
}

fn parked(position: u64, key: &str, kind: ParkedKind) -> Parked {
    let text = |text: &str| text.to_owned();
    Parked {
        position: Position(position),
        key: text(key),
        kind,
        reason: text("late"),
        aggregate: text("order"),
        aggregate_id: text("a"),
        event: text("order-drafted"),
        version: 1,
    }
}

fn open() -> (tempfile::TempDir, ViewStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = ViewStore::open(&folder.path().join("main.sqlite")).unwrap();
    (folder, store)
}

fn named(store: &ViewStore, projection: &str) -> View {
    store.view(&"orders".parse().unwrap(), &projection.parse().unwrap(), Revision::of(b"1")).unwrap()
}

fn asks(store: &ViewStore, view: &View, position: u64, key: &str, checkpoint: u64) {
    let changes =
        Changes { effects: vec![effect(position, key)], checkpoint: Position(checkpoint), ..Changes::default() };
    store.write(view, &changes, u64::MAX).unwrap();
}

/// The keys of the effects after a cursor, the next cursor, and whether there are more.
fn effects(store: &ViewStore, after: &str, limit: usize) -> (Vec<String>, String, bool) {
    let (domain, after) = ("orders".parse().unwrap(), after.parse::<EffectCursor>().unwrap());
    let ask = |transaction: &Transaction<'_>| read_effects(transaction, &domain, after, limit);
    let page = store.read(TIME_MAX, &Arc::default(), ask).unwrap();
    (page.effects.into_iter().map(|effect| effect.key).collect(), page.next.to_string(), page.has_more)
}

fn listed(store: &ViewStore, filter: &ParkedFilter) -> Vec<ParkedEvent> {
    store.read(TIME_MAX, &Arc::default(), |transaction| parked_events(transaction, filter, 9)).unwrap()
}

/// The order does not depend on which view is folded first, as after deleting the read models.
#[test]
fn effects_are_in_the_order_of_their_events_and_cursors_stay_valid() {
    for order in [[0, 1], [1, 0]] {
        let (_folder, store) = open();
        let views = [named(&store, "summary"), named(&store, "totals")];
        let asked: [&[(u64, &str)]; 2] = [&[(1, "a"), (3, "c"), (3, "d")], &[(2, "b"), (3, "e"), (4, "f")]];
        for index in order {
            let effects = asked[index].iter().map(|(position, key)| effect(*position, key));
            let ordinals = effects.enumerate().map(|(ordinal, effect)| NewEffect { ordinal: ordinal as u32, ..effect });
            let changes = Changes { effects: ordinals.collect(), checkpoint: Position(4), ..Changes::default() };
            store.write(&views[index], &changes, u64::MAX).unwrap();
        }
        let all = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
        assert_eq!(effects(&store, "0", 100), (all(&["a", "b", "c", "d", "e", "f"]), "4".into(), false));
        assert_eq!(effects(&store, "2", 2), (all(&["c", "d"]), "3.2".into(), true));
        assert_eq!(effects(&store, "3.2", 100), (all(&["e", "f"]), "4".into(), false));
        for beyond in ["4", "9", "9223372036854775807", "9223372036854775808", "18446744073709551615"] {
            assert_eq!(effects(&store, beyond, 100), (Vec::new(), beyond.into(), false));
        }
    }
}

#[test]
fn an_effect_is_visible_once_no_view_can_add_an_earlier_one() {
    let (_folder, store) = open();
    let (fast, slow) = (named(&store, "fast"), named(&store, "slow"));
    asks(&store, &fast, 9, "late", 10);
    assert_eq!(effects(&store, "0", 9), (Vec::new(), "0".into(), false));
    asks(&store, &slow, 2, "early", 5);
    assert_eq!(effects(&store, "0", 9), (vec!["early".into()], "5".into(), false));
    asks(&store, &slow, 7, "middle", 10);
    assert_eq!(effects(&store, "5", 9), (vec!["middle".into(), "late".into()], "10".into(), false));
}

/// The effect of a parked event that is applied now.
#[test]
fn a_late_effect_is_found_by_readers_that_have_passed_its_event() {
    let (_folder, store) = open();
    let view = named(&store, "summary");
    asks(&store, &view, 8, "first", 8);
    assert_eq!(effects(&store, "0", 9).1, "8");
    asks(&store, &view, 3, "mended", 8);
    asks(&store, &view, 9, "second", 9);
    let (keys, next, _) = effects(&store, "8", 9);
    assert_eq!((keys, next), (vec!["mended".to_owned(), "second".to_owned()], "9".to_owned()));
}

#[test]
fn a_new_view_beside_others_does_not_delay_their_effects() {
    let (_folder, store) = open();
    let old = named(&store, "old");
    asks(&store, &old, 5, "five", 5);
    store.set_built(old.id).unwrap();
    let new = named(&store, "new");
    assert_eq!(effects(&store, "0", 9), (vec!["five".into()], "5".into(), false));
    asks(&store, &new, 1, "one", 3);
    asks(&store, &old, 6, "six", 6);
    assert_eq!(effects(&store, "5", 9).0, ["one", "six"]);
}

#[test]
fn a_write_beyond_the_limit_is_refused() {
    let (_folder, store) = open();
    let view = named(&store, "summary");
    let changes = |bytes: usize| Changes {
        documents: vec![("o-1".into(), Some(vec![b'1'; bytes]))],
        checkpoint: Position(1),
        ..Changes::default()
    };
    let bytes = store.write(&view, &changes(10), 200_000).unwrap();
    let error = store.write(&view, &changes(300_000), 200_000).unwrap_err();
    assert!(matches!(error, WriteError::Full { bytes_max: 200_000, .. }), "{error}");
    assert!(error.to_string().contains("limit view_bytes_max"), "{error}");
    assert_eq!(store.bytes().unwrap(), bytes);
    assert_eq!(store.document(view.id, "o-1").unwrap().unwrap().len(), 10);
}

#[test]
fn a_line_is_retried_from_its_first_event_and_continues_after_a_discarded_one() {
    let (_folder, store) = open();
    let view = named(&store, "summary");
    let aside = vec![
        parked(1, "o-1", ParkedKind::Failed),
        parked(2, "o-1", ParkedKind::Behind),
        parked(2, "o-2", ParkedKind::Failed),
        parked(3, "", ParkedKind::Unrouted),
    ];
    let changes = Changes { parked: aside, checkpoint: Position(3), ..Changes::default() };
    store.write(&view, &changes, u64::MAX).unwrap();
    let line = |key: &str| Line::Document(key.to_owned());
    let unrouted = Line::Aggregate { aggregate: "order".into(), id: "a".into() };
    assert_eq!(store.blocked(view.id).unwrap(), [line("o-1"), line("o-2"), unrouted.clone()].into());
    assert!(store.due(view.id).unwrap().is_empty());

    let at = |position| ParkedFilter { position: Some(Position(position)), ..ParkedFilter::default() };
    // The second event of one document, and the first of another.
    assert_eq!(store.retry(&at(2)).unwrap(), 3);
    let due: std::collections::HashSet<_> = store.due(view.id).unwrap().into_iter().collect();
    assert_eq!(due, [line("o-1"), line("o-2")].into());
    assert_eq!(store.line(view.id, &line("o-1"), 9).unwrap(), [Position(1), Position(2)]);
    assert_eq!(store.line(view.id, &unrouted, 9).unwrap(), [Position(3)]);

    // It fails again, so neither it nor the event behind it is due any longer.
    let again =
        Changes { parked: vec![parked(1, "o-1", ParkedKind::Failed)], checkpoint: Position(3), ..Changes::default() };
    store.write(&view, &again, u64::MAX).unwrap();
    assert_eq!(store.due(view.id).unwrap(), [line("o-2")]);
    let due: Vec<_> = listed(&store, &at(2)).into_iter().map(|event| (event.key, event.is_due)).collect();
    assert_eq!(due, [(Some("o-1".to_owned()), false), (Some("o-2".to_owned()), true)]);
    assert_eq!(store.discard(&at(1)).unwrap(), 1);
    assert_eq!(store.line(view.id, &line("o-1"), 9).unwrap(), [Position(2)]);
    assert!(store.due(view.id).unwrap().contains(&line("o-1")), "the event behind it is retried without a request");
    assert_eq!(listed(&store, &ParkedFilter::default()).len(), 3);
}

#[test]
fn a_rebuilt_view_is_compared_with_the_events_that_the_former_has_applied() {
    let (_folder, store) = open();
    let (old, new) = (view(&store, b"1"), view(&store, b"2"));
    let write = |view: &View, positions: &[u64], checkpoint| {
        let aside = positions.iter().map(|position| parked(*position, "o-1", ParkedKind::Failed)).collect();
        let changes = Changes { parked: aside, checkpoint: Position(checkpoint), ..Changes::default() };
        store.write(view, &changes, u64::MAX).unwrap();
    };
    write(&old, &[2], 5);
    write(&new, &[2, 6], 9);
    assert_eq!(store.set_aside_beyond(&new).unwrap(), None, "the former view has not reached 6");
    write(&new, &[3, 4], 9);
    let beyond = store.set_aside_beyond(&new).unwrap().unwrap();
    assert_eq!((beyond.first, beyond.events), (Position(3), 2));
    let one = ParkedFilter { position: Some(Position(3)), ..ParkedFilter::default() };
    write(&old, &[3, 4], 5);
    store.discard(&one).unwrap();
    store.switch_to(&new).unwrap();
    let positions: Vec<u64> = listed(&store, &ParkedFilter::default()).iter().map(|event| event.position.0).collect();
    assert_eq!(positions, [2, 4, 6], "discarded events stay discarded");
}

#[test]
fn changed_limits_make_all_parked_events_due_once() {
    let (_folder, store) = open();
    let view = named(&store, "summary");
    assert!(!store.retry_with_limits(view.id, "1").unwrap());
    let aside = vec![parked(1, "o-1", ParkedKind::Failed)];
    let changes = Changes { parked: aside, checkpoint: Position(1), ..Changes::default() };
    store.write(&view, &changes, u64::MAX).unwrap();
    assert!(!store.retry_with_limits(view.id, "1").unwrap());
    assert!(store.retry_with_limits(view.id, "2").unwrap());
    assert_eq!(store.due(view.id).unwrap().len(), 1);
    assert!(!store.retry_with_limits(view.id, "2").unwrap());
}

#[test]
fn damage_is_distinguished_from_a_full_disk() {
    let (folder, store) = open();
    let path = folder.path().join("main.sqlite");
    drop(store);
    std::fs::write(&path, b"this is no database, whatever else it may be, and it is long enough to be checked")
        .unwrap();
    assert!(ViewStore::open(&path).err().unwrap().is_damage());
    let full = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL), None);
    assert!(!is_damage(&full));
}

#[test]
fn a_file_that_is_removed_while_it_is_open_is_detected() {
    let (folder, store) = open();
    assert!(!store.is_gone());
    std::fs::remove_file(folder.path().join("main.sqlite")).unwrap();
    assert!(store.is_gone());
}

#[test]
fn a_query_ends_with_its_caller_and_in_time() {
    let (_folder, store) = open();
    let ended = Arc::new(AtomicBool::new(true));
    let long = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";
    let ask = |time_max, ended: &Arc<AtomicBool>, sql: &str| -> StoreResult<i64> {
        store.read(time_max, ended, |transaction| transaction.query_row(sql, [], |row| row.get(0)))
    };
    assert_eq!(
        ask(TIME_MAX, &ended, long).unwrap_err().sqlite_error_code(),
        Some(rusqlite::ErrorCode::OperationInterrupted)
    );
    let too_long = ask(Duration::from_millis(1), &Arc::default(), long).unwrap_err();
    assert_eq!(too_long.sqlite_error_code(), Some(rusqlite::ErrorCode::OperationInterrupted));
    // The connection can still be used.
    assert_eq!(ask(TIME_MAX, &Arc::default(), "SELECT 1").unwrap(), 1);
}
