//! Decides which code is compiled for tests only, by its path or by its attributes.

use syn::punctuated::Punctuated;
use syn::{Attribute, ImplItem, Item, Meta, Token};

/// Whether the whole file is a test: it is below a folder `tests`, or its name is `tests.rs` or ends in `_tests.rs`.
pub(super) fn is_test_file(path: &str) -> bool {
    let mut parts = path.rsplit('/');
    let name = parts.next().unwrap_or_default();
    name == "tests.rs" || name.ends_with("_tests.rs") || parts.any(|folder| folder == "tests")
}

/// Whether an item with these attributes is compiled for tests only: `#[test]`, `#[cfg(test)]`, `#[cfg(all(test, …))]`.
pub(super) fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("test")
            || (attribute.path().is_ident("cfg") && attribute.parse_args::<Meta>().is_ok_and(|meta| needs_test(&meta)))
    })
}

fn needs_test(condition: &Meta) -> bool {
    match condition {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("all") => list
            .parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
            .is_ok_and(|conditions| conditions.iter().any(needs_test)),
        Meta::List(_) | Meta::NameValue(_) => false,
    }
}

pub(super) fn attributes_of_item(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

pub(super) fn attributes_of_impl_item(item: &ImplItem) -> &[Attribute] {
    match item {
        ImplItem::Const(item) => &item.attrs,
        ImplItem::Fn(item) => &item.attrs,
        ImplItem::Type(item) => &item.attrs,
        ImplItem::Macro(item) => &item.attrs,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_file_is_known_by_its_path() {
        for path in ["tests/support/lib.rs", "sdk/x/tests/domain.rs", "a/tests.rs", "a/plan_tests.rs"] {
            assert!(is_test_file(path), "{path}");
        }
        for path in ["a/plan.rs", "a/latests.rs", "a/testing/mod.rs", "xtask/src/test.rs"] {
            assert!(!is_test_file(path), "{path}");
        }
    }

    #[test]
    fn a_test_item_is_known_by_its_attributes() {
        let is_test_item = |text: &str| is_test(attributes_of_item(&syn::parse_str(text).unwrap()));
        for text in ["#[cfg(test)] mod a;", "#[test] fn a() {}", "#[cfg(all(unix, test))] use a::b;"] {
            assert!(is_test_item(text), "{text}");
        }
        for text in ["mod a;", "#[cfg(not(test))] mod a;", "#[cfg(any(test, unix))] mod a;", "#[cfg(unix)] fn a() {}"] {
            assert!(!is_test_item(text), "{text}");
        }
    }
}
