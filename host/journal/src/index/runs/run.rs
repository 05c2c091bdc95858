//! One run: sorted entries in a file that never changes.
//!
//! ```text
//! block …    about 4 KiB of entries, and their checksum
//! blocks     for each block: its length, its first key
//! filter     a Bloom filter of the marks of all keys
//! trailer    offsets of the two parts above, number of marks, format, checksum of all after the blocks, magic
//! ```
//!
//! The mark of a key is the key without the sequence or position at its end, if it has one.
//!
//! An entry consists of the number of bytes that its key shares with the previous key in the block, the rest of its
//! key, and its value. What follows the blocks is kept in memory while the run is open. A block is read and verified
//! when it is needed.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64;

use super::filter::Filter;
use crate::format::bytes::{Cursor, put_number, put_text};
use crate::index::IndexError;
use crate::index::layout::mark_of;

/// Format number. It is raised when the layout of the file, of keys or of values changes, or their meaning. An index in
/// another format is rebuilt.
const FORMAT: u64 = 3;
const MAGIC: [u8; 8] = *b"polderix";
/// Size in bytes at which a block is complete.
const BLOCK_BYTES: usize = 4_096;
const CHECKSUM_BYTES: usize = 8;
/// Size of the trailer in bytes: six numbers of eight bytes.
const TRAILER_BYTES: usize = 48;
/// Bytes that are written between two syncs of a run. A frame that is synced meanwhile waits at most for this much.
const BYTES_PER_SYNC: u64 = 64 * 1024;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
}

/// An open run.
pub(super) struct Run {
    path: PathBuf,
    file: File,
    blocks: Blocks,
    filter: Filter,
    /// Number of marks in the filter.
    marks: usize,
}

/// The offset and the first key of each block.
#[derive(Debug, Default)]
struct Blocks {
    /// The first keys of all blocks, concatenated.
    keys: Vec<u8>,
    /// Offset of each block's key in `keys`.
    keys_at: Vec<u32>,
    /// Offset of each block in the file, followed by the end of the last block.
    offsets: Vec<u64>,
}

pub(crate) struct RunWriter {
    file: File,
    block: Vec<u8>,
    last_key: Vec<u8>,
    blocks: Blocks,
    filter: Filter,
    marks: usize,
    /// Number of marks for which the filter is made.
    marks_max: usize,
    rest: Duration,
    unsynced_bytes: u64,
}

impl RunWriter {
    /// Creates the file of a run. `marks` is the maximum number of distinct marks that will be added. `rest` is the
    /// pause after each sync, for the benefit of threads that sync frames.
    pub(super) fn create(path: &Path, marks: usize, rest: Duration) -> io::Result<Self> {
        Ok(Self {
            file: File::create(path)?,
            block: Vec::with_capacity(2 * BLOCK_BYTES),
            last_key: Vec::new(),
            blocks: Blocks { offsets: vec![0], ..Blocks::default() },
            filter: Filter::new(marks),
            marks: 0,
            marks_max: marks,
            rest,
            unsynced_bytes: 0,
        })
    }

    /// Adds an entry. Keys must be added in ascending order.
    pub(crate) fn add(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        debug_assert!(self.marks == 0 || self.last_key.as_slice() < key, "keys ascend");
        let mark = mark_of(key);
        if self.marks == 0 || mark_of(&self.last_key) != mark {
            self.filter.add(mark);
            self.marks += 1;
        }
        let shared = if self.block.is_empty() {
            self.blocks.begin(key);
            0
        } else {
            key.iter().zip(&self.last_key).take_while(|(one, other)| one == other).count()
        };
        put_number(&mut self.block, shared as u64);
        put_text(&mut self.block, &key[shared..]);
        put_text(&mut self.block, value);
        self.last_key.clear();
        self.last_key.extend_from_slice(key);
        if self.block.len() >= BLOCK_BYTES { self.end_block() } else { Ok(()) }
    }

