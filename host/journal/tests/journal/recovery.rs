//! What opening a journal may find, case by case.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use polder_journal::disk::{Disk, Fault, FaultyDisk};
use polder_journal::{AppendError, Journal, OpenError};

use crate::support::{Model, accept, open, open_on, small};

fn filled(disk: &FaultyDisk, frames: u8) -> Model {
    let (mut writer, _, _) = open_on(disk).unwrap();
    let mut model = Model::default();
    for number in 0..frames {
        model.append(&mut writer, &[accept("main", number, &[1_500])]).unwrap();
    }
    model
}

fn damage(result: Result<impl Sized, OpenError>) -> (PathBuf, u64, String) {
    match result.map(|_| ()) {
        Err(OpenError::Damaged { file, offset, what }) => (file, offset, what),
        other => panic!("expected damage, got {other:?}"),
    }
}

fn goes_on(disk: &FaultyDisk, mut model: Model) {
    let (mut writer, reader, _) = open_on(disk).unwrap();
    model.check(&reader);
    model.append(&mut writer, &[accept("main", 200, &[2_000]), accept("main", 201, &[9_000])]).unwrap();
    drop((writer, reader));
    model.check(&open_on(&disk.after_power_loss()).unwrap().1);
}

/// A crash cannot leave these bytes, so they may have been part of an acknowledged frame.
#[test]
fn garbage_behind_the_end_is_refused() {
    for (from, length) in [(0, 1), (1, 700), (511, 1), (512, 8), (513, 4_000)] {
        let disk = FaultyDisk::new(1);
        filled(&disk, 1);
        let mut bytes = disk.bytes(0);
        let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        bytes[end + from..end + from + length].fill(0xff);
        disk.set_bytes(0, bytes);
        let (_, _, what) = damage(open_on(&disk));
        assert!(what.contains("no frame begins") || what.contains("are not zero"), "{from} {length}: {what}");
    }
}

/// A frame whose write was interrupted: its beginning, or some of its sectors.
#[test]
fn the_remains_of_an_interrupted_frame_are_removed() {
    for kept in [[true, false, false], [false, true, false], [true, false, true], [false, true, true]] {
        let disk = FaultyDisk::new(1);
        let mut model = filled(&disk, 1);
        let (mut writer, _, _) = open_on(&disk).unwrap();
        let begin = disk.bytes(0).iter().rposition(|byte| *byte != 0).unwrap() / 512 * 512 + 512;
        model.append(&mut writer, &[accept("main", 1, &[900])]).unwrap();
        drop(writer);
        model.forget_last();
        let mut bytes = disk.bytes(0);
        for (sector, _) in kept.iter().enumerate().filter(|(_, kept)| !**kept) {
            bytes[begin + sector * 512..begin + (sector + 1) * 512].fill(0);
        }
        disk.set_bytes(0, bytes);
        let report = open_on(&disk).unwrap().2;
        assert!(report.torn.is_some(), "{kept:?}");
        assert!(open_on(&disk).unwrap().2.torn.is_none(), "removed for good");
        goes_on(&disk, model);
    }
}

#[test]
fn a_missing_file_in_the_middle_is_refused() {
    let disk = FaultyDisk::new(1);
    filled(&disk, 12);
    let segments = disk.segments().unwrap();
    assert!(segments.len() >= 3);
    disk.remove(segments[1]).unwrap();
    let (file, offset, what) = damage(open_on(&disk));
    assert_eq!((file, offset), (disk.path(segments[2]), 0));
    assert!(what.contains("does not continue"), "{what}");
}

#[test]
fn a_missing_first_file_is_refused() {
    let disk = FaultyDisk::new(1);
    filled(&disk, 12);
    let segments = disk.segments().unwrap();
    disk.remove(0).unwrap();
    assert_eq!(damage(open_on(&disk)).0, disk.path(segments[1]));
}

#[test]
fn two_files_that_changed_places_are_refused() {
    let disk = FaultyDisk::new(1);
    filled(&disk, 12);
    let segments = disk.segments().unwrap();
    let (one, two) = (disk.bytes(segments[0]), disk.bytes(segments[1]));
    disk.set_bytes(segments[0], two);
    disk.set_bytes(segments[1], one);
    assert!(damage(open_on(&disk)).2.contains("written at address"));
}

#[test]
fn unused_files_behind_the_end_do_no_harm() {
    for length in [0, 100, 8 * 1024] {
        let disk = FaultyDisk::new(1);
        let model = filled(&disk, 3);
        let last = *disk.segments().unwrap().last().unwrap();
        disk.set_bytes(last + disk.bytes(last).len() as u64, vec![0; length]);
        goes_on(&disk, model);
    }
}

#[test]
fn a_file_without_its_full_length_is_extended() {
    let disk = FaultyDisk::new(1);
    disk.set_bytes(0, Vec::new());
    goes_on(&disk, Model::default());
}

/// A bug that the model found: the torn frame was the first of its file, and the next frame did not fit into the space
/// left.
#[test]
fn a_file_that_lost_its_only_frame_is_used_for_a_larger_one() {
    let disk = FaultyDisk::new(1);
    let mut model = filled(&disk, 1);
    let (mut writer, _, _) = open_on(&disk).unwrap();
    let segments = disk.segments().unwrap().len();
    while disk.segments().unwrap().len() == segments {
        model.append(&mut writer, &[accept("main", 1, &[1_500])]).unwrap();
    }
    drop(writer);
    let last = *disk.segments().unwrap().last().unwrap();
    let mut bytes = disk.bytes(last);
    bytes[512..1024].fill(0);
    disk.set_bytes(last, bytes);
    model.forget_last();
    goes_on(&disk, model);
}

