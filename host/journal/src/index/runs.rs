//! Entries on disk: a folder of runs, which are sorted files that never change. Each run holds the index entries of a
//! range of frames; the ranges follow each other without a gap. New runs are added at the end, and when there are many,
//! a background thread merges neighbours.
//!
//! Readers take a snapshot of the list of runs and never block, because each command checks here whether it was decided
//! before. For why no library is used see `docs/src/why/differences.md`, "The index".
//!
//! A run's name contains its range of frames: `{the last frame before it}-{its last frame}-{level}.run`. An unfinished
//! run has another extension. So the folder needs no list of its files: a run whose frames another run covers too is a
//! leftover of a merge, and is removed.
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;

use self::merge::{merge, unwritable};
use self::run::{Entries, Run};
use super::IndexError;
use super::layout::mark_of;

mod filter;
#[cfg(test)]
mod fuzz_tests;
mod merge;
mod run;

pub(super) use run::{Entry, RunWriter};

const SUFFIX: &str = ".run";
const UNFINISHED_SUFFIX: &str = ".new";
/// Number of digits of the largest frame number.
const NUMBER_DIGITS: usize = 20;
/// Pause after each sync in a background thread. Frames that are synced meanwhile wait less, and no caller waits for
/// the background thread.
pub(super) const REST: Duration = Duration::from_micros(500);

pub(super) struct Runs {
    folder: PathBuf,
    /// The runs, oldest first.
    list: ArcSwap<Vec<Covering>>,
    /// Locked while the list is replaced.
    changing: Mutex<()>,
}

#[derive(Clone)]
struct Covering {
    frames: Covered,
    run: Arc<Run>,
}

/// The frames after `after`, up to and including `last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Covered {
    after: u64,
    last: u64,
    level: u8,
}

