//! Fetches the standard library's sources from Debian's package `rust-src`, from the mirror the machine already uses,
//! without touching the system's own package lists. Installs nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::run;

/// Suites that carry recent compilers, most likely first.
const SUITES: [&str; 3] = ["trixie-backports", "forky", "sid"];
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Gives the folder `library` of exactly the compiler's version, unpacked below `scratch`.
pub(crate) fn rust_sources(scratch: &Path) -> Result<PathBuf> {
    ensure!(
        Path::new(KEYRING).is_file(),
        "no rust-src component here, and not a Debian machine to get its sources from ({KEYRING} is missing)"
    );
    let version = rustc_version(&run::output(run::rustc().arg("-vV"))?)?;
    let mirror = mirror(&run::output(Command::new("apt-get").args(["indextargets", "--format", "$(REPO_URI)"]))?)?;
    let mut failures = Vec::new();
    for suite in SUITES {
        match fetch(&mirror, suite, &version, &scratch.join(suite)) {
            Ok(library) => return Ok(library),
            Err(error) => failures.push(format!("{suite}: {error:#}")),
        }
    }
    bail!("Debian's package rust-src {version} cannot be had: {}", failures.join("; "))
}

fn fetch(mirror: &str, suite: &str, version: &str, folder: &Path) -> Result<PathBuf> {
    eprintln!("looking for rust-src {version} in Debian's {suite}");
    fs::create_dir_all(folder.join("lists/partial"))?;
    fs::create_dir_all(folder.join("cache/archives/partial"))?;
    let sources = folder.join("sources.list");
    fs::write(&sources, format!("deb [signed-by={KEYRING}] {mirror} {suite} main\n"))?;
    let apt_get = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.current_dir(folder).arg("--quiet").arg("-o").arg(setting("Dir::Etc::sourcelist", &sources));
        command.args(["-o", "Dir::Etc::sourceparts=-", "-o"]).arg(setting("Dir::State::lists", &folder.join("lists")));
        // The temporary folder is ours alone, so apt's own download user could not write into it.
        command.arg("-o").arg(setting("Dir::Cache", &folder.join("cache"))).args(["-o", "APT::Sandbox::User=root"]);
        run::output(command.args(arguments))
    };
    apt_get(&["update"]).context("no package list")?;
    apt_get(&["download", &format!("rust-src={version}*")]).context("not in this suite")?;
    let package = fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .context("the download left no package")?;
    run::output(Command::new("dpkg").arg("-x").arg(&package).arg(folder.join("unpacked")))?;
    let library = folder.join(format!("unpacked/usr/src/rustc-{version}/library"));
    ensure!(library.join("std/Cargo.toml").is_file(), "the package holds no sources of {version}");
    Ok(library)
}

fn setting(name: &str, path: &Path) -> String {
    format!("{name}={}", path.display())
}

fn rustc_version(verbose: &str) -> Result<String> {
    let release = verbose.lines().find_map(|line| line.strip_prefix("release: "));
    Ok(release.context("rustc -vV names no release")?.trim().to_owned())
}

/// The machine's mirror of the main archive, among those of security updates and other projects.
fn mirror(index_targets: &str) -> Result<String> {
    let main = index_targets.lines().map(str::trim).find(|uri| uri.trim_end_matches('/').ends_with("/debian"));
    Ok(main.context("apt is set up without a mirror of Debian's main archive")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_main_archive_is_picked() {
        let listed = "http://a.example/debian-security/\nhttp://b.example/node/\nhttp://a.example/debian/\n";
        assert_eq!(mirror(listed).unwrap(), "http://a.example/debian/");
        assert!(mirror("http://a.example/debian-security/\n").is_err());
    }

    #[test]
    fn the_release_is_read() {
        assert_eq!(rustc_version("rustc 1.95.0 (59 2026)\nhost: x\nrelease: 1.95.0\n").unwrap(), "1.95.0");
        assert!(rustc_version("rustc\n").is_err());
    }
}
