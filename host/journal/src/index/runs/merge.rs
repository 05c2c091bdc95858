//! Merges several runs into one: which runs, and how.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::run::{Entry, Run, RunWriter};
use crate::index::IndexError;

/// Number of neighbours of one level that are merged into one run of the next level. Each entry is written once per
/// level, and the lookup of a command reads fewer than this many runs per level, or as many while a merge is pending.
pub(super) const MERGED_AT_A_TIME: usize = 8;

/// Which runs to merge next, given the levels of all runs, oldest first. The lowest level goes first, because its runs
/// are the most frequent and the fastest to merge.
pub(super) fn due(levels: &[u8]) -> Option<Range<usize>> {
    let neighbours = levels.chunk_by(|one, other| one == other);
    let mut begin = 0;
    let groups = neighbours.map(|group| {
        begin += group.len();
        begin - group.len()..begin
    });
    let large = groups.filter(|group| group.len() >= MERGED_AT_A_TIME);
    large.min_by_key(|group| levels[group.start]).map(|group| group.start..group.start + MERGED_AT_A_TIME)
}

/// Writes all entries of the runs; of several entries with the same key, only that of the newest run. `runs` are
/// ordered oldest first.
///
/// # Errors
/// Fails also when `may_continue`, called before each entry, returns false.
pub(super) fn merge(runs: &[Arc<Run>], out: &mut RunWriter, may_continue: &dyn Fn() -> bool) -> Result<(), IndexError> {
    let mut sources: Vec<_> = runs.iter().map(|run| run.entries(&[])).collect();
    let mut next = BinaryHeap::with_capacity(sources.len());
    let mut values: Vec<Vec<u8>> = vec![Vec::new(); sources.len()];
    let mut last: Option<Vec<u8>> = None;
    let mut take = |age: usize, values: &mut Vec<Vec<u8>>| match sources[age].next() {
        Some(Ok(Entry { key, value })) => {
            values[age] = value;
            // Entries with the same key come out newest first.
            Ok(Some(Reverse((key, Reverse(age)))))
        }
        Some(Err(error)) => Err(error),
        None => Ok(None),
    };
    for age in 0..runs.len() {
        next.extend(take(age, &mut values)?);
    }
    while let Some(Reverse((key, Reverse(age)))) = next.pop() {
        if !may_continue() {
            return Err(IndexError("not finished".to_owned()));
        }
        if last.as_ref() != Some(&key) {
            out.add(&key, &values[age]).map_err(unwritable)?;
            last = Some(key);
        }
        next.extend(take(age, &mut values)?);
    }
    Ok(())
}

pub(super) fn unwritable(error: io::Error) -> IndexError {
    IndexError(format!("a run cannot be written: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_of_a_kind_are_merged_the_smallest_first() {
        assert_eq!(due(&[]), None);
        assert_eq!(due(&[0; 7]), None);
        assert_eq!(due(&[0; 9]), Some(0..8));
        assert_eq!(due(&[2, 1, 1, 0, 0, 0, 0, 0, 0, 0]), None, "neither has eight");
        assert_eq!(due(&[1, 1, 1, 1, 1, 1, 1, 1, 0]), Some(0..8));
        assert_eq!(due(&[1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0]), Some(8..16));
    }
}
