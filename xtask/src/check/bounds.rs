//! Checks the page of bounds: each row names a test that exists and is run. A row without a test has a dash, and stands
//! in a list with the reason.

use syn::{Attribute, Item};

use super::sources::Source;

/// The checked page.
const PAGE: &str = "docs/src/reference/bounds.md";
const DASH: &str = "–";
/// A cell that begins so names the tests of the row before, and maybe further ones.
const REPEATS: [&str; 2] = ["same", "the same"];
/// The first part of a name that stands for the module of the name before.
const SAME_MODULE: &str = "…";

/// The bounds that no test reaches: the text of the row's first cell, and the reason.
const UNTESTED: &[(&str, &str)] = &[
    (
        "work for callers that blocks and is not a read (restored components, uploads, administrative acts)",
        "the bounds of uploads and of compilers are smaller",
    ),
    ("threads of the allocator, which return free memory to the system", "the bound is the allocator's own"),
    (
        "texts of `/metrics` that are being made, or that their clients have not read",
        "its effect is on memory and time only",
    ),
    (
        "lookups of one view's position, while its views are closed or switched again and again",
        "the test needs views that close at a given moment",
    ),
    ("wait of a further page for memory of the host", "it would take a full half minute without memory"),
    ("body of a new key", "it is the same code as the bounds of the other bodies"),
    ("body of a request that is forwarded to the owner host", "the bounds of the bodies themselves are smaller"),
    ("bytes that the system holds for a client that does not read", "the system holds it"),
    ("connections that wait to be accepted", "the system holds it"),
    ("wait until this host has the owner's changes, after such an answer", "its end changes no answer"),
    ("effects of a view that is behind, before they are written", "its effect is on memory only"),
    ("saving of states when an instance is released", "its effect is on time only; states are folded again"),
    ("rows of an import that were read and are not decided", "its effect is on memory only"),
    ("wait for a client that reads no answers", "it takes half a minute"),
    ("lines forwarded to another host at a time", "its effect is on the size of messages only"),
    ("the answer to a query over NATS", "the test needs a NATS server with a small max_payload"),
    (
        "requests in progress of each of a tenant's four subscriptions (commands, batches, queries, catch-up)",
        "the bound of their memory is reached before",
    ),
    (
        "messages of such a subscription that the host has not received yet, of up to the server's `max_payload` each",
        "the bound of their memory is reached before",
    ),
    ("size of an object of a host at NATS", "no host writes an object that is nearly so large"),
    ("wait of a caller for the servers that keep a journal", "the test needs servers that fail at a given moment"),
    ("wait until the servers take a frame", "the test needs servers that fail at a given moment"),
    ("wait for the next owner of a journal", "the test needs hosts that fail at a given moment"),
    ("unanswered probes of JetStream on the server of a connection", "the test needs servers that fail partly"),
    ("index in memory while its folder cannot be written", "the test needs a hundred thousand records"),
];

/// A test in the sources.
#[derive(Debug)]
struct Test {
    /// The folders and modules that lead to it, and its name. Modules `tests` are left out: they only separate tests
    /// from the code beside them.
    path: Vec<String>,
    is_ignored: bool,
}

/// Each violation as one line of text, with the row.
pub(crate) fn violations(sources: &[Source]) -> Vec<String> {
    let Some(page) = sources.iter().find(|source| source.path == PAGE) else {
        return vec![format!("{PAGE} does not exist")];
    };
    let tests: Vec<Test> = sources.iter().flat_map(tests_of).collect();
    against_tests(&page.text, &tests, UNTESTED)
}

