//! Space and file descriptors that run out and become available again: nothing that was refused is in the journal, and
//! the same writer can be used on.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use polder_journal::disk::{Disk, Fault, FaultyDisk, Segment};
use polder_journal::{AppendError, Journal, OpenOptions};

use crate::support::{Model, SEALED, accept, keys, open_on, small};

const FRAMES: u8 = 12;

/// Lets one call fail for lack of space and returns what the writer was doing then, if it was affected. The writer must
/// be usable afterwards, unless the call was a sync.
fn runs_out_at(call: u64, seed: u64, bytes: usize) -> Option<&'static str> {
    let disk = FaultyDisk::new(seed);
    let (mut writer, reader, _) = open_on(&disk).unwrap();
    let mut model = Model::default();
    disk.fail_at(disk.calls() + call, Fault::NoSpace);
    let mut failed = None;
    for number in 0..FRAMES {
        let wishes = [accept("main", number, &[bytes]), accept("other", 1, &[10])];
        match model.append(&mut writer, &wishes) {
            Ok(()) => {}
            Err((AppendError::NoRoom { what, .. }, maybe)) => {
                assert!(maybe.is_empty() && failed.is_none(), "it fails once");
                failed = Some(what);
                // None of the refused records is there, and readers see all acknowledged ones.
                model.check(&reader);
                writer.make_room().unwrap();
            }
            Err((AppendError::Io { what, .. }, _)) => {
                // Whether the records are durable is unknown, so the writer accepts nothing more.
                assert!(what == "sync a frame" || what == "go on to a new segment", "{what}");
                assert!(matches!(writer.append(&[]), Err(AppendError::Poisoned { .. })));
                return Some(what);
            }
            Err((other, _)) => panic!("{other:?}"),
        }
    }
    model.check(&reader);
    drop((writer, reader));
    for disk in [disk.after_restart(), disk.after_power_loss()] {
        let (mut writer, reader, report) = open_on(&disk).unwrap();
        assert_eq!(report.torn, None, "what was half written was cut off");
        model.check(&reader);
        model.clone().append(&mut writer, &[accept("main", 99, &[2_000])]).unwrap();
    }
    failed
}

#[test]
fn a_disk_that_is_full_for_a_while() {
    let mut seen = std::collections::BTreeSet::new();
    for bytes in [10, 1_500, 9_000] {
        for call in 1..40 {
            for seed in 0..8 {
                seen.extend(runs_out_at(call, seed, bytes));
            }
        }
    }
    let all = ["go on to a new segment", "sync a frame", "write a frame"];
    assert!(all.iter().all(|what| seen.contains(what)), "{seen:?}");
}

#[test]
fn after_a_failed_cut_the_writer_is_poisoned() {
    let disk = FaultyDisk::new(1);
    let (mut writer, _reader, _) = open_on(&disk).unwrap();
    let mut model = Model::default();
    model.append(&mut writer, &[accept("main", 1, &[10])]).unwrap();
    let full = Full::new(disk.clone());
    drop(writer);
    let (mut writer, reader, _) = Journal::open_on(Arc::new(full.clone()), keys(), small()).unwrap();
    model.check(&reader);
    full.writes.store(true, Ordering::Relaxed);
    full.cuts.store(true, Ordering::Relaxed);
    let (error, _) = model.append(&mut writer, &[accept("main", 2, &[10])]).unwrap_err();
    let text = format!("{error}: {}", std::error::Error::source(&error).unwrap());
    assert!(text.contains("write a frame") && text.contains("cannot be cut off"), "{text}");
    assert!(matches!(writer.append(&[]), Err(AppendError::Poisoned { .. })));
}

/// A disk on which creating, writing or cutting fails while the respective flag is set, as when the process has no file
/// descriptor left.
#[derive(Clone)]
struct Full {
    disk: FaultyDisk,
    opens: Arc<AtomicBool>,
    writes: Arc<AtomicBool>,
    cuts: Arc<AtomicBool>,
}

struct FullSegment(Arc<dyn Segment>, Full);

const NO_DESCRIPTOR: i32 = 24;
const NO_SPACE: i32 = 28;

impl Full {
    fn new(disk: FaultyDisk) -> Self {
        Self { disk, opens: Arc::default(), writes: Arc::default(), cuts: Arc::default() }
    }
}

fn fails(now: &AtomicBool, errno: i32) -> io::Result<()> {
    if now.load(Ordering::Relaxed) { Err(io::Error::from_raw_os_error(errno)) } else { Ok(()) }
}

impl Disk for Full {
    fn segments(&self) -> io::Result<Vec<u64>> {
        self.disk.segments()
    }

    fn create(&self, address: u64, length: u64) -> io::Result<Arc<dyn Segment>> {
        fails(&self.opens, NO_DESCRIPTOR)?;
        Ok(Arc::new(FullSegment(self.disk.create(address, length)?, self.clone())))
    }

    fn open(&self, address: u64) -> io::Result<Arc<dyn Segment>> {
        Ok(Arc::new(FullSegment(self.disk.open(address)?, self.clone())))
    }

    fn remove(&self, address: u64) -> io::Result<()> {
        self.disk.remove(address)
    }

    fn free_bytes(&self) -> io::Result<u64> {
        self.disk.free_bytes()
    }

    fn sync_folder(&self) -> io::Result<()> {
        self.disk.sync_folder()
    }

    fn path(&self, address: u64) -> PathBuf {
        self.disk.path(address)
    }
}