impl Runs {
    /// Opens the runs in `folder`, which is created if it is missing. Removes unfinished and leftover files.
    pub(super) fn open(folder: &Path) -> Result<Self, IndexError> {
        let problem = |error: io::Error| IndexError(format!("{} cannot be used: {error}", folder.display()));
        fs::create_dir_all(folder).map_err(problem)?;
        let (mut found, mut leftover) = (Vec::new(), Vec::new());
        for file in fs::read_dir(folder).map_err(problem)? {
            let path = file.map_err(problem)?.path();
            match path.file_name().and_then(|name| Covered::read(name.to_str()?)) {
                Some(frames) => found.push(frames),
                None => leftover.push(path),
            }
        }
        let (kept, covered) = in_a_row(found)?;
        leftover.extend(covered.into_iter().map(|frames| folder.join(frames.name())));
        for path in leftover {
            fs::remove_file(path).map_err(problem)?;
        }
        let open =
            |frames: Covered| Run::open(&folder.join(frames.name())).map(|run| Covering { frames, run: Arc::new(run) });
        let list = kept.into_iter().map(open).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { folder: folder.to_owned(), list: ArcSwap::from_pointee(list), changing: Mutex::default() })
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        for Covering { run, .. } in self.list.load().iter().rev() {
            if run.may_hold(mark_of(key))
                && let Some(Entry { value, .. }) = run.floor(key)?.filter(|entry| entry.key == key)
            {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// The last entry with this mark. Entries of newer runs must sort after those of older runs.
    pub(super) fn last(&self, mark: &[u8]) -> Result<Option<Entry>, IndexError> {
        let above = [mark, &[0xff; 9]].concat();
        self.list
            .load()
            .iter()
            .rev()
            .map(|covering| floor(&covering.run, mark, &above))
            .find_map(Result::transpose)
            .transpose()
    }

    /// Entries with this mark in ascending order. They begin with the last entry whose key is at most `at`; if there is
    /// none, with the first entry. The same condition holds as for [`last`](Self::last).
    pub(super) fn from(
        &self,
        mark: &[u8],
        at: &[u8],
    ) -> Result<impl Iterator<Item = Result<Entry, IndexError>> + use<>, IndexError> {
        let holding = |covering: &&Covering| covering.run.may_hold(mark);
        let runs: Vec<_> = self.list.load().iter().filter(holding).map(|covering| Arc::clone(&covering.run)).collect();
        let mut begin = (0, mark.to_vec());
        for (index, run) in runs.iter().enumerate().rev() {
            if let Some(floor) = floor(run, mark, at)? {
                begin = (index, floor.key);
                break;
            }
        }
        let (index, key) = begin;
        let entries: Vec<Entries> = runs.iter().skip(index).map(|run| run.entries(&key)).collect();
        let mark = mark.to_vec();
        let is_marked =
            move |entry: &Result<Entry, IndexError>| entry.as_ref().map_or(true, |entry| entry.key.starts_with(&mark));
        Ok(entries.into_iter().flat_map(move |entries| entries.take_while(is_marked.clone())))
    }

    /// All entries whose keys begin with `beginning`, those of older runs first. A later entry replaces an earlier one
    /// with the same key.
    pub(super) fn all(&self, beginning: &'static [u8]) -> impl Iterator<Item = Result<Entry, IndexError>> + use<> {
        let runs: Vec<_> = self.list.load().iter().map(|covering| Arc::clone(&covering.run)).collect();
        let begins = move |entry: &Result<Entry, IndexError>| {
            entry.as_ref().map_or(true, |entry| entry.key.starts_with(beginning))
        };
        runs.into_iter().flat_map(move |run| run.entries(beginning).take_while(begins))
    }

    /// Adds a run of all frames up to `last` that no other run covers. It is durable, and readers find it, when this
    /// returns. If it fails, nothing is added. For `rest` see [`RunWriter::create`].
    pub(super) fn add(
        &self,
        last: u64,
        marks: usize,
        rest: Duration,
        write: impl FnOnce(&mut RunWriter) -> io::Result<()>,
    ) -> Result<(), IndexError> {
        let after = self.list.load().last().map_or(0, |newest| newest.frames.last);
        debug_assert!(last > after, "a new run holds frames up to {last}, and the runs before it up to {after}");
        let covering =
            self.write(Covered { after, last, level: 0 }, marks, rest, |out| write(out).map_err(unwritable))?;
        self.change(|list| list.push(covering));
        Ok(())
    }

    /// Merges one group of runs if enough are due, and returns whether it did. Calls `may_continue` between entries and
    /// stops when it returns false.
    pub(super) fn merge(&self, may_continue: &dyn Fn() -> bool) -> Result<bool, IndexError> {
        let list = self.list.load_full();
        let levels: Vec<u8> = list.iter().map(|covering| covering.frames.level).collect();
        let Some(due) = merge::due(&levels) else { return Ok(false) };
        let (Some(first), Some(last)) = (list[due.clone()].first(), list[due.clone()].last()) else { return Ok(false) };
        let frames =
            Covered { after: first.frames.after, last: last.frames.last, level: first.frames.level.saturating_add(1) };
        let runs: Vec<_> = list[due.clone()].iter().map(|covering| Arc::clone(&covering.run)).collect();
        let marks = runs.iter().map(|run| run.marks()).sum();
        let merged = self.write(frames, marks, REST, |out| merge(&runs, out, may_continue))?;
        // Other threads only append to the list, so the indices are still valid.
        self.change(|list| drop(list.splice(due, [merged])));
        for run in runs {
            // Readers that still use the run have its file open. A file that cannot be removed now is removed at the
            // next opening.
            if let Err(error) = fs::remove_file(run.path()) {
                tracing::warn!(path = %run.path().display(), %error, "a merged part of the index cannot be removed");
            }
        }
        Ok(true)
    }

    fn write(
        &self,
        frames: Covered,
        marks: usize,
        rest: Duration,
        write: impl FnOnce(&mut RunWriter) -> Result<(), IndexError>,
    ) -> Result<Covering, IndexError> {
        let path = self.folder.join(frames.name());
        let unfinished = path.with_extension(&UNFINISHED_SUFFIX[1..]);
        let mut out = RunWriter::create(&unfinished, marks, rest).map_err(unwritable)?;
        write(&mut out)
            .and_then(|()| out.finish().map_err(unwritable))
            .and_then(|()| fs::rename(&unfinished, &path).map_err(unwritable))
            .and_then(|()| File::open(&self.folder).and_then(|folder| folder.sync_all()).map_err(unwritable))
            .inspect_err(|_| {
                // A file that cannot be removed now is removed at the next opening.
                let _ = fs::remove_file(&unfinished);
            })?;
        Ok(Covering { frames, run: Arc::new(Run::open(&path)?) })
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Covering>)) {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut list = self.list.load().to_vec();
        change(&mut list);
        debug_assert!(
            list.windows(2).all(|pair| pair[0].frames.last == pair[1].frames.after),
            "runs follow each other without a gap"
        );
        self.list.store(Arc::new(list));
    }
}

/// The last entry with this mark whose key is at most `key`.
fn floor(run: &Run, mark: &[u8], key: &[u8]) -> Result<Option<Entry>, IndexError> {
    if !run.may_hold(mark) {
        return Ok(None);
    }
    Ok(run.floor(key)?.filter(|entry| entry.key.starts_with(mark)))
}

/// Separates the runs that follow each other without a gap from those that other runs cover too.
fn in_a_row(mut found: Vec<Covered>) -> Result<(Vec<Covered>, Vec<Covered>), IndexError> {
    // Of several runs with the same first frame, the one with the most frames comes first.
    found.sort_unstable_by_key(|frames| (frames.after, u64::MAX - frames.last));
    let (mut kept, mut covered) = (Vec::<Covered>::new(), Vec::new());
    for frames in found {
        match kept.last().map_or(0, |last| last.last) {
            end if frames.after == end && frames.last > end => kept.push(frames),
            end if frames.last <= end => covered.push(frames),
            end => return Err(IndexError(format!("a part of it is missing: what comes after frame {end}"))),
        }
    }
    Ok((kept, covered))
}

impl Covered {
    fn name(&self) -> String {
        let Self { after, last, level } = self;
        format!("{after:0NUMBER_DIGITS$}-{last:0NUMBER_DIGITS$}-{level}{SUFFIX}")
    }

