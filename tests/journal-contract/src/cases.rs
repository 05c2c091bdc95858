//! The cases of the contract. Each runs on one place.

use std::sync::atomic::{AtomicBool, Ordering};

use polder_core::Position;
use polder_journal::Reader;

use crate::Place;
use crate::model::{Model, Wish, accept, reject, tenant};

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

pub fn what_was_appended_is_read(place: &dyn Place) {
    let mut model = Model::default();
    let (mut writer, reader, report) = place.open();
    assert_eq!((report.frames, report.closed), (0, false));
    for round in 0..40 {
        model.append(&mut writer, &some_wishes(round)).unwrap();
        if round % 8 == 0 {
            model.check(&reader);
        }
    }
    model.check(&reader);
}

pub fn everything_survives_a_kill_and_a_close(place: &dyn Place) {
    let mut model = Model::default();
    for round in 0..12 {
        let (mut writer, reader, report) = place.open();
        assert_eq!(report.closed, round > 0 && round % 3 == 0, "{report:?}");
        assert_eq!((report.torn, report.index_rebuilt), (None, false));
        model.check(&reader);
        for round in 0..round {
            model.append(&mut writer, &some_wishes(round)).unwrap();
        }
        if round % 3 == 2 {
            writer.close().unwrap();
            model.check(&reader);
        }
    }
}

pub fn an_empty_append_does_nothing(place: &dyn Place) {
    let (mut writer, reader, _) = place.open();
    let appended = writer.append(&[]).unwrap();
    assert_eq!((appended.frames, appended.bytes, appended.last_positions), (0, 0, Vec::new()));
    assert_eq!(reader.statistics().syncs, 0);
    assert_eq!(reader.last_position(&tenant("main")), Position::ZERO);
    assert!(reader.tenant_batch(&tenant("main"), Position::ZERO, 1000).unwrap().is_empty());
}

pub fn many_records_go_into_frames_of_limited_size(place: &dyn Place) {
    let (mut writer, reader, _) = place.open();
    let mut model = Model::default();
    let wishes: Vec<_> = (0..100).map(|number| accept("main", number, &[8_000])).collect();
    model.append(&mut writer, &wishes).unwrap();
    let statistics = reader.statistics();
    assert_eq!((statistics.records, statistics.events), (100, 100));
    assert_eq!((statistics.frames, statistics.syncs), (4, 4), "800 KB in frames of 256 KiB");
    model.check(&reader);
    drop((writer, reader));
    model.check(&place.open().1);
}

pub fn one_record_may_be_larger_than_a_frame_and_a_segment(place: &dyn Place) {
    let (mut writer, reader, _) = place.open();
    let mut model = Model::default();
    let wishes = [accept("main", 1, &[5]), accept("main", 2, &[400_000]), accept("main", 1, &[5])];
    model.append(&mut writer, &wishes).unwrap();
    assert_eq!(reader.statistics().frames, 3);
    model.append(&mut writer, &wishes).unwrap();
    model.check(&reader);
    drop((writer, reader));
    model.check(&place.open().1);
}

/// Readers see only frames of complete appends, in order and without a gap, and in the end all of them.
pub fn readers_follow_a_writer(place: &dyn Place) {
    const ROUNDS: u64 = 200;
    let (mut writer, reader, _) = place.open();
    let done = AtomicBool::new(false);
    let mut model = Model::default();
    std::thread::scope(|scope| {
        let followers: Vec<_> = [1, 2_000, 1_000_000]
            .map(|bytes_max| {
                let (reader, done) = (reader.clone(), &done);
                scope.spawn(move || follow(&reader, bytes_max, done))
            })
            .into_iter()
            .collect();
        for round in 0..ROUNDS {
            model.append(&mut writer, &some_wishes(round as usize)).unwrap();
            // An acknowledged record can be read at once.
            assert_eq!(reader.last_position(&tenant("main")), Position(4 * (round + 1)));
        }
        done.store(true, Ordering::Release);
        for follower in followers {
            assert_eq!(follower.join().unwrap(), Position(4 * ROUNDS));
        }
    });
}

fn follow(reader: &Reader, bytes_max: usize, done: &AtomicBool) -> Position {
    let mut after = Position::ZERO;
    loop {
        let last_round = done.load(Ordering::Acquire);
        let batch = reader.tenant_batch(&tenant("main"), after, bytes_max).unwrap();
        for (_, event) in batch.events() {
            assert_eq!(event.position, after.plus(1));
            after = event.position;
        }
        assert_eq!(batch.last(), after);
        if last_round && batch.is_empty() {
            return after;
        }
    }
}

pub fn a_batch_can_begin_in_the_middle_of_a_record(place: &dyn Place) {
    let (mut writer, reader, _) = place.open();
    let mut model = Model::default();
    model.append(&mut writer, &[accept("main", 1, &[1, 2, 3]), accept("main", 2, &[4])]).unwrap();
    let positions = |after: u64| {
        let batch = reader.tenant_batch(&tenant("main"), Position(after), 10).unwrap();
        batch.events().map(|(_, event)| event.position.0).collect::<Vec<_>>()
    };
    assert_eq!(positions(0), [1, 2, 3, 4]);
    assert_eq!(positions(2), [3, 4]);
    assert_eq!(positions(3), [4]);
    assert_eq!(positions(4), [0; 0]);
    assert_eq!(positions(99), [0; 0]);
}
