//! Puts a nats-server that is new enough at `tools/nats-server` in the target folder, where the tests expect it: a link
//! to the one on the PATH, or the one from Debian's package.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::debian;
use crate::run;
use crate::workspace::Workspace;

const PROGRAM: &str = "nats-server";
/// Older versions lack features that the bridge needs from a stream.
const VERSION_MIN: Version = Version(2, 14, 4);
const SUITES: [&str; 2] = ["forky", "sid"];

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Version(u64, u64, u64);

pub(crate) fn setup() -> Result<()> {
    let tools = Workspace::read()?.target.join("tools");
    fs::create_dir_all(&tools).with_context(|| format!("cannot create {}", tools.display()))?;
    let lock = File::open(&tools).with_context(|| format!("cannot open {}", tools.display()))?;
    lock.lock().with_context(|| format!("cannot lock {}", tools.display()))?;
    let place = tools.join(PROGRAM);
    if new_enough(&place).is_ok() {
        return Ok(());
    }
    if let Some(found) = on_path() {
        let partial = tools.join("nats-server.partial");
        remove_file(&partial)?;
        std::os::unix::fs::symlink(&found, &partial).with_context(|| format!("cannot create {}", partial.display()))?;
        return fs::rename(&partial, &place).with_context(|| format!("cannot create {}", place.display()));
    }
    from_debian(&place).with_context(|| {
        let Version(major, minor, patch) = VERSION_MIN;
        format!(
            "there is no nats-server, which tests need. Put one of version {major}.{minor}.{patch} or newer on the PATH (https://nats.io/download \
             has it), then run this again"
        )
    })
}

fn on_path() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(PROGRAM)).find(|file| new_enough(file).is_ok())
}

/// Copies next to the place first, then renames: a reader finds the whole program or none.
fn from_debian(place: &Path) -> Result<()> {
    let scratch = tempfile::tempdir().context("cannot make a temporary folder")?;
    let file = debian::unpacked(PROGRAM, &SUITES, scratch.path())?.join("usr/sbin").join(PROGRAM);
    new_enough(&file)?;
    let partial = place.with_extension("partial");
    remove_file(&partial)?;
    fs::copy(&file, &partial).with_context(|| format!("cannot copy {}", file.display()))?;
    fs::rename(&partial, place).with_context(|| format!("cannot create {}", place.display()))?;
    eprintln!("nats-server is at {} now", place.display());
    Ok(())
}

fn remove_file(file: &Path) -> Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", file.display()))
        }
        _ => Ok(()),
    }
}

fn new_enough(program: &Path) -> Result<()> {
    let output = run::output(Command::new(program).arg("--version"))?;
    let version = version(&output)?;
    ensure!(version >= VERSION_MIN, "{} is {output:?}, which is too old", program.display());
    Ok(())
}

/// Reads `nats-server: v2.15.1`.
fn version(output: &str) -> Result<Version> {
    let text = output.trim().rsplit('v').next().unwrap_or_default();
    let release = text.split(['-', '+']).next().unwrap_or_default();
    let numbers: Vec<u64> = release.split('.').map_while(|number| number.parse().ok()).collect();
    match numbers[..] {
        [major, minor, patch] => Ok(Version(major, minor, patch)),
        _ => bail!("{output:?} names no version"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read() {
        assert_eq!(version("nats-server: v2.15.1\n").unwrap(), Version(2, 15, 1));
        assert_eq!(version("nats-server: v2.14.4-RC.2\n").unwrap(), Version(2, 14, 4));
        assert!(version("nats-server: v2.9.10").unwrap() < VERSION_MIN);
        assert!(version("nats-server: dev").is_err());
    }
}
