//! `polder new`: makes a domain crate that builds and whose tests pass. Writes files; builds nothing.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;
use polder_core::DomainName;

use crate::failure::Outcome;
use crate::output::Output;

/// Every file of a new domain crate. Text in {{braces}} is filled in.
const FILES: [(&str, &str); 7] = [
    ("Cargo.toml", include_str!("../../template/Cargo.toml.in")),
    (".gitignore", include_str!("../../template/gitignore.in")),
    ("README.md", include_str!("../../template/README.md.in")),
    ("src/lib.rs", include_str!("../../template/src/lib.rs.in")),
    ("src/ticket.rs", include_str!("../../template/src/ticket.rs.in")),
    ("src/views.rs", include_str!("../../template/src/views.rs.in")),
    ("tests/cases.rs", include_str!("../../template/tests/cases.rs.in")),
];
/// The SDK in the source tree that this program was built from.
const SDK_OF_THIS_TREE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../sdk/polder-sdk");
/// Names that mean something else to rustc or in the crate itself.
const TAKEN_NAMES: [&str; 8] = ["test", "std", "core", "alloc", "polder-sdk", "serde", "ticket", "views"];

/// Make a new domain crate in a folder of the same name.
#[derive(Args)]
pub(crate) struct New {
    /// Name of the domain and of its folder, such as ticket-office.
    name: DomainName,
    /// Folder of polder-sdk; by default the one in the source tree that this program was built from.
    #[arg(long, value_name = "DIR")]
    sdk: Option<PathBuf>,
}

impl New {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let folder = PathBuf::from(self.name.as_str());
        write(&folder, &self.name, self.sdk.as_deref())?;
        let answer = serde_json::json!({ "folder": folder.display().to_string(), "domain": self.name });
        output.answer(&answer, || {
            format!(
                "{folder} is a domain crate now. Next:\n  cd {folder}\n  polder test\n  polder build\nREADME.md there explains the rest",
                folder = folder.display()
            )
        })
    }
}

fn write(folder: &Path, name: &DomainName, sdk: Option<&Path>) -> Result<()> {
    ensure!(
        !TAKEN_NAMES.contains(&name.as_str()),
        "a domain crate cannot be named {name:?}, which means something else to Rust or in the crate itself: choose another name"
    );
    ensure!(!folder.exists(), "{} is there already: choose another name, or remove it first", folder.display());
    let sdk = find_sdk(sdk.unwrap_or(Path::new(SDK_OF_THIS_TREE)))?;
    for (file, template) in FILES {
        let path = folder.join(file);
        let text = fill(template, name, &sdk);
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

fn fill(template: &str, name: &DomainName, sdk: &Path) -> String {
    // Quoted as TOML does: a path may hold backslashes and quotes.
    let sdk = serde_json::Value::from(sdk.to_string_lossy()).to_string();
    template
        .replace("{{name}}", name.as_str())
        .replace("{{crate}}", &name.as_str().replace('-', "_"))
        .replace("{{sdk}}", &sdk)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> DomainName {
        text.parse().unwrap()
    }

    #[test]
    fn every_brace_is_filled() {
        for (file, template) in FILES {
            let text = fill(template, &name("ticket-office"), Path::new("/sdk"));
            assert!(
                !text.contains("{{") || file.ends_with(".rs") && !text.contains("{{name") && !text.contains("{{crate"),
                "{file}"
            );
        }
        assert!(fill(FILES[0].1, &name("a"), Path::new("/x y")).contains("polder-sdk = { path = \"/x y\" }"));
        assert!(fill(FILES[6].1, &name("ticket-office"), Path::new("/sdk")).contains("use ticket_office::domain;"));
    }

    #[test]
    fn what_is_there_is_never_written_over() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("shop");
        write(&folder, &name("shop"), None).unwrap();
        assert!(folder.join("src/lib.rs").is_file());
        assert!(write(&folder, &name("shop"), None).unwrap_err().to_string().contains("is there already"));
        let error = write(&parent.path().join("core"), &name("core"), None).unwrap_err().to_string();
        assert!(error.contains("choose another name"), "{error}");
        let error = write(&parent.path().join("x"), &name("x"), Some(parent.path())).unwrap_err().to_string();
        assert!(error.contains("there is no polder-sdk") && error.contains("--sdk"), "{error}");
        assert!(!parent.path().join("x").exists());
    }
}
