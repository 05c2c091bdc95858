//! Frames that were written elsewhere: the copy reads like the original, a frame that does not continue the copy is
//! refused, and of several hosts that want to write only one succeeds.

use std::sync::{Arc, Mutex};

use polder_journal::disk::{Disk as _, FaultyDisk};
use polder_journal::{AppendError, FollowError, Follower, FrameCheck, FrameLog, Journal, LogError, Reader, Writer};

use crate::support::{Model, accept, keys, reject, small, tenant};

/// A log in memory that all hosts of a test share.
#[derive(Clone, Default)]
pub(crate) struct Frames(Arc<Mutex<Vec<Vec<u8>>>>);

impl Frames {
    fn from(&self, number: u64) -> Vec<Vec<u8>> {
        self.0.lock().unwrap()[number as usize..].to_vec()
    }
}

impl FrameLog for Frames {
    fn append(&mut self, number: u64, frame: &[u8]) -> Result<(), LogError> {
        let mut frames = self.0.lock().unwrap();
        if frames.len() as u64 + 1 != number {
            return Err(LogError::Overtaken { number });
        }
        frames.push(frame.to_vec());
        Ok(())
    }
}

/// Applies all frames that the follower lacks.
pub(crate) fn open_from(frames: &Frames, follower: &mut Follower) {
    for frame in frames.from(follower.end().number) {
        follower.apply(&frame).unwrap();
    }
}

fn copy_on(disk: &FaultyDisk) -> (Follower, Reader) {
    let (follower, reader, _) = Journal::open_copy_on(Arc::new(disk.clone()), keys(), small()).unwrap();
    (follower, reader)
}

fn lead(mut follower: Follower, frames: &Frames) -> Writer {
    open_from(frames, &mut follower);
    follower.claim(&mut frames.clone()).unwrap();
    follower.into_writer(Box::new(frames.clone())).unwrap()
}

#[test]
fn a_follower_reads_what_the_owner_reads() {
    let frames = Frames::default();
    let (leading, here) = (FaultyDisk::new(1), FaultyDisk::new(2));
    let (mut writer, mut model) = (lead(copy_on(&leading).0, &frames), Model::default());
    let (mut follower, reader) = copy_on(&here);
    for round in 0..40 {
        let wishes = [accept("main", round % 5, &[10, 900]), reject("other", 7), accept("other", 1, &[40])];
        model.append(&mut writer, &wishes).unwrap();
        for frame in frames.from(follower.end().number) {
            let followed = follower.apply(&frame).unwrap();
            assert!(followed.tenants.is_empty() || followed.tenants == [tenant("main"), tenant("other")]);
        }
        assert_eq!(reader.last_position(&tenant("main")).0, 2 * (u64::from(round) + 1));
        if round % 8 == 0 {
            model.check(&reader);
        }
    }
    model.check(&reader);
    assert!(here.segments().unwrap().len() > 3);
    for address in here.segments().unwrap() {
        assert_eq!(here.bytes(address), leading.bytes(address), "the copy is the same, byte for byte");
    }
}

#[test]
fn ownership_goes_round() {
    let frames = Frames::default();
    let mut model = Model::default();
    let mut idle: Vec<_> = (0..3).map(|seed| copy_on(&FaultyDisk::new(seed))).collect();
    for round in 0..20_usize {
        let (follower, reader) = idle.remove(0);
        let mut writer = lead(follower, &frames);
        for number in 0..3 {
            let payload = 200 + 700 * (round % 7) + usize::from(number);
            model.append(&mut writer, &[accept("main", number, &[payload, 5])]).unwrap();
        }
        model.check(&reader);
        idle.push((writer.into_follower(), reader));
    }
    for (mut follower, reader) in idle {
        open_from(&frames, &mut follower);
        model.check(&reader);
    }
    let keys = keys();
    let mut check = FrameCheck::new(&keys);
    frames.from(0).iter().for_each(|frame| check.frame(frame).unwrap());
    assert_eq!((check.frames(), check.report().events), (80, 120));
}

#[test]
fn an_overtaken_writer_appends_nothing_more_and_can_follow() {
    let frames = Frames::default();
    let (follower, old_reader) = copy_on(&FaultyDisk::new(1));
    let mut old = lead(follower, &frames);
    let mut model = Model::default();
    // This nearly fills the segment, so that the old owner's next frame would need another one.
    model.append(&mut old, &[accept("main", 1, &[5_500])]).unwrap();
    let mut new = lead(copy_on(&FaultyDisk::new(2)).0, &frames);
    let kept = frames.from(0).len();
    let (error, _) = model.append(&mut old, &[accept("main", 2, &[4_000])]).unwrap_err();
    assert!(matches!(error, AppendError::Log(LogError::Overtaken { number: 3 })), "{error:?}");
    let (error, _) = model.append(&mut old, &[accept("main", 2, &[1])]).unwrap_err();
    assert!(matches!(&error, AppendError::Poisoned { reason } if reason.contains("another host")), "{error:?}");
    assert_eq!(frames.from(0).len(), kept, "nothing of it is kept");
    model.append(&mut new, &[accept("main", 2, &[10]), accept("main", 1, &[10])]).unwrap();
    let mut follower = old.into_follower();
    open_from(&frames, &mut follower);
    model.check(&old_reader);
}

