//! The checker of histories must itself find each kind of error.

use polder_tests::{Acknowledged, Operation, Recorded, check_history};

/// Five commands to two aggregates, one after the other; the fourth was never answered.
fn good() -> (Vec<Operation>, Vec<Recorded>) {
    let commands = [("a", 1, 1), ("a", 2, 2), ("b", 3, 1), ("b", 4, 2), ("a", 5, 3)];
    let named = |position: u64| format!("c-{position}");
    let operations = commands.iter().map(|(aggregate, position, sequence)| Operation {
        command: named(*position),
        aggregate: (*aggregate).to_owned(),
        sent_at: 10 * position,
        acknowledged: (*position != 4).then_some(Acknowledged {
            at: 10 * position + 5,
            position: *position,
            sequence: *sequence,
        }),
    });
    let history = commands.iter().map(|(aggregate, position, sequence)| Recorded {
        command: named(*position),
        aggregate: (*aggregate).to_owned(),
        position: *position,
        sequence: *sequence,
    });
    (operations.collect(), history.collect())
}

#[track_caller]
fn found(change: impl FnOnce(&mut Vec<Operation>, &mut Vec<Recorded>)) -> String {
    let (mut operations, mut history) = good();
    change(&mut operations, &mut history);
    check_history(&operations, &history).unwrap_err()
}

#[test]
fn a_good_history_is_good() {
    let (operations, mut history) = good();
    check_history(&operations, &history).unwrap();
    // A command without an answer may also be missing from the history.
    history.remove(3);
    history[3].position = 4;
    let mut operations = operations;
    operations[4].acknowledged = Some(Acknowledged { at: 55, position: 4, sequence: 3 });
    check_history(&operations, &history).unwrap();
}

#[test]
fn a_lost_event_is_found() {
    let renumber = |history: &mut Vec<Recorded>| {
        for (event, position) in history.iter_mut().zip(1..) {
            event.position = position;
        }
    };
    assert!(found(|_, history| drop(history.remove(1))).contains("position 2 is expected"));
    assert!(found(|_, history| drop(history.pop())).contains("c-5 was acknowledged and is not there"));
    let cut = found(|_, history| {
        history.remove(1);
        renumber(history);
    });
    assert!(cut.contains("a is at 2"), "{cut}");
}

#[test]
fn a_doubled_event_is_found() {
    let doubled = found(|_, history| {
        let again = Recorded { position: 6, sequence: 4, ..history[4].clone() };
        history.push(again);
    });
    assert!(doubled.contains("c-5 is there twice"), "{doubled}");
}

#[test]
fn reordered_events_are_found() {
    let swapped = found(|_, history| {
        let (one, two) = (history[0].command.clone(), history[1].command.clone());
        (history[0].command, history[1].command) = (two, one);
    });
    assert!(swapped.contains("c-1 was acknowledged at position 1"), "{swapped}");
    let late = found(|operations, history| {
        // Both acknowledgements match the history, but the earlier command is behind the later one.
        history.swap(2, 4);
        for (event, position) in history.iter_mut().zip(1..) {
            event.position = position;
        }
        history[3].sequence = 1;
        history[4].sequence = 2;
        let places = [(0, 1, 1), (1, 2, 2), (2, 5, 2), (4, 3, 3)];
        for (index, position, sequence) in places {
            let at = operations[index].acknowledged.unwrap().at;
            operations[index].acknowledged = Some(Acknowledged { at, position, sequence });
        }
    });
    assert!(late.contains("c-5 was sent after c-3 was acknowledged"), "{late}");
}

#[test]
fn an_event_without_a_command_is_found() {
    assert!(found(|operations, _| drop(operations.remove(3))).contains("no caller sent command c-4"));
}
