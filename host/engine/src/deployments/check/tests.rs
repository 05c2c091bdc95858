//! Tests of the revision check on histories in a real journal, with rules that need no sandbox. The rules count the
//! events of an aggregate, check that each event comes once and in order, and fail at configured events.

use std::collections::HashMap;
use std::sync::Arc;

use polder_core::{
    AggregateId, AggregateName, CommandId, CommandName, ContentId, Descriptor, DomainName, EventName, Fingerprint,
    Limits, Position, Revision, Sequence, TenantName, TimestampMs,
};
use polder_journal::{AggregateKey, Decision, EncodedRecord, Journal, NewEvent, OpenOptions, Outcome, Reader, Writer};
use polder_sandbox::{CallError, CallErrorKind, GuestCommand, GuestEvent};
use tempfile::TempDir;

use super::*;
use crate::tenancy::{Handled, Rules, RulesInstance, StateSlot};
use crate::write::Reclaimed;

const DOMAIN: &str = "counts";
const AGGREGATE: &str = "count";
/// Guest memory of a state, in bytes.
const STATE_BYTES: u64 = 1_000;

/// A history that tests add events to.
struct History {
    _folder: TempDir,
    writer: Writer,
    reader: Reader,
    heads: HashMap<String, (Sequence, ContentId)>,
}

impl History {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (writer, reader, _) = Journal::open(folder.path(), OpenOptions::default()).unwrap();
        Self { _folder: folder, writer, reader, heads: HashMap::new() }
    }

    /// Creates `aggregates` histories of `length` events each, and then one of a hundred events.
    fn filled(aggregates: usize, length: usize) -> Self {
        let mut history = Self::new();
        for _ in 0..length {
            (0..aggregates).for_each(|number| history.add(&format!("c-{number}"), "counted", 1));
        }
        (0..100).for_each(|_| history.add("long", "counted", 1));
        history
    }

    fn add(&mut self, id: &str, event: &str, version: u32) {
        let (sequence, head) = self.heads.get(id).copied().unwrap_or((Sequence::ZERO, ContentId::NONE));
        let command_name = CommandName::new("count").unwrap();
        let decision = Decision {
            tenant: tenant(),
            domain: DomainName::new(DOMAIN).unwrap(),
            aggregate: AggregateName::new(AGGREGATE).unwrap(),
            aggregate_id: AggregateId::new(id).unwrap(),
            revision_mark: Revision::of(b"r").mark(),
            command_id: CommandId::new(&format!("c-{sequence}")).unwrap(),
            fingerprint: Fingerprint::of(&command_name, b"{}"),
            command_name,
            correlation_id: None,
            causation_id: None,
            actor: None,
            trail: polder_core::Trail::default(),
            at_ms: TimestampMs(1),
            outcome: Outcome::Accepted,
            sequence_before: sequence,
            events: vec![NewEvent { name: EventName::new(event).unwrap(), version, payload: b"{}".to_vec() }],
        };
        let (record, head) = EncodedRecord::encode(&decision, decision.aggregate_key(), &head);
        self.writer.append(&[record]).unwrap();
        self.heads.insert(id.to_owned(), (sequence.plus(1), head));
    }

    fn judge(&self, old: &Arc<Counting>, new: &Arc<Counting>, scope: ReplayScope) -> Judged {
        self.judge_within(old, new, scope, Limits::DEFAULT)
    }

    fn judge_within(&self, old: &Arc<Counting>, new: &Arc<Counting>, scope: ReplayScope, limits: Limits) -> Judged {
        let candidate = Candidate {
            tenant: tenant(),
            domain: DomainName::new(DOMAIN).unwrap(),
            limits,
            old: Some(Arc::clone(old) as Arc<dyn Rules>),
            new: Arc::clone(new) as Arc<dyn Rules>,
            scope,
            accept_changes: false,
            memory_bytes_needed: 0,
        };
        RevisionCheck::new(self.reader.clone()).judge(candidate, &|_| ()).unwrap()
    }
}

fn tenant() -> TenantName {
    TenantName::new("main").unwrap()
}

