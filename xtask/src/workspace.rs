//! Reads this workspace from cargo: its members, their folders and targets.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::run;

/// The target that guests are built for.
pub(crate) const WASM_TARGET: &str = "wasm32-unknown-unknown";

#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
    pub(crate) members: Vec<Member>,
    /// Pairs of name and version of every package in the lock file, members included.
    pub(crate) packages: Vec<(String, String)>,
}

#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// The folder relative to the root, with `/`: `guests/orders`.
    pub(crate) folder: String,
    pub(crate) is_cdylib: bool,
    /// The names of its integration-test targets.
    pub(crate) tests: Vec<String>,
}

impl Workspace {
    pub(crate) fn read() -> Result<Self> {
        let text = run::output(run::cargo().args(["metadata", "--format-version", "1"]))?;
        let metadata: Value = serde_json::from_str(&text).context("cargo metadata is not JSON")?;
        Self::from_metadata(&metadata).context("cargo metadata has another form than expected")
    }

    fn from_metadata(metadata: &Value) -> Option<Self> {
        let root = PathBuf::from(metadata["workspace_root"].as_str()?);
        let member_ids = metadata["workspace_members"].as_array()?;
        let packages = metadata["packages"].as_array()?;
        let mut members = Vec::new();
        for package in packages.iter().filter(|package| member_ids.contains(&package["id"])) {
            members.push(Member::from_package(package, &root)?);
        }
        let name_version =
            |package: &Value| Some((package["name"].as_str()?.to_owned(), package["version"].as_str()?.to_owned()));
        Some(Self {
            target: PathBuf::from(metadata["target_directory"].as_str()?),
            members,
            packages: packages.iter().map(name_version).collect::<Option<_>>()?,
            root,
        })
    }
}

impl Member {
    fn from_package(package: &Value, root: &Path) -> Option<Self> {
        let manifest = Path::new(package["manifest_path"].as_str()?);
        let targets = package["targets"].as_array()?;
        let has = |target: &Value, field: &str, wanted: &str| {
            target[field].as_array().is_some_and(|all| all.iter().any(|one| one == wanted))
        };
        Some(Self {
            name: package["name"].as_str()?.to_owned(),
            folder: manifest.parent()?.strip_prefix(root).ok()?.to_str()?.replace('\\', "/"),
            is_cdylib: targets.iter().any(|target| has(target, "crate_types", "cdylib")),
            tests: targets
                .iter()
                .filter(|target| has(target, "kind", "test"))
                .filter_map(|target| Some(target["name"].as_str()?.to_owned()))
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_workspace_has_this_package() {
        let workspace = Workspace::read().unwrap();
        let xtask = workspace.members.iter().find(|member| member.name == "xtask").unwrap();
        assert_eq!(xtask.folder, "xtask");
        assert!(!xtask.is_cdylib && xtask.tests.is_empty());
        assert!(workspace.packages.iter().any(|(name, _)| name == "anyhow"));
    }
}
