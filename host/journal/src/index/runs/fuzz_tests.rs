//! Damaged runs: each is refused, or read within its bytes. Some have checksums that match, as after an error in the
//! memory of the host that wrote them.

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use polder_fuzz::{Damage, Rng, run};
use xxhash_rust::xxh3::xxh3_64;

use super::run::{Entry, Run, RunWriter};
use crate::format::bytes::{put_number, put_text};
use crate::index::IndexError;

const CASES_MIN: u64 = 300;
const CHECKSUM_BYTES: usize = 8;
/// Six numbers: the offsets of blocks and filter, the number of marks, the format, the checksum, and the magic.
const TRAILER_BYTES: usize = 48;
const MARKS_AND_FORMAT: Range<usize> = 16..32;

fn key(number: u64) -> Vec<u8> {
    [b"h".as_slice(), &[(number / 4) as u8; 16], &number.to_be_bytes()].concat()
}

/// Writes a run with one block.
fn good_run(path: &Path) -> Vec<u8> {
    let entries = (0..40).map(|number| Entry { key: key(number), value: vec![number as u8; number as usize % 20] });
    written(path, &entries.collect::<Vec<_>>())
}

fn written(path: &Path, entries: &[Entry]) -> Vec<u8> {
    let mut writer = RunWriter::create(path, entries.len(), Duration::ZERO).unwrap();
    entries.iter().try_for_each(|entry| writer.add(&entry.key, &entry.value)).unwrap();
    writer.finish().unwrap();
    fs::read(path).unwrap()
}

fn entries_of(run: &Arc<Run>) -> Result<Vec<Entry>, IndexError> {
    run.entries(&[]).collect()
}

/// The parts of a run with one block.
struct Parts {
    entries: Damage,
    blocks: Damage,
    filter: Damage,
    trailer: Vec<u8>,
}

impl Parts {
    fn of(bytes: &[u8]) -> Self {
        let (rest, trailer) = bytes.split_at(bytes.len() - TRAILER_BYTES);
        let offset = |at: usize| u64::from_le_bytes(trailer[at..at + 8].try_into().unwrap()) as usize;
        let (blocks_at, filter_at) = (offset(0), offset(8));
        Self {
            entries: Damage::new([&rest[..blocks_at - CHECKSUM_BYTES]], &[]),
            blocks: Damage::new([&rest[blocks_at..filter_at]], &[]),
            filter: Damage::new([&rest[filter_at..]], &[]),
            trailer: trailer.to_vec(),
        }
    }

    /// A run of damaged parts, whose offsets and checksums match.
    fn sealed(&self, random: &mut Rng) -> Vec<u8> {
        let mut bytes = self.entries.some_undamaged(random);
        bytes.extend_from_slice(&xxh3_64(&bytes).to_le_bytes());
        let blocks_at = bytes.len();
        if random.u8(..4) == 0 {
            bytes.extend(self.blocks.bytes(random));
        } else {
            put_number(&mut bytes, blocks_at as u64);
            put_text(&mut bytes, &key(0));
        }
        let filter_at = bytes.len();
        bytes.extend(self.filter.some_undamaged(random));
        for offset in [blocks_at, filter_at] {
            bytes.extend_from_slice(&(offset as u64).to_le_bytes());
        }
        bytes.extend_from_slice(&self.trailer[MARKS_AND_FORMAT]);
        let checksum = xxh3_64(&bytes[blocks_at..]);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes.extend_from_slice(&self.trailer[TRAILER_BYTES - CHECKSUM_BYTES..]);
        bytes
    }
}

#[test]
fn damaged_runs_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a-run");
    let good = good_run(&path);
    let damage = Damage::new([good.clone()], &[]);
    let counts = run(CASES_MIN, |random| {
        let bytes = damage.some_undamaged(random);
        fs::write(&path, &bytes).unwrap();
        let is_accepted = Run::open(&path).and_then(|run| entries_of(&Arc::new(run))).is_ok();
        assert_eq!(is_accepted, bytes == good);
        is_accepted
    });
    counts.assert_both();
}

#[test]
fn damaged_runs_with_checksums_that_match_are_refused_or_read_within_their_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (path, again) = (folder.path().join("a-run"), folder.path().join("b-run"));
    let parts = Parts::of(&good_run(&path));
    let counts = run(CASES_MIN, |random| {
        let bytes = parts.sealed(random);
        fs::write(&path, &bytes).unwrap();
        let Ok(run) = Run::open(&path).map(Arc::new) else { return false };
        for number in [0, 17, 39, u64::MAX] {
            let _ = run.may_hold(&key(number));
            if let Ok(Some(floor)) = run.floor(&key(number)) {
                assert!(floor.key <= key(number) && floor.value.len() <= bytes.len());
            }
        }
        let Ok(entries) = entries_of(&run) else { return false };
        assert!(entries.len() <= bytes.len());
        assert!(entries.iter().all(|entry| entry.key.len() + entry.value.len() <= bytes.len()));
        // One in sixteen, because each run that is written is synced.
        if random.u8(..16) == 0 && entries.is_sorted_by(|one, other| one.key < other.key) {
            written(&again, &entries);
            assert_eq!(entries_of(&Arc::new(Run::open(&again).unwrap())), Ok(entries));
        }
        true
    });
    counts.assert_both();
}
