//! A revision with a new version of an event takes over while callers write and read their own writes in a view with
//! `after=`. No answer may lack a write: neither during the check of the revision nor while the new view is built.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use polder_core::{DomainName, Position, ProjectionName};
use polder_engine::{DeployStatus, WaitFor};
use serde_json::{Value, json};

use super::door::{Door, component, tenant};

/// Events before the deployment. `POLDER_EVENTS=230000` gives a long check and a long rebuild of the view.
const EVENTS: u64 = 2_000;
/// Lamps of the history.
const LAMPS: u64 = 100;
/// Callers, each with a lamp of its own.
const READERS: u64 = 4;
/// Reads of each caller after the new view is live.
const READS_AFTERWARDS: u64 = 50;
/// The longest wait for one answer. Long, because an answer may have to wait until the whole history is in the new
/// view.
const WAIT_MS: u64 = 300_000;

/// What happens while an answer is being read.
const PHASES: [&str; 4] = ["before", "during the deployment", "while the new view is built", "afterwards"];
const AFTERWARDS: usize = PHASES.len() - 1;

/// Answers by the phase in which they were asked for.
#[derive(Default)]
struct Found {
    reads: [u64; PHASES.len()],
    longest: [Duration; PHASES.len()],
    /// Wrong answers, and reads without an answer.
    failures: Vec<String>,
}

/// The old view cannot read the new version of the event: it neither sets it aside nor answers without it.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_of_its_own_writes_never_misses_an_event_of_a_new_version() {
    let events = std::env::var("POLDER_EVENTS").map_or(EVENTS, |text| text.parse().expect("a number"));
    let folder = tempfile::tempdir().unwrap();
    let door = Arc::new(Door::open(folder.path(), "lamps", "lamp").await);
    write_history(&door, events).await;
    let position = door.position();
    read(&door, "l-0", position).await.unwrap();

    let phase = Arc::new(AtomicUsize::new(0));
    let is_reading = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..READERS)
        .map(|reader| {
            let (door, phase, is_reading) = (Arc::clone(&door), Arc::clone(&phase), Arc::clone(&is_reading));
            tokio::spawn(async move { write_and_read(&door, &format!("own-{reader}"), &phase, &is_reading).await })
        })
        .collect();
    while !is_reading.load(Ordering::SeqCst) {
        tokio::task::yield_now().await;
    }
    phase.store(1, Ordering::SeqCst);
    let deployed = door.deploy(component("lamps_next")).await;
    phase.store(2, Ordering::SeqCst);
    let is_built = async || {
        let view = door.projection("switches").await;
        view.revision == deployed.revision && view.rebuilding.is_none()
    };
    while !is_built().await {
        tokio::task::yield_now().await;
    }
    phase.store(AFTERWARDS, Ordering::SeqCst);

    let mut found = Found::default();
    for reader in readers {
        found.add(reader.await.unwrap());
    }
    let replayed = deployed.verdict.as_ref().map(|verdict| verdict.replay.events).unwrap();
    println!("{events} events, {replayed} replayed by the check");
    for (phase, name) in PHASES.iter().enumerate() {
        println!("{name}: {} answers, the slowest after {:?}", found.reads[phase], found.longest[phase]);
    }
    assert_eq!(deployed.status, DeployStatus::Activated);
    assert!(replayed >= events, "{replayed} of {events} events were replayed");
    assert!(found.failures.is_empty(), "{} wrong or missing: {:?}", found.failures.len(), found.failures);
    assert!(found.reads[1] > 0 && found.reads[AFTERWARDS] >= READERS * READS_AFTERWARDS);
    assert_eq!(door.projection("switches").await.parked, 0);
}

impl Found {
    fn add(&mut self, other: Self) {
        for phase in 0..PHASES.len() {
            self.reads[phase] += other.reads[phase];
            self.longest[phase] = self.longest[phase].max(other.longest[phase]);
        }
        self.failures.extend(other.failures);
    }
}

async fn write_history(door: &Arc<Door>, events: u64) {
    let writers: Vec<_> = (0..LAMPS)
        .map(|lamp| {
            let (door, turns) = (Arc::clone(door), events.div_ceil(2 * LAMPS));
            tokio::spawn(async move {
                for _ in 0..turns {
                    door.accept(&format!("l-{lamp}"), "light-lamp", json!({})).await;
                    door.accept(&format!("l-{lamp}"), "darken-lamp", json!({})).await;
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
}

/// Writes to a lamp, and reads after each write what the view has of it.
async fn write_and_read(door: &Door, lamp: &str, phase: &AtomicUsize, is_reading: &AtomicBool) -> Found {
    let (mut found, mut times) = (Found::default(), 0);
    while found.reads[AFTERWARDS] < READS_AFTERWARDS {
        let command = if times % 2 == 0 { "light-lamp" } else { "darken-lamp" };
        let written = door.accept(lamp, command, json!({})).await.position;
        times += 1;
        let (asked_in, began) = (phase.load(Ordering::SeqCst), Instant::now());
        match read(door, lamp, written).await {
            Ok(document) if document == json!({ "times": times }) => {}
            other => found.failures.push(format!("{lamp} after {written}, {}: {other:?}", PHASES[asked_in])),
        }
        found.reads[asked_in] += 1;
        found.longest[asked_in] = found.longest[asked_in].max(began.elapsed());
        is_reading.store(true, Ordering::SeqCst);
    }
    found
}

/// The document of a lamp, once the view has reached the position; or why there is no answer.
async fn read(door: &Door, lamp: &str, position: Position) -> Result<Value, String> {
    let (domain, projection) = (DomainName::new("lamps").unwrap(), ProjectionName::new("switches").unwrap());
    let wait = WaitFor { position, timeout_ms: WAIT_MS };
    let answer = door.host.views().document(&tenant(), &domain, &projection, lamp, Some(wait)).await;
    match answer {
        Ok(answer) if answer.set_aside.is_none() && answer.unrouted.is_none() => {
            Ok(serde_json::from_str(answer.document.get()).unwrap())
        }
        Ok(answer) => Err(format!("events are set aside: {:?}", answer.set_aside.or(answer.unrouted))),
        Err(error) => Err(error.to_string()),
    }
}
