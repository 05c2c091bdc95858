use super::*;
use polder_core::{
    AggregateId, AggregateName, CommandId, CommandName, ContentId, DomainName, EventName, Fingerprint, Sequence,
    TenantName, TimestampMs,
};
use polder_journal::disk::{Fault, FaultyDisk};
use polder_journal::{Decision, Journal, Keyring, NewEvent, OpenOptions, Outcome, Reader};

const THREADS: u64 = 4;
const APPENDS: u64 = 50;

fn open() -> (tempfile::TempDir, Appender, Reader) {
    let folder = tempfile::tempdir().unwrap();
    let (writer, reader, _) = Journal::open(folder.path(), OpenOptions::default()).unwrap();
    (folder, Appender::new(writer), reader)
}

/// The `number`-th command of its own aggregate, with one event.
fn record(number: u64) -> EncodedRecord {
    record_of("main", number)
}

fn record_of(tenant: &str, number: u64) -> EncodedRecord {
    let command_name = CommandName::new("do").unwrap();
    let decision = Decision {
        tenant: TenantName::new(tenant).unwrap(),
        domain: DomainName::new("d").unwrap(),
        aggregate: AggregateName::new("a").unwrap(),
        aggregate_id: AggregateId::new(&number.to_string()).unwrap(),
        revision_mark: polder_core::Revision::of(b"r").mark(),
        command_id: CommandId::new("c").unwrap(),
        fingerprint: Fingerprint::of(&command_name, b"{}"),
        command_name,
        correlation_id: None,
        causation_id: None,
        actor: None,
        trail: polder_core::Trail::default(),
        at_ms: TimestampMs(1),
        outcome: Outcome::Accepted,
        sequence_before: Sequence::ZERO,
        events: vec![NewEvent { name: EventName::new("done").unwrap(), version: 1, payload: b"{}".to_vec() }],
    };
    EncodedRecord::encode(&decision, decision.aggregate_key(), &ContentId::NONE).0
}

fn append_one(appender: &Appender, number: u64) -> Result<Vec<Position>, NotAppended> {
    appender.append_and_wait(vec![record(number)])
}

#[test]
fn each_caller_gets_the_positions_of_its_own_records() {
    let (_folder, appender, reader) = open();
    let appender = &appender;
    let mut positions: Vec<u64> = std::thread::scope(|scope| {
        scope.spawn(|| appender.run());
        let append = |thread| {
            move || {
                let numbers = thread * APPENDS..(thread + 1) * APPENDS;
                let append = |number| appender.append_and_wait(vec![record(number), record(number + 1_000)]).unwrap();
                numbers.flat_map(append).map(|position| position.0).collect::<Vec<_>>()
            }
        };
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(append(thread))).collect();
        let positions = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        appender.end();
        positions
    });
    assert!(positions.chunks(2).all(|own| own[1] == own[0] + 1), "the records of one batch stay together");
    positions.sort_unstable();
    assert_eq!(positions, (1..=2 * THREADS * APPENDS).collect::<Vec<_>>(), "each position is given once");
    assert_eq!(reader.last_position(&TenantName::new("main").unwrap()).0, 2 * THREADS * APPENDS);
}

#[test]
fn batches_that_arrive_during_a_sync_share_the_next_sync() {
    let (_folder, appender, reader) = open();
    let (sender, answers) = channel();
    let under_way = lock(&appender.writer);
    for number in 0..5 {
        let sender = sender.clone();
        let notify = move |appended: Result<&[Slot], &NotAppended>| sender.send(appended.unwrap().to_vec()).unwrap();
        appender.append(Handed { records: vec![record(number)], generation: None, notify: Box::new(notify) });
    }
    assert!(answers.try_recv().is_err());
    drop(under_way);
    std::thread::scope(|scope| {
        scope.spawn(|| appender.run());
        let positions: Vec<_> =
            answers.iter().take(5).flatten().filter_map(|slot| slot.position()).map(|at| at.0).collect();
        assert_eq!(positions, [1, 2, 3, 4, 5], "in the order of arrival");
        appender.end();
    });
    assert_eq!(reader.statistics().frames, 1);
}

#[test]
fn the_appender_waits_for_deciding_workers_but_not_for_ever() {
    let (_folder, appender, reader) = open();
    let (sender, answers) = channel();
    let append = |number| {
        let sender = sender.clone();
        let notify = move |appended: Result<&[Slot], &NotAppended>| sender.send(appended.unwrap().to_vec()).unwrap();
        appender.append(Handed { records: vec![record(number)], generation: None, notify: Box::new(notify) });
    };
    appender.decide();
    append(1);
    assert!(answers.try_recv().is_err(), "more will come");
    appender.decided();
    append(2);
    assert_eq!(answers.try_iter().count(), 2, "no worker decides: appended on the calling thread");
    assert_eq!(reader.statistics().frames, 1);
    appender.decide();
    append(3);
    std::thread::scope(|scope| {
        scope.spawn(|| appender.run());
        assert_eq!(
            answers.recv().unwrap(),
            [Slot::Durable(Position(3))],
            "appended by the thread, although a worker still decides"
        );
        appender.end();
    });
}

#[test]
fn ending_the_thread_finishes_the_batches_left_to_it() {
    let (_folder, appender, reader) = open();
    appender.leave(Handed {
        records: vec![record(1)],
        generation: None,
        notify: Box::new(|appended| assert!(appended.is_ok())),
    });
    appender.end();
    appender.run();
    assert_eq!(reader.last_position(&TenantName::new("main").unwrap()).0, 1);
}

