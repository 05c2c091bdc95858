//! Checks the sizes of files and functions. Code that is compiled for tests only does not count. Pure functions.

use proc_macro2::Span;
use syn::visit::{self, Visit};
use syn::{Block, ImplItem, Item, ItemMod, Signature, TraitItemFn};

use super::test_code::{attributes_of_impl_item, attributes_of_item, is_test};

const FILE_LINES_MAX: usize = 450;
/// From the line with `fn` to the line with the closing brace.
const FUNCTION_LINES_MAX: usize = 60;

/// `text` is the text of `file`.
pub(super) fn violations(path: &str, text: &str, file: &syn::File) -> Vec<String> {
    let mut sizes = Sizes::default();
    sizes.visit_file(file);
    let mut violations = Vec::new();
    let lines = text.lines().count().saturating_sub(sizes.test_lines);
    if lines > FILE_LINES_MAX {
        violations.push(format!("{path}: {lines} lines without its tests; at most {FILE_LINES_MAX} are allowed"));
    }
    for Function { name, line, lines } in sizes.functions {
        if lines > FUNCTION_LINES_MAX {
            violations.push(format!(
                "{path}:{line}: the function `{name}` has {lines} lines; at most {FUNCTION_LINES_MAX} are allowed"
            ));
        }
    }
    violations
}

struct Function {
    name: String,
    line: usize,
    lines: usize,
}

#[derive(Default)]
struct Sizes {
    functions: Vec<Function>,
    /// The lines of all modules for tests in this file.
    test_lines: usize,
}

impl Sizes {
    fn add(&mut self, signature: &Signature, block: &Block) {
        let (start, end) = (signature.fn_token.span, block.brace_token.span.close());
        let (name, line) = (signature.ident.to_string(), start.start().line);
        self.functions.push(Function { name, line, lines: lines(start, end) });
    }

    fn add_tests(&mut self, module: &ItemMod) {
        let start = module.attrs.first().map_or(module.mod_token.span, |attribute| attribute.pound_token.span);
        if let Some((brace, _)) = &module.content {
            self.test_lines += lines(start, brace.span.close());
        }
    }
}

impl<'a> Visit<'a> for Sizes {
    fn visit_item(&mut self, item: &'a Item) {
        match item {
            item if is_test(attributes_of_item(item)) => {
                if let Item::Mod(module) = item {
                    self.add_tests(module);
                }
                return;
            }
            Item::Fn(item) => self.add(&item.sig, &item.block),
            _ => {}
        }
        visit::visit_item(self, item);
    }

    fn visit_impl_item(&mut self, item: &'a ImplItem) {
        if is_test(attributes_of_impl_item(item)) {
            return;
        }
        if let ImplItem::Fn(item) = item {
            self.add(&item.sig, &item.block);
        }
        visit::visit_impl_item(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'a TraitItemFn) {
        if let Some(block) = &item.default {
            self.add(&item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }
}

fn lines(start: Span, end: Span) -> usize {
    end.end().line - start.start().line + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        violations("a.rs", text, &syn::parse_file(text).unwrap())
    }

    /// A function of so many lines.
    fn function(name: &str, lines: usize) -> String {
        format!("fn {name}() {{\n{}}}\n", "    x();\n".repeat(lines - 2))
    }

    #[test]
    fn a_long_function_is_named_with_its_line_and_its_length() {
        assert_eq!(found(&function("a", 60)), Vec::<String>::new());
        let text = format!("\n/// Doc.\n#[inline]\n{}", function("a", 61));
        assert_eq!(found(&text), ["a.rs:4: the function `a` has 61 lines; at most 60 are allowed"]);
    }

    #[test]
    fn methods_and_nested_functions_count_too() {
        for around in ["impl A {", "trait A {", "mod a {", "fn a() { if b {} }\nmod c {"] {
            assert_eq!(found(&format!("{around}\n{}}}", function("a", 70))).len(), 1, "{around}");
        }
        let nested = format!("fn outer() {{\n{}}}", function("inner", 70));
        assert_eq!(found(&nested).len(), 2);
    }

    #[test]
    fn a_long_file_is_named() {
        let text = function("a", 50).repeat(9);
        assert_eq!(found(&text), Vec::<String>::new());
        let text = format!("{text}\n");
        assert_eq!(found(&text), ["a.rs: 451 lines without its tests; at most 450 are allowed"]);
    }

    #[test]
    fn tests_do_not_count() {
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", function("a", 460));
        assert_eq!(found(&format!("{}{tests}", function("b", 50).repeat(9))), Vec::<String>::new());
        assert_eq!(found(&format!("impl A {{ #[cfg(test)]\n{}}}", function("a", 70))), Vec::<String>::new());
    }
}
