//! A tenant's records can be read only with the tenant's key, and not at all once the key is destroyed.

use std::path::Path;

use polder_core::{Position, Revision, TenantName};
use polder_journal::{Journal, ReadError, Reader, SEGMENTS_FOLDER, Snapshot, salvage, verify};

use crate::support::{Model, SEALED, accept, open, small, tenant};

const RECORDS: u64 = 40;
/// The start of every payload in the tests: JSON texts made of this letter.
const PAYLOAD: &[u8] = b"xxxxxxxxxx";

/// A journal with two tenants in every frame, one with a key and one without.
fn filled(dir: &Path) -> Model {
    let (mut writer, _reader, _) = open(dir);
    let mut model = Model::default();
    for number in 0..RECORDS as u8 {
        model.append(&mut writer, &[accept(SEALED, number % 5, &[50]), accept("other", number % 5, &[50])]).unwrap();
    }
    writer.close().unwrap();
    model
}

fn count(haystack: &[u8], needle: &[u8]) -> usize {
    haystack.windows(needle.len()).filter(|bytes| *bytes == needle).count()
}

/// All bytes of all files in a folder and in its subfolders.
fn everything_in(dir: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        bytes.extend(if path.is_dir() { everything_in(&path) } else { std::fs::read(path).unwrap() });
    }
    bytes
}

fn events_of(reader: &Reader, tenant: &TenantName) -> Result<usize, ReadError> {
    Ok(reader.tenant_batch(tenant, Position::ZERO, 1_000_000)?.events().count())
}

#[test]
fn only_the_tenants_name_of_a_sealed_record_is_readable_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path());
    let bytes = everything_in(&folder.path().join(SEGMENTS_FOLDER));
    let payloads = bytes.split(|byte| *byte != PAYLOAD[0]).filter(|run| run.len() >= PAYLOAD.len()).count();
    assert_eq!(payloads, RECORDS as usize, "only those of the other tenant");
    assert_eq!(count(&bytes, b"orders"), RECORDS as usize, "the domain's name");
    assert_eq!(count(&bytes, SEALED.as_bytes()), RECORDS as usize);
}

#[test]
fn without_its_key_a_tenant_cannot_be_read_and_all_others_can() {
    let folder = tempfile::tempdir().unwrap();
    let model = filled(folder.path());
    let (sealed, other) = (tenant(SEALED), tenant("other"));
    let key = model.records[0].aggregate;
    let (writer, reader, _) = Journal::open(folder.path(), small()).unwrap();
    assert_eq!(events_of(&reader, &sealed).unwrap(), RECORDS as usize);
    reader.keys().destroy(&sealed).unwrap();
    assert!(matches!(events_of(&reader, &sealed), Err(ReadError::Sealed)));
    assert!(matches!(reader.decision(model.records[0].command), Err(ReadError::Sealed)));
    assert!(matches!(reader.history(key, polder_core::Sequence::ZERO, 10), Err(ReadError::Sealed)));
    assert_eq!(events_of(&reader, &other).unwrap(), RECORDS as usize);
    drop((writer, reader));

    let report = verify(folder.path()).unwrap();
    assert_eq!(report.sealed.into_iter().collect::<Vec<_>>(), [(SEALED.to_owned(), RECORDS)]);
    assert_eq!((report.tenants, report.events), (1, RECORDS));

    std::fs::remove_dir_all(folder.path().join("index")).unwrap();
    let (_writer, reader, report) = Journal::open(folder.path(), small()).unwrap();
    assert_eq!(report.sealed.into_iter().collect::<Vec<_>>(), [sealed]);
    assert_eq!(events_of(&reader, &other).unwrap(), RECORDS as usize);
    assert!(reader.decision(model.records[0].command).unwrap().is_none(), "nothing of it is indexed");
}

#[test]
fn a_copy_of_what_was_saved_can_be_read() {
    let (folder, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let model = filled(folder.path());
    salvage(folder.path(), out.path()).unwrap();
    let (_writer, reader, _) = Journal::open(out.path(), small()).unwrap();
    model.check(&reader);
}

#[test]
fn a_snapshot_is_sealed_too() {
    let folder = tempfile::tempdir().unwrap();
    let model = filled(folder.path());
    let (_writer, reader, _) = Journal::open(folder.path(), small()).unwrap();
    let (key, revision) = (model.records[0].aggregate, Revision::of(b"one"));
    let last = model.history(key).last().unwrap().clone();
    let state = b"a state that must stay secret".to_vec();
    let snapshot = Snapshot { sequence: last.sequence_before.plus(1), head: last.ids[0], state: state.clone() };
    reader.put_snapshot(key, &revision, &snapshot).unwrap();
    assert_eq!(reader.snapshot(key, &revision).unwrap(), Some(snapshot));
    assert_eq!(count(&everything_in(&folder.path().join("index")), &state), 0);
    reader.keys().destroy(&tenant(SEALED)).unwrap();
    assert!(matches!(reader.snapshot(key, &revision), Err(ReadError::Sealed)));
}
