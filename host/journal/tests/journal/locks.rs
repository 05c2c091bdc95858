//! Only one host at a time can use a data folder, whatever is removed from the folder meanwhile.

use std::fs;
use std::path::Path;

use polder_journal::{Journal, OpenError};

use crate::support::{open, small};

fn is_in_use(dir: &Path) -> bool {
    matches!(Journal::open(dir, small()), Err(OpenError::InUse { .. }))
}

#[test]
fn no_file_can_be_removed_that_would_let_a_second_host_in() {
    let folder = tempfile::tempdir().unwrap();
    let (writer, reader, _) = open(folder.path());
    for entry in fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::remove_file(path).unwrap();
        }
    }
    assert!(is_in_use(folder.path()));
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    assert!(is_in_use(folder.path()));
    drop((writer, reader));
    open(folder.path());
}

#[test]
fn a_data_folder_with_another_name_for_the_segments_is_kept_out() {
    let (folder, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (_writer, _reader, _) = open(folder.path());
    std::os::unix::fs::symlink(folder.path().join("journal"), second.path().join("journal")).unwrap();
    assert!(is_in_use(second.path()));
}

#[test]
fn only_the_hosts_user_can_access_the_files() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let (_writer, _reader, _) = open(folder.path());
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!((mode(folder.path()), mode(&folder.path().join("journal"))), (0o700, 0o700));
    assert_eq!(mode(&folder.path().join("journal/00000000000000000000.seg")), 0o600);
    assert_eq!(
        (mode(&folder.path().join("tenant-keys")), mode(&folder.path().join("tenant-keys/main.key"))),
        (0o700, 0o600)
    );
}