#[test]
fn a_follower_that_has_not_caught_up_cannot_claim() {
    let frames = Frames::default();
    let mut model = Model::default();
    let mut writer = lead(copy_on(&FaultyDisk::new(1)).0, &frames);
    let (mut late, reader) = copy_on(&FaultyDisk::new(2));
    model.append(&mut writer, &[accept("main", 1, &[1])]).unwrap();
    let error = late.claim(&mut frames.clone()).unwrap_err();
    assert!(matches!(error, AppendError::Log(LogError::Overtaken { number: 1 })), "{error:?}");
    let mut writer = lead(late, &frames);
    model.append(&mut writer, &[accept("main", 1, &[1])]).unwrap();
    model.check(&reader);
}

#[test]
fn a_frame_that_does_not_continue_the_copy_is_refused() {
    let frames = Frames::default();
    let mut writer = lead(copy_on(&FaultyDisk::new(1)).0, &frames);
    let mut model = Model::default();
    for number in 0..4 {
        model.append(&mut writer, &[accept("main", number, &[100])]).unwrap();
    }
    let all = frames.from(0);
    let (mut follower, reader) = copy_on(&FaultyDisk::new(2));
    let mut refused = |bytes: &[u8], expected: &str| match follower.apply(bytes) {
        Err(FollowError::Refused { number, what }) => {
            assert!(number == 1 && what.contains(expected), "{number}: {what}")
        }
        other => panic!("expected a refusal, got {other:?}"),
    };
    let mut flipped = all[0].clone();
    flipped[50] ^= 1;
    refused(&flipped, "hash does not match");
    refused(&all[1], "frame 2 was found there, which does not continue frame 0");
    refused(&all[0][..100], "cut short");
    refused(&[all[0].as_slice(), &[0]].concat(), "1 bytes follow it");
    refused(b"", "no frame");
    open_from(&frames, &mut follower);
    model.check(&reader);
}

#[test]
fn a_damaged_copy_begins_anew() {
    let frames = Frames::default();
    let disk = FaultyDisk::new(1);
    let mut writer = lead(copy_on(&disk).0, &frames);
    let mut model = Model::default();
    for number in 0..9 {
        model.append(&mut writer, &[accept("main", number, &[1_500])]).unwrap();
    }
    drop(writer);
    let mut bytes = disk.bytes(0);
    bytes[600] ^= 1;
    disk.set_bytes(0, bytes);
    let (mut follower, reader, report) = Journal::open_copy_on(Arc::new(disk.clone()), keys(), small()).unwrap();
    assert!(report.begun_anew.unwrap().contains("byte 512"));
    assert_eq!((report.frames, follower.end().number), (0, 0));
    open_from(&frames, &mut follower);
    model.check(&reader);
}

/// A copy is not synced with every frame, so a power loss may lose any of its sectors.
#[test]
fn a_copy_that_lost_power_is_made_good_from_the_log() {
    let frames = Frames::default();
    let mut model = Model::default();
    let mut writer = lead(copy_on(&FaultyDisk::new(99)).0, &frames);
    // The last segment holds four of these frames. Earlier segments were synced when the writer moved on.
    for number in 0..11 {
        model.append(&mut writer, &[accept("main", number, &[1_500])]).unwrap();
    }
    let mut anew = 0;
    for seed in 0..60 {
        let disk = FaultyDisk::new(seed);
        let (mut follower, _) = copy_on(&disk);
        open_from(&frames, &mut follower);
        drop(follower);
        let disk = disk.after_power_loss();
        let (mut follower, reader, report) = Journal::open_copy_on(Arc::new(disk), keys(), small()).unwrap();
        anew += usize::from(report.begun_anew.is_some());
        open_from(&frames, &mut follower);
        model.check(&reader);
    }
    assert!((1..60).contains(&anew), "{anew}: some are only cut short, some are damaged");
}

#[test]
fn a_check_of_frames_names_what_is_wrong() {
    let frames = Frames::default();
    let mut writer = lead(copy_on(&FaultyDisk::new(1)).0, &frames);
    let mut model = Model::default();
    for number in 0..3 {
        model.append(&mut writer, &[accept("main", number, &[100])]).unwrap();
    }
    let (all, keys) = (frames.from(0), keys());
    let mut check = FrameCheck::new(&keys);
    check.frame(&all[0]).unwrap();
    assert!(check.frame(&all[2]).unwrap_err().contains("frame 3 does not continue frame 1"));
    check.frame(&all[1]).unwrap();
    let mut flipped = all[2].clone();
    flipped[200] ^= 1;
    assert!(check.frame(&flipped).unwrap_err().contains("hash"));
    let report = check.report();
    assert_eq!((report.frames, report.commands, report.closed), (2, 1, false));
}
