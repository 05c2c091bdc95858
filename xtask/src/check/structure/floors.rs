//! Checks the imports of a crate against its floors: which folder may import from which, and which folder alone may use
//! another crate. Pure functions.

use std::collections::BTreeSet;

use super::imports::Imports;
use crate::check::rules::{Floor, Floors, Keeper};

/// The imports that go against `floors`. Imports of another crate's files are left alone.
pub(super) fn violations(imports: &Imports, floors: &Floors) -> Vec<String> {
    let mut violations = Vec::new();
    for ((from, to), path) in imports {
        let Some(to_floor) = floor_of(to, floors) else { continue };
        if is_root(from, floors.source) || !from.starts_with(&format!("{}/", floors.source)) {
            continue;
        }
        let from_floor = floor_of(from, floors);
        if from_floor.is_some_and(|floor| floor.folder == to_floor.folder) {
            continue;
        }
        let may_use = from_floor.map_or(&[][..], |floor| floor.may_use);
        if !may_use.contains(&to_floor.folder) {
            let allowed = if may_use.is_empty() { "no other folder" } else { &may_use.join(", ") };
            let place = from_floor.map_or("the ground", |floor| floor.folder);
            violations.push(format!(
                "{from} imports {to}: `{path}`; in {} {place} may import from {allowed} and from the ground, not from {}",
                floors.source, to_floor.folder
            ));
        }
    }
    violations
}

/// The files that use a crate that only another folder may use. `uses` are pairs of a file and the name of a crate.
pub(super) fn strays(uses: &BTreeSet<(String, String)>, keeper: &Keeper) -> Vec<String> {
    uses.iter()
        .filter(|(file, package)| {
            package == keeper.package && is_below(file, keeper.source) && !is_below(file, keeper.only_below)
        })
        .map(|(file, package)| format!("{file} uses {package}: only files below {} may", keeper.only_below))
        .collect()
}

/// The floor of a file: `folder.rs` or a file below `folder/`. The longest folder that fits is the file's floor. None:
/// the file is on the ground, or in another crate.
fn floor_of<'a>(file: &str, floors: &'a Floors) -> Option<&'a Floor> {
    let inner = file.strip_prefix(floors.source)?.strip_prefix('/')?;
    let module = inner.strip_suffix(".rs").unwrap_or(inner);
    let fits = floors.floors.iter().filter(|floor| module == floor.folder || is_below(inner, floor.folder));
    fits.max_by_key(|floor| floor.folder.len())
}

/// The root of a crate declares and passes on what every floor has.
fn is_root(file: &str, source: &str) -> bool {
    ["lib.rs", "main.rs"].iter().any(|root| file.strip_prefix(source) == Some(&format!("/{root}")))
}

fn is_below(file: &str, folder: &str) -> bool {
    file.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOORS: Floors = Floors {
        source: "x/src",
        floors: &[
            Floor { folder: "low", may_use: &[] },
            Floor { folder: "high", may_use: &["low"] },
            Floor { folder: "high/attic", may_use: &["high", "low"] },
        ],
    };

    fn found(from: &str, to: &str) -> Vec<String> {
        violations(&Imports::from([((from.to_owned(), to.to_owned()), "a::B".to_owned())]), &FLOORS)
    }

    #[test]
    fn a_folder_imports_from_those_below_it() {
        for (from, to) in [
            ("x/src/high/a.rs", "x/src/low/b.rs"),
            ("x/src/high.rs", "x/src/low.rs"),
            ("x/src/high/a.rs", "x/src/high/b/c.rs"),
            ("x/src/high/attic.rs", "x/src/high/b.rs"),
            ("x/src/low/a.rs", "x/src/ground.rs"),
            ("x/src/lib.rs", "x/src/high/a.rs"),
            ("x/src/ground/a.rs", "x/src/other.rs"),
            ("y/src/low/a.rs", "y/src/high/b.rs"),
        ] {
            assert_eq!(found(from, to), Vec::<String>::new(), "{from} -> {to}");
        }
    }

    #[test]
    fn an_import_from_a_higher_folder_is_named() {
        assert_eq!(
            found("x/src/low/a.rs", "x/src/high/b.rs"),
            [
                "x/src/low/a.rs imports x/src/high/b.rs: `a::B`; in x/src low may import from no other folder and from the \
             ground, not from high"
            ]
        );
        assert_eq!(found("x/src/high/a.rs", "x/src/high/attic/b.rs").len(), 1);
        assert!(found("x/src/ground.rs", "x/src/low.rs")[0].contains("the ground may import"));
        // The name of another folder begins with the name of this one.
        assert_eq!(found("x/src/lower.rs", "x/src/low.rs").len(), 1);
    }

    #[test]
    fn a_crate_is_used_in_its_folder_only() {
        let keeper = Keeper { source: "x/src", package: "rusqlite", only_below: "x/src/views" };
        let uses = [
            ("x/src/views/a.rs", "rusqlite"),
            ("x/src/read.rs", "rusqlite"),
            ("x/src/read.rs", "tokio"),
            ("y/src/a.rs", "rusqlite"),
        ];
        let uses = uses.iter().map(|(file, package)| ((*file).to_owned(), (*package).to_owned())).collect();
        assert_eq!(strays(&uses, &keeper), ["x/src/read.rs uses rusqlite: only files below x/src/views may"]);
    }
}