    /// Completes the run. It is durable when this returns.
    pub(super) fn finish(mut self) -> io::Result<()> {
        debug_assert!(self.marks <= self.marks_max, "the filter is made for {} marks", self.marks_max);
        self.end_block()?;
        let blocks_at = self.blocks.end();
        let mut rest = self.blocks.to_bytes();
        let filter_at = blocks_at + rest.len() as u64;
        rest.extend(self.filter.to_bytes());
        for number in [blocks_at, filter_at, self.marks as u64, FORMAT] {
            rest.extend_from_slice(&number.to_le_bytes());
        }
        rest.extend_from_slice(&xxh3_64(&rest).to_le_bytes());
        rest.extend_from_slice(&MAGIC);
        for (number, piece) in rest.chunks(BYTES_PER_SYNC as usize).enumerate() {
            self.file.write_all_at(piece, blocks_at + number as u64 * BYTES_PER_SYNC)?;
            self.sync_a_piece()?;
        }
        self.file.sync_all()
    }

    fn end_block(&mut self) -> io::Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        let checksum = xxh3_64(&self.block);
        self.block.extend_from_slice(&checksum.to_le_bytes());
        self.file.write_all_at(&self.block, self.blocks.end())?;
        self.blocks.end_at(self.block.len());
        self.unsynced_bytes += self.block.len() as u64;
        self.block.clear();
        if self.unsynced_bytes >= BYTES_PER_SYNC {
            self.sync_a_piece()?;
            self.unsynced_bytes = 0;
        }
        Ok(())
    }

    fn sync_a_piece(&self) -> io::Result<()> {
        self.file.sync_data()?;
        std::thread::sleep(self.rest);
        Ok(())
    }
}

impl Run {
    pub(super) fn open(path: &Path) -> Result<Self, IndexError> {
        let read = || {
            let file = File::open(path)?;
            let length = file.metadata()?.len();
            let mut trailer = [0; TRAILER_BYTES];
            let trailer_at = length.checked_sub(TRAILER_BYTES as u64).ok_or(io::ErrorKind::UnexpectedEof)?;
            file.read_exact_at(&mut trailer, trailer_at)?;
            let (numbers, _) = trailer.as_chunks::<8>();
            let number = |index: usize| u64::from_le_bytes(numbers[index]);
            let broken = |what| io::Error::new(io::ErrorKind::InvalidData, what);
            if numbers[5] != MAGIC || number(3) != FORMAT {
                return Err(broken("it is not in this format"));
            }
            let (blocks_at, filter_at) = (number(0), number(1));
            if blocks_at > filter_at || filter_at > trailer_at {
                return Err(broken("its trailer is damaged"));
            }
            let mut rest = vec![0; (length - blocks_at) as usize];
            file.read_exact_at(&mut rest, blocks_at)?;
            let checked = rest.len() - CHECKSUM_BYTES - MAGIC.len();
            if xxh3_64(&rest[..checked]) != number(4) {
                return Err(broken("its end is damaged"));
            }
            let (blocks, filter) = rest[..rest.len() - TRAILER_BYTES].split_at((filter_at - blocks_at) as usize);
            let blocks = Blocks::read(blocks).filter(|blocks| blocks.end() == blocks_at);
            let (Some(blocks), Some(filter)) = (blocks, Filter::read(filter)) else {
                return Err(broken("its end cannot be read"));
            };
            Ok(Self { path: path.to_owned(), file, blocks, filter, marks: number(2) as usize })
        };
        read().map_err(|error| unreadable(path, &error))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn marks(&self) -> usize {
        self.marks
    }

    /// Whether a key may have this mark. If this returns `false`, none has.
    pub(super) fn may_hold(&self, mark: &[u8]) -> bool {
        self.filter.may_hold(mark)
    }

    /// The last entry whose key is at most `key`.
    pub(super) fn floor(&self, key: &[u8]) -> Result<Option<Entry>, IndexError> {
        let Some(number) = self.blocks.holding(key) else { return Ok(None) };
        let mut block = Block::new(self.read(number)?);
        let (mut floor, mut value) = (Vec::new(), 0..0);
        while let Some(next) = block.next().map_err(|error| unreadable(&self.path, &error))? {
            if block.key.as_slice() > key {
                break;
            }
            floor.clone_from(&block.key);
            value = next;
        }
        Ok(Some(Entry { key: floor, value: block.bytes[value].to_vec() }))
    }

    /// All entries in ascending order, beginning with the first whose key is at least `from`.
    pub(super) fn entries(self: &Arc<Self>, from: &[u8]) -> Entries {
        let number = self.blocks.holding(from).unwrap_or(0);
        Entries { run: Arc::clone(self), number, block: Block::default(), from: from.to_vec() }
    }

    fn read(&self, number: usize) -> Result<Vec<u8>, IndexError> {
        let (begin, end) = (self.blocks.offsets[number], self.blocks.offsets[number + 1]);
        let mut bytes = vec![0; (end - begin) as usize];
        self.file.read_exact_at(&mut bytes, begin).map_err(|error| unreadable(&self.path, &error))?;
        let checksum = bytes.split_off(bytes.len().saturating_sub(CHECKSUM_BYTES));
        if checksum != xxh3_64(&bytes).to_le_bytes() {
            return Err(unreadable(&self.path, &format!("the block at byte {begin} is damaged")));
        }
        Ok(bytes)
    }
}

impl Blocks {
    fn begin(&mut self, key: &[u8]) {
        self.keys_at
            .push(u32::try_from(self.keys.len()).expect("a run has far fewer than four billion bytes of these"));
        self.keys.extend_from_slice(key);
    }

