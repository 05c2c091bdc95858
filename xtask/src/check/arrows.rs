//! Checks a list of dependencies against the rules. Each violation names the edge and the allowed dependencies. Pure
//! functions.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::rules::{ABSENCES, ARROWS, Absence, Arrow, EDGES};
use crate::workspace::Member;

/// Pairs `(dependant, dependency)` of package names.
pub(crate) type Edges = BTreeSet<(String, String)>;

pub(crate) fn offences(members: &[Member], edges: &Edges) -> Vec<String> {
    let folders: BTreeMap<&str, &str> =
        members.iter().map(|member| (member.name.as_str(), member.folder.as_str())).collect();
    let mut offences = against_arrows(&folders, edges);
    offences.extend(against_edges(&folders, edges));
    for absence in ABSENCES {
        offences.extend(against_absence(absence, &folders, edges));
    }
    offences
}

fn against_arrows(folders: &BTreeMap<&str, &str>, edges: &Edges) -> Vec<String> {
    let mut offences = Vec::new();
    for (name, folder) in folders {
        if arrow_of(folder).is_none() {
            offences.push(format!("{folder} ({name}) has no row in the table of arrows (xtask/src/check/rules.rs)"));
        }
    }
    for (dependant, dependency) in edges {
        let (Some(from), Some(to)) = (folders.get(dependant.as_str()), folders.get(dependency.as_str())) else {
            continue;
        };
        let Some(arrow) = arrow_of(from) else { continue };
        if !arrow.may_use.iter().any(|pattern| matches(pattern, to)) {
            let allowed = if arrow.may_use.is_empty() { "nothing here" } else { &arrow.may_use.join(", ") };
            offences.push(format!("{dependant} -> {dependency}: {from} may depend on {allowed}, not on {to}"));
        }
    }
    offences
}

fn against_edges(folders: &BTreeMap<&str, &str>, edges: &Edges) -> Vec<String> {
    let mut offences = Vec::new();
    for (dependant, dependency) in edges {
        let Some(folder) = folders.get(dependant.as_str()) else { continue };
        for rule in EDGES.iter().filter(|rule| rule.package == dependency && rule.only != *folder) {
            offences.push(format!("{dependant} -> {dependency}: only {} may depend on it directly", rule.only));
        }
    }
    offences
}

fn against_absence(absence: &Absence, folders: &BTreeMap<&str, &str>, edges: &Edges) -> Vec<String> {
    let mut offences = Vec::new();
    let bound = folders.iter().filter(|(_, folder)| absence.folders.iter().any(|pattern| matches(pattern, folder)));
    for (name, folder) in bound {
        for unseen in absence.unseen {
            if let Some(path) = path(name, unseen, edges) {
                offences.push(format!("{}: {folder} must not see {unseen}", path.join(" -> ")));
            }
        }
    }
    offences
}

/// The row for a member: the row of its own folder before the row of a parent folder.
fn arrow_of(folder: &str) -> Option<&'static Arrow> {
    let exact = ARROWS.iter().find(|arrow| arrow.folder == folder);
    exact.or_else(|| ARROWS.iter().find(|arrow| matches(arrow.folder, folder)))
}

fn matches(pattern: &str, folder: &str) -> bool {
    folder == pattern || (pattern.ends_with('/') && folder.starts_with(pattern))
}

/// The shortest path from one package to another, both ends included.
fn path(from: &str, to: &str, edges: &Edges) -> Option<Vec<String>> {
    let mut reached_by: BTreeMap<&str, &str> = BTreeMap::new();
    let mut queue = VecDeque::from([from]);
    while let Some(here) = queue.pop_front() {
        if here == to {
            let mut path = vec![to.to_owned()];
            let mut last = to;
            while let Some(previous) = reached_by.get(last).filter(|_| last != from) {
                path.insert(0, (*previous).to_owned());
                last = previous;
            }
            return Some(path);
        }
        for (_, next) in edges.iter().filter(|(dependant, _)| dependant == here) {
            if next != from && !reached_by.contains_key(next.as_str()) {
                reached_by.insert(next, here);
                queue.push_back(next);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Members are written `name=folder`, edges `a->b`.
    fn check(members: &str, edges: &str) -> Vec<String> {
        let members: Vec<Member> = members
            .split_whitespace()
            .map(|text| {
                let (name, folder) = text.split_once('=').unwrap();
                Member { name: name.into(), folder: folder.into(), is_cdylib: false, tests: Vec::new() }
            })
            .collect();
        let edges = edges
            .split_whitespace()
            .map(|text| text.split_once("->").map(|(from, to)| (from.to_owned(), to.to_owned())).unwrap())
            .collect();
        offences(&members, &edges)
    }

    const MEMBERS: &str = "core=host/core journal=host/journal sandbox=host/sandbox engine=host/engine server=host/server \
        cli=host/cli bench=host/bench orders=guests/orders sdk=sdk/polder-sdk macros=sdk/polder-sdk-macros polder-tests=tests loop=tests/hostile/loop";

    #[test]
    fn what_the_design_draws_is_allowed() {
        let edges = "cli->server cli->core server->engine engine->sandbox engine->journal sandbox->core journal->core \
            sandbox->wasmtime engine->tokio server->tokio wasmtime->serde orders->sdk sdk->macros polder-tests->engine \
            loop->sdk bench->server bench->orders bench->sdk";
        assert_eq!(check(MEMBERS, edges), Vec::<String>::new());
    }

    #[test]
    fn an_arrow_outward_is_named() {
        assert_eq!(
            check(MEMBERS, "journal->engine"),
            ["journal -> engine: host/journal may depend on host/core, not on host/engine"]
        );
        assert_eq!(check(MEMBERS, "cli->orders").len(), 1);
        assert_eq!(check(MEMBERS, "core->sdk").len(), 1);
        assert_eq!(check(MEMBERS, "engine->orders").len(), 1);
        assert_eq!(check(MEMBERS, "loop->engine").len(), 1);
    }

    #[test]
    fn an_absence_is_checked_through_other_packages() {
        assert_eq!(
            check(MEMBERS, "orders->sdk sdk->helper helper->tokio"),
            [
                "orders -> sdk -> helper -> tokio: guests/orders must not see tokio",
                "sdk -> helper -> tokio: sdk/polder-sdk must not see tokio"
            ]
        );
    }

    #[test]
    fn only_the_sandbox_depends_on_wasmtime_itself() {
        assert_eq!(
            check(MEMBERS, "engine->wasmtime"),
            ["engine -> wasmtime: only host/sandbox may depend on it directly"]
        );
        assert_eq!(check(MEMBERS, "engine->sandbox sandbox->wasmtime"), Vec::<String>::new());
    }

    #[test]
    fn a_member_without_a_row_is_found() {
        let offences = check("stray=somewhere/new", "");
        assert!(offences[0].contains("somewhere/new (stray) has no row"), "{offences:?}");
    }

    #[test]
    fn a_circle_ends() {
        assert_eq!(check(MEMBERS, "sdk->a a->b b->a b->sdk"), Vec::<String>::new());
    }
}
