//! The index can be lost, damaged or exchanged without any loss of records.

use std::fs;
use std::path::Path;

use polder_core::{ContentId, Revision, Sequence};
use polder_journal::{Journal, Snapshot};

use crate::support::{Model, accept, open, reject, small};

fn filled(folder: &Path, rounds: u8) -> Model {
    let (mut writer, _, _) = open(folder);
    let mut model = Model::default();
    for round in 0..rounds {
        let wishes = [accept("main", round % 7, &[10, 20]), reject("other", 1), accept("other", round % 3, &[30])];
        model.append(&mut writer, &wishes).unwrap();
    }
    model
}

/// Threads of low priority read in this way.
#[test]
fn a_reader_with_its_own_index_thread_finds_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let model = filled(folder.path(), 60);
    let (_writer, reader, _) = open(folder.path());
    model.check(&reader.aside().unwrap());
}

#[test]
fn snapshots_of_revisions_that_are_gone_can_be_removed_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let model = filled(folder.path(), 30);
    let (_writer, reader, _) = open(folder.path());
    let keys: std::collections::BTreeSet<_> = model.records.iter().map(|record| record.aggregate).collect();
    let last = |key| model.history(key).pop();
    let revisions: Vec<Revision> = (0..20_u8).map(|number| Revision::of(&[number])).collect();
    let mut saved = 0;
    for revision in &revisions {
        for last in keys.iter().filter_map(|key| last(*key)) {
            let sequence = last.sequence_before.plus(last.ids.len() as u64);
            let snapshot = Snapshot { sequence, head: *last.ids.last().unwrap(), state: vec![1; 10] };
            reader.put_snapshot(last.aggregate, revision, &snapshot).unwrap();
            saved += 1;
        }
    }
    let kept = [revisions[3], revisions[19]].into();
    assert_eq!(reader.keep_snapshots_of(&kept).unwrap(), saved / 20 * 18);
    assert_eq!(reader.keep_snapshots_of(&kept).unwrap(), 0);
    let key = last(*keys.first().unwrap()).or_else(|| last(*keys.last().unwrap())).unwrap().aggregate;
    for (number, revision) in revisions.iter().enumerate() {
        assert_eq!(reader.snapshot(key, revision).unwrap().is_some(), [3, 19].contains(&number), "revision {number}");
    }
}

#[test]
fn a_deleted_index_is_built_again() {
    let folder = tempfile::tempdir().unwrap();
    let model = filled(folder.path(), 60);
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    let (_writer, reader, report) = open(folder.path());
    assert_eq!(report.records_indexed, 180);
    model.check(&reader);
}

#[test]
fn records_in_the_store_are_not_indexed_again() {
    let folder = tempfile::tempdir().unwrap();
    let model = filled(folder.path(), 60);
    let (writer, reader, report) = open(folder.path());
    assert!(report.records_indexed < 180, "{report:?}");
    model.check(&reader);
    writer.close().unwrap();
    drop(reader);
    let (_writer, reader, report) = open(folder.path());
    assert_eq!(report.records_indexed, 0);
    model.check(&reader);
}

#[test]
fn a_spoiled_index_is_built_again() {
    let folder = tempfile::tempdir().unwrap();
    let model = filled(folder.path(), 60);
    spoil(&folder.path().join("index"));
    let (_writer, reader, report) = open(folder.path());
    assert!(report.index_rebuilt);
    model.check(&reader);
}

fn spoil(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            spoil(&path);
        } else {
            fs::write(&path, b"this is not what it was").unwrap();
        }
    }
}

#[test]
fn the_index_of_another_journal_is_built_again() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    filled(one.path(), 40);
    let model = filled(two.path(), 60);
    fs::remove_dir_all(two.path().join("index")).unwrap();
    fs::rename(one.path().join("index"), two.path().join("index")).unwrap();
    let (_writer, reader, report) = open(two.path());
    assert!(report.index_rebuilt);
    model.check(&reader);
}

#[test]
fn a_long_history_is_read_in_pages() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = small();
    // Several values of one aggregate's history are written in one run.
    options.index_flush_records = 600;
    let (mut writer, reader, _) = Journal::open(folder.path(), options).unwrap();
    let mut model = Model::default();
    for _ in 0..40 {
        model.append(&mut writer, &vec![accept("main", 1, &[1, 1]); 40]).unwrap();
    }
    let key = model.records[0].aggregate;
    let all = model.history(key);
    for (after, limit) in
        [(0, 10), (1, 10), (2, 1), (511, 3), (512, 600), (1_111, 5_000), (3_198, 2), (3_199, 2), (3_200, 2)]
    {
        let page = reader.history(key, Sequence(after), limit).unwrap();
        let found: Vec<_> = page.iter().map(|record| record.view().sequence()).collect();
        let expected = all.iter().map(|record| record.sequence_before.plus(2)).filter(|last| *last > Sequence(after));
        assert_eq!(found, expected.take(limit).collect::<Vec<_>>(), "after {after}, {limit} at most");
    }
}

#[test]
fn a_snapshot_is_given_only_where_it_fits() {
    let folder = tempfile::tempdir().unwrap();
    let model = filled(folder.path(), 30);
    let (mut writer, reader, _) = open(folder.path());
    let (key, history) = (model.records[0].aggregate, model.history(model.records[0].aggregate));
    let (one, two) = (Revision::of(b"one"), Revision::of(b"two"));
    let at = |record: usize| Snapshot {
        sequence: history[record].sequence_before.plus(2),
        head: history[record].ids[1],
        state: vec![record as u8; 1_000],
    };
    assert_eq!(reader.snapshot(key, &one).unwrap(), None);
    reader.put_snapshot(key, &one, &at(0)).unwrap();
    reader.put_snapshot(key, &one, &at(1)).unwrap();
    assert_eq!(reader.snapshot(key, &one).unwrap(), Some(at(1)), "the one saved last");
    assert_eq!(reader.snapshot(key, &two).unwrap(), None, "another revision");
    for wrong in [
        Snapshot { head: ContentId::NONE, ..at(1) },
        Snapshot { sequence: Sequence(1_000), ..at(1) },
        Snapshot { sequence: Sequence::ZERO, ..at(1) },
    ] {
        reader.put_snapshot(key, &two, &wrong).unwrap();
        assert_eq!(reader.snapshot(key, &two).unwrap(), None, "{wrong:?}");
    }
    writer.append(&[]).unwrap();
    writer.close().unwrap();
    drop(reader);
    assert_eq!(open(folder.path()).1.snapshot(key, &one).unwrap(), Some(at(1)));
}
