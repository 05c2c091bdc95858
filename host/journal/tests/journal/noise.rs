//! Random bytes in place of frames, records and segments are refused or skipped, and nothing panics.
//! `POLDER_FUZZ_SECONDS=n` runs for n seconds, with other seeds.

use std::time::{Duration, Instant};

use polder_journal::disk::{Disk, FaultyDisk};
use polder_journal::{FrameCheck, OpenError, RecordView, verify_on};

use crate::support::{Model, accept, keys, open_on, reject};

/// Number of rounds, unless `POLDER_FUZZ_SECONDS` is set.
const ROUNDS: u64 = 400;

/// A random number generator: SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// Flips bits, cuts, duplicates, and overwrites some of the bytes.
    fn spoil(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(4) {
            let (at, length) = (self.below(bytes.len()), self.below(64));
            let end = (at + length).min(bytes.len());
            match self.below(6) {
                0 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
                1 => bytes.truncate(at),
                2 => bytes[at..end].iter_mut().for_each(|byte| *byte = self.next() as u8),
                3 => bytes[at..end].fill([0, 0xff][self.below(2)]),
                4 => {
                    let piece = bytes[at..end].to_vec();
                    let to = self.below(bytes.len());
                    bytes.splice(to..to, piece);
                }
                _ if at + 4 <= bytes.len() => bytes[at..at + 4].copy_from_slice(&(self.next() as u32).to_le_bytes()),
                _ => {}
            }
        }
    }
}

/// Runs each round with another seed, and reports the seed of a round that fails.
fn rounds(mut round: impl FnMut(&mut Random)) {
    let seconds =
        std::env::var("POLDER_FUZZ_SECONDS").ok().map(|text| text.parse().expect("POLDER_FUZZ_SECONDS is a number"));
    let until = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let first = if until.is_some() { std::process::id().into() } else { 0_u64 };
    for number in 0.. {
        if until.map_or(number >= ROUNDS, |until| Instant::now() >= until) {
            return;
        }
        let seed = first.wrapping_shl(32) + number;
        let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| round(&mut Random(seed)))).is_err();
        assert!(!failed, "failed with seed {seed}");
    }
}

fn filled() -> FaultyDisk {
    let disk = FaultyDisk::new(1);
    let (mut writer, _reader, _) = open_on(&disk).unwrap();
    let mut model = Model::default();
    for number in 0..10 {
        model
            .append(&mut writer, &[accept("main", number, &[700, 20]), reject("other", 1), accept("other", 2, &[300])])
            .unwrap();
    }
    disk
}

#[test]
fn spoilt_segments_are_refused_or_read_as_far_as_they_are_good() {
    let disk = filled();
    rounds(|random| {
        let spoilt = disk.after_restart();
        let segments = spoilt.segments().unwrap();
        let address = segments[random.below(segments.len())];
        let mut bytes = spoilt.bytes(address);
        random.spoil(&mut bytes);
        spoilt.set_bytes(address, bytes);
        drop(verify_on(&spoilt, &keys()));
        match open_on(&spoilt) {
            // A journal that opens must also take new records.
            Ok((mut writer, reader, _)) => {
                let mut model = Model::default();
                model.append(&mut writer, &[accept("third", 1, &[10])]).unwrap();
                assert_eq!(reader.last_position(&crate::support::tenant("third")).0, 1);
            }
            Err(OpenError::Damaged { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    });
}

#[test]
fn spoilt_frames_are_refused() {
    let disk = filled();
    let bytes = disk.bytes(0);
    let length = u32::from_le_bytes(bytes[112..116].try_into().unwrap()) as usize;
    let frame = &bytes[..length];
    let keys = keys();
    FrameCheck::new(&keys).frame(frame).unwrap();
    rounds(|random| {
        let mut spoilt = frame.to_vec();
        random.spoil(&mut spoilt);
        assert!(spoilt == frame || FrameCheck::new(&keys).frame(&spoilt).is_err());
        // Now with a hash that matches, as another program than the writer might compute it.
        if spoilt.len() > 120 {
            let length = (spoilt.len() as u32).to_le_bytes();
            spoilt[..8].copy_from_slice(&frame[..8]);
            spoilt[112..116].copy_from_slice(&length);
            let hash = *blake3::hash(&spoilt[40..]).as_bytes();
            spoilt[8..40].copy_from_slice(&hash);
            drop(FrameCheck::new(&keys).frame(&spoilt));
        }
    });
}

#[test]
fn spoilt_records_are_refused_or_read_within_their_bytes() {
    let disk = filled();
    let (_writer, reader, _) = open_on(&disk).unwrap();
    let batch = reader.tenant_batch(&crate::support::tenant("main"), polder_core::Position::ZERO, 1).unwrap();
    let record = batch.records().next().unwrap().bytes().to_vec();
    rounds(|random| {
        let mut spoilt = record.clone();
        random.spoil(&mut spoilt);
        if spoilt.len() >= 4 && random.below(2) == 0 {
            let length = (spoilt.len() as u32).to_le_bytes();
            spoilt[..4].copy_from_slice(&length);
        }
        if let Ok(view) = RecordView::read(&spoilt) {
            // All fields and events can be read.
            let bytes: usize = view.events().map(|event| event.payload.len() + event.name.len()).sum();
            assert!(bytes <= spoilt.len() && view.events().count() == view.event_count() as usize);
            drop(format!("{view:?}"));
        }
    });
}
