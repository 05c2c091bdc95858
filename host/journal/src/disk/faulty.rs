//! Segments in memory that behave like those on a bad disk, at random from a seed. Unsynced data may be kept in part or
//! not at all, sector by sector and in any order; a call may fail, the space may run out, the power may fail at any
//! call.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, SECTOR_BYTES, Segment};

const SECTOR: usize = SECTOR_BYTES as usize;
/// Errno of an input/output error.
const EIO: i32 = 5;

/// What goes wrong at a chosen call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The call fails. A failed sync makes nothing durable, and later syncs succeed without syncing that data.
    Error,
    /// The call fails for lack of space.
    NoSpace,
    /// The power fails: this call and all later ones fail. [`FaultyDisk::after_power_loss`] returns what is left.
    PowerLoss,
}

/// A handle to a disk. Clones share the same disk.
#[derive(Clone)]
pub struct FaultyDisk {
    state: Arc<Mutex<State>>,
}

struct State {
    random: u64,
    files: BTreeMap<u64, File>,
    /// Number of calls that change something; the first has number 1.
    calls: u64,
    fault: Option<(u64, Fault)>,
    dead: bool,
    free_bytes: u64,
}

#[derive(Clone, Default)]
struct File {
    /// The bytes that reads return.
    now: Vec<u8>,
    /// The bytes that are certain to survive a power loss.
    durable: Vec<u8>,
    /// Sectors that the next sync makes durable. A failed sync clears them.
    unsynced: Vec<usize>,
    named: bool,
}

