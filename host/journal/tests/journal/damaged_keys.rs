//! A key that is damaged, wrong or missing affects its tenant only: the journal opens, is not reported as damaged, and
//! has all records again when the right key is back.

use std::fs;
use std::path::{Path, PathBuf};

use polder_core::{Position, TenantName};
use polder_journal::{AppendError, Journal, Keyring, ReadError, Reader, verify};

use crate::support::{Model, SEALED, accept, open, small, tenant};

/// Enough records that the last of them are not in the index on disk when the host is killed.
const RECORDS: u64 = 43;

fn key_file(dir: &Path) -> PathBuf {
    dir.join("tenant-keys").join(format!("{SEALED}.key"))
}

/// A journal with two tenants in every frame, one with a key and one without. If `is_closed`, all records are in the
/// index on disk.
fn filled(dir: &Path, is_closed: bool) -> Model {
    let (mut writer, _reader, _) = open(dir);
    let mut model = Model::default();
    for number in 0..RECORDS as u8 {
        model.append(&mut writer, &[accept(SEALED, number % 5, &[50]), accept("other", number % 5, &[50])]).unwrap();
    }
    if is_closed {
        writer.close().unwrap();
    }
    model
}

fn events_of(reader: &Reader, tenant: &TenantName) -> Result<usize, ReadError> {
    Ok(reader.tenant_batch(tenant, Position::ZERO, 1_000_000)?.events().count())
}

/// What an operator may find in place of the key: a description, the content of the file, and a part of the expected
/// report.
fn spoilt() -> Vec<(&'static str, Option<Vec<u8>>, &'static str)> {
    let elsewhere = tempfile::tempdir().unwrap();
    Keyring::open(elsewhere.path()).unwrap().create(&tenant(SEALED)).unwrap();
    let anothers = fs::read(elsewhere.path().join(format!("{SEALED}.key"))).unwrap();
    vec![
        ("another key for a tenant of this name", Some(anothers), "is not the key"),
        ("nothing", None, "is missing"),
        ("an empty file", Some(Vec::new()), "is damaged"),
    ]
}

fn spoil(dir: &Path, with: Option<&[u8]>) {
    match with {
        Some(bytes) => fs::write(key_file(dir), bytes).unwrap(),
        None => fs::remove_file(key_file(dir)).unwrap(),
    }
}

/// Checks that the journal opens twice without that tenant, and that nothing is missing once the right key is back.
fn costs_that_tenant_alone(is_closed: bool, what: &str, with: Option<&[u8]>, expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    let model = filled(folder.path(), is_closed);
    let right = fs::read(key_file(folder.path())).unwrap();
    spoil(folder.path(), with);
    let mut is_noticed = false;
    for round in 0..2 {
        let (mut writer, reader, report) = Journal::open(folder.path(), small()).unwrap();
        // On a slow machine the index may have had all records before the kill. Then opening reads none of them.
        is_noticed |= report.records_indexed > 0;
        if is_noticed {
            assert!(round > 0 || report.sealed.contains(&tenant(SEALED)), "{what}: {report:?}");
            assert!(!reader.keys().has(&tenant(SEALED)), "{what}");
            let problem = reader.keys().problem(&tenant(SEALED)).expect(what).to_string();
            assert!(problem.contains("main.key") && problem.contains(expected), "{what}: {problem}");
            // Nothing is sealed with the wrong key, and nothing is written as plain text instead.
            let (refused, _) = Model::default().append(&mut writer, &[accept(SEALED, 1, &[1])]).unwrap_err();
            assert!(matches!(refused, AppendError::Key { .. }), "{what}: {refused:?}");
        }
        assert_eq!(events_of(&reader, &tenant("other")).unwrap(), RECORDS as usize, "{what}");
        // The index is still written, without that tenant's records.
        writer.close().unwrap();
    }
    let report = verify(folder.path()).unwrap();
    assert_eq!(report.sealed.get(SEALED), Some(&RECORDS), "{what}: it is not called damaged");
    fs::write(key_file(folder.path()), right).unwrap();
    make_private(&key_file(folder.path()));
    let (_writer, reader, _) = Journal::open(folder.path(), small()).unwrap();
    model.check(&reader);
}

fn make_private(file: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn after_a_kill() {
    for (what, with, expected) in spoilt() {
        costs_that_tenant_alone(false, what, with.as_deref(), expected);
    }
}

#[test]
fn after_a_clean_stop() {
    for (what, with, expected) in spoilt() {
        costs_that_tenant_alone(true, what, with.as_deref(), expected);
    }
}

#[test]
fn every_flipped_bit_of_a_key_file_costs_that_tenant_alone() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path(), true);
    let right = fs::read(key_file(folder.path())).unwrap();
    for bit in (0..right.len() * 8).step_by(7) {
        let mut flipped = right.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        spoil(folder.path(), Some(&flipped));
        let (_writer, reader, _) = Journal::open(folder.path(), small()).unwrap();
        assert!(matches!(events_of(&reader, &tenant(SEALED)), Err(ReadError::Sealed)), "bit {bit}");
        assert_eq!(events_of(&reader, &tenant("other")).unwrap(), RECORDS as usize);
    }
}
