//! Explains imports that a domain may not have: where they come from, and how to remove them.

/// Maximum number of imports that a message lists. It only counts the others.
const LISTED_MAX: usize = 8;
/// Maximum length of an import's name in a message, in bytes.
const NAME_BYTES_MAX: usize = 100;

pub(super) fn listed(imports: &[String]) -> String {
    let names: Vec<&str> =
        imports.iter().take(LISTED_MAX).map(|name| &name[..name.floor_char_boundary(NAME_BYTES_MAX)]).collect();
    let rest = imports.len() - names.len();
    match rest {
        0 => names.join(", "),
        rest => format!("{} and {rest} more", names.join(", ")),
    }
}

pub(super) fn remedy(imports: &[String]) -> &'static str {
    let any = |begins: &str| imports.iter().any(|name| name.starts_with(begins));
    if any("__wbindgen") {
        return "a dependency was built for a browser. `chrono` does that with its default feature `wasmbind`: use chrono = { version = \
                \"0.4\", default-features = false }. `uuid` and `getrandom` do it with their feature `js` or `wasm_js`. `cargo tree --target \
                wasm32-unknown-unknown -i wasm-bindgen` shows which one it is";
    }
    if any("wasi") {
        return "build for wasm32-unknown-unknown, without WASI";
    }
    if any("env") {
        return "a function that is declared `extern` is in no library, or a dependency expects a C library: `cargo tree` shows the dependencies";
    }
    "build for wasm32-unknown-unknown, without WASI"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_import_has_its_cause() {
        let remedy = |name: &str| remedy(&[name.to_owned()]);
        assert!(remedy("__wbindgen_placeholder__").contains("`wasmbind`"));
        assert!(remedy("__wbindgen_externref_xform__").contains("chrono"));
        assert!(remedy("wasi_snapshot_preview1").contains("without WASI"));
        assert!(remedy("env").contains("`extern`"));
    }

    #[test]
    fn many_imports_are_counted() {
        let many: Vec<String> = (0..100).map(|number| format!("import-{number}-{}", "ü".repeat(100))).collect();
        let listed = listed(&many);
        assert!(listed.ends_with("and 92 more") && listed.len() < 1_000, "{listed}");
    }
}
