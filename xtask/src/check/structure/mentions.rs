//! The imports and the paths in a piece of syntax. Paths in the arguments of macros are found by their tokens.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::visit::{self, Visit};
use syn::{Attribute, ImplItem, Item, ItemUse, Macro, Path, UseTree, Visibility};

use super::test_code::{attributes_of_impl_item, attributes_of_item, is_test};

/// One name that a `use` binds.
#[derive(Debug, PartialEq)]
pub(super) struct Import {
    /// The name here; none for `*`.
    pub(super) name: Option<String>,
    pub(super) path: Vec<String>,
    /// Whether other modules can use the name, too: `pub use`, `pub(crate) use` and so on.
    pub(super) is_reexport: bool,
}

/// Collects imports and paths. A nested module is not visited, because its paths begin at another place.
#[derive(Debug, Default)]
pub(super) struct Mentions {
    pub(super) imports: Vec<Import>,
    pub(super) paths: BTreeSet<Vec<String>>,
}

impl<'a> Visit<'a> for Mentions {
    fn visit_item(&mut self, item: &'a Item) {
        if !matches!(item, Item::Mod(_)) && !is_test(attributes_of_item(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'a ImplItem) {
        if !is_test(attributes_of_impl_item(item)) {
            visit::visit_impl_item(self, item);
        }
    }

    // The words of an attribute are names of macros and of their options.
    fn visit_attribute(&mut self, _: &'a Attribute) {}

    fn visit_item_use(&mut self, item: &'a ItemUse) {
        // A path with `::` in front begins at another crate.
        if item.leading_colon.is_none() {
            let is_reexport = !matches!(item.vis, Visibility::Inherited);
            self.bind(&item.tree, &[], is_reexport);
        }
    }

    fn visit_path(&mut self, path: &'a Path) {
        if path.leading_colon.is_none() {
            self.paths.insert(path.segments.iter().map(|segment| segment.ident.unraw().to_string()).collect());
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, invocation: &'a Macro) {
        self.visit_path(&invocation.path);
        self.scan(invocation.tokens.clone());
    }
}

impl Mentions {
    fn bind(&mut self, tree: &UseTree, prefix: &[String], is_reexport: bool) {
        let extended = |name: String| [prefix, &[name]].concat();
        let (name, path) = match tree {
            UseTree::Path(tree) => {
                return self.bind(&tree.tree, &extended(tree.ident.unraw().to_string()), is_reexport);
            }
            UseTree::Group(tree) => return tree.items.iter().for_each(|tree| self.bind(tree, prefix, is_reexport)),
            UseTree::Glob(_) => (None, prefix.to_vec()),
            // `use a::{self}` binds `a`.
            UseTree::Name(tree) if tree.ident == "self" => (prefix.last().cloned(), prefix.to_vec()),
            UseTree::Rename(tree) if tree.ident == "self" => (Some(tree.rename.unraw().to_string()), prefix.to_vec()),
            UseTree::Name(tree) => (Some(tree.ident.unraw().to_string()), extended(tree.ident.unraw().to_string())),
            UseTree::Rename(tree) => (Some(tree.rename.unraw().to_string()), extended(tree.ident.unraw().to_string())),
        };
        self.imports.push(Import { name, path, is_reexport });
    }

    /// Finds sequences such as `crate::a::b` in tokens. A name after one dot is a field or a method, and a name after a
    /// leading `::` is another crate.
    fn scan(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let (mut colons, mut dots) = (0, 0);
        for token in tokens {
            match token {
                TokenTree::Ident(ident) if colons == 2 => {
                    if !path.is_empty() {
                        path.push(ident.unraw().to_string());
                    }
                }
                TokenTree::Ident(ident) => {
                    self.finish(&mut path);
                    if dots != 1 {
                        path.push(ident.unraw().to_string());
                    }
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => {
                    (colons, dots) = (colons + 1, 0);
                    continue;
                }
                TokenTree::Punct(punct) if punct.as_char() == '.' => {
                    self.finish(&mut path);
                    (colons, dots) = (0, dots + 1);
                    continue;
                }
                TokenTree::Group(group) => {
                    self.finish(&mut path);
                    self.scan(group.stream());
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => self.finish(&mut path),
            }
            (colons, dots) = (0, 0);
        }
        self.finish(&mut path);
    }

    fn finish(&mut self, path: &mut Vec<String>) {
        if !path.is_empty() {
            self.paths.insert(std::mem::take(path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mentions(text: &str) -> Mentions {
        let mut mentions = Mentions::default();
        mentions.visit_file(&syn::parse_file(text).unwrap());
        mentions
    }

    fn paths(text: &str) -> Vec<String> {
        mentions(text).paths.iter().map(|path| path.join("::")).collect()
    }

    #[test]
    fn each_form_of_use_binds_its_names() {
        let shown: Vec<String> =
            mentions("use a::{self, b::C, d as e}; pub(crate) use f::*; use ::other::X; #[cfg(test)] use t::T;")
                .imports
                .iter()
                .map(|import| format!("{:?} {} {}", import.name, import.path.join("::"), import.is_reexport))
                .collect();
        assert_eq!(
            shown,
            ["Some(\"a\") a false", "Some(\"C\") a::b::C false", "Some(\"e\") a::d false", "None f true"]
        );
    }

    #[test]
    fn paths_are_found_in_types_patterns_and_macros() {
        assert_eq!(
            paths("fn a(b: crate::c::D<super::E>) { let f::G(h) = i else { panic!(\"{}\", j::k(l.m.n, ::o::p)) }; }"),
            ["crate::c::D", "f::G", "i", "j::k", "l", "panic", "super::E"]
        );
        assert_eq!(paths("x! { a: B => c::d, 0..e, f ? ..g }"), ["B", "a", "c::d", "e", "f", "g", "x"]);
    }

    #[test]
    fn tests_and_nested_modules_are_left_out() {
        assert_eq!(
            paths("mod a { use b::C; } #[cfg(test)] fn d() { e() } impl F { #[cfg(test)] fn g() { h() } }"),
            ["F"]
        );
    }
}
