//! Plans how the hosts divide the journals among them. Pure: each host plans for itself, and hosts that see the same
//! state make the same plan, so they need no agreement.

use std::collections::{BTreeMap, BTreeSet};

/// What a host does with one journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Stay,
    /// No present host owns the journal, and it falls to this host.
    Take,
    /// This host releases the journal in order, for a host that has fewer.
    Release,
}

/// Returns the step for each journal. `present` are the hosts that want journals; `owners` are the owners by their
/// leases, which may be gone.
/// 1. A journal without a present owner falls to the host with the fewest.
/// 2. Once all have one, the host with the most releases one if another has at least two fewer.
/// 3. It never releases more than one at a time, and never one that would only reverse the difference.
pub(super) fn plan(own: &str, present: &BTreeSet<String>, owners: &[Option<String>]) -> Vec<Step> {
    let mut steps = vec![Step::Stay; owners.len()];
    let mut loads: BTreeMap<&str, usize> = present.iter().map(|host| (host.as_str(), 0)).collect();
    let mut free = Vec::new();
    for (index, owner) in owners.iter().enumerate() {
        match owner.as_deref().and_then(|owner| loads.get_mut(owner)) {
            Some(load) => *load += 1,
            None => free.push(index),
        }
    }
    if free.is_empty() {
        let (least, most) = (loads.values().min(), loads.iter().map(|(host, load)| (*load, *host)).max());
        if let (Some(least), Some((load, host))) = (least, most)
            && host == own
            && load >= least + 2
            && let Some(last) = owners.iter().rposition(|owner| owner.as_deref() == Some(own))
        {
            steps[last] = Step::Release;
        }
        return steps;
    }
    for index in free {
        let Some((host, load)) = loads.iter_mut().min_by_key(|(host, load)| (**load, **host)) else { break };
        *load += 1;
        if *host == own {
            steps[index] = Step::Take;
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(names: &str) -> BTreeSet<String> {
        names.split_whitespace().map(str::to_owned).collect()
    }

    /// Reads one letter per journal: its owner, or `-`.
    fn owners(text: &str) -> Vec<Option<String>> {
        text.chars().map(|owner| (owner != '-').then(|| owner.to_string())).collect()
    }

    /// The plan of each host, as one letter per journal: `.` for stay, `+` for take, `!` for release.
    fn plans(present: &str, owned: &str) -> Vec<String> {
        let letter = |step: Step| match step {
            Step::Stay => '.',
            Step::Take => '+',
            Step::Release => '!',
        };
        let planned = |own: &String| plan(own, &hosts(present), &owners(owned)).into_iter().map(letter).collect();
        hosts(present).iter().map(planned).collect()
    }

    #[test]
    fn a_journal_without_an_owner_falls_to_the_host_with_the_fewest() {
        assert_eq!(plans("a", "---"), ["+++"]);
        assert_eq!(plans("a b c", "---"), ["+..", ".+.", "..+"]);
        assert_eq!(plans("a b c", "aab-"), ["....", "....", "...+"]);
        assert_eq!(plans("a b", "a--"), ["..+", ".+."]);
        assert_eq!(plans("a b", "axb"), [".+.", "..."], "x is gone");
        assert_eq!(plans("", "---"), Vec::<String>::new());
    }

    #[test]
    fn a_host_with_too_many_releases_one_at_a_time() {
        assert_eq!(plans("a b", "aaa"), ["..!", "..."]);
        assert_eq!(plans("a b c", "aabb"), ["....", "...!", "...."], "one of them");
        assert_eq!(plans("a b c", "aaa-"), ["....", "...+", "...."], "one is under way");
        assert_eq!(plans("a b c", "abca"), ["....", "....", "...."], "it would only turn round");
        assert_eq!(plans("a b", "a"), [".", "."]);
    }

    #[test]
    fn an_absent_host_takes_nothing_and_keeps_what_it_has() {
        assert_eq!(plan("c", &hosts("a b"), &owners("c-a")), [Step::Stay; 3]);
    }
}
