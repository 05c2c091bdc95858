//! Runs the contract of every back end: on files with an index on disk, on files with the index in memory, on the
//! faulty memory disk without faults, and on a copy of a journal that is kept elsewhere.

use std::sync::Arc;

use polder_journal::disk::{FaultyDisk, FileDisk};
use polder_journal::{Journal, OpenReport, Reader, Writer};
use polder_journal_contract::Place;
use tempfile::TempDir;

use crate::follower::{Frames, open_from};
use crate::support::{keys, open, open_on, small};

struct Folder(TempDir);

impl Place for Folder {
    fn open(&self) -> (Writer, Reader, OpenReport) {
        open(self.0.path())
    }
}

struct Files(TempDir);

impl Place for Files {
    fn open(&self) -> (Writer, Reader, OpenReport) {
        Journal::open_on(Arc::new(FileDisk::new(self.0.path()).unwrap()), keys(), small()).unwrap()
    }
}

struct Memory(FaultyDisk);

impl Place for Memory {
    fn open(&self) -> (Writer, Reader, OpenReport) {
        open_on(&self.0).unwrap()
    }
}

struct Copies(Frames, TempDir);

impl Place for Copies {
    fn open(&self) -> (Writer, Reader, OpenReport) {
        let (mut follower, reader, report) = Journal::open_copy(self.1.path(), keys(), small()).unwrap();
        open_from(&self.0, &mut follower);
        let mut log = self.0.clone();
        follower.claim(&mut log).unwrap();
        (follower.into_writer(Box::new(log)).unwrap(), reader, report)
    }
}

mod folder {
    polder_journal_contract::contract!(super::Folder(tempfile::tempdir().unwrap()));
}

mod files {
    polder_journal_contract::contract!(super::Files(tempfile::tempdir().unwrap()));
}

mod memory {
    polder_journal_contract::contract!(super::Memory(super::FaultyDisk::new(1)));
}

mod copies {
    polder_journal_contract::contract!(super::Copies(Default::default(), tempfile::tempdir().unwrap()));
}