/// Rules that add `step` for each event, and may fail.
struct Counting {
    descriptor: Descriptor,
    step: u64,
    /// The aggregate and sequence at which they fail, and whether the instance is lost then.
    fails_at: Option<(&'static str, u64, bool)>,
}

fn counting(step: u64, fails_at: Option<(&'static str, u64, bool)>) -> Arc<Counting> {
    let event = serde_json::json!({ "version": 1, "reads": [1], "schema": {} });
    let aggregate = serde_json::json!({ "commands": {}, "events": { "counted": event } });
    let text = serde_json::json!({ "format": 1, "domain": DOMAIN, "aggregates": { AGGREGATE: aggregate } });
    Arc::new(Counting { descriptor: Descriptor::parse(&text.to_string()).unwrap(), step, fails_at })
}

impl Rules for Counting {
    fn revision(&self) -> Revision {
        Revision::of(format!("{} {:?}", self.step, self.fails_at).as_bytes())
    }

    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    fn instantiate(&self, limits: &Limits) -> Result<Box<dyn RulesInstance>, CallError> {
        let (step, fails_at, bytes_max) = (self.step, self.fails_at, limits.memory_bytes_max);
        Ok(Box::new(Instance { step, fails_at, bytes_max, states: HashMap::new(), made: 0, bytes: 0, is_dead: false }))
    }
}

struct Instance {
    step: u64,
    fails_at: Option<(&'static str, u64, bool)>,
    bytes_max: u64,
    /// Id, sequence and count.
    states: HashMap<u32, (String, u64, u64)>,
    made: u32,
    /// Guest memory in use; as in a guest, it does not shrink.
    bytes: u64,
    is_dead: bool,
}

impl Instance {
    fn end(&mut self, kind: CallErrorKind) -> CallError {
        self.is_dead = true;
        CallError { kind, instance_lost: true, notes: Vec::new() }
    }
}

impl RulesInstance for Instance {
    fn start(&mut self, _: &str, id: &str) -> Result<StateSlot, CallError> {
        assert!(!self.is_dead, "a dead instance is not called");
        self.bytes = self.bytes.max((self.states.len() as u64 + 1) * STATE_BYTES);
        if self.bytes > self.bytes_max {
            return Err(self.end(CallErrorKind::OutOfMemory { bytes: self.bytes_max }));
        }
        self.made += 1;
        self.states.insert(self.made, (id.to_owned(), 0, 0));
        Ok(StateSlot(self.made))
    }

    fn load(&mut self, _: &str, _: &str, _: &[u8]) -> Result<StateSlot, CallError> {
        unreachable!("a replay starts without snapshots")
    }

    fn evolve(&mut self, state: StateSlot, events: &[GuestEvent<'_>]) -> Result<StateSlot, CallError> {
        assert!(!self.is_dead, "a dead instance is not called");
        let (id, mut sequence, mut count) = self.states.remove(&state.0).unwrap();
        for event in events {
            assert_eq!((event.aggregate_id, event.sequence), (id.as_str(), sequence + 1), "each event once, in order");
            if let Some((_, _, is_end)) = self.fails_at.filter(|(at, when, _)| (*at, *when) == (&*id, event.sequence)) {
                let kind = CallErrorKind::Fault("on purpose".into());
                return Err(match is_end {
                    true => self.end(kind),
                    false => CallError { kind, instance_lost: false, notes: Vec::new() },
                });
            }
            (sequence, count) = (event.sequence, count + self.step);
        }
        self.states.insert(state.0, (id, sequence, count));
        Ok(state)
    }

    fn handle(&mut self, _: StateSlot, _: &GuestCommand<'_>) -> Result<Handled, CallError> {
        unreachable!("a replay decides no commands")
    }

    fn save(&mut self, state: &StateSlot) -> Result<Vec<u8>, CallError> {
        Ok(self.states[&state.0].2.to_string().into_bytes())
    }

    fn inspect(&mut self, state: &StateSlot) -> Result<String, CallError> {
        Ok(format!("{{\"count\":{}}}", self.states[&state.0].2))
    }

    fn discard(&mut self, state: StateSlot) -> Result<(), CallError> {
        self.states.remove(&state.0);
        Ok(())
    }

    fn memory_bytes(&self) -> u64 {
        self.bytes
    }
}

fn key(id: &str) -> AggregateKey {
    let (domain, aggregate) = (DomainName::new(DOMAIN).unwrap(), AggregateName::new(AGGREGATE).unwrap());
    AggregateKey::of(&tenant(), &domain, &aggregate, &AggregateId::new(id).unwrap())
}

fn refusals(judged: &Judged) -> Vec<String> {
    judged.verdict.refusals.iter().map(ToString::to_string).collect()
}

#[test]
fn everything_is_folded_once_and_compared() {
    let history = History::filled(50, 3);
    let judged = history.judge(&counting(1, None), &counting(1, None), ReplayScope::All);
    assert_eq!(refusals(&judged), [""; 0]);
    let replay = &judged.verdict.replay;
    assert_eq!((replay.events, replay.aggregates, replay.differing, replay.uncompared), (250, 51, 0, 0));
    assert_eq!((judged.verdict.events, judged.verdict.position), (250, Position(250)));

    let judged = history.judge(&counting(1, None), &counting(2, None), ReplayScope::All);
    assert_eq!(
        refusals(&judged),
        ["51 of 51 states differ from those of the revision before; accept the changes if they are intended"]
    );
    let differences = &judged.verdict.replay.differences;
    assert_eq!((differences.len(), differences[0].id.as_str(), differences[0].sequence), (3, "c-0", Sequence(3)));
    let change = &differences[0].changes[0];
    assert_eq!((&*change.path, change.before.as_deref(), change.after.as_deref()), ("count", Some("3"), Some("6")));
}

/// Far fewer states fit into memory than there are. Aggregates are folded in several passes, and none is left out.
#[test]
fn states_that_do_not_fit_are_folded_in_several_passes() {
    let history = History::filled(200, 3);
    for states_max in [3, 10, 60] {
        let limits = Limits { memory_bytes_max: states_max * STATE_BYTES, ..Limits::DEFAULT };
        let (one, two) = (counting(1, None), counting(2, None));
        let same = history.judge_within(&one, &counting(1, None), ReplayScope::All, limits);
        let replay = &same.verdict.replay;
        assert_eq!((replay.events, replay.aggregates, replay.differing, replay.uncompared), (700, 201, 0, 0));
        let other = history.judge_within(&one, &two, ReplayScope::All, limits);
        assert_eq!(other.verdict.replay.differing, 201, "{states_max} states");
        let failing = counting(1, Some(("c-77", 2, true)));
        let failed = history.judge_within(&one, &failing, ReplayScope::All, limits);
        assert!(refusals(&failed)[0].contains("count c-77 at sequence 2"), "{:?}", refusals(&failed));
    }
}

#[test]
fn the_event_of_a_fault_is_named() {
    let history = History::filled(50, 3);
    for is_end in [false, true] {
        let failing = counting(1, Some(("long", 77, is_end)));
        for scope in [ReplayScope::All, ReplayScope::Events(1)] {
            let judged = history.judge(&counting(1, None), &failing, scope);
            assert_eq!(
                refusals(&judged),
                [
                    "it failed over counted version 1 of count long at sequence 77, position 227: the domain reported a fault: on purpose"
                ]
            );
        }
    }
}

/// A fault of the old revision may be the reason why the new one is deployed.
#[test]
fn aggregates_that_the_old_revision_cannot_fold_are_not_compared() {
    let history = History::filled(50, 3);
    for is_end in [false, true] {
        let judged = history.judge(&counting(1, Some(("c-7", 2, is_end))), &counting(2, None), ReplayScope::All);
        let replay = &judged.verdict.replay;
        assert_eq!((replay.aggregates, replay.uncompared, replay.differing), (51, 1, 50), "{is_end}");
    }
}

#[test]
fn a_sample_is_only_taken_of_many_events() {
    let history = History::filled(50, 3);
    let judge = |events_max| history.judge(&counting(1, None), &counting(1, None), ReplayScope::Events(events_max));
    let whole = judge(250).verdict.replay;
    assert_eq!((whole.is_sample, whole.aggregates), (false, 51));
    let sample = judge(200).verdict.replay;
    assert!(sample.is_sample && sample.aggregates < 51, "{sample:?}");
    // The newest and the longest aggregate are the same here; one other aggregate is always included.
    assert_eq!(judge(1).verdict.replay.aggregates, 2);
}

#[test]
fn unreadable_events_are_reported_with_their_first_place() {
    let mut history = History::filled(5, 1);
    history.add("c-3", "counted", 2);
    history.add("c-4", "forgotten", 1);
    history.add("c-2", "counted", 2);
    let judged = history.judge(&counting(1, None), &counting(1, None), ReplayScope::All);
    assert_eq!(
        refusals(&judged),
        [
            "it cannot read what the history holds: counted version 2, 2 events, first for count c-3 at sequence 2, position 106; \
          forgotten version 1, 1 event, first for count c-4 at sequence 2, position 107"
        ]
    );
    assert_eq!(judged.verdict.replay, ReplayReport::default(), "there is no point in replaying it");
}

/// Events are recorded while a verdict is made and used.
#[test]
fn events_recorded_later_are_judged_too() {
    let mut history = History::filled(5, 2);
    let failing = counting(1, Some(("c-3", 4, true)));
    let mut judged = history.judge(&counting(1, None), &failing, ReplayScope::All);
    assert!(judged.verdict.passed());
    (0..2).for_each(|_| history.add("new", "counted", 1));
    history.add("c-3", "counted", 1);
    judged.judge_rest(&history.reader).unwrap();
    assert_eq!((refusals(&judged), judged.verdict.position), (vec![], Position(113)));
    history.add("c-3", "counted", 1);
    judged.judge_rest(&history.reader).unwrap();
    assert!(refusals(&judged)[0].contains("count c-3 at sequence 4"), "{:?}", refusals(&judged));

    let mut judged = history.judge(&counting(1, None), &counting(1, None), ReplayScope::All);
    history.add("c-1", "forgotten", 1);
    judged.judge_rest(&history.reader).unwrap();
    assert!(refusals(&judged)[0].contains("forgotten version 1"), "{:?}", refusals(&judged));
}

#[test]
fn states_are_made_ready_for_the_switch() {
    let history = History::filled(5, 2);
    let new = counting(2, None);
    let mut judged = history.judge(&counting(1, None), &new, ReplayScope::All);
    let mut ready = judged.make_ready(&history.reader, Reclaimed::nothing(1), &|_| ()).unwrap().finish();
    assert_eq!(ready.saved(0, key("long")).unwrap(), (Sequence(100), b"200".to_vec()));
    assert_eq!(ready.saved(0, key("c-1")).unwrap(), (Sequence(2), b"4".to_vec()));
    assert_eq!(ready.saved(0, key("unknown")), None);
}

/// The counts show that the states were not rebuilt.
#[test]
fn kept_states_continue_with_later_events() {
    let mut history = History::filled(5, 2);
    let make_ready = |history: &History, step, reclaimed| {
        let rules = counting(step, None);
        let mut judged = history.judge(&rules, &rules, ReplayScope::All);
        judged.make_ready(&history.reader, reclaimed, &|_| ()).unwrap().finish()
    };
    let kept = make_ready(&history, 1_000, Reclaimed::nothing(1));
    // The kept state lacks this event although it is before `kept_at`: no command used the state after it was recorded.
    history.add("c-1", "counted", 1);
    let kept_at = history.reader.last_position(&tenant());
    ["c-1", "c-2", "new"].iter().for_each(|id| history.add(id, "counted", 1));
    let mut ready = make_ready(&history, 1, kept.reclaimed(kept_at));
    let mut saved =
        |id| ready.saved(0, key(id)).map(|(sequence, count)| (sequence.0, String::from_utf8(count).unwrap()));
    let counts = [("c-0", 2), ("c-1", 4), ("c-2", 3), ("new", 1), ("long", 100)];
    for (id, count) in counts {
        assert_eq!(saved(id), Some((count, (count * 1_000).to_string())), "{id}");
    }
}

/// An instance that was made with a share of other limits cannot be used.
#[test]
fn states_kept_under_other_limits_are_rebuilt() {
    let history = History::filled(5, 2);
    let rules = counting(1, None);
    let mut judged = history.judge(&rules, &rules, ReplayScope::All);
    let one_of_one = judged.make_ready(&history.reader, Reclaimed::nothing(1), &|_| ()).unwrap().finish();
    let other = counting(2, None);
    let limits = Limits { memory_bytes_max: 50_000, ..Limits::DEFAULT };
    let mut judged = history.judge_within(&other, &other, ReplayScope::All, limits);
    let reclaimed = one_of_one.reclaimed(history.reader.last_position(&tenant()));
    let mut ready = judged.make_ready(&history.reader, reclaimed, &|_| ()).unwrap().finish();
    assert_eq!(ready.saved(0, key("long")).unwrap(), (Sequence(100), b"200".to_vec()));
}

#[test]
fn a_stopping_host_does_not_wait_for_a_verdict() {
    let history = History::filled(5, 2);
    let check = RevisionCheck::new(history.reader.clone());
    check.stop();
    let rules = counting(1, None);
    let candidate = Candidate {
        tenant: tenant(),
        domain: DomainName::new(DOMAIN).unwrap(),
        limits: Limits::DEFAULT,
        old: None,
        new: rules,
        scope: ReplayScope::All,
        accept_changes: false,
        memory_bytes_needed: 0,
    };
    assert!(matches!(check.judge(candidate, &|_| ()), Err(CheckError::Stopping)));
}
