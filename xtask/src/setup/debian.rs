//! Fetches and unpacks one Debian package. The suite may be newer than the machine's; the mirror is the one that the
//! machine already uses. The system's own package lists stay unchanged, and nothing is installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::run;

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Unpacks `package`, which may end in `=version`, from the first of `suites` that has it. Returns the folder that
/// stands for `/`.
pub(crate) fn unpacked(package: &str, suites: &[&str], scratch: &Path) -> Result<PathBuf> {
    ensure!(
        Path::new(KEYRING).is_file(),
        "this is not a Debian machine to get the package {package} with ({KEYRING} is missing)"
    );
    let mirror = mirror(&run::output(Command::new("apt-get").args(["indextargets", "--format", "$(REPO_URI)"]))?)?;
    let mut failures = Vec::new();
    for suite in suites {
        match fetch(&mirror, suite, package, &scratch.join(suite)) {
            Ok(root) => return Ok(root),
            Err(error) => failures.push(format!("{suite}: {error:#}")),
        }
    }
    bail!("Debian's package {package} cannot be fetched: {}", failures.join("; "))
}

fn fetch(mirror: &str, suite: &str, package: &str, folder: &Path) -> Result<PathBuf> {
    eprintln!("looking for {package} in Debian's {suite}");
    fs::create_dir_all(folder.join("lists/partial"))?;
    fs::create_dir_all(folder.join("cache/archives/partial"))?;
    let sources = folder.join("sources.list");
    fs::write(&sources, format!("deb [signed-by={KEYRING}] {mirror} {suite} main\n"))?;
    let apt_get = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.current_dir(folder).arg("--quiet").arg("-o").arg(setting("Dir::Etc::sourcelist", &sources));
        command.args(["-o", "Dir::Etc::sourceparts=-", "-o"]).arg(setting("Dir::State::lists", &folder.join("lists")));
        // Only this user can access the temporary folder, so apt's own download user could not write into it.
        command.arg("-o").arg(setting("Dir::Cache", &folder.join("cache"))).args(["-o", "APT::Sandbox::User=root"]);
        run::output(command.args(arguments))
    };
    apt_get(&["update"]).context("no package list")?;
    apt_get(&["download", package]).context("not in this suite")?;
    let package = fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .context("the download left no package")?;
    let root = folder.join("unpacked");
    run::output(Command::new("dpkg").arg("-x").arg(&package).arg(&root))?;
    Ok(root)
}

fn setting(name: &str, path: &Path) -> String {
    format!("{name}={}", path.display())
}

/// The machine's mirror of the main archive, found among those of security updates and other projects.
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
}
