//! Checks the structure inside crates: circles of files, floors of folders, and the sizes of files and functions. The
//! tables are in `rules.rs`.

mod circles;
mod floors;
mod imports;
mod mentions;
mod module_tree;
mod sizes;
mod test_code;

use std::collections::BTreeSet;

use anyhow::{Context, Result};

use self::imports::Imports;
use self::module_tree::{Files, Tree};
use super::rules::{FLOORS, KEEPERS, NATURAL_CIRCLES, NaturalCircle};
use super::sources::Source;

/// Each violation as text with its files. `folders` are the folders of the crates.
/// # Errors
/// Fails when a source file is not Rust.
pub(crate) fn violations(folders: &[&str], sources: &[Source]) -> Result<Vec<String>> {
    let mut violations = Vec::new();
    let mut files = Files::new();
    for source in sources.iter().filter(|source| source.path.ends_with(".rs") && !test_code::is_test_file(&source.path))
    {
        let file = syn::parse_file(&source.text).with_context(|| format!("cannot parse {}", source.path))?;
        violations.extend(sizes::violations(&source.path, &source.text, &file));
        files.insert(source.path.clone(), file);
    }
    let (mut imports, mut other_crates) = (Imports::new(), BTreeSet::new());
    for tree in folders.iter().flat_map(|folder| roots(folder, &files)).map(|root| Tree::of(root, &files)) {
        imports.extend(imports::imports(&tree));
        other_crates.extend(imports::other_crates(&tree));
    }
    violations.extend(against_circles(&imports, NATURAL_CIRCLES));
    violations.extend(FLOORS.iter().flat_map(|floors| floors::violations(&imports, floors)));
    violations.extend(KEEPERS.iter().flat_map(|keeper| floors::strays(&other_crates, keeper)));
    Ok(violations)
}

/// The circles that are not natural, and the rows for circles that do not exist.
fn against_circles(imports: &Imports, natural: &[NaturalCircle]) -> Vec<String> {
    let circles = circles::circles(imports);
    let is_row_of = |row: &NaturalCircle, circle: &circles::Circle| {
        row.files.len() == circle.len() && row.files.iter().all(|file| circle.contains(*file))
    };
    let mut violations: Vec<String> = circles
        .iter()
        .filter(|circle| !natural.iter().any(|row| is_row_of(row, circle)))
        .map(|circle| circles::written(circle, imports))
        .collect();
    for row in natural.iter().filter(|row| !circles.iter().any(|circle| is_row_of(row, circle))) {
        violations.push(format!("rules.rs allows a circle that does not exist: {}", row.files.join(", ")));
    }
    violations
}

/// The files in which the crate of `folder` begins: its library, its program, its further programs.
fn roots<'a>(folder: &str, files: &'a Files) -> Vec<&'a str> {
    let (library, program, programs) =
        (format!("{folder}/src/lib.rs"), format!("{folder}/src/main.rs"), format!("{folder}/src/bin/"));
    let is_root = |path: &str| {
        path == library || path == program || path.strip_prefix(&programs).is_some_and(|rest| !rest.contains('/'))
    };
    files.keys().map(String::as_str).filter(|path| is_root(path)).collect()
}

/// The files of a test, each a pair of its path and its text.
#[cfg(test)]
fn parsed(files: &[(&str, &str)]) -> Files {
    files.iter().map(|(path, text)| ((*path).to_owned(), syn::parse_file(text).unwrap())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circle(files: &[(&str, &str)], natural: &[NaturalCircle]) -> Vec<String> {
        let files = parsed(files);
        let imports = imports::imports(&Tree::of("x/src/lib.rs", &files));
        against_circles(&imports, natural)
    }

    const TWO: &[(&str, &str)] = &[
        ("x/src/lib.rs", "mod a; mod b;"),
        ("x/src/a.rs", "use crate::b::B; pub struct A;"),
        ("x/src/b.rs", "use crate::a::A; pub struct B;"),
    ];

    #[test]
    fn a_circle_is_a_violation_unless_it_is_natural() {
        assert_eq!(
            circle(TWO, &[]),
            ["a circle of 2 files: x/src/a.rs, x/src/b.rs\n    x/src/a.rs imports x/src/b.rs: `crate::b::B`\n    \
             x/src/b.rs imports x/src/a.rs: `crate::a::A`"]
        );
        let natural = NaturalCircle { files: &["x/src/a.rs", "x/src/b.rs"] };
        assert_eq!(circle(TWO, &[natural]), Vec::<String>::new());
    }

    #[test]
    fn a_row_without_its_circle_is_a_violation() {
        let smaller = NaturalCircle { files: &["x/src/a.rs"] };
        let found = circle(TWO, &[smaller]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(found[1], "rules.rs allows a circle that does not exist: x/src/a.rs");
    }

    #[test]
    fn a_crate_begins_at_its_library_and_its_programs() {
        let paths = ["x/src/lib.rs", "x/src/main.rs", "x/src/bin/tool.rs", "x/src/bin/tool/part.rs", "x/src/a/lib.rs"];
        let files = parsed(&paths.map(|path| (path, "")));
        assert_eq!(roots("x", &files), ["x/src/bin/tool.rs", "x/src/lib.rs", "x/src/main.rs"]);
    }

    #[test]
    fn sizes_circles_and_floors_are_all_checked() {
        let source = |path: &str, text: &str| Source { path: path.to_owned(), text: text.to_owned() };
        let sources = [
            source("host/engine/src/lib.rs", "mod tenancy; mod host; mod read;"),
            source("host/engine/src/tenancy.rs", "use crate::host::Host; pub struct Tenant;"),
            source("host/engine/src/host.rs", "use crate::tenancy::Tenant; pub struct Host;"),
            source("host/engine/src/read.rs", "use rusqlite::Connection;"),
            source("host/engine/src/long.rs", &"\n".repeat(500)),
            source("host/engine/src/long_tests.rs", &"\n".repeat(500)),
            source("page.md", "no Rust"),
        ];
        let found = violations(&["host/engine"], &sources).unwrap();
        for expected in
            ["long.rs: 500 lines", "a circle of 2 files", "tenancy may import from no", "read.rs uses rusqlite"]
        {
            assert!(found.iter().any(|violation| violation.contains(expected)), "{expected}: {found:?}");
        }
        assert!(!found.iter().any(|violation| violation.contains("long_tests.rs")), "{found:?}");
        assert!(violations(&[], &[source("a.rs", "fn {")]).is_err());
    }
}
