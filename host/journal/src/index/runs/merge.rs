//! Many runs become one: which, and how.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::run::{Entry, Run, RunWriter};
use crate::index::IndexError;

/// So many neighbours of one level become one of the next: each entry is written once for each level, and a command asks at most so
/// many runs of each whether it was there before.
pub(super) const MERGED_AT_A_TIME: usize = 8;

/// Of runs with these levels, oldest first: those to be merged next. The smallest go first: they are many, and soon done.
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

/// Writes all their entries; where several have a key, that of the newest. The runs are in their order, oldest first.
///
/// # Errors
/// Also when `is_wanted` says, between two entries, that it is not any more.
pub(super) fn merge(runs: &[Arc<Run>], out: &mut RunWriter, is_wanted: &dyn Fn() -> bool) -> Result<(), IndexError> {
    let mut sources: Vec<_> = runs.iter().map(|run| run.entries(&[])).collect();
    let mut next = BinaryHeap::with_capacity(sources.len());
    let mut values: Vec<Vec<u8>> = vec![Vec::new(); sources.len()];
    let mut last: Option<Vec<u8>> = None;
    let mut take = |age: usize, values: &mut Vec<Vec<u8>>| match sources[age].next() {
        Some(Ok(Entry { key, value })) => {
            values[age] = value;
            // The newest first among those with one key.
            Ok(Some(Reverse((key, Reverse(age)))))
        }
        Some(Err(error)) => Err(error),
        None => Ok(None),
    };
    for age in 0..runs.len() {
        next.extend(take(age, &mut values)?);
    }
    while let Some(Reverse((key, Reverse(age)))) = next.pop() {
        if !is_wanted() {
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
