//! `polder serve --watch`: an author's own loop. What is saved is built, judged and live again; what is refused is told, and the
//! revision before stays.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use polder_core::TenantName;
use polder_engine::{DeployError, DeployOptions, DeployStatus, GateOptions, Host};

use crate::gate::differences;
use crate::guest::{self, Built};
use crate::output::Output;

/// How often is looked for changes. What has changed is built when it stays as it is until the next look: editors write in steps.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// What a crate looked like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look(u64);

/// Goes on until it is dropped.
pub(crate) async fn watch(host: Host, tenant: TenantName, folders: Vec<PathBuf>, output: Output) {
    let (mut seen, mut built): (HashMap<PathBuf, Look>, HashMap<PathBuf, Look>) = Default::default();
    loop {
        for (folder, look) in looks(&folders, &output) {
            let is_quiet = seen.insert(folder.clone(), look) == Some(look);
            if !is_quiet || built.insert(folder.clone(), look) == Some(look) {
                continue;
            }
            // No file is looked at meanwhile, but what changes now looks otherwise afterwards.
            if let Err(error) = renew(&host, &tenant, &folder, output).await {
                output.note(&format!("error: {error:#}"));
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Builds one crate and puts it on the host.
async fn renew(host: &Host, tenant: &TenantName, folder: &Path, output: Output) -> Result<()> {
    let crate_folder = folder.to_owned();
    let Built { file, component, .. } =
        tokio::task::spawn_blocking(move || guest::build(&crate_folder, &output)).await??;
    let bytes = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let domain = component.descriptor.domain.clone();
    // Who changes a rule wants other states. What they are is told.
    let gate = GateOptions { actor: Some("watch".into()), accept_changes: true, ..GateOptions::default() };
    let options = DeployOptions { gate, domain: Some(domain.clone()), release_quarantine: false };
    let revision = component.revision.short();
    match host.deploy(tenant, bytes.into(), options).await {
        Ok(deployed) => {
            let already = if deployed.status == DeployStatus::AlreadyActive { " already" } else { "" };
            let mut told = format!("{domain} is at revision {revision}{already}");
            if let Some(verdict) = deployed.verdict.filter(|verdict| verdict.events > 0) {
                told.push_str(&format!(": {verdict}{}", differences(&verdict)));
            }
            output.note(&told);
            Ok(())
        }
        Err(DeployError::Gate(verdict)) => {
            anyhow::bail!("{domain} stays as it was; {revision} is refused: {verdict}{}", differences(&verdict))
        }
        Err(error) => Err(anyhow::Error::from(error).context(format!("{domain} stays as it was"))),
    }
}

/// The domain crates in the folders: each is one itself, or holds some.
fn looks(folders: &[PathBuf], output: &Output) -> Vec<(PathBuf, Look)> {
    let mut looks = Vec::new();
    for folder in folders {
        match crates_in(folder) {
            Ok(crates) => looks.extend(crates.into_iter().map(|folder| {
                let look = look(&folder);
                (folder, look)
            })),
            Err(error) => output.note(&format!("error: cannot look into {}: {error}", folder.display())),
        }
    }
    looks
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

/// Of names, sizes and times of all files that cargo would build from.
fn look(folder: &Path) -> Look {
    let mut hasher = DefaultHasher::new();
    look_into(folder, &mut hasher);
    Look(hasher.finish())
}

fn look_into(folder: &Path, hasher: &mut DefaultHasher) {
    // What cannot be read now will look otherwise once it can.
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') || name == "target" || name == "Cargo.lock" {
            continue;
        }
        if path.is_dir() {
            look_into(&path, hasher);
        } else if let Ok(metadata) = path.metadata() {
            (&path, metadata.len(), metadata.modified().ok()).hash(hasher);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_looks_otherwise_and_what_is_built_does_not() {
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
        let first = look(&shop);
        write("shop/target/release/shop.wasm", "built");
        write("shop/Cargo.lock", "locked");
        assert_eq!(look(&shop), first);
        write("shop/src/lib.rs", "other");
        assert_ne!(look(&shop), first);
    }
}