    fn read(name: &str) -> Option<Self> {
        let mut parts = name.strip_suffix(SUFFIX)?.split('-');
        let frames = Self {
            after: parts.next()?.parse().ok()?,
            last: parts.next()?.parse().ok()?,
            level: parts.next()?.parse().ok()?,
        };
        (frames.name() == name).then_some(frames)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A history key of the aggregate. All keys of one aggregate have the same mark.
    fn key(aggregate: u8, first: u64) -> Vec<u8> {
        [b"h".as_slice(), &[aggregate; 16], &first.to_be_bytes()].concat()
    }

    fn mark(aggregate: u8) -> Vec<u8> {
        [b"h".as_slice(), &[aggregate; 16]].concat()
    }

    /// Adds one run per frame, with one entry for each of three aggregates, and one entry with the same key in each
    /// run.
    fn add(runs: &Runs, frames: std::ops::RangeInclusive<u64>) {
        for frame in frames {
            runs.add(frame, 4, Duration::ZERO, |out| {
                for aggregate in 1..=3 {
                    out.add(&key(aggregate, 10 * frame), &frame.to_be_bytes())?;
                }
                out.add(b"m", &frame.to_be_bytes())
            })
            .unwrap();
        }
    }

    fn check(runs: &Runs, frames: u64) {
        let firsts = |at| {
            let entries = runs.from(&mark(2), &key(2, at)).unwrap().map(|entry| entry.unwrap());
            entries.inspect(|entry| assert!(entry.key.starts_with(&mark(2)))).map(|entry| entry.key).collect::<Vec<_>>()
        };
        let expected = |from: u64| (from..=frames).map(|frame| key(2, 10 * frame)).collect::<Vec<_>>();
        assert_eq!(firsts(0), expected(1));
        assert_eq!(firsts(9), expected(1));
        assert_eq!(firsts(35), expected(3), "the one that began before");
        assert_eq!(firsts(10 * frames + 5), expected(frames));
        assert_eq!(runs.from(&mark(7), &key(7, 5)).unwrap().count(), 0);
        assert_eq!(runs.last(&mark(2)).unwrap().map(|entry| entry.key), Some(key(2, 10 * frames)));
        assert_eq!(runs.last(&mark(7)).unwrap(), None);
        assert_eq!(runs.get(b"m").unwrap(), Some(frames.to_be_bytes().to_vec()), "the newest");
        assert_eq!(runs.get(&key(3, 20)).unwrap(), Some(2_u64.to_be_bytes().to_vec()));
        assert_eq!(runs.get(&key(3, 21)).unwrap(), None);
        assert_eq!(runs.all(b"m").last().unwrap().unwrap().value, frames.to_be_bytes());
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn merge_all(runs: &Runs) {
        while runs.merge(&|| true).unwrap() {}
    }

    #[test]
    fn the_same_entries_are_found_before_and_after_a_merge() {
        let folder = tempfile::tempdir().unwrap();
        let runs = Runs::open(folder.path()).unwrap();
        assert_eq!(runs.get(b"m").unwrap(), None);
        for frames in 1..=80 {
            add(&runs, frames..=frames);
            if frames > 3 {
                check(&runs, frames);
            }
            merge_all(&runs);
        }
        check(&runs, 80);
        let levels: Vec<_> = runs.list.load().iter().map(|covering| covering.frames.level).collect();
        assert_eq!(levels, [2, 1, 1]);
        assert_eq!(names(folder.path()).len(), 3, "what was merged is gone");
        drop(runs);
        check(&Runs::open(folder.path()).unwrap(), 80);
    }

    #[test]
    fn a_reader_continues_while_runs_are_merged() {
        let folder = tempfile::tempdir().unwrap();
        let runs = Runs::open(folder.path()).unwrap();
        add(&runs, 1..=8);
        let mut reading = runs.from(&mark(1), &key(1, 0)).unwrap();
        assert_eq!(reading.next().unwrap().unwrap().key, key(1, 10));
        merge_all(&runs);
        assert_eq!(reading.count(), 7);
    }

    #[test]
    fn a_merge_that_is_not_wanted_any_more_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let runs = Runs::open(folder.path()).unwrap();
        add(&runs, 1..=8);
        let before = names(folder.path());
        assert!(runs.merge(&|| false).is_err());
        assert_eq!(names(folder.path()), before);
        check(&runs, 8);
    }

    /// Covers every moment at which the host may be killed while it merges or adds.
    #[test]
    fn unfinished_and_leftover_files_are_removed_at_the_next_opening() {
        let folder = tempfile::tempdir().unwrap();
        let runs = Runs::open(folder.path()).unwrap();
        add(&runs, 1..=8);
        let parts: Vec<_> =
            names(folder.path()).into_iter().map(|name| (fs::read(folder.path().join(&name)).unwrap(), name)).collect();
        merge_all(&runs);
        let merged = names(folder.path());
        drop(runs);
        fs::write(folder.path().join("9.new"), b"half of it").unwrap();
        for removed in 0..=parts.len() {
            for (bytes, name) in &parts[removed..] {
                fs::write(folder.path().join(name), bytes).unwrap();
            }
            check(&Runs::open(folder.path()).unwrap(), 8);
            assert_eq!(names(folder.path()), merged);
        }
    }

    #[test]
    fn a_missing_run_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        add(&Runs::open(folder.path()).unwrap(), 1..=3);
        fs::remove_file(folder.path().join(&names(folder.path())[1])).unwrap();
        let error = Runs::open(folder.path()).map(drop).unwrap_err().to_string();
        assert!(error.contains("what comes after frame 1"), "{error}");
    }
}
