//! Finds which file of a crate imports from which other file. A path is followed through modules, `use` declarations
//! and re-exports to the file that defines its item. A re-export alone is no import: a file that only passes a name on
//! does not depend on it.

use std::collections::{BTreeMap, BTreeSet};

use super::module_tree::{Module, Tree};

/// For each pair of an importing and an imported file, one path that shows it.
pub(super) type Imports = BTreeMap<(String, String), String>;

/// The most steps of one search. A search that needs more is for a name that leads to itself.
const STEPS_MAX: usize = 200;

/// The steps of one search: the modules, each with the path that is looked up in it. No step is made twice, because
/// modules can import everything from each other.
type Steps = BTreeSet<(usize, Vec<String>)>;

#[derive(Debug, PartialEq)]
enum Found<'a> {
    Module(usize),
    /// The file of an item.
    Item(&'a str),
}

pub(super) fn imports(tree: &Tree) -> Imports {
    let mut imports = Imports::new();
    for (index, module) in tree.modules.iter().enumerate() {
        let mut add = |file: &str, path: &[String]| {
            if file != module.file {
                imports.entry((module.file.clone(), file.to_owned())).or_insert_with(|| path.join("::"));
            }
        };
        for import in module.imports.iter().filter(|import| !import.is_reexport) {
            match (tree.resolve(index, &import.path), &import.name) {
                (Some(Found::Item(file)), _) => add(file, &import.path),
                (Some(Found::Module(all_of)), None) => add(&tree.modules[all_of].file, &import.path),
                // The paths that begin with the module show what is imported from it.
                (Some(Found::Module(_)), Some(_)) | (None, _) => {}
            }
        }
        for path in &module.mentions {
            if let Some(Found::Item(file)) = tree.resolve(index, path) {
                add(file, path);
            }
        }
    }
    imports
}

/// Pairs of a file and the name of another crate that its code uses. The standard library is another crate, too.
pub(super) fn other_crates(tree: &Tree) -> BTreeSet<(String, String)> {
    let mut names = BTreeSet::new();
    for (index, module) in tree.modules.iter().enumerate() {
        let imported = module.imports.iter().map(|import| &import.path);
        for path in imported.chain(&module.mentions) {
            if let Some(first) = path.first()
                && tree.resolve(index, path).is_none()
            {
                names.insert((module.file.clone(), first.clone()));
            }
        }
    }
    names
}

