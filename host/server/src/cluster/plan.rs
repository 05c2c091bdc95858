//! Which journals a host is to own, of those that all hosts divide among them. Pure: each host plans for itself, and those that see the same plan
//! the same, so they need not agree on anything.

use std::collections::{BTreeMap, BTreeSet};

/// With one journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Stay,
    /// Nobody that is there owns it, and it falls to this host.
    Take,
    /// In order, for a host that has fewer.
    GiveUp,
}

/// `present` want journals; `owners` has them as their leases say, possibly of hosts that are gone. A journal without an owner falls to the host with
/// the fewest. Once all have one, the host with the most gives one up if another has at least two fewer: never more than one at a time,
/// and never when that would only turn the difference round.
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
            steps[last] = Step::GiveUp;
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

    /// A letter for each journal: its owner, or `-`.
    fn owners(text: &str) -> Vec<Option<String>> {
        text.chars().map(|owner| (owner != '-').then(|| owner.to_string())).collect()
    }

    /// What each host plans, as a letter for each journal: `.`, `+` for take, `!` for give up.
    fn plans(present: &str, owned: &str) -> Vec<String> {
        let letter = |step: Step| match step {
            Step::Stay => '.',
            Step::Take => '+',
            Step::GiveUp => '!',
        };
        let planned = |own: &String| plan(own, &hosts(present), &owners(owned)).into_iter().map(letter).collect();
        hosts(present).iter().map(planned).collect()
    }

    #[test]
    fn what_nobody_owns_falls_to_whoever_has_the_fewest() {
        assert_eq!(plans("a", "---"), ["+++"]);
        assert_eq!(plans("a b c", "---"), ["+..", ".+.", "..+"]);
        assert_eq!(plans("a b c", "aab-"), ["....", "....", "...+"]);
        assert_eq!(plans("a b", "a--"), ["..+", ".+."]);
        assert_eq!(plans("a b", "axb"), [".+.", "..."], "x is gone");
        assert_eq!(plans("", "---"), Vec::<String>::new());
    }

    #[test]
    fn whoever_has_too_many_gives_up_one_at_a_time() {
        assert_eq!(plans("a b", "aaa"), ["..!", "..."]);
        assert_eq!(plans("a b c", "aabb"), ["....", "...!", "...."], "one of them");
        assert_eq!(plans("a b c", "aaa-"), ["....", "...+", "...."], "one is under way");
        assert_eq!(plans("a b c", "abca"), ["....", "....", "...."], "it would only turn round");
        assert_eq!(plans("a b", "a"), [".", "."]);
    }

    #[test]
    fn who_is_not_there_itself_takes_nothing_and_keeps_what_it_has() {
        assert_eq!(plan("c", &hosts("a b"), &owners("c-a")), [Step::Stay; 3]);
    }
}
