//! The modules of one crate, read from its syntax: the file of each module, the names that it defines and imports, and
//! the paths that its code mentions. Code that is compiled for tests only is left out.

use std::collections::{BTreeMap, BTreeSet};

use syn::ext::IdentExt;
use syn::visit::Visit;
use syn::{Attribute, Expr, ExprLit, Item, ItemMod, Lit};

use super::mentions::{Import, Mentions};
use super::test_code::is_test;

/// The parsed files of a crate, by their paths.
pub(super) type Files = BTreeMap<String, syn::File>;

/// The modules below one root file. The first module is the root.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) modules: Vec<Module>,
}

#[derive(Debug)]
pub(super) struct Module {
    /// Several modules are in one file when the file contains `mod name { … }`.
    pub(super) file: String,
    pub(super) parent: Option<usize>,
    pub(super) children: BTreeMap<String, usize>,
    /// The file of each item that is defined here. Only an exported macro is in the file of another module.
    pub(super) definitions: BTreeMap<String, String>,
    pub(super) imports: Vec<Import>,
    pub(super) mentions: BTreeSet<Vec<String>>,
}

impl Tree {
    /// Reads the modules from `root`, such as `host/core/src/lib.rs`. A declared module without a file is left out.
    pub(super) fn of(root: &str, files: &Files) -> Self {
        let mut builder = Builder { files, modules: Vec::new() };
        if let Some(file) = files.get(root) {
            builder.add(None, Place { file: root, folder: folder(root).to_owned() }, &file.items);
        }
        Self { modules: builder.modules }
    }
}

/// The file of a module, and the folder in which the files of its children are.
struct Place<'a> {
    file: &'a str,
    folder: String,
}

struct Builder<'a> {
    files: &'a Files,
    modules: Vec<Module>,
}

impl<'a> Builder<'a> {
    fn add(&mut self, parent: Option<usize>, place: Place<'a>, items: &'a [Item]) -> usize {
        let index = self.modules.len();
        let mut mentions = Mentions::default();
        let (mut definitions, mut exported) = (BTreeMap::new(), Vec::new());
        for item in items {
            mentions.visit_item(item);
            if let Some(name) = defined_name(item) {
                if matches!(item, Item::Macro(item) if item.attrs.iter().any(|one| one.path().is_ident("macro_export")))
                {
                    exported.push(name.clone());
                }
                definitions.insert(name, place.file.to_owned());
            }
        }
        let Mentions { imports, paths: mentions } = mentions;
        let children = BTreeMap::new();
        self.modules.push(Module { file: place.file.to_owned(), parent, children, definitions, imports, mentions });
        for name in exported {
            self.modules[0].definitions.insert(name, place.file.to_owned());
        }
        for item in items {
            if let Item::Mod(child) = item
                && !is_test(&child.attrs)
            {
                self.add_child(index, &place, child);
            }
        }
        index
    }

    fn add_child(&mut self, parent: usize, place: &Place<'a>, child: &'a ItemMod) {
        let name = child.ident.unraw().to_string();
        let inner = format!("{}/{name}", place.folder);
        let (place, items) = match &child.content {
            Some((_, items)) => (Place { file: place.file, folder: inner }, items),
            None => {
                let candidates = match path_attribute(&child.attrs) {
                    Some(path) => vec![format!("{}/{path}", folder(place.file))],
                    None => vec![format!("{inner}.rs"), format!("{inner}/mod.rs")],
                };
                let files = self.files;
                let Some((file, parsed)) = candidates.iter().find_map(|path| files.get_key_value(path)) else {
                    return;
                };
                (Place { file, folder: inner }, &parsed.items)
            }
        };
        let index = self.add(Some(parent), place, items);
        self.modules[parent].children.insert(name, index);
    }
}

fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn path_attribute(attributes: &[Attribute]) -> Option<String> {
    let attribute = attributes.iter().find(|attribute| attribute.path().is_ident("path"))?;
    let value = &attribute.meta.require_name_value().ok()?.value;
    let Expr::Lit(ExprLit { lit: Lit::Str(path), .. }) = value else { return None };
    Some(path.value())
}

fn defined_name(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::TraitAlias(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(ident.unraw().to_string())
}
