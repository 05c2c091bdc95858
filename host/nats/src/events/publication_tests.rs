//! Tests publishers against a model of a stream and of the network. Batches are lost, delayed and overtaken by crashes,
//! and two publishers compete. Some events have translations. The stream must always hold a prefix of the expected
//! messages, each event followed by its translations, and in the end all of them.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

/// The events that can happen, in any order.
#[derive(Debug, Clone)]
enum Act {
    /// The journal grows.
    Append(u8),
    /// A publisher takes its next step.
    Work(u8),
    /// A batch arrives at the server.
    Deliver,
    /// A part of a batch is lost on its way, and everything behind it on the same connection.
    Lose,
    /// A confirmation or an error arrives.
    Answer(u8),
    /// A publisher stops waiting.
    GiveUp(u8),
    /// A publisher ends in the middle, and starts again with nothing known. What it had sent may still arrive.
    Crash(u8),
    /// Another client publishes to the stream's subjects.
    Intrude,
}

/// An event's position, and the number of a message among the messages of that event.
type Id = (u64, usize);

#[derive(Default)]
struct Stream {
    /// `None` is another client's message.
    messages: Vec<Option<Id>>,
}

struct Batch {
    publisher: usize,
    ids: Vec<Id>,
    expected_last: u64,
    /// The epoch that the answer confirms. `None` if the publisher is gone.
    confirm: Option<u64>,
}

enum Answer {
    Stored { epoch: u64, sequence: u64 },
    Refused { epoch: u64 },
}

#[derive(Default)]
struct World {
    newest: u64,
    /// All messages of the events up to the newest.
    expected: Vec<Id>,
    stream: Stream,
    under_way: VecDeque<Batch>,
    publishers: [Publication; 2],
    /// For each publisher, the number of messages of the next event that the stream holds.
    held: [usize; 2],
    answers: [VecDeque<Answer>; 2],
}

/// Number of messages of an event.
fn count(position: u64) -> usize {
    [1, 3, 1, 2][position as usize % 4]
}

/// Number of messages of all events up to a position.
fn count_up_to(position: u64) -> usize {
    let rest: usize = (position / 4 * 4 + 1..=position).map(count).sum();
    position as usize / 4 * 7 + rest
}

const EVENTS_PER_BATCH: u64 = 3;

impl Stream {
    /// Reads the end as a publisher does: back to the last message of a publisher.
    fn end(&self) -> (Published, usize) {
        let (position, held) = match self.messages.iter().rev().flatten().next() {
            Some((position, number)) => complete_up_to(Position(*position), *number, count(*position)),
            None => (Position(0), 0),
        };
        (Published { position, sequence: self.messages.len() as u64 }, held)
    }

    fn ours(&self) -> Vec<Id> {
        self.messages.iter().flatten().copied().collect()
    }
}

impl World {
    fn act(&mut self, act: &Act) {
        match act {
            Act::Append(events) => {
                let grown = self.newest + u64::from(*events);
                let new = self.newest + 1..=grown;
                self.expected
                    .extend(new.flat_map(|position| (0..count(position)).map(move |number| (position, number))));
                self.newest = grown;
            }
            Act::Work(which) => self.work(usize::from(*which)),
            Act::Deliver => self.deliver(),
            Act::Lose => {
                if let Some(lost) = self.under_way.pop_front() {
                    self.under_way.retain(|batch| batch.publisher != lost.publisher);
                }
            }
            Act::Answer(which) => self.answer(usize::from(*which)),
            Act::GiveUp(which) => self.publishers[usize::from(*which)].lost(),
            Act::Crash(which) => {
                // Epochs restart; but a new publisher has an inbox of its own, so no answer to the old one reaches it.
                self.publishers[usize::from(*which)] = Publication::default();
                self.answers[usize::from(*which)].clear();
                for batch in self.under_way.iter_mut().filter(|batch| batch.publisher == usize::from(*which)) {
                    batch.confirm = None;
                }
            }
            Act::Intrude => self.stream.messages.push(None),
        }
        let ours = self.stream.ours();
        assert_eq!(ours[..], self.expected[..ours.len()], "the stream is no prefix of the expected messages");
        for publisher in &self.publishers {
            let confirmed = publisher.confirmed().map_or(0, |position| position.0);
            assert!(count_up_to(confirmed) <= ours.len(), "confirmed and not there");
        }
    }

