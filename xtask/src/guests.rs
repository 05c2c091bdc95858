//! Builds the guests with one cargo call. A guest is any member under `guests/`, `tests/guests/` or `tests/hostile…`.

use std::path::PathBuf;

use anyhow::{Result, ensure};

use crate::workspace::{Member, WASM_TARGET, Workspace};
use crate::{run, setup};

const PROFILE: &str = "guest";

/// Builds all guests; returns each member with the path of its wasm file.
pub(crate) fn build() -> Result<Vec<(Member, PathBuf)>> {
    setup::wasm()?;
    let workspace = Workspace::read()?;
    let guests: Vec<&Member> = workspace.members.iter().filter(|member| is_guest(member)).collect();
    for guest in &guests {
        ensure!(
            guest.is_cdylib,
            "{} would give no wasm file: its Cargo.toml needs [lib] crate-type = [\"cdylib\", \"rlib\"]",
            guest.folder
        );
    }
    let mut cargo = run::cargo();
    cargo.current_dir(&workspace.root).args(["build", "--profile", PROFILE, "--target", WASM_TARGET, "--lib"]);
    for guest in &guests {
        cargo.args(["--package", &guest.name]);
    }
    run::show(&mut cargo)?;
    let folder = workspace.target.join(WASM_TARGET).join(PROFILE);
    guests
        .into_iter()
        .map(|guest| {
            let file = folder.join(format!("{}.wasm", guest.name.replace('-', "_")));
            ensure!(file.is_file(), "the build left no {}", file.display());
            Ok((guest.clone(), file))
        })
        .collect()
}

pub(crate) fn is_guest(member: &Member) -> bool {
    ["guests/", "tests/guests/", "tests/hostile"].iter().any(|place| member.folder.starts_with(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guests_are_found_by_folder() {
        let member = |folder: &str| Member {
            name: String::from("any"),
            folder: folder.to_owned(),
            is_cdylib: true,
            tests: Vec::new(),
        };
        for folder in ["guests/orders", "tests/guests/lamps", "tests/hostile", "tests/hostile/loop"] {
            assert!(is_guest(&member(folder)), "{folder}");
        }
        for folder in ["tests", "host/core", "sdk/polder-sdk", "xtask"] {
            assert!(!is_guest(&member(folder)), "{folder}");
        }
    }
}