fn against_tests(page: &str, tests: &[Test], untested: &[(&str, &str)]) -> Vec<String> {
    let (mut violations, mut dashes) = (Vec::new(), Vec::new());
    let mut before_has_test = false;
    for (number, cells) in rows(page) {
        let &[what, .., cell] = cells.as_slice() else { continue };
        let mut report = |problem: String| violations.push(format!("{PAGE}:{number}: \"{what}\": {problem}"));
        if cell == DASH {
            dashes.push(what);
            before_has_test = false;
            if !untested.iter().any(|(listed, _)| *listed == what) {
                report("no test reaches it, and xtask/src/check/bounds.rs does not list it with a reason".into());
            }
            continue;
        }
        let names = names(cell);
        let repeats = before_has_test && REPEATS.iter().any(|word| cell.starts_with(word));
        if names.is_empty() && !repeats {
            report(format!("its last cell names no test: {cell}"));
        }
        names.iter().filter_map(|name| problem_of(name, tests)).for_each(&mut report);
        before_has_test = repeats || !names.is_empty();
    }
    for (what, _) in untested.iter().filter(|(what, _)| !dashes.contains(what)) {
        violations.push(format!("xtask/src/check/bounds.rs lists \"{what}\", but {PAGE} has no row of it with a dash"));
    }
    violations
}

/// The rows of the page's tables with their line numbers, without the head of each table.
fn rows(page: &str) -> Vec<(usize, Vec<&str>)> {
    let lines: Vec<&str> = page.lines().collect();
    let is_line_below_head = |line: &str| line.starts_with("|--");
    let is_row = |index: usize| {
        lines[index].starts_with('|')
            && !is_line_below_head(lines[index])
            && !lines.get(index + 1).is_some_and(|next| is_line_below_head(next))
    };
    (0..lines.len()).filter(|index| is_row(*index)).map(|index| (index + 1, cells_of(lines[index]))).collect()
}

fn cells_of(row: &str) -> Vec<&str> {
    row.trim().trim_matches('|').split(" | ").map(str::trim).collect()
}

/// The names of tests in a cell, each in backticks.
fn names(cell: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for written in cell.split('`').skip(1).step_by(2) {
        let name = match (written.strip_prefix(SAME_MODULE), names.last().and_then(|before| before.rsplit_once("::"))) {
            (Some(rest), Some((module, _))) => format!("{module}{rest}"),
            _ => written.to_owned(),
        };
        names.push(name);
    }
    names
}

/// The reason why no test of this name is run; `None` if one is. A name is the end of a test's path.
fn problem_of(name: &str, tests: &[Test]) -> Option<String> {
    let written: Vec<&str> = name.split("::").filter(|part| *part != "tests").collect();
    let is_named = |test: &&Test| {
        let Some(skipped) = test.path.len().checked_sub(written.len()) else { return false };
        test.path[skipped..].iter().zip(&written).all(|(part, written)| part == written)
    };
    let named: Vec<&Test> = tests.iter().filter(is_named).collect();
    match (named.is_empty(), named.iter().all(|test| test.is_ignored)) {
        (true, _) => Some(format!("there is no test {name}")),
        (_, true) => Some(format!("the test {name} is ignored")),
        _ => None,
    }
}

/// The tests of a file. A file that is not Rust has none.
fn tests_of(source: &Source) -> Vec<Test> {
    let (Some(path), Ok(file)) = (source.path.strip_suffix(".rs"), syn::parse_file(&source.text)) else {
        return Vec::new();
    };
    // Unit tests in a file of their own belong to the module that they test.
    let parts = path.split('/').map(|part| part.strip_suffix("_tests").unwrap_or(part));
    let parts = parts.filter(|part| !["mod", "lib", "main", "tests"].contains(part));
    let mut tests = Vec::new();
    add_tests(&parts.map(str::to_owned).collect::<Vec<_>>(), &file.items, &mut tests);
    tests
}