#[test]
fn after_a_panic_nothing_is_appended() {
    let (_folder, appender, _reader) = open();
    drop(appender.halt_on_panic());
    append_one(&appender, 1).unwrap();
    std::thread::scope(|scope| {
        let panics = scope.spawn(|| {
            let _halting = appender.halt_on_panic();
            panic!("on purpose");
        });
        assert!(panics.join().is_err());
    });
    assert!(appender.is_halted());
    assert_eq!(append_one(&appender, 2), Err(NotAppended::Halted(PANICKED.to_owned())));
}

#[test]
fn a_panic_while_notifying_halts_the_journal_but_not_the_thread() {
    let (_folder, appender, _reader) = open();
    std::thread::scope(|scope| {
        appender.leave(Handed {
            records: vec![record(1)],
            generation: None,
            notify: Box::new(|_| panic!("on purpose")),
        });
        scope.spawn(|| appender.run());
        while !appender.is_halted() {
            std::thread::yield_now();
        }
        let (sender, answer) = channel();
        let notify = move |appended: Result<&[Slot], &NotAppended>| sender.send(appended.is_err()).unwrap();
        appender.leave(Handed { records: vec![record(2)], generation: None, notify: Box::new(notify) });
        assert!(answer.recv().unwrap(), "the batch is refused");
        appender.end();
    });
}

#[test]
fn a_closed_journal_takes_nothing() {
    let (_folder, appender, reader) = open();
    append_one(&appender, 1).unwrap();
    appender.close();
    assert!(append_one(&appender, 2).unwrap_err().to_string().contains("shutting down"));
    assert_eq!(reader.last_position(&TenantName::new("main").unwrap()).0, 1);
}

/// A decision on a state with refused records in it must be refused too.
#[test]
fn decisions_from_before_a_full_disk_are_refused_and_later_ones_are_appended() {
    let disk = FaultyDisk::new(1);
    let opened = Journal::open_on(Arc::new(disk.clone()), Keyring::default(), OpenOptions::default()).unwrap();
    let appender = Appender::new(opened.0);
    let decided_in = appender.generation();
    disk.fail_at(disk.calls() + 1, Fault::NoSpace);
    assert!(matches!(append_one(&appender, 1), Err(NotAppended::NoRoom { is_disk_full: true, .. })));
    assert!(appender.trouble().is_some() && !appender.is_halted());
    let calls = disk.calls();
    assert!(append_one(&appender, 2).is_err());
    assert_eq!(disk.calls(), calls, "the disk is not tried for each command");
    std::thread::scope(|scope| {
        scope.spawn(|| appender.run());
        while appender.trouble().is_some() {
            std::thread::yield_now();
        }
        let (sender, answers) = channel();
        for (number, generation) in [(3, decided_in), (4, appender.generation())] {
            let sender = sender.clone();
            let notify = move |appended: Result<&[Slot], &NotAppended>| {
                sender.send((number, appended.is_ok())).unwrap();
            };
            appender.leave(Handed {
                records: vec![record(number)],
                generation: Some(generation),
                notify: Box::new(notify),
            });
        }
        let mut results: Vec<_> = answers.iter().take(2).collect();
        results.sort_unstable();
        assert_eq!(results, [(3, false), (4, true)]);
        appender.end();
    });
    assert_eq!(opened.1.last_position(&TenantName::new("main").unwrap()).0, 1);
}

#[test]
fn a_key_that_cannot_be_used_refuses_the_records_of_its_tenant_alone() {
    let [broken, good] = ["broken", "good"].map(|name| TenantName::new(name).unwrap());
    let keys = Keyring::default();
    keys.create(&broken).unwrap();
    keys.create(&good).unwrap();
    let disk = Arc::new(FaultyDisk::new(1));
    let (writer, reader, _) = Journal::open_on(disk, keys.clone(), OpenOptions::default()).unwrap();
    let appender = Appender::new(writer);
    appender.append_and_wait(vec![record_of("broken", 1), record_of("good", 1)]).unwrap();
    // From now on another key is expected.
    keys.expect([(broken.clone(), keys.check_of(&good).unwrap())]);
    let (sender, answers) = channel();
    let leave = |records: Vec<EncodedRecord>| {
        let sender = sender.clone();
        let notify = move |appended: Result<&[Slot], &NotAppended>| {
            sender.send(appended.unwrap().to_vec()).unwrap();
        };
        let generation = Some(appender.generation());
        appender.leave(Handed { records, generation, notify: Box::new(notify) });
    };
    leave(vec![record_of("good", 2), record_of("broken", 2), record_of("good", 3)]);
    leave(vec![record_of("broken", 3)]);
    leave(vec![record_of("good", 4)]);
    appender.end();
    appender.run();
    let durable = |number| Slot::Durable(Position(number));
    assert_eq!(
        answers.try_iter().collect::<Vec<_>>(),
        [vec![durable(2), Slot::NoKey, durable(3)], vec![Slot::NoKey], vec![durable(4)]]
    );
    assert_eq!((appender.generation(), appender.trouble()), (0, None), "the states of other tenants stay");
    assert_eq!((reader.last_position(&good), reader.last_position(&broken)), (Position(4), Position(1)));
    assert!(appender.append_and_wait(vec![record_of("broken", 4)]).unwrap_err().to_string().contains("key"));
    assert_eq!(appender.append_and_wait(vec![record_of("good", 5)]), Ok(vec![Position(5)]));
}
