//! `polder new`: makes a domain crate that builds and whose tests pass. Writes files; builds nothing.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;
use polder_core::{AggregateName, DomainName, is_reserved_name};

use crate::failure::Outcome;
use crate::output::Output;

/// Every file of a new domain crate. Text in {{braces}} is filled in, in the names of the files too.
const FILES: [(&str, &str); 7] = [
    ("Cargo.toml", include_str!("../../template/Cargo.toml.in")),
    (".gitignore", include_str!("../../template/gitignore.in")),
    ("README.md", include_str!("../../template/README.md.in")),
    ("src/lib.rs", include_str!("../../template/src/lib.rs.in")),
    ("src/{{module}}.rs", include_str!("../../template/src/ticket.rs.in")),
    ("src/views.rs", include_str!("../../template/src/views.rs.in")),
    ("tests/cases.rs", include_str!("../../template/tests/cases.rs.in")),
];
/// The SDK in the source tree that this program was built from.
const SDK_OF_THIS_TREE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../sdk/polder-sdk");
/// Names of domains that mean something else to rustc or in the crate itself.
const TAKEN_NAMES: [&str; 7] = ["test", "std", "core", "alloc", "polder-sdk", "serde", "views"];
/// Names of aggregates that the crate, the SDK or Rust's prelude use for something else.
const TAKEN_AGGREGATES: [&str; 34] = [
    "views",
    "status",
    "title",
    "assignee",
    "workload",
    "aggregate",
    "command",
    "context",
    "documents",
    "effect",
    "event",
    "id",
    "invalid-value",
    "non-empty-text",
    "projection",
    "recorded",
    "rejection",
    "source",
    "state-chart",
    "timestamp",
    "option",
    "some",
    "none",
    "result",
    "ok",
    "err",
    "string",
    "vec",
    "box",
    "default",
    "clone",
    "debug",
    "drop",
    "polder-sdk",
];
/// Words that cannot be the name of a module.
const RUST_WORDS: [&str; 51] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn", "else",
    "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod",
    "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static", "struct", "super", "trait", "true",
    "try", "type", "typeof", "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];
/// The longest name of an aggregate, in bytes: names of commands, events and views are made of it.
const AGGREGATE_BYTES_MAX: usize = 48;

/// Make a new domain crate in a folder of the same name.
#[derive(Args)]
pub(crate) struct New {
    /// Name of the domain and of its folder, such as ticket-office.
    name: DomainName,
    /// Name of its first aggregate, such as ticket: of its type, its file and its commands.
    #[arg(long, value_name = "NAME", default_value = "ticket")]
    aggregate: AggregateName,
    /// Folder of polder-sdk; by default the one in the source tree that this program was built from.
    #[arg(long, value_name = "DIR")]
    sdk: Option<PathBuf>,
}

impl New {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let folder = PathBuf::from(self.name.as_str());
        write(&folder, &Names { domain: self.name.clone(), aggregate: self.aggregate }, self.sdk.as_deref())?;
        let answer = serde_json::json!({ "folder": folder.display().to_string(), "domain": self.name });
        output.answer(&answer, || {
            format!(
                "{folder} is a domain crate now. Next:\n  cd {folder}\n  polder test\n  polder build\nREADME.md there explains the rest",
                folder = folder.display()
            )
        })
    }
}

struct Names {
    domain: DomainName,
    aggregate: AggregateName,
}

impl Names {
    fn check(&self) -> Result<()> {
        let Self { domain, aggregate } = self;
        ensure!(
            !TAKEN_NAMES.contains(&domain.as_str()) && domain.as_str() != aggregate.as_str(),
            "a domain crate cannot be named {domain:?}, which means something else to Rust or in the crate itself: choose another name"
        );
        let name = aggregate.as_str();
        ensure!(
            !TAKEN_AGGREGATES.contains(&name) && !RUST_WORDS.contains(&name) && !is_reserved_name(name),
            "the first aggregate cannot be named {aggregate:?}, which means something else to Rust or Polder: choose another name"
        );
        let is_word = |word: &str| word.starts_with(|first: char| first.is_ascii_lowercase());
        ensure!(
            name.len() <= AGGREGATE_BYTES_MAX && name.split('-').all(is_word),
            "the first aggregate cannot be named {aggregate:?}: here a name has at most {AGGREGATE_BYTES_MAX} characters, and each of its \
             words begins with a letter"
        );
        Ok(())
    }

    /// The aggregate's name as a type, such as `LibraryCard`.
    fn type_name(&self) -> String {
        let capitalized = |word: &str| word[..1].to_uppercase() + &word[1..];
        self.aggregate.as_str().split('-').map(capitalized).collect()
    }
}

