//! `polder serve --watch`: the author's development loop. A saved crate is built, judged and deployed. If it is
//! refused, the reason is printed and the revision before stays active.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use polder_core::TenantName;
use polder_engine::{CheckOptions, DeployError, DeployOptions, DeployStatus, Host};

use crate::domain_crate::{self, BuiltComponent};
use crate::output::Output;
use crate::text::verdict::differences;

/// Interval between two checks for changes. A changed crate is built once it is the same at two checks, because editors
/// write in steps.
const CHECK_INTERVAL: Duration = Duration::from_millis(300);

/// Fingerprint of a crate's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fingerprint(u64);

/// Watches until the future is dropped.
pub(crate) async fn watch(host: Host, tenant: TenantName, folders: Vec<PathBuf>, output: Output) {
    let (mut seen, mut built): (HashMap<PathBuf, Fingerprint>, HashMap<PathBuf, Fingerprint>) = Default::default();
    loop {
        for (folder, fingerprint) in fingerprints(&folders, &output) {
            let is_quiet = seen.insert(folder.clone(), fingerprint) == Some(fingerprint);
            if !is_quiet || built.insert(folder.clone(), fingerprint) == Some(fingerprint) {
                continue;
            }
            // Nothing is checked meanwhile, but a file that changes now gives another fingerprint afterwards.
            if let Err(error) = renew(&host, &tenant, &folder, output).await {
                output.note(&format!("error: {error:#}"));
            }
        }
        tokio::time::sleep(CHECK_INTERVAL).await;
    }
}

/// Builds one crate and deploys it.
async fn renew(host: &Host, tenant: &TenantName, folder: &Path, output: Output) -> Result<()> {
    let crate_folder = folder.to_owned();
    let BuiltComponent { file, component, .. } =
        tokio::task::spawn_blocking(move || domain_crate::build(&crate_folder, &output)).await??;
    let bytes = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let domain = component.descriptor.domain.clone();
    // An author who changes a rule wants other states, so they are accepted, and printed.
    let check = CheckOptions { actor: Some("watch".into()), accept_changes: true, ..CheckOptions::default() };
    let options = DeployOptions { check, domain: Some(domain.clone()), release_quarantine: false };
    let revision = component.revision.short();
    match host.deployments().deploy(tenant, bytes.into(), options).await {
        Ok(deployed) => {
            let already = if deployed.status == DeployStatus::AlreadyActive { " already" } else { "" };
            let mut summary = format!("{domain} is at revision {revision}{already}");
            if let Some(verdict) = deployed.verdict.filter(|verdict| verdict.events > 0) {
                summary.push_str(&format!(": {verdict}{}", differences(&verdict)));
            }
            output.note(&summary);
            Ok(())
        }
        Err(DeployError::Check(verdict)) => {
            anyhow::bail!("{domain} stays as it was; {revision} is refused: {verdict}{}", differences(&verdict))
        }
        Err(error) => Err(anyhow::Error::from(error).context(format!("{domain} stays as it was"))),
    }
}

/// The domain crates in the folders, with fingerprints. A folder is a crate itself, or holds some.
fn fingerprints(folders: &[PathBuf], output: &Output) -> Vec<(PathBuf, Fingerprint)> {
    let mut fingerprints = Vec::new();
    for folder in folders {
        match crates_in(folder) {
            Ok(crates) => fingerprints.extend(crates.into_iter().map(|folder| {
                let fingerprint = fingerprint(&folder);
                (folder, fingerprint)
            })),
            Err(error) => output.note(&format!("error: cannot read {}: {error}", folder.display())),
        }
    }
    fingerprints
}

fn crates_in(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    if folder.join("src").is_dir() {
        return Ok(vec![folder.to_owned()]);
    }
    let mut crates = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.join("Cargo.toml").is_file() && path.join("src").is_dir() {
            crates.push(path);
        }
    }
    crates.sort();
    Ok(crates)
}

/// A fingerprint of the names, sizes and times of all files that cargo would build from.
fn fingerprint(folder: &Path) -> Fingerprint {
    let mut hasher = DefaultHasher::new();
    hash_folder(folder, &mut hasher);
    Fingerprint(hasher.finish())
}

fn hash_folder(folder: &Path, hasher: &mut DefaultHasher) {
    // A folder that cannot be read now gives another fingerprint once it can.
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') || name == "target" || name == "Cargo.lock" {
            continue;
        }
        if path.is_dir() {
            hash_folder(&path, hasher);
        } else if let Ok(metadata) = path.metadata() {
            (&path, metadata.len(), metadata.modified().ok()).hash(hasher);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_change_gives_another_fingerprint_and_a_build_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("shop/Cargo.toml", "[package]");
        write("shop/src/lib.rs", "one");
        write("notes/README.md", "no crate");
        let shop = folder.path().join("shop");
        assert_eq!(crates_in(folder.path()).unwrap(), std::slice::from_ref(&shop));
        assert_eq!(crates_in(&shop).unwrap(), std::slice::from_ref(&shop));
        let first = fingerprint(&shop);
        write("shop/target/release/shop.wasm", "built");
        write("shop/Cargo.lock", "locked");
        assert_eq!(fingerprint(&shop), first);
        write("shop/src/lib.rs", "other");
        assert_ne!(fingerprint(&shop), first);
    }
}
