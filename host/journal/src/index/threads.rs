//! The two threads beside the writer: one takes in what became durable, one writes full overlays into the store. Apart, so that
//! a reader never waits for the store to be written.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use super::entry::{DurableFrame, IndexedRecord, Place};
use super::{Index, Overlay};
use crate::EncodedRecord;
use crate::frame::HEADER_BYTES;
use crate::progress::Progress;
use polder_core::Position;

/// A frame and the records in it, with the position after each.
pub(crate) struct Written {
    pub(crate) frame: DurableFrame,
    pub(crate) records: Vec<EncodedRecord>,
    pub(crate) last_positions: Vec<Position>,
}

/// Dropping it ends the threads once they have taken in what was handed to them.
pub(crate) struct IndexThreads {
    frames: Option<Sender<Written>>,
    threads: Vec<JoinHandle<()>>,
}

pub(crate) fn start_threads(index: &Arc<Index>, progress: &Arc<Progress>) -> IndexThreads {
    let (frames, written) = channel();
    let (full, frozen) = channel();
    let taking = (Arc::clone(index), Arc::clone(progress));
    let flushing = Arc::clone(index);
    let threads = vec![
        std::thread::spawn(move || take_in(&taking.0, &taking.1, &written, &full)),
        std::thread::spawn(move || write_out(&flushing, &frozen)),
    ];
    IndexThreads { frames: Some(frames), threads }
}

impl IndexThreads {
    pub(crate) fn hand_over(&self, written: Written) {
        if let Some(frames) = &self.frames {
            // Fails only when the thread is gone; readers then get an error instead of waiting.
            let _ = frames.send(written);
        }
    }
}

impl Drop for IndexThreads {
    fn drop(&mut self) {
        self.frames = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

struct StopOnDrop<'a>(&'a Progress);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

fn take_in(index: &Index, progress: &Progress, written: &Receiver<Written>, full: &Sender<Arc<Overlay>>) {
    let _stop = StopOnDrop(progress);
    for Written { frame, records, last_positions } in written {
        index.apply(&frame, indexed(&frame, &records, &last_positions));
        progress.frame_applied();
        if let Some(frozen) = index.freeze(index.flush_records) {
            let _ = full.send(frozen);
        }
    }
}

fn write_out(index: &Index, frozen: &Receiver<Arc<Overlay>>) {
    for frozen in frozen {
        index.write_frozen(&frozen);
    }
}

fn indexed<'a>(
    frame: &DurableFrame,
    records: &'a [EncodedRecord],
    last_positions: &'a [Position],
) -> impl Iterator<Item = IndexedRecord<'a>> {
    let mut address = frame.address + HEADER_BYTES as u64;
    records.iter().zip(last_positions).map(move |(record, last)| {
        let place = Place { address, length: record.length() as u32 };
        address += record.length() as u64;
        IndexedRecord {
            tenant: record.tenant(),
            aggregate: record.aggregate(),
            command: record.command(),
            sequence_before: record.sequence_before(),
            event_count: record.event_count(),
            position_before: Position(last.0 - u64::from(record.event_count())),
            place,
        }
    })
}