fn write(folder: &Path, names: &Names, sdk: Option<&Path>) -> Result<()> {
    names.check()?;
    ensure!(!folder.exists(), "{} is there already: choose another name, or remove it first", folder.display());
    let sdk = find_sdk(sdk.unwrap_or(Path::new(SDK_OF_THIS_TREE)))?;
    for (file, template) in FILES {
        let path = folder.join(fill(file, names, &sdk));
        let text = fill(template, names, &sdk);
        let parent = path.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent)
            .and_then(|()| std::fs::write(&path, text))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    // The new crate begins with the versions that the SDK was tested with. Without this file cargo takes the newest
    // ones.
    let lock = sdk.join("../../Cargo.lock");
    if lock.is_file() {
        std::fs::copy(&lock, folder.join("Cargo.lock")).with_context(|| format!("cannot copy {}", lock.display()))?;
    }
    Ok(())
}

fn find_sdk(folder: &Path) -> Result<PathBuf> {
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
    ensure!(
        manifest.contains("name = \"polder-sdk\""),
        "there is no polder-sdk in {}: name the folder sdk/polder-sdk of a source tree of Polder with --sdk",
        folder.display()
    );
    folder.canonicalize().with_context(|| format!("cannot find out where {} is", folder.display()))
}

fn fill(template: &str, names: &Names, sdk: &Path) -> String {
    // Quoted as TOML does: a path may hold backslashes and quotes.
    let sdk = serde_json::Value::from(sdk.to_string_lossy()).to_string();
    template
        .replace("{{name}}", names.domain.as_str())
        .replace("{{crate}}", &names.domain.as_str().replace('-', "_"))
        .replace("{{aggregate}}", names.aggregate.as_str())
        .replace("{{module}}", &names.aggregate.as_str().replace('-', "_"))
        .replace("{{Type}}", &names.type_name())
        .replace("{{sdk}}", &sdk)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(domain: &str, aggregate: &str) -> Names {
        Names { domain: domain.parse().unwrap(), aggregate: aggregate.parse().unwrap() }
    }

    #[test]
    fn every_brace_is_filled() {
        let office = names("ticket-office", "ticket");
        for (file, template) in FILES {
            let text = fill(template, &office, Path::new("/sdk"));
            assert!(!text.contains("{{"), "{file}: {text}");
        }
        assert!(fill(FILES[0].1, &office, Path::new("/x y")).contains("polder-sdk = { path = \"/x y\" }"));
        assert!(fill(FILES[6].1, &office, Path::new("/sdk")).contains("use ticket_office::domain;"));
    }

    #[test]
    fn the_aggregate_has_its_name_everywhere() {
        let library = names("library", "library-card");
        for (file, template) in FILES {
            let text = fill(template, &library, Path::new("/sdk"));
            assert!(!text.to_lowercase().contains("ticket"), "{file}: {text}");
        }
        assert_eq!(fill(FILES[4].0, &library, Path::new("/sdk")), "src/library_card.rs");
        let rules = fill(FILES[4].1, &library, Path::new("/sdk"));
        assert!(rules.contains("#[aggregate(\"library-card\", chart = status)]"), "{rules}");
        assert!(rules.contains("#[on(OpenLibraryCard -> LibraryCardOpened -> Open)]"), "{rules}");
        assert!(fill(FILES[6].1, &library, Path::new("/sdk")).contains("when   open-library-card    title="));
    }

    #[test]
    fn names_that_mean_something_else_are_refused() {
        for (domain, aggregate) in [
            ("core", "ticket"),
            ("ticket", "ticket"),
            ("library", "status"),
            ("library", "type"),
            ("library", "events"),
            ("library", "book-2"),
        ] {
            assert!(names(domain, aggregate).check().is_err(), "{domain} {aggregate}");
        }
        assert!(names("library", &"x".repeat(49)).check().is_err());
        assert!(names("library", "library-card").check().is_ok());
    }

    #[test]
    fn what_is_there_is_never_written_over() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("shop");
        write(&folder, &names("shop", "ticket"), None).unwrap();
        assert!(folder.join("src/lib.rs").is_file() && folder.join("src/ticket.rs").is_file());
        let again = write(&folder, &names("shop", "ticket"), None).unwrap_err().to_string();
        assert!(again.contains("is there already"), "{again}");
        let error = write(&parent.path().join("core"), &names("core", "ticket"), None).unwrap_err().to_string();
        assert!(error.contains("choose another name"), "{error}");
        let error =
            write(&parent.path().join("x"), &names("x", "ticket"), Some(parent.path())).unwrap_err().to_string();
        assert!(error.contains("there is no polder-sdk") && error.contains("--sdk"), "{error}");
        assert!(!parent.path().join("x").exists());
    }
}
