//! Verifying and salvaging: a good journal passes, damage is reported with its place, what precedes it is saved.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use polder_core::{ContentId, Sequence};
use polder_journal::{EncodedRecord, SalvageError, VerifyError, salvage, verify};

use crate::support::{Model, accept, open, reject};

fn filled(folder: &Path) -> Model {
    let (mut writer, _, _) = open(folder);
    let mut model = Model::default();
    for round in 0..20 {
        let wishes = [accept("main", round % 7, &[700, 20]), reject("other", 1), accept("other", round % 3, &[30])];
        model.append(&mut writer, &wishes).unwrap();
    }
    model
}

fn segments(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(folder.join("journal")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[test]
fn counts_of_a_good_journal() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path());
    let report = verify(folder.path()).unwrap();
    assert_eq!((report.frames, report.commands, report.rejected, report.events), (20, 60, 20, 60));
    assert_eq!((report.tenants, report.aggregates), (2, 10));
    assert_eq!((report.closed, &report.torn), (false, &None));
    assert_eq!(report.files, segments(folder.path()).len() as u64);
    open(folder.path()).0.close().unwrap();
    let closed = verify(folder.path()).unwrap();
    assert!(closed.closed && closed.frames == 21 && closed.head != report.head);
}

#[test]
fn verifying_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path());
    let last = segments(folder.path()).pop().unwrap();
    let mut bytes = fs::read(&last).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes.truncate(end - 10);
    fs::write(&last, &bytes).unwrap();
    let torn = verify(folder.path()).unwrap().torn.unwrap();
    assert_eq!(torn.file, last);
    assert_eq!(fs::read(&last).unwrap(), bytes);
}

/// The frames and their hashes are valid, but the content is inconsistent. A host with a bug could write that.
#[test]
fn content_that_does_not_follow_is_found() {
    type Spoil = fn(&mut polder_journal::Decision, &mut ContentId);
    let cases: [(&str, Spoil); 2] = [
        ("does not match the event's id", |_, previous| *previous = ContentId::from_digest([1; 32])),
        ("sequence 6 comes directly after sequence 1", |decision, _| decision.sequence_before = Sequence(5)),
    ];
    for (expected, spoil) in cases {
        let folder = tempfile::tempdir().unwrap();
        let (mut writer, _, _) = open(folder.path());
        let mut model = Model::default();
        model.append(&mut writer, &[accept("main", 1, &[1])]).unwrap();
        let (mut decision, mut previous) = model.decision(&accept("main", 1, &[1]));
        spoil(&mut decision, &mut previous);
        writer.append(&[EncodedRecord::encode(&decision, decision.aggregate_key(), &previous).0]).unwrap();
        match verify(folder.path()) {
            Err(VerifyError::Damaged { offset: 512, what, .. }) => assert!(what.contains(expected), "{what}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_running_host_can_be_verified() {
    let folder = tempfile::tempdir().unwrap();
    let (mut writer, _reader, _) = open(folder.path());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let verifier = scope.spawn(|| {
            let mut last = 0;
            while !done.load(Ordering::Acquire) {
                let report = verify(folder.path()).unwrap();
                assert!(report.commands >= last);
                last = report.commands;
            }
        });
        let mut model = Model::default();
        for number in 0..300_u32 {
            model.append(&mut writer, &[accept("main", (number % 9) as u8, &[1_500])]).unwrap();
        }
        done.store(true, Ordering::Release);
        verifier.join().unwrap();
    });
    assert_eq!(verify(folder.path()).unwrap().commands, 300);
}

#[test]
fn salvage_saves_what_lies_before_the_damage() {
    let folder = tempfile::tempdir().unwrap();
    let model = filled(folder.path());
    let second = &segments(folder.path())[1];
    let mut bytes = fs::read(second).unwrap();
    let offset = bytes.len() / 2;
    bytes[offset] ^= 4;
    fs::write(second, &bytes).unwrap();
    assert!(matches!(verify(folder.path()), Err(VerifyError::Damaged { .. })));
    let out = folder.path().join("saved");
    let report = salvage(folder.path(), &out).unwrap();
    let stopped = report.stopped.unwrap();
    assert_eq!(stopped.file, *second);
    assert!(stopped.offset as usize <= offset);
    assert!(report.commands > 0 && report.commands < 60);
    assert_eq!(verify(&out).unwrap().commands, report.commands);
    let mut saved = Model::default();
    model.records.into_iter().take(report.commands as usize).for_each(|record| saved.remember(record));
    saved.check(&open(&out).1);
    assert!(matches!(salvage(folder.path(), &out), Err(SalvageError::NotEmpty { .. })));
}

#[test]
fn salvaging_a_good_journal_copies_all_of_it() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path());
    let out = folder.path().join("saved");
    assert_eq!(salvage(folder.path(), &out).unwrap().stopped, None);
    assert_eq!(verify(&out).unwrap(), verify(folder.path()).unwrap());
}
