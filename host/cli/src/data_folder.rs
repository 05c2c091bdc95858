//! Opens a data folder: the options of its host, and checks of what it holds. It holds a journal of its own, or copies
//! of journals that several hosts share. It never holds both, because the two would diverge.

use std::path::Path;

use anyhow::ensure;
use polder_compiler::{ChildCompiler, CompilerLimits};
use polder_engine::{Compilers, HostOptions};
use polder_journal::SEGMENTS_FOLDER;
use polder_server::COPIES_FOLDER;

/// Options of a host on this folder. Its components are compiled by child processes of this program, with limits.
pub(crate) fn host_options(data: &Path) -> HostOptions {
    HostOptions::new(data, Compilers::new(ChildCompiler::of_this_program(CompilerLimits::DEFAULT)))
}

/// Checks a folder before it is used for a journal of its own.
pub(crate) fn check_own(data: &Path) -> anyhow::Result<()> {
    ensure!(
        !data.join(COPIES_FOLDER).exists(),
        "{} holds copies of journals that are at NATS: serve it with --journal jetstream, ask a host that runs, or name another folder",
        data.display()
    );
    Ok(())
}

/// Checks a folder before it is used for copies of shared journals.
pub(crate) fn check_shared(data: &Path) -> anyhow::Result<()> {
    ensure!(
        !data.join(SEGMENTS_FOLDER).exists(),
        "{} holds a journal of its own, which no other host has: serve it with --journal file, or name another folder",
        data.display()
    );
    Ok(())
}

/// Checks that a folder holds a journal of its own. A mistyped folder is reported before it is taken for a damaged
/// journal.
pub(crate) fn check_holds_journal(data: &Path) -> anyhow::Result<()> {
    ensure!(data.exists(), "there is no folder {}: name the one that `polder serve --data` was given", data.display());
    ensure!(
        !data.join(COPIES_FOLDER).is_dir(),
        "{} holds copies of journals that are at NATS: check these with `polder verify --nats`",
        data.display()
    );
    ensure!(
        data.join(SEGMENTS_FOLDER).is_dir(),
        "{} holds no journal: name the folder that `polder serve --data` was given",
        data.display()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_for_one_or_the_other() {
        let folder = tempfile::tempdir().unwrap();
        assert!(check_own(folder.path()).is_ok() && check_shared(folder.path()).is_ok(), "it is empty");
        std::fs::create_dir(folder.path().join("journals")).unwrap();
        assert!(check_shared(folder.path()).is_ok());
        assert!(check_own(folder.path()).unwrap_err().to_string().contains("--journal jetstream"));
        std::fs::remove_dir(folder.path().join("journals")).unwrap();
        std::fs::create_dir(folder.path().join("journal")).unwrap();
        assert!(check_own(folder.path()).is_ok());
        assert!(check_shared(folder.path()).unwrap_err().to_string().contains("--journal file"));
    }
}
