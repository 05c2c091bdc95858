//! Publishers against a model of a stream and of the way there: messages are lost, delayed and overtaken by crashes, the server forgets
//! what it had not synced, other publishers are at it too. The stream must always hold a beginning of the journal, and in the end all of it.

use proptest::prelude::*;

use super::*;

/// What can happen, in any order.
#[derive(Debug, Clone)]
enum Act {
    /// The journal grows.
    Append(u8),
    /// A publisher does what comes next.
    Work(u8),
    /// A message arrives at the server.
    Deliver,
    /// A message is lost on its way, and all behind it of the same connection.
    Lose,
    /// A confirmation arrives, or an error.
    Answer(u8),
    /// A publisher waits no longer.
    GiveUp(u8),
    /// A publisher ends in the middle, and starts with nothing known. What it had sent may still arrive.
    Crash(u8),
    /// Somebody else publishes to the stream's subjects.
    Intrude,
}

/// `None`: somebody else's message.
#[derive(Default)]
struct Stream(Vec<Option<u64>>);

struct Message {
    publisher: usize,
    position: u64,
    expected_last: u64,
    /// The epoch that is told.
    confirm: Option<u64>,
}

enum Answer {
    Stored { epoch: u64, sequence: u64 },
    Refused { epoch: u64 },
}

#[derive(Default)]
struct World {
    newest: u64,
    stream: Stream,
    under_way: VecDeque<Message>,
    publishers: [Publication; 2],
    answers: [VecDeque<Answer>; 2],
}

const EVENTS_PER_BATCH: u64 = 3;

impl Stream {
    /// As a publisher reads it: back from the end to the last message that is an event's.
    fn end(&self) -> Place {
        let position = self.0.iter().rev().flatten().next().copied().unwrap_or(0);
        Place { position: Position(position), sequence: self.0.len() as u64 }
    }

    fn positions(&self) -> Vec<u64> {
        self.0.iter().flatten().copied().collect()
    }
}

impl World {
    fn act(&mut self, act: &Act) {
        match act {
            Act::Append(count) => self.newest += u64::from(*count),
            Act::Work(which) => self.work(usize::from(*which)),
            Act::Deliver => self.deliver(),
            Act::Lose => {
                if let Some(lost) = self.under_way.pop_front() {
                    self.under_way.retain(|message| message.publisher != lost.publisher);
                }
            }
            Act::Answer(which) => self.answer(usize::from(*which)),
            Act::GiveUp(which) => self.publishers[usize::from(*which)].lost(),
            Act::Crash(which) => {
                // Epochs begin anew; but a new publisher has an inbox of its own, so nothing of the old one's reaches it.
                self.publishers[usize::from(*which)] = Publication::default();
                self.answers[usize::from(*which)].clear();
                for message in self.under_way.iter_mut().filter(|message| message.publisher == usize::from(*which)) {
                    message.confirm = None;
                }
            }
            Act::Intrude => self.stream.0.push(None),
        }
        let expected: Vec<u64> = (1..=self.stream.positions().len() as u64).collect();
        assert_eq!(self.stream.positions(), expected, "the stream is no beginning of the journal");
        for publisher in &self.publishers {
            let confirmed = publisher.confirmed().map_or(0, |position| position.0);
            assert!(confirmed <= expected.len() as u64, "confirmed and not there");
        }
    }

    fn work(&mut self, which: usize) {
        let publisher = &mut self.publishers[which];
        match publisher.step(Position(self.newest)) {
            Step::FindEnd => publisher.found(self.stream.end()),
            Step::Publish { after } => {
                let count = EVENTS_PER_BATCH.min(self.newest - after.position.0);
                for number in 0..count {
                    let is_last = number + 1 == count;
                    self.under_way.push_back(Message {
                        publisher: which,
                        position: after.position.0 + number + 1,
                        expected_last: after.sequence + number,
                        confirm: is_last.then_some(publisher.epoch()),
                    });
                }
                publisher.sent(count, 100);
            }
            Step::AwaitConfirmation | Step::Rest => {}
        }
    }

    fn deliver(&mut self) {
        let Some(message) = self.under_way.pop_front() else { return };
        let is_taken = message.expected_last == self.stream.0.len() as u64;
        if is_taken {
            self.stream.0.push(Some(message.position));
        }
        let Some(epoch) = message.confirm else { return };
        let answer = match is_taken {
            true => Answer::Stored { epoch, sequence: self.stream.0.len() as u64 },
            false => Answer::Refused { epoch },
        };
        self.answers[message.publisher].push_back(answer);
    }

    fn answer(&mut self, which: usize) {
        match self.answers[which].pop_front() {
            Some(Answer::Stored { epoch, sequence }) => self.publishers[which].stored(epoch, sequence),
            Some(Answer::Refused { epoch }) => self.publishers[which].refused(epoch),
            None => {}
        }
    }

    /// Nothing goes wrong any more.
    fn finish(&mut self) {
        self.publishers.iter_mut().for_each(Publication::lost);
        for _ in 0..10_000 {
            if self.stream.positions().len() as u64 == self.newest {
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
        panic!("the stream never holds all: {} of {}", self.stream.positions().len(), self.newest);
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
    fn the_stream_holds_each_event_once_and_in_order(acts in acts()) {
        let mut world = World::default();
        for act in &acts {
            world.act(act);
        }
        world.finish();
    }
}

#[test]
fn so_much_is_under_way_and_no_more() {
    let mut publication = Publication::default();
    assert_eq!(publication.step(Position(9)), Step::FindEnd);
    publication.found(Place { position: Position(2), sequence: 5 });
    let epoch = publication.epoch();
    assert_eq!(publication.step(Position(2)), Step::Rest);
    assert_eq!(
        publication.step(Position(u64::MAX)),
        Step::Publish { after: Place { position: Position(2), sequence: 5 } }
    );
    publication.sent(EVENTS_UNCONFIRMED_MAX, 100);
    assert_eq!(publication.step(Position(u64::MAX)), Step::AwaitConfirmation);
    publication.stored(epoch, 5 + EVENTS_UNCONFIRMED_MAX);
    publication.sent(1, BYTES_UNCONFIRMED_MAX);
    assert_eq!(publication.step(Position(u64::MAX)), Step::AwaitConfirmation);
    assert_eq!(publication.confirmed(), Some(Position(2 + EVENTS_UNCONFIRMED_MAX)));
}

#[test]
fn a_confirmation_of_something_else_is_a_loss() {
    let mut publication = Publication::default();
    publication.found(Place::default());
    publication.sent(3, 100);
    publication.stored(publication.epoch(), 4);
    assert_eq!(publication.step(Position(3)), Step::FindEnd);
    // What an earlier epoch is told changes nothing.
    publication.found(Place::default());
    publication.sent(3, 100);
    publication.stored(publication.epoch() - 1, 4);
    publication.refused(publication.epoch() - 1);
    assert_eq!(publication.step(Position(3)), Step::AwaitConfirmation);
}