    fn end_at(&mut self, length: usize) {
        self.offsets.push(self.end() + length as u64);
    }

    fn end(&self) -> u64 {
        self.offsets.last().copied().unwrap_or(0)
    }

    fn key(&self, number: usize) -> &[u8] {
        let end = self.keys_at.get(number + 1).map_or(self.keys.len(), |end| *end as usize);
        &self.keys[self.keys_at[number] as usize..end]
    }

    /// The last block whose first key is at most `key`. If the run contains the key, it is in this block.
    fn holding(&self, key: &[u8]) -> Option<usize> {
        let (mut below, mut above) = (0, self.keys_at.len());
        while below < above {
            let middle = below.midpoint(above);
            if self.key(middle) <= key { below = middle + 1 } else { above = middle }
        }
        below.checked_sub(1)
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.keys.len() + 4 * self.keys_at.len());
        for (number, bounds) in self.offsets.windows(2).enumerate() {
            put_number(&mut bytes, bounds[1] - bounds[0]);
            put_text(&mut bytes, self.key(number));
        }
        bytes
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let mut blocks = Self { offsets: vec![0], ..Self::default() };
        let mut cursor = Cursor::new(bytes);
        while !cursor.rest().is_empty() {
            let length = usize::try_from(cursor.number()?).ok().filter(|length| *length >= CHECKSUM_BYTES)?;
            blocks.keys_at.push(u32::try_from(blocks.keys.len()).ok()?);
            blocks.keys.extend_from_slice(cursor.blob()?);
            blocks.offsets.push(blocks.end().checked_add(length as u64)?);
        }
        Some(blocks)
    }
}

/// A block that was read, and the position of a reader in it.
#[derive(Default)]
struct Block {
    bytes: Vec<u8>,
    at: usize,
    key: Vec<u8>,
}

impl Block {
    fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, ..Self::default() }
    }

    /// Moves to the next entry and returns the range of its value in `bytes`; `None` after the last entry.
    fn next(&mut self) -> io::Result<Option<std::ops::Range<usize>>> {
        if self.at == self.bytes.len() {
            return Ok(None);
        }
        let mut cursor = Cursor::new(&self.bytes[self.at..]);
        let read = (|| {
            let shared = usize::try_from(cursor.number()?).ok().filter(|shared| *shared <= self.key.len())?;
            self.key.truncate(shared);
            self.key.extend_from_slice(cursor.blob()?);
            Some(cursor.blob()?.len())
        })();
        let length = read.ok_or(io::ErrorKind::InvalidData)?;
        self.at = self.bytes.len() - cursor.rest().len();
        Ok(Some(self.at - length..self.at))
    }
}

