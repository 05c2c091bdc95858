//! Tests of every single byte: a journal cut anywhere in its last frame opens without that frame, and a bit flipped
//! anywhere before is refused, with file and offset.

use polder_journal::OpenError;
use polder_journal::disk::{Disk, FaultyDisk};

use crate::support::{Model, accept, open_on, reject};

const FRAME_MAGIC: &[u8] = b"\xffpolder\xfe";
const SECTOR_BYTES: usize = 512;

/// A journal of several segments, with the model of its content, and of its content before the last frame.
struct Sample {
    disk: FaultyDisk,
    whole: Model,
    before_last: Model,
}

fn sample(closed: bool) -> Sample {
    let disk = FaultyDisk::new(1);
    let (mut writer, reader, _) = open_on(&disk).unwrap();
    let mut model = Model::default();
    for number in 0..10 {
        let wishes = [accept("main", number % 3, &[700, 20]), reject("other", 1), accept("other", 2, &[300])];
        model.append(&mut writer, &wishes).unwrap();
    }
    let mut before_last = model.clone();
    model.append(&mut writer, &[accept("main", 0, &[600])]).unwrap();
    if closed {
        writer.close().unwrap();
        before_last = model.clone();
    }
    drop(reader);
    assert!(disk.segments().unwrap().len() >= 3, "the sample is too small");
    Sample { disk, whole: model, before_last }
}

impl Sample {
    fn segments(&self) -> Vec<(u64, Vec<u8>)> {
        self.disk.segments().unwrap().into_iter().map(|address| (address, self.disk.bytes(address))).collect()
    }

    /// Segment and range of the last frame, without its padding to a whole sector.
    fn last_frame(&self) -> (u64, std::ops::Range<usize>) {
        let segments = self.segments();
        let (address, bytes) = segments.iter().rev().find(|(_, bytes)| !frame_starts(bytes).is_empty()).unwrap();
        let start = *frame_starts(bytes).last().unwrap();
        let length = u32::from_le_bytes(bytes[start + 112..start + 116].try_into().unwrap());
        (*address, start..start + length as usize)
    }

    /// A copy of the disk with one segment replaced.
    fn with(&self, address: u64, bytes: Vec<u8>) -> FaultyDisk {
        let disk = self.disk.after_restart();
        disk.set_bytes(address, bytes);
        disk
    }
}

fn frame_starts(bytes: &[u8]) -> Vec<usize> {
    (0..bytes.len()).step_by(SECTOR_BYTES).filter(|start| bytes[*start..].starts_with(FRAME_MAGIC)).collect()
}

fn opens_as(disk: &FaultyDisk, model: &Model, what: &str) {
    let (_, reader, report) = open_on(disk).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(report.records, model.records.len() as u64, "{what}");
    model.check(&reader);
}

#[test]
fn a_cut_in_the_last_frame_loses_that_frame_only() {
    for closed in [false, true] {
        let sample = sample(closed);
        let (address, frame) = sample.last_frame();
        let bytes = sample.disk.bytes(address);
        for length in frame.start..=frame.end + 3 {
            let disk = sample.with(address, bytes[..length].to_vec());
            let expected = if length < frame.end { &sample.before_last } else { &sample.whole };
            opens_as(&disk, expected, &format!("cut to {length} bytes"));
            opens_as(&disk.after_power_loss(), expected, "and opened once more");
        }
    }
}

#[test]
fn zeros_in_place_of_the_end_of_the_last_frame_lose_that_frame_only() {
    let sample = sample(false);
    let (address, frame) = sample.last_frame();
    for from in frame.clone() {
        let mut bytes = sample.disk.bytes(address);
        if bytes[from..frame.end].iter().all(|byte| *byte == 0) {
            continue;
        }
        bytes[from..frame.end].fill(0);
        opens_as(&sample.with(address, bytes), &sample.before_last, &format!("zeros from {from} on"));
    }
}

/// No part of the frame is missing, so a crash is not the cause of the damage. The frame may have been acknowledged,
/// and cutting it off would lose it.
#[test]
fn a_flip_in_the_last_frame_is_refused() {
    let sample = sample(false);
    let (address, frame) = sample.last_frame();
    assert_ne!(sample.disk.bytes(address)[frame.end - 1], 0, "a frame that ends with zeros could be cut short");
    // A frame whose length field is too large looks cut short.
    let length_field = frame.start + 112..frame.start + 116;
    for offset in frame.clone().filter(|offset| !length_field.contains(offset)) {
        let mut bytes = sample.disk.bytes(address);
        bytes[offset] ^= 1 << (offset % 8);
        refused_in_frame_of(&sample.with(address, bytes), address, offset, &[frame.start]);
    }
}

/// Covers frames, their padding, and the unused ends of full segments.
#[test]
fn a_flip_before_the_last_frame_is_refused() {
    for closed in [false, true] {
        let sample = sample(closed);
        let (last_address, last_frame) = sample.last_frame();
        for (address, bytes) in sample.segments().into_iter().filter(|(address, _)| *address <= last_address) {
            let starts = frame_starts(&bytes);
            let end = if address == last_address { last_frame.start } else { bytes.len() };
            for offset in 0..end {
                let mut flipped = bytes.clone();
                flipped[offset] ^= 1 << (offset % 8);
                refused_in_frame_of(&sample.with(address, flipped), address, offset, &starts);
            }
        }
    }
}

/// Covers every bit of one frame's header: lengths, numbers, kinds.
#[test]
fn every_bit_of_a_header_counts() {
    let sample = sample(false);
    let bytes = sample.disk.bytes(0);
    let starts = frame_starts(&bytes);
    for bit in 0..120 * 8 {
        let mut flipped = bytes.clone();
        let offset = starts[1] + bit / 8;
        flipped[offset] ^= 1 << (bit % 8);
        refused_in_frame_of(&sample.with(0, flipped), 0, offset, &starts);
    }
}

/// All sectors of the last segment hold garbage, like remains of another use of the disk.
#[test]
fn a_last_segment_of_garbage_is_refused() {
    let sample = sample(false);
    let (address, frame) = sample.last_frame();
    for from in [0, frame.start] {
        let mut bytes = sample.disk.bytes(address);
        for (index, byte) in bytes[from..].iter_mut().enumerate() {
            *byte = (index * 131 + 7) as u8 | 1;
        }
        match open_on(&sample.with(address, bytes)) {
            Err(OpenError::Damaged { what, .. }) => {
                assert!(what.contains("no frame begins with the bytes here"), "{what}")
            }
            Err(error) => panic!("{error}"),
            Ok((_, _, report)) => panic!("it was taken for an unfinished frame: {report:?}"),
        }
    }
}

fn refused_in_frame_of(disk: &FaultyDisk, address: u64, flipped: usize, starts: &[usize]) {
    match open_on(disk) {
        Err(OpenError::Damaged { file, offset, what }) => {
            assert_eq!(file, disk.path(address), "{what}");
            let offset = offset as usize;
            let next = starts.iter().copied().find(|start| *start > offset).unwrap_or(usize::MAX);
            assert!((offset..next).contains(&flipped), "flip in {flipped}, reported {offset}: {what}");
        }
        Err(error) => panic!("flip in byte {flipped}: {error}"),
        Ok(_) => panic!("flip in byte {flipped} of segment {address} went unnoticed"),
    }
}
