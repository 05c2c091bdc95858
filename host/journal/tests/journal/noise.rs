//! Damaged frames, records and segments are refused or skipped, and nothing panics.

use std::sync::Arc;

use polder_fuzz::{Damage, run};
use polder_journal::disk::{Disk, FaultyDisk};
use polder_journal::{FrameCheck, Journal, Keyring, OpenError, OpenReport, Reader, RecordView, Writer, verify_on};

use crate::support::{Model, SEALED, accept, reject, small, tenant};

const CASES_MIN: u64 = 400;

/// Keys for one test alone: a frame that was damaged on purpose, and has a matching hash, marks its tenant's key as
/// wrong.
fn own_keys() -> Keyring {
    let keys = Keyring::default();
    keys.create(&tenant(SEALED)).unwrap();
    keys
}

fn open_on(disk: &FaultyDisk, keys: &Keyring) -> Result<(Writer, Reader, OpenReport), OpenError> {
    Journal::open_on(Arc::new(disk.clone()), keys.clone(), small())
}

fn filled(keys: &Keyring) -> FaultyDisk {
    let disk = FaultyDisk::new(1);
    let (mut writer, _reader, _) = open_on(&disk, keys).unwrap();
    let mut model = Model::default();
    for number in 0..10 {
        model
            .append(&mut writer, &[accept("main", number, &[700, 20]), reject("other", 1), accept("other", 2, &[300])])
            .unwrap();
    }
    disk
}

#[test]
fn damaged_segments_are_refused_or_read_as_far_as_they_are_good() {
    let keys = own_keys();
    let disk = filled(&keys);
    let addresses = disk.after_restart().segments().unwrap();
    let segments: Vec<_> = addresses.iter().map(|at| (*at, Damage::new([disk.bytes(*at)], &[]))).collect();
    let counts = run(CASES_MIN, |random| {
        let damaged = disk.after_restart();
        let (address, damage) = &segments[random.usize(..segments.len())];
        damaged.set_bytes(*address, damage.some_undamaged(random));
        drop(verify_on(&damaged, &keys));
        match open_on(&damaged, &keys) {
            // A journal that opens must also take new records.
            Ok((mut writer, reader, _)) => {
                let mut model = Model::default();
                model.append(&mut writer, &[accept("third", 1, &[10])]).unwrap();
                assert_eq!(reader.last_position(&tenant("third")).0, 1);
                true
            }
            Err(OpenError::Damaged { .. }) => false,
            Err(other) => panic!("{other}"),
        }
    });
    counts.assert_both();
}

#[test]
fn damaged_frames_are_refused() {
    let keys = own_keys();
    let disk = filled(&keys);
    let bytes = disk.bytes(0);
    let length = u32::from_le_bytes(bytes[112..116].try_into().unwrap()) as usize;
    let frame = &bytes[..length];
    let damage = Damage::new([frame], &[]);
    let counts = run(CASES_MIN, |random| {
        let mut damaged = damage.some_undamaged(random);
        let is_accepted = FrameCheck::new(&keys).frame(&damaged).is_ok();
        assert_eq!(is_accepted, damaged == frame);
        // Now with a hash that matches, as another program than the writer might compute it.
        if damaged.len() > 120 {
            let length = (damaged.len() as u32).to_le_bytes();
            damaged[..8].copy_from_slice(&frame[..8]);
            damaged[112..116].copy_from_slice(&length);
            let hash = *blake3::hash(&damaged[40..]).as_bytes();
            damaged[8..40].copy_from_slice(&hash);
            drop(FrameCheck::new(&keys).frame(&damaged));
        }
        is_accepted
    });
    counts.assert_both();
}

#[test]
fn damaged_records_are_refused_or_read_within_their_bytes() {
    let keys = own_keys();
    let disk = filled(&keys);
    let (_writer, reader, _) = open_on(&disk, &keys).unwrap();
    let batch = reader.tenant_batch(&tenant("main"), polder_core::Position::ZERO, 1).unwrap();
    let damage = Damage::new([batch.records().next().unwrap().bytes()], &[]);
    let counts = run(CASES_MIN, |random| {
        let mut damaged = damage.some_undamaged(random);
        if damaged.len() >= 4 && random.bool() {
            let length = (damaged.len() as u32).to_le_bytes();
            damaged[..4].copy_from_slice(&length);
        }
        let Ok(view) = RecordView::read(&damaged) else { return false };
        // All fields and events can be read.
        let bytes: usize = view.events().map(|event| event.payload.len() + event.name.len()).sum();
        assert!(bytes <= damaged.len() && view.events().count() == view.event_count() as usize);
        drop(format!("{view:?}"));
        true
    });
    counts.assert_both();
}