impl Segment for FullSegment {
    fn length(&self) -> io::Result<u64> {
        self.0.length()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        fails(&self.1.writes, NO_SPACE)?;
        self.0.write_at(offset, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn cut(&self, length: u64) -> io::Result<()> {
        fails(&self.1.cuts, NO_SPACE)?;
        self.0.cut(length)
    }

    fn extend(&self, length: u64) -> io::Result<()> {
        self.0.extend(length)
    }

    fn prepare(&self, offset: u64) -> io::Result<u64> {
        self.0.prepare(offset)
    }

    fn sync_length(&self) -> io::Result<()> {
        self.0.sync_length()
    }
}

#[test]
fn a_process_without_file_descriptors_takes_records_again_once_it_has_some() {
    for prepare_ahead in [false, true] {
        let full = Full::new(FaultyDisk::new(1));
        let options = OpenOptions { prepare_ahead, ..small() };
        let (mut writer, reader, _) = Journal::open_on(Arc::new(full.clone()), keys(), options).unwrap();
        let mut model = Model::default();
        full.opens.store(true, Ordering::Relaxed);
        let mut refused = 0;
        for number in 0..40 {
            match model.append(&mut writer, &[accept("main", number, &[1_500])]) {
                Ok(()) => {}
                Err((AppendError::NoRoom { source, .. }, _)) => {
                    assert_eq!(source.raw_os_error(), Some(NO_DESCRIPTOR));
                    refused += 1;
                }
                Err((other, _)) => panic!("{other:?}"),
            }
        }
        assert!(refused > 0 && !model.records.is_empty(), "the first segment is full");
        model.check(&reader);
        full.opens.store(false, Ordering::Relaxed);
        for number in 0..20 {
            model.append(&mut writer, &[accept("main", number, &[1_500])]).unwrap();
        }
        model.check(&reader);
        drop((writer, reader));
        model.check(&open_on(&full.disk.after_power_loss()).unwrap().1);
    }
}

/// Uses a real, full file system: a small one in memory, which only root can mount.
#[test]
fn a_file_system_that_is_full_for_a_while() {
    let folder = tempfile::tempdir().unwrap();
    let mount =
        std::process::Command::new("mount").args(["-t", "tmpfs", "-o", "size=14m", "none"]).arg(folder.path()).status();
    if !mount.is_ok_and(|status| status.success()) {
        // Past the harness, as `cargo xtask test` counts it: what the macros print is shown for failed tests only.
        let line = b"skipped: space::a_file_system_that_is_full_for_a_while: no file system can be mounted here\n";
        return io::stdout().write_all(line).expect("stdout can be written");
    }
    let unmount = Unmount(folder.path().to_owned());
    let ballast = folder.path().join("ballast");
    std::fs::write(&ballast, vec![1; 6 * 1024 * 1024]).unwrap();
    let data = folder.path().join("data");
    let options = OpenOptions { reserve_bytes: 0, ..OpenOptions::default() };
    let (mut writer, reader, _) = Journal::open(&data, options.clone()).unwrap();
    reader.keys().create(&crate::support::tenant("main")).unwrap();
    let mut model = Model::default();
    let wishes: Vec<_> = (0..20).map(|number| accept("main", number, &[10_000])).collect();
    let full = loop {
        match model.append(&mut writer, &wishes) {
            Ok(()) => {}
            Err((AppendError::NoRoom { source, .. }, maybe)) if maybe.is_empty() => break source,
            Err((other, _)) => panic!("{other:?}"),
        }
        assert!(model.records.len() < 2_000, "it does not become full");
    };
    assert_eq!(full.kind(), io::ErrorKind::StorageFull);
    model.check(&reader);
    assert!(matches!(writer.make_room(), Err(AppendError::NoRoom { .. })), "it is still full");
    std::fs::remove_file(&ballast).unwrap();
    writer.make_room().unwrap();
    model.append(&mut writer, &wishes[..5]).unwrap();
    model.check(&reader);
    drop((writer, reader));
    let (writer, reader, report) = Journal::open(&data, options).unwrap();
    assert_eq!(report.torn, None);
    model.check(&reader);
    drop((writer, reader));
    drop(unmount);
}

struct Unmount(PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        let unmounted = std::process::Command::new("umount").arg(&self.0).status();
        assert!(std::thread::panicking() || unmounted.is_ok_and(|status| status.success()), "it is still in use");
    }
}

/// A frame that is cut off and the next one have the same address, and so would have the same keystream.
#[test]
fn a_frame_after_one_that_was_cut_off_takes_another_keystream() {
    let disk = FaultyDisk::new(1);
    let (mut writer, _reader, _) = open_on(&disk).unwrap();
    let mut model = Model::default();
    let record = [accept(SEALED, 1, &[100])];
    model.append(&mut writer, &record).unwrap();
    disk.fail_at(disk.calls() + 1, Fault::NoSpace);
    let refused = model.append(&mut writer, &record);
    assert!(matches!(refused, Err((AppendError::NoRoom { .. }, _))), "{refused:?}");
    model.append(&mut writer, &record).unwrap();
    // The segment was cut off, and the next one begins where it ends. The mark follows the tenant's name.
    let first = disk.bytes(0);
    let bytes = [disk.bytes(first.len() as u64), first].concat();
    let name = SEALED.as_bytes();
    let places = bytes.windows(name.len()).enumerate().filter(|(_, window)| *window == name);
    let marks: Vec<_> = places.map(|(place, _)| &bytes[place + name.len()..place + name.len() + 4]).collect();
    assert_eq!(marks.len(), 2, "one record before, and one after");
    assert_ne!(marks[0], marks[1]);
}
