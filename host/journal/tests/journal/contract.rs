//! What every back end owes: the same cases over files with an index on disk, files with the index in memory, and the faulty
//! memory while it behaves.

use std::path::PathBuf;
use std::sync::Arc;

use polder_core::{ContentId, Revision, Sequence};
use polder_journal::disk::{FaultyDisk, FileDisk};
use polder_journal::{Journal, OpenReport, Reader, Snapshot, Writer};
use tempfile::TempDir;

use crate::support::{Model, Remembered, Wish, accept, open, reject, small};

/// Something that can be opened again and again.
enum Place {
    Folder(TempDir),
    Files(TempDir),
    Memory(FaultyDisk),
}

impl Place {
    fn all() -> [Self; 3] {
        let folder = || tempfile::tempdir().unwrap();
        [Self::Folder(folder()), Self::Files(folder()), Self::Memory(FaultyDisk::new(1))]
    }

    fn open(&self) -> (Writer, Reader, OpenReport) {
        match self {
            Self::Folder(folder) => open(folder.path()),
            Self::Files(folder) => Journal::open_on(Arc::new(FileDisk::new(folder.path()).unwrap()), small()).unwrap(),
            Self::Memory(disk) => Journal::open_on(Arc::new(disk.after_restart()), small()).unwrap(),
        }
    }
}

fn some_wishes(round: usize) -> Vec<Wish> {
    vec![
        accept("main", (round % 5) as u8, &[10]),
        accept("main", 7, &[10, 300, 0]),
        reject("main", 7),
        accept("other", 7, &[40]),
        accept("main", 8, &[]),
        reject("quiet", 1),
    ]
}

#[test]
fn what_was_appended_is_read() {
    for place in Place::all().iter().filter(|place| !matches!(place, Place::Memory(_))) {
        let mut model = Model::default();
        let (mut writer, reader, _) = place.open();
        for round in 0..40 {
            model.append(&mut writer, &some_wishes(round)).unwrap();
            if round % 8 == 0 {
                model.check(&reader);
            }
        }
        model.check(&reader);
        drop((writer, reader));
        let (mut writer, reader, report) = place.open();
        assert!(!report.closed && report.torn.is_none(), "{report:?}");
        model.check(&reader);
        model.append(&mut writer, &some_wishes(0)).unwrap();
        writer.close().unwrap();
        model.check(&reader);
        drop(reader);
        let (_writer, reader, report) = place.open();
        assert!(report.closed);
        model.check(&reader);
    }
}
