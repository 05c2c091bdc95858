//! Finds PostgreSQL's programs: in Debian's folder, the newest first, or on the PATH.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

const DEBIAN: &str = "/usr/lib/postgresql";

/// The folder that holds `initdb`, `postgres` and `pg_ctl`.
pub(crate) fn folder() -> Result<PathBuf> {
    debian(Path::new(DEBIAN)).or_else(on_path).with_context(|| {
        format!("there is no PostgreSQL here: neither in {DEBIAN} nor is `initdb` on the PATH; install PostgreSQL 15 or newer")
    })
}

fn debian(folder: &Path) -> Option<PathBuf> {
    let version = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let versions = std::fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let newest = versions.filter(|path| path.join("bin/initdb").is_file()).max_by_key(version)?;
    Some(newest.join("bin"))
}

/// Asks `pg_config`, because a program on the PATH may be a link or a wrapper that cannot find the others.
fn on_path() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let folder = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    folder.join("initdb").is_file().then_some(folder)
}