fn add_tests(module: &[String], items: &[Item], tests: &mut Vec<Test>) {
    for item in items {
        match item {
            Item::Mod(inner) => {
                let name = inner.ident.to_string();
                let path: Vec<String> = module.iter().cloned().chain((name != "tests").then_some(name)).collect();
                add_tests(&path, inner.content.as_ref().map_or(&[][..], |(_, items)| items.as_slice()), tests);
            }
            Item::Fn(function) if function.attrs.iter().any(|attribute| is_last(attribute, "test")) => {
                let path = module.iter().cloned().chain([function.sig.ident.to_string()]).collect();
                let is_ignored = function.attrs.iter().any(|attribute| is_last(attribute, "ignore"));
                tests.push(Test { path, is_ignored });
            }
            _ => {}
        }
    }
}

/// Whether the last part of the attribute's path is `name`, as in `tokio::test`.
fn is_last(attribute: &Attribute, name: &str) -> bool {
    attribute.path().segments.last().is_some_and(|segment| segment.ident == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "
        fn no_test() {}
        mod tests {
            #[test] fn it_ends() {}
            #[tokio::test(flavor = \"x\")] async fn it_waits() {}
            #[test] #[ignore = \"not met\"] fn it_is_ignored() {}
        }";

    fn tests() -> Vec<Test> {
        let source = |path: &str| Source { path: path.to_owned(), text: CODE.to_owned() };
        ["host/engine/src/read/turn.rs", "tests/integration/nats/mod.rs", "host/core/src/seats_tests.rs", "page.md"]
            .iter()
            .flat_map(|path| tests_of(&source(path)))
            .collect()
    }

    fn page(rows: &[(&str, &str)]) -> String {
        let rows: String = rows.iter().map(|(what, test)| format!("| {what} | 1 | it ends | {test} |\n")).collect();
        format!("# Bounds\n\n| what | bound | what happens | test |\n|---|---|---|---|\n{rows}")
    }

    fn found(rows: &[(&str, &str)], untested: &[(&str, &str)]) -> Vec<String> {
        against_tests(&page(rows), &tests(), untested)
    }

    #[test]
    fn a_name_is_the_end_of_a_tests_path() {
        for name in
            ["turn::it_ends", "read::turn::tests::it_ends", "it_waits", "nats::it_ends", "seats::tests::it_ends"]
        {
            assert_eq!(found(&[("a", &format!("`{name}`"))], &[]), Vec::<String>::new(), "{name}");
        }
        for (name, problem) in [
            ("turn::it_begins", "there is no test turn::it_begins"),
            ("n::it_ends", "there is no test n::it_ends"),
            ("turn::no_test", "there is no test turn::no_test"),
            ("turn::it_is_ignored", "the test turn::it_is_ignored is ignored"),
        ] {
            let violations = found(&[("a", &format!("`turn::it_ends`, `{name}`"))], &[]);
            assert_eq!(violations, [format!("{PAGE}:5: \"a\": {problem}")]);
        }
    }

    #[test]
    fn a_cell_may_repeat_a_module_or_the_row_before() {
        let rows = [("a", "`read::turn::it_ends`, `…::it_waits`"), ("b", "same"), ("c", "the same; `nats::it_ends`")];
        assert_eq!(found(&rows, &[]), Vec::<String>::new());
        assert_eq!(found(&[("a", "`read::turn::it_ends`, `…::it_begins`")], &[]).len(), 1);
        assert_eq!(found(&[("a", "same")], &[]).len(), 1, "there is no row before");
        assert_eq!(found(&[("a", "none of its own")], &[]).len(), 1);
        assert_eq!(found(&[("a", DASH), ("b", "same")], &[("a", "why")]).len(), 1, "a dash is not repeated");
    }

    #[test]
    fn a_dash_is_listed_with_a_reason_and_the_list_has_no_other_rows() {
        assert_eq!(found(&[("a", DASH)], &[("a", "why")]), Vec::<String>::new());
        assert!(found(&[("a", DASH)], &[])[0].contains("does not list it"));
        assert!(found(&[("a", "`nats::it_ends`")], &[("a", "why")])[0].contains("has no row of it with a dash"));
    }
}