    fn work(&mut self, which: usize) {
        let publisher = &mut self.publishers[which];
        match publisher.step(Position(self.newest)) {
            Step::FindEnd => {
                let (end, held) = self.stream.end();
                publisher.found(end);
                self.held[which] = held;
            }
            Step::Publish { after } => {
                let last = self.newest.min(after.position.0 + EVENTS_PER_BATCH);
                let held = std::mem::take(&mut self.held[which]);
                let ids = self.expected[count_up_to(after.position.0) + held..count_up_to(last)].to_vec();
                publisher.sent(Position(last), ids.len() as u64);
                let confirm = Some(publisher.epoch());
                self.under_way.push_back(Batch { publisher: which, ids, expected_last: after.sequence, confirm });
            }
            Step::AwaitConfirmation | Step::Rest => {}
        }
    }

    fn deliver(&mut self) {
        let Some(batch) = self.under_way.pop_front() else { return };
        let is_taken = batch.expected_last == self.stream.messages.len() as u64;
        if is_taken {
            self.stream.messages.extend(batch.ids.into_iter().map(Some));
        }
        let Some(epoch) = batch.confirm else { return };
        let answer = match is_taken {
            true => Answer::Stored { epoch, sequence: self.stream.messages.len() as u64 },
            false => Answer::Refused { epoch },
        };
        self.answers[batch.publisher].push_back(answer);
    }

    fn answer(&mut self, which: usize) {
        match self.answers[which].pop_front() {
            Some(Answer::Stored { epoch, sequence }) => self.publishers[which].stored(epoch, sequence),
            Some(Answer::Refused { epoch }) => self.publishers[which].refused(epoch),
            None => {}
        }
    }

    /// Delivers everything until the stream is complete: nothing goes wrong any more.
    fn finish(&mut self) {
        self.publishers.iter_mut().for_each(Publication::lost);
        for _ in 0..10_000 {
            if self.stream.ours() == self.expected {
                return;
            }
            for which in 0..2 {
                self.act(&Act::Work(which));
                while !self.under_way.is_empty() {
                    self.act(&Act::Deliver);
                }
                self.act(&Act::Answer(0));
                self.act(&Act::Answer(1));
            }
        }
        panic!("the stream never holds all: {:?} of {}", self.stream.ours().last(), self.newest);
    }
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let which = 0..2_u8;
    let act = prop_oneof![
        3 => (1..8_u8).prop_map(Act::Append),
        8 => which.clone().prop_map(Act::Work),
        8 => Just(Act::Deliver),
        1 => Just(Act::Lose),
        4 => which.clone().prop_map(Act::Answer),
        1 => which.clone().prop_map(Act::GiveUp),
        1 => which.prop_map(Act::Crash),
        1 => Just(Act::Intrude),
    ];
    prop::collection::vec(act, 0..200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn the_stream_holds_each_message_once_and_in_order(acts in acts()) {
        let mut world = World::default();
        for act in &acts {
            world.act(act);
        }
        world.finish();
    }
}

#[test]
fn one_batch_is_under_way_and_no_more() {
    let mut publication = Publication::default();
    assert_eq!(publication.step(Position(9)), Step::FindEnd);
    publication.found(Published { position: Position(2), sequence: 5 });
    let epoch = publication.epoch();
    assert_eq!(publication.step(Position(2)), Step::Rest);
    assert_eq!(
        publication.step(Position(9)),
        Step::Publish { after: Published { position: Position(2), sequence: 5 } }
    );
    publication.sent(Position(9), 8);
    assert_eq!(publication.step(Position(u64::MAX)), Step::AwaitConfirmation);
    publication.stored(epoch, 13);
    assert_eq!(
        publication.step(Position(10)),
        Step::Publish { after: Published { position: Position(9), sequence: 13 } }
    );
    assert_eq!(publication.confirmed(), Some(Position(9)));
}

#[test]
fn a_confirmation_of_something_else_is_a_loss() {
    let mut publication = Publication::default();
    publication.found(Published::default());
    publication.sent(Position(3), 3);
    publication.stored(publication.epoch(), 4);
    assert_eq!(publication.step(Position(3)), Step::FindEnd);
    // An answer to an earlier epoch changes nothing.
    publication.found(Published::default());
    publication.sent(Position(3), 3);
    publication.stored(publication.epoch() - 1, 4);
    publication.refused(publication.epoch() - 1);
    assert_eq!(publication.step(Position(3)), Step::AwaitConfirmation);
}