impl Tree {
    /// What `path` means in the module `from`; none when it leads out of the crate.
    fn resolve(&self, from: usize, path: &[String]) -> Option<Found<'_>> {
        self.follow(from, path, &mut Steps::new())
    }

    fn follow(&self, from: usize, path: &[String], steps: &mut Steps) -> Option<Found<'_>> {
        let (mut here, mut rest) = (from, path);
        while let Some((first, tail)) = rest.split_first() {
            here = match first.as_str() {
                "crate" => 0,
                "self" => here,
                "super" => self.modules[here].parent?,
                _ => break,
            };
            rest = tail;
        }
        if rest.is_empty() {
            return Some(Found::Module(here));
        }
        let found = self.member(here, rest, steps);
        // A path that names its module leads to this module, even when a macro defines the item.
        if rest.len() < path.len() { found.or(Some(Found::Item(&self.modules[here].file))) } else { found }
    }

    /// What `path` means, when it begins with a name of the module `here`.
    fn member(&self, here: usize, path: &[String], steps: &mut Steps) -> Option<Found<'_>> {
        let module: &Module = &self.modules[here];
        let (first, tail) = path.split_first()?;
        if steps.len() == STEPS_MAX || !steps.insert((here, path.to_vec())) {
            return None;
        }
        let child = module.children.get(first).copied();
        if let Some(child) = child.filter(|_| !tail.is_empty()) {
            return self.member(child, tail, steps).or(Some(Found::Item(&self.modules[child].file)));
        }
        // A path that is a name alone brings a module and a macro of the same name; the module is what the file is for.
        if let Some(child) = child {
            return Some(Found::Module(child));
        }
        if let Some(file) = module.definitions.get(first) {
            return Some(Found::Item(file));
        }
        for import in module.imports.iter().filter(|import| import.name.as_ref() == Some(first)) {
            let path = [&import.path, tail].concat();
            if let Some(found) = self.follow(here, &path, steps) {
                return Some(found);
            }
        }
        module.imports.iter().filter(|import| import.name.is_none()).find_map(|import| {
            match self.follow(here, &import.path, steps)? {
                Found::Module(all_of) => self.member(all_of, path, steps),
                // The variants of an enum are in the enum's file, and the import of the enum shows it.
                Found::Item(_) => None,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::parsed;
    use super::*;

    /// Each file is a pair of its name and its text.
    fn tree(files: &[(&str, &str)]) -> Tree {
        Tree::of("src/lib.rs", &parsed(files))
    }

    fn shown(files: &[(&str, &str)]) -> Vec<String> {
        imports(&tree(files)).iter().map(|((from, to), path)| format!("{from} -> {to}: {path}")).collect()
    }

    #[test]
    fn uses_and_inline_paths_lead_to_files() {
        assert_eq!(
            shown(&[
                ("src/lib.rs", "mod a; mod b; mod c;"),
                ("src/a.rs", "use crate::b::B; fn f() { super::c::d::g(); json!({ \"x\": crate::c::C }) }"),
                ("src/b.rs", "pub struct B;"),
                ("src/c/mod.rs", "pub mod d; pub const C: u8 = 0;"),
                ("src/c/d.rs", "pub fn g() {}"),
            ]),
            [
                "src/a.rs -> src/b.rs: crate::b::B",
                "src/a.rs -> src/c/d.rs: super::c::d::g",
                "src/a.rs -> src/c/mod.rs: crate::c::C"
            ]
        );
    }

    #[test]
    fn a_parent_and_its_child_can_import_each_other() {
        assert_eq!(
            shown(&[
                ("src/lib.rs", "mod a;"),
                ("src/a.rs", "mod child; use child::Y; struct X; fn f(_: Y) {}"),
                ("src/a/child.rs", "use super::X; struct Y; fn f(_: X) {}"),
            ]),
            ["src/a.rs -> src/a/child.rs: child::Y", "src/a/child.rs -> src/a.rs: super::X"]
        );
    }

    #[test]
    fn a_reexport_leads_to_the_file_that_defines_the_item_and_is_no_import() {
        assert_eq!(
            shown(&[
                ("src/lib.rs", "mod a; mod b; pub use a::X;"),
                ("src/a/mod.rs", "mod one; mod two; pub(crate) use one::{X, Hidden as Shown};"),
                ("src/a/one.rs", "pub struct X; pub struct Hidden; use super::two::T;"),
                ("src/a/two.rs", "use super::X; pub struct T;"),
                ("src/b.rs", "use crate::{X, a::Shown};"),
            ]),
            [
                "src/a/one.rs -> src/a/two.rs: super::two::T",
                "src/a/two.rs -> src/a/one.rs: super::X",
                "src/b.rs -> src/a/one.rs: crate::X"
            ]
        );
    }

    #[test]
    fn a_reexport_that_its_file_uses_is_an_import() {
        assert_eq!(
            shown(&[("src/lib.rs", "mod a; pub use a::X; fn f(_: X) {}"), ("src/a.rs", "pub struct X;")]),
            ["src/lib.rs -> src/a.rs: X"]
        );
    }

    #[test]
    fn an_imported_module_is_followed_to_what_is_used_of_it() {
        assert_eq!(
            shown(&[
                ("src/lib.rs", "mod a; mod b;"),
                ("src/a.rs", "use super::b; use crate::b::inner as within; fn f() { b::g(); within::h(); }"),
                ("src/b.rs", "pub mod inner; pub use inner::g;"),
                ("src/b/inner.rs", "pub fn g() {} pub fn h() {}"),
            ]),
            ["src/a.rs -> src/b/inner.rs: b::g"]
        );
    }

    #[test]
    fn stars_inline_modules_and_path_attributes_are_followed() {
        assert_eq!(
            shown(&[
                ("src/lib.rs", "mod a; mod b; #[path = \"elsewhere.rs\"] mod c;"),
                ("src/a.rs", "use super::b::*; mod inline { use super::super::c::D; } fn f(_: E) {}"),
                ("src/b.rs", "mod e; pub use e::*;"),
                ("src/b/e.rs", "pub struct E;"),
                ("src/elsewhere.rs", "pub struct D;"),
            ]),
            [
                "src/a.rs -> src/b.rs: super::b",
                "src/a.rs -> src/b/e.rs: E",
                "src/a.rs -> src/elsewhere.rs: super::super::c::D"
            ]
        );
    }

    #[test]
    fn modules_that_import_everything_from_each_other_end_the_search() {
        let child = "pub use super::*; fn f() { unknown() }";
        let files: Vec<(String, &str)> = (0..9).map(|number| (format!("src/m{number}.rs"), child)).collect();
        let root: String = (0..9).map(|number| format!("mod m{number}; pub use m{number}::*; ")).collect();
        let mut files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        files.push(("src/lib.rs", &root));
        assert_eq!(shown(&files), Vec::<String>::new());
    }

    #[test]
    fn macros_are_found_where_they_are_exported_or_passed_on() {
        assert_eq!(
            shown(&[
                ("src/lib.rs", "mod a; mod b; mod c;"),
                ("src/a.rs", "macro_rules! two { () => {} } pub(crate) use two;"),
                ("src/b.rs", "crate::one!(); use super::a::two; two!();"),
                ("src/c.rs", "#[macro_export] macro_rules! one { () => {} }"),
            ]),
            ["src/b.rs -> src/a.rs: super::a::two", "src/b.rs -> src/c.rs: crate::one"]
        );
    }

    #[test]
    fn tests_do_not_count_and_circles_of_names_end() {
        assert_eq!(
            shown(&[
                ("src/lib.rs", "mod a; mod b; use x::y; use y::x;"),
                ("src/a.rs", "#[cfg(test)] mod tests { use crate::b::B; } #[cfg(test)] mod a_tests; use tracing;"),
                ("src/a/a_tests.rs", "use crate::b::B;"),
                ("src/b.rs", "pub struct B;"),
            ]),
            Vec::<String>::new()
        );
    }

    #[test]
    fn other_crates_are_named() {
        let tree = tree(&[
            ("src/lib.rs", "mod a; use rusqlite::Connection; fn f() { a::g() }"),
            ("src/a.rs", "fn h() -> tokio::time::Instant { self::k() } fn k() {}"),
        ]);
        let names = other_crates(&tree);
        let has = |file: &str, name: &str| names.contains(&(file.to_owned(), name.to_owned()));
        assert!(has("src/lib.rs", "rusqlite") && has("src/a.rs", "tokio"));
        assert!(!has("src/lib.rs", "a") && !has("src/a.rs", "self"));
    }
}