pub(super) struct Entries {
    run: Arc<Run>,
    /// Number of the next block to read.
    number: usize,
    block: Block,
    from: Vec<u8>,
}

impl Entries {
    fn step(&mut self) -> Result<Option<Entry>, IndexError> {
        loop {
            match self.block.next().map_err(|error| unreadable(&self.run.path, &error))? {
                Some(_) if self.block.key < self.from => {}
                Some(value) => {
                    return Ok(Some(Entry { key: self.block.key.clone(), value: self.block.bytes[value].to_vec() }));
                }
                None if self.number == self.run.blocks.keys_at.len() => return Ok(None),
                None => {
                    self.block = Block::new(self.run.read(self.number)?);
                    self.number += 1;
                }
            }
        }
    }
}

impl Iterator for Entries {
    type Item = Result<Entry, IndexError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

fn unreadable(path: &Path, why: &dyn std::fmt::Display) -> IndexError {
    IndexError(format!("{} cannot be read: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A command key. Each command key is its own mark.
    fn key(number: u32) -> Vec<u8> {
        [b"c".as_slice(), &number.to_be_bytes()].concat()
    }

    fn value(number: u32) -> Vec<u8> {
        vec![number as u8; number as usize % 40]
    }

    /// Writes a run with the even numbers below `end`.
    fn written(folder: &Path, end: u32) -> PathBuf {
        let path = folder.join("a-run");
        let mut writer = RunWriter::create(&path, end as usize, Duration::ZERO).unwrap();
        for number in (0..end).step_by(2) {
            writer.add(&key(number), &value(number)).unwrap();
        }
        writer.finish().unwrap();
        path
    }

    #[test]
    fn every_entry_is_found_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let run = Arc::new(Run::open(&written(folder.path(), 5_000)).unwrap());
        assert!(run.blocks.keys_at.len() > 5, "several blocks");
        for number in 0..5_001 {
            let floor = run.floor(&key(number)).unwrap().unwrap();
            let expected = (number / 2 * 2).min(4_998);
            assert_eq!(floor, Entry { key: key(expected), value: value(expected) });
            assert!(number % 2 == 1 || number == 5_000 || run.may_hold(&key(number)));
        }
        assert_eq!(run.floor(b"a").unwrap(), None);
        for from in [0, 1, 2, 999, 4_998, 4_999] {
            let found: Vec<_> = run.entries(&key(from)).map(|entry| entry.unwrap().key).collect();
            assert_eq!(found, (from.div_ceil(2)..2_500).map(|half| key(2 * half)).collect::<Vec<_>>(), "from {from}");
        }
        assert_eq!(run.marks(), 2_500);
    }

    #[test]
    fn an_empty_run_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let run = Arc::new(Run::open(&written(folder.path(), 0)).unwrap());
        assert_eq!(run.floor(&key(1)).unwrap(), None);
        assert_eq!(run.entries(b"").count(), 0);
    }

    #[test]
    fn each_changed_bit_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = written(folder.path(), 1_000);
        let bytes = std::fs::read(&path).unwrap();
        let expected: Vec<_> = (0..500).map(|half| key(2 * half)).collect();
        for at in 0..bytes.len() {
            let mut spoiled = bytes.clone();
            spoiled[at] ^= 1 << (at % 8);
            std::fs::write(&path, spoiled).unwrap();
            let read = Run::open(&path).and_then(|run| Arc::new(run).entries(b"").collect::<Result<Vec<_>, _>>());
            assert!(read.is_err(), "byte {at} of {}", bytes.len());
        }
        for length in [0, 1, TRAILER_BYTES, bytes.len() - 1] {
            std::fs::write(&path, &bytes[..length]).unwrap();
            assert!(Run::open(&path).is_err(), "cut to {length} bytes");
        }
        std::fs::write(&path, &bytes).unwrap();
        let read = Arc::new(Run::open(&path).unwrap()).entries(b"").map(|entry| entry.unwrap().key).collect::<Vec<_>>();
        assert_eq!(read, expected);
    }
}