#[test]
fn other_segment_sizes_follow_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let mut model = Model::default();
    for segment_bytes in [4_096, 100_000, 1, 20_000] {
        let mut options = small();
        options.segment_bytes = segment_bytes;
        options.prepare_ahead = true;
        let (mut writer, reader, _) = Journal::open(folder.path(), options).unwrap();
        model.check(&reader);
        for number in 0..20 {
            model.append(&mut writer, &[accept("main", number, &[1_000])]).unwrap();
        }
    }
    model.check(&open(folder.path()).1);
}

/// The frame was complete when it was written. Cutting it off could lose acknowledged records.
#[test]
fn a_last_frame_of_a_newer_format_is_refused() {
    let disk = FaultyDisk::new(1);
    filled(&disk, 1);
    let mut bytes = disk.bytes(0);
    bytes[72..76].copy_from_slice(&99_u32.to_le_bytes());
    let length = u32::from_le_bytes(bytes[112..116].try_into().unwrap()) as usize;
    let hash = *blake3::hash(&bytes[40..length]).as_bytes();
    bytes[8..40].copy_from_slice(&hash);
    disk.set_bytes(0, bytes);
    assert!(damage(open_on(&disk)).2.contains("format 99"));
}

#[test]
fn a_folder_in_use_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (writer, reader, _) = open(folder.path());
    let in_use = |folder: &Path| matches!(Journal::open(folder, small()), Err(OpenError::InUse { .. }));
    assert!(in_use(folder.path()));
    drop(writer);
    assert!(in_use(folder.path()), "a reader still uses it");
    drop(reader);
    open(folder.path());
}

#[test]
fn after_a_failure_nothing_more_is_taken() {
    for fault in [Fault::Error, Fault::NoSpace, Fault::PowerLoss] {
        let disk = FaultyDisk::new(1);
        let mut model = Model::default();
        let (mut writer, _reader, _) = open_on(&disk).unwrap();
        model.append(&mut writer, &[accept("main", 1, &[1])]).unwrap();
        disk.fail_at(disk.calls() + 2, fault);
        let (error, _) = model.append(&mut writer, &[accept("main", 2, &[1])]).unwrap_err();
        assert!(matches!(error, AppendError::Io { what: "sync a frame", .. }), "{error:?}");
        let calls = disk.calls();
        let (error, _) = model.append(&mut writer, &[accept("main", 3, &[1])]).unwrap_err();
        assert!(matches!(&error, AppendError::Poisoned { reason } if reason.contains("sync a frame")), "{error:?}");
        assert!(matches!(writer.close(), Err(AppendError::Poisoned { .. })));
        assert_eq!(disk.calls(), calls, "no call was made after the failure");
    }
}

/// A failed sync leaves the bytes in the cache only, where a new process reads them. The process must make them durable
/// before readers see them.
#[test]
fn a_frame_whose_sync_failed_is_durable_once_it_is_shown() {
    for seed in 0..40 {
        let disk = FaultyDisk::new(seed);
        let mut model = Model::default();
        let (mut writer, _, _) = open_on(&disk).unwrap();
        model.append(&mut writer, &[accept("main", 1, &[1])]).unwrap();
        disk.fail_at(disk.calls() + 2, Fault::Error);
        let (_, maybe) = model.append(&mut writer, &[accept("main", 2, &[2_000])]).unwrap_err();
        drop(writer);
        let disk = disk.after_restart();
        let (writer, reader, _) = open_on(&disk).unwrap();
        assert_eq!(model.adopt(&reader, maybe), 1);
        drop((writer, reader));
        model.check(&open_on(&disk.after_power_loss()).unwrap().1);
    }
}

/// Nothing in the journal shows that the frame is missing, but the index recorded it as durable.
#[test]
fn a_last_frame_that_the_index_remembers_may_not_be_missing() {
    let folder = tempfile::tempdir().unwrap();
    let (mut writer, reader, _) = open(folder.path());
    let mut model = Model::default();
    for number in 0..3 {
        model.append(&mut writer, &[accept("main", number, &[1])]).unwrap();
    }
    writer.close().unwrap();
    drop(reader);
    let segment = folder.path().join("journal/00000000000000000000.seg");
    let whole = fs::read(&segment).unwrap();
    // The closing frame holds no acknowledged records, so it may be missing.
    File::options().write(true).open(&segment).unwrap().set_len(3 * 512 + 40).unwrap();
    let (writer, reader, report) = open(folder.path());
    assert!(report.torn.is_some() && report.frames == 3);
    model.check(&reader);
    drop((writer, reader));
    fs::write(&segment, &whole).unwrap();
    File::options().write(true).open(&segment).unwrap().set_len(2 * 512 + 40).unwrap();
    let (file, offset, what) = damage(Journal::open(folder.path(), small()));
    assert_eq!(file, segment);
    assert!(offset <= 1024 && what.contains("the index remembers frame 3"), "{offset}: {what}");
}

#[test]
fn a_file_that_is_no_segment_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    let note = folder.path().join("journal/README");
    fs::write(&note, "mine").unwrap();
    drop(open(folder.path()));
    assert_eq!(fs::read(&note).unwrap(), b"mine");
}