impl FaultyDisk {
    pub fn new(seed: u64) -> Self {
        let state = State::new(seed, BTreeMap::new());
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Number of calls so far that change something.
    pub fn calls(&self) -> u64 {
        self.lock().calls
    }

    /// Sets the free space that the disk reports, in bytes. Writes beyond it still succeed.
    pub fn set_free_bytes(&self, free_bytes: u64) {
        self.lock().free_bytes = free_bytes;
    }

    /// Makes the changing call with this number, counted from 1, fail.
    pub fn fail_at(&self, call: u64, fault: Fault) {
        self.lock().fault = Some((call, fault));
    }

    /// The disk after a restart of the process: the same bytes, no faults, and unsynced data is still not durable.
    pub fn after_restart(&self) -> Self {
        let mut state = self.lock();
        let next = State::new(state.next(), state.files.clone());
        Self { state: Arc::new(Mutex::new(next)) }
    }

    /// The disk after a power loss: each sector, length and name that is not durable is in its old or its new state, at
    /// random.
    pub fn after_power_loss(&self) -> Self {
        let mut state = self.lock();
        let mut files = state.files.clone();
        files.retain(|_, file| file.named || state.next().is_multiple_of(2));
        for file in files.values_mut() {
            file.lose_power(&mut || state.next());
        }
        let next = State::new(state.next(), files);
        Self { state: Arc::new(Mutex::new(next)) }
    }

    /// All bytes of a segment, as reads return them.
    pub fn bytes(&self, address: u64) -> Vec<u8> {
        self.lock().files.get(&address).map(|file| file.now.clone()).unwrap_or_default()
    }

    /// Replaces a segment, durably. Tests use it to flip bits, to cut, and to add bytes.
    pub fn set_bytes(&self, address: u64, bytes: Vec<u8>) {
        let file = File { durable: bytes.clone(), now: bytes, unsynced: Vec::new(), named: true };
        self.lock().files.insert(address, file);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn new(random: u64, files: BTreeMap<u64, File>) -> Self {
        Self { random, files, calls: 0, fault: None, dead: false, free_bytes: u64::MAX }
    }

    /// The next random number, from SplitMix64: small, and good enough to choose sectors.
    fn next(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.random;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    fn alive(&self) -> io::Result<()> {
        if self.dead { Err(io::Error::from_raw_os_error(EIO)) } else { Ok(()) }
    }

    /// Called before each call that changes something. If it returns a fault, the caller makes a part of the change and
    /// then fails.
    fn change(&mut self) -> io::Result<Option<Fault>> {
        self.alive()?;
        self.calls += 1;
        match self.fault {
            Some((call, fault)) if call == self.calls => {
                self.dead = fault == Fault::PowerLoss;
                Ok(Some(fault))
            }
            _ => Ok(None),
        }
    }

    fn file(&mut self, address: u64) -> io::Result<&mut File> {
        self.files.get_mut(&address).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

fn error_of(fault: Fault) -> io::Error {
    match fault {
        Fault::NoSpace => io::ErrorKind::StorageFull.into(),
        Fault::Error | Fault::PowerLoss => io::Error::from_raw_os_error(EIO),
    }
}

impl File {
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        if self.now.len() < end {
            self.now.resize(end, 0);
        }
        self.now[offset..end].copy_from_slice(bytes);
        self.unsynced.extend(offset / SECTOR..end.div_ceil(SECTOR));
    }

    fn sync(&mut self) {
        self.unsynced.sort_unstable();
        self.unsynced.dedup();
        for sector in std::mem::take(&mut self.unsynced) {
            let start = sector * SECTOR;
            let end = (start + SECTOR).min(self.now.len());
            if start < end {
                if self.durable.len() < end {
                    self.durable.resize(end, 0);
                }
                self.durable[start..end].copy_from_slice(&self.now[start..end]);
            }
        }
        self.durable.resize(self.now.len(), 0);
    }

    fn lose_power(&mut self, random: &mut dyn FnMut() -> u64) {
        let keep_length = random().is_multiple_of(2);
        let length = if keep_length { self.now.len() } else { self.durable.len() };
        let mut left = self.durable.clone();
        left.resize(length, 0);
        for start in (0..length).step_by(SECTOR) {
            let end = (start + SECTOR).min(length).min(self.now.len());
            if start < end && random().is_multiple_of(2) {
                left[start..end].copy_from_slice(&self.now[start..end]);
            }
        }
        *self = Self { durable: left.clone(), now: left, unsynced: Vec::new(), named: true };
    }
}

impl Disk for FaultyDisk {
    fn segments(&self) -> io::Result<Vec<u64>> {
        let state = self.lock();
        state.alive()?;
        Ok(state.files.keys().copied().collect())
    }

    fn create(&self, address: u64, length: u64) -> io::Result<Arc<dyn Segment>> {
        let mut state = self.lock();
        let fault = state.change()?;
        if state.files.contains_key(&address) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let length = usize::try_from(length).map_err(|_| io::ErrorKind::InvalidInput)?;
        // If the call fails after the file is created, the file has no length yet.
        let length = if fault.is_some() { 0 } else { length };
        let file = File { now: vec![0; length], durable: vec![0; length], unsynced: Vec::new(), named: false };
        state.files.insert(address, file);
        match fault {
            Some(fault) => Err(error_of(fault)),
            None => Ok(Arc::new(FaultySegment { disk: self.clone(), address })),
        }
    }

    fn open(&self, address: u64) -> io::Result<Arc<dyn Segment>> {
        let mut state = self.lock();
        state.alive()?;
        state.file(address)?;
        Ok(Arc::new(FaultySegment { disk: self.clone(), address }))
    }

    fn remove(&self, address: u64) -> io::Result<()> {
        let mut state = self.lock();
        if let Some(fault) = state.change()? {
            return Err(error_of(fault));
        }
        state.files.remove(&address).map(|_| ()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        Ok(self.lock().free_bytes)
    }

    fn sync_folder(&self) -> io::Result<()> {
        let mut state = self.lock();
        if let Some(fault) = state.change()? {
            return Err(error_of(fault));
        }
        state.files.values_mut().for_each(|file| file.named = true);
        Ok(())
    }

    fn path(&self, address: u64) -> PathBuf {
        PathBuf::from(format!("memory/{address:020}.seg"))
    }
}

struct FaultySegment {
    disk: FaultyDisk,
    address: u64,
}

impl FaultySegment {
    /// Makes `change` completely, or if a fault occurs only `partial`, which may change nothing.
    fn change(&self, change: impl FnOnce(&mut File), partial: impl FnOnce(&mut File, u64)) -> io::Result<()> {
        let mut state = self.disk.lock();
        let fault = state.change()?;
        let random = state.next();
        let file = state.file(self.address)?;
        match fault {
            None => {
                change(file);
                Ok(())
            }
            Some(fault) => {
                partial(file, random);
                Err(error_of(fault))
            }
        }
    }
}

impl Segment for FaultySegment {
    fn length(&self) -> io::Result<u64> {
        let mut state = self.disk.lock();
        state.alive()?;
        Ok(state.file(self.address)?.now.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.disk.lock();
        state.alive()?;
        let now = &state.file(self.address)?.now;
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(now.len());
        let count = buffer.len().min(now.len() - start);
        buffer[..count].copy_from_slice(&now[start..start + count]);
        Ok(count)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput)?;
        let partial = |file: &mut File, random: u64| {
            let count = usize::try_from(random).unwrap_or(usize::MAX) % (bytes.len() + 1);
            file.write(offset, &bytes[..count]);
        };
        self.change(|file| file.write(offset, bytes), partial)
    }

    fn sync(&self) -> io::Result<()> {
        self.change(File::sync, |file, _| file.unsynced.clear())
    }

    fn cut(&self, length: u64) -> io::Result<()> {
        let length = usize::try_from(length).map_err(|_| io::ErrorKind::InvalidInput)?;
        let cut = |file: &mut File| {
            file.now.truncate(length);
            file.unsynced.push(length / SECTOR);
        };
        self.change(cut, |_, _| ())
    }

    fn extend(&self, length: u64) -> io::Result<()> {
        let length = usize::try_from(length).map_err(|_| io::ErrorKind::InvalidInput)?;
        let extend = |file: &mut File| {
            let before = file.now.len();
            if before < length {
                file.now.resize(length, 0);
                file.unsynced.extend(before / SECTOR..length.div_ceil(SECTOR));
            }
        };
        self.change(extend, |_, _| ())
    }

    fn prepare(&self, _offset: u64) -> io::Result<u64> {
        Ok(0)
    }

    fn sync_length(&self) -> io::Result<()> {
        self.sync()
    }
}
