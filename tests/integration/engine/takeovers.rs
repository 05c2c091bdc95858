//! The checks that a revision must pass before it takes a domain over, and their record: with real components and real
//! histories.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use polder_core::{CommandStatus, DomainName, Position, Revision};
use polder_engine::{
    AsOf, CheckOptions, CheckRefusal, DeployError, DeployOptions, DeployStatus, Deployed, EventFilter, ReplayScope,
    RevisionStatus, RollBackOptions, Verdict,
};
use serde_json::json;

use super::door::{Door, another_revision, component, patched, tenant};

/// The number of times that each of ten lamps is lit and put out.
const TURNS: u64 = 8;

async fn lamps(folder: &std::path::Path) -> Door {
    Door::open(folder, "lamps", "lamp").await
}

async fn turn(door: &Door, lamp: &str, times: u64) {
    for _ in 0..times {
        door.accept(lamp, "light-lamp", json!({})).await;
        door.accept(lamp, "darken-lamp", json!({})).await;
    }
}

async fn turned(folder: &std::path::Path) -> Door {
    let door = lamps(folder).await;
    for number in 0..10 {
        turn(&door, &format!("l-{number}"), if number == 3 { TURNS } else { 2 }).await;
    }
    door
}

/// The next revision in one of its makes.
pub(super) fn next(make: &str) -> Bytes {
    patched(&component("lamps_next"), "the make: regular", &format!("the make: {make}"))
}

fn domain() -> DomainName {
    DomainName::new("lamps").unwrap()
}

async fn deploy(door: &Door, component: Bytes, check: CheckOptions) -> Result<Deployed, DeployError> {
    door.host
        .deployments()
        .deploy(&tenant(), component.into(), DeployOptions { check, ..DeployOptions::default() })
        .await
}

async fn refused(door: &Door, component: Bytes, check: CheckOptions) -> Verdict {
    match deploy(door, component, check).await {
        Err(DeployError::Check(verdict)) => *verdict,
        other => panic!("{other:?}"),
    }
}

fn accepting() -> CheckOptions {
    CheckOptions { accept_changes: true, ..CheckOptions::default() }
}

async fn roll_back(door: &Door, to: Option<&str>) -> Result<Deployed, DeployError> {
    let options = RollBackOptions { to: to.map(str::to_owned), ..RollBackOptions::default() };
    door.host.deployments().roll_back(&tenant(), &domain(), options).await
}

pub(super) async fn statuses(door: &Door) -> Vec<(Revision, RevisionStatus)> {
    let revisions = door.host.deployments().revisions(&tenant(), &domain()).await.unwrap();
    revisions.items.into_iter().map(|info| (info.revision, info.status)).collect()
}

pub(super) async fn active(door: &Door) -> Revision {
    door.host.deployments().domains(&tenant()).await.unwrap()[0].revision
}

/// The names of the events in the host's own history, without the event of the tenant's key at its beginning.
pub(super) async fn administered(door: &Door) -> Vec<String> {
    let system = "system".parse().unwrap();
    let page = door.host.queries().events(&system, &EventFilter::default(), Position::ZERO, 1_000).await.unwrap();
    let mut names: Vec<_> = page.events.iter().map(|event| event.name.to_string()).collect();
    assert_eq!(names.remove(0), "tenant-key-made");
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_revision_reads_old_versions_and_takes_over() {
    let folder = tempfile::tempdir().unwrap();
    let door = turned(folder.path()).await;
    let deployed = deploy(&door, next("regular"), CheckOptions::default()).await.unwrap();
    let verdict = deployed.verdict.unwrap();
    assert_eq!((deployed.status, verdict.passed(), verdict.position), (DeployStatus::Activated, true, Position(52)));
    assert_eq!((verdict.replay.events, verdict.replay.aggregates, verdict.replay.differing), (52, 10, 0));
    turn(&door, "l-3", 1).await;
    assert_eq!(door.state("l-3", AsOf::Now).await.unwrap().1, json!({ "mode": "dark", "turns": 9 }));
    assert_eq!(door.history("l-3").await[16].version, 2);
}

/// Two thousand events; `POLDER_EVENTS=100000` sets another number. Commands continue meanwhile, and none of them
/// fails.
#[tokio::test(flavor = "multi_thread")]
async fn one_event_that_cannot_be_read_among_many_is_found_and_traffic_goes_on() {
    let events: u64 = std::env::var("POLDER_EVENTS").map_or(2_000, |text| text.parse().expect("a number"));
    let folder = tempfile::tempdir().unwrap();
    let door = Arc::new(lamps(folder.path()).await);
    let old = active(&door).await;
    turn(&door, "l-0", events / 4).await;
    let light = |name: &str| patched(&component("lamps"), "lamp-lit", name);
    let renamed = deploy(&door, light("lamp-bit"), accepting()).await;
    assert!(matches!(renamed, Err(DeployError::Check(_))), "{renamed:?}");

    let next = deploy(&door, next("regular"), CheckOptions::default()).await.unwrap().revision;
    door.accept("l-1", "light-lamp", json!({})).await;
    let position = door.position();
    let is_over = Arc::new(AtomicBool::new(false));
    let writing = tokio::spawn({
        let (door, is_over) = (Arc::clone(&door), Arc::clone(&is_over));
        async move {
            let mut commands = 0;
            while !is_over.load(Ordering::Relaxed) {
                turn(&door, "l-2", 1).await;
                commands += 1;
            }
            commands
        }
    });
    let verdict = refused(&door, component("lamps"), accepting()).await;
    is_over.store(true, Ordering::Relaxed);
    assert!(writing.await.unwrap() > 0);
    let [CheckRefusal::UnreadableEvents { events }] = verdict.refusals.as_slice() else { panic!("{verdict:?}") };
    let first = &events[0];
    assert_eq!((first.event.as_str(), first.version, events.len()), ("lamp-lit", 2, 1));
    assert!(first.count >= 1);
    assert_eq!((first.first.id.as_str(), first.first.sequence.0, first.first.position), ("l-1", 1, position));
    assert_eq!(active(&door).await, next);
    assert_eq!(
        statuses(&door).await,
        [
            (old, RevisionStatus::WasActive),
            (Revision::of(&light("lamp-bit")), RevisionStatus::Refused),
            (next, RevisionStatus::Active),
            (old, RevisionStatus::Refused)
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_is_never_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let door = turned(folder.path()).await;
    let old = active(&door).await;
    // A sample includes the longest history, even if it includes little else.
    for replay in [ReplayScope::All, ReplayScope::Events(3)] {
        let verdict = refused(&door, next("panics "), CheckOptions { replay, ..accepting() }).await;
        let [CheckRefusal::Fault { place, event, version, problem }] = verdict.refusals.as_slice() else {
            panic!("{verdict:?}")
        };
        assert_eq!((place.id.as_str(), place.sequence.0, event.as_str(), *version), ("l-3", 11, "lamp-lit", 1));
        assert!(problem.contains("lit too often"), "{problem}");
    }
    assert_eq!(active(&door).await, old);
    turn(&door, "l-3", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn states_that_come_out_otherwise_have_to_be_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let door = turned(folder.path()).await;
    let verdict = refused(&door, next("changes"), CheckOptions::default()).await;
    assert_eq!(verdict.refusals, [CheckRefusal::DifferingStates { differing: 10, aggregates: 10 }]);
    let difference = &verdict.replay.differences[0];
    assert_eq!((difference.id.as_str(), difference.changes[0].path.as_str()), ("l-0", "turns"));
    assert_eq!(
        (difference.changes[0].before.as_deref(), difference.changes[0].after.as_deref()),
        (Some("2"), Some("4"))
    );

    let deployed = deploy(&door, next("changes"), accepting()).await.unwrap();
    let verdict = deployed.verdict.unwrap();
    assert!(verdict.changes_accepted && verdict.replay.differing == 10);
    turn(&door, "l-3", 1).await;
    assert_eq!(door.state("l-3", AsOf::Now).await.unwrap().1["turns"], 2 * (TURNS + 1));
    // The verdict is kept with the revision.
    let kept = door.host.deployments().revisions(&tenant(), &domain()).await.unwrap().pop().unwrap();
    assert_eq!((kept.status, kept.verdict), (RevisionStatus::Active, Some(verdict)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chart_may_not_lose_a_state_that_is_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let door = turned(folder.path()).await;
    // No aggregate is in this state now: the state may be removed, although its events remain.
    let without = patched(&component("lamps"), "glowing", "beaming");
    let verdict = deploy(&door, without.clone(), CheckOptions { dry_run: true, ..accepting() }).await.unwrap().verdict;
    assert!(verdict.unwrap().passed());
    for lamp in ["l-2", "l-5"] {
        door.accept(lamp, "light-lamp", json!({})).await;
    }
    let verdict = refused(&door, without, CheckOptions { replay: ReplayScope::Events(1), ..accepting() }).await;
    assert!(!verdict.replay.is_sample, "a sample could miss it");
    assert_eq!(
        verdict.to_string(),
        "the chart of lamp has lost states that are in use: glowing (2); if such a state only has another name now, keep the stored one \
         with #[serde(rename = \"glowing\")] at its variant; else bring these aggregates into other states first"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_records_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let door = turned(folder.path()).await;
    let (facts, old) = (administered(&door).await, active(&door).await);
    let dry = || CheckOptions { dry_run: true, ..CheckOptions::default() };
    let deployed = deploy(&door, next("regular"), dry()).await.unwrap();
    assert_eq!((deployed.status, deployed.previous), (DeployStatus::WouldPass, Some(old)));
    refused(&door, next("changes"), dry()).await;
    deploy(&door, "not wasm".into(), dry()).await.unwrap_err();
    assert_eq!((administered(&door).await, active(&door).await), (facts, old));
    assert_eq!(std::fs::read_dir(folder.path().join("components")).unwrap().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_deployments_of_one_domain_come_one_after_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let door = Arc::new(turned(folder.path()).await);
    let first = active(&door).await;
    let deploying = [1, 2, 3].map(|mark| {
        let door = Arc::clone(&door);
        tokio::spawn(async move {
            let revision = another_revision(&component("lamps"), mark);
            deploy(&door, revision, CheckOptions::default()).await.unwrap()
        })
    });
    let mut deployed = Vec::new();
    for one in deploying {
        deployed.push(one.await.unwrap());
    }
    // Each followed another one, and none is missing.
    let mut line = vec![first];
    while let Some(next) = deployed.iter().find(|one| one.previous == line.last().copied()) {
        line.push(next.revision);
    }
    assert_eq!(line.len(), 4, "{deployed:?}");
    let recorded: Vec<Revision> = statuses(&door).await.into_iter().map(|(revision, _)| revision).collect();
    assert_eq!(recorded, line);
    assert_eq!(active(&door).await, line[3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_goes_back_and_a_restart_keeps_that() {
    let folder = tempfile::tempdir().unwrap();
    let door = turned(folder.path()).await;
    let first = active(&door).await;
    let error = roll_back(&door, None).await.unwrap_err();
    assert!(error.to_string().contains("nothing to go back to"), "{error}");

    let second =
        deploy(&door, another_revision(&component("lamps"), 1), CheckOptions::default()).await.unwrap().revision;
    let third =
        deploy(&door, another_revision(&component("lamps"), 2), CheckOptions::default()).await.unwrap().revision;
    let back = roll_back(&door, None).await.unwrap();
    assert_eq!((back.status, back.previous, back.revision), (DeployStatus::RolledBack, Some(third), second));
    turn(&door, "l-1", 1).await;
    door.close().await;

    let door = Door::at(polder_engine::Host::open(super::door::options(folder.path())).unwrap(), "lamps", "lamp");
    assert_eq!(active(&door).await, second);
    let before = statuses(&door).await;
    let unknown = roll_back(&door, Some("zz")).await.unwrap_err();
    assert!(
        unknown.to_string().contains("0 of the revisions that were active in domain \"lamps\" begin with \"zz\""),
        "{unknown}"
    );
    roll_back(&door, Some(&first.short())).await.unwrap();
    assert_eq!(active(&door).await, first);
    use RevisionStatus::{Active, RolledBack, WasActive};
    assert_eq!(before, [(first, WasActive), (second, WasActive), (third, RolledBack), (second, Active)]);
    assert!(roll_back(&door, None).await.is_err(), "what came after it is nothing to go back to");
}

/// The states that its workers kept are as old as the switch away from it.
#[tokio::test(flavor = "multi_thread")]
async fn a_revision_that_comes_back_knows_what_happened_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let door = turned(folder.path()).await;
    let revisions = [another_revision(&component("lamps"), 1), component("lamps")];
    for round in 1..=4 {
        // One lamp is lit by one revision and put out by the other, one is turned by one revision, and one is left
        // alone.
        door.accept("l-1", "light-lamp", json!({})).await;
        deploy(&door, revisions[round % 2].clone(), CheckOptions::default()).await.unwrap();
        let again = door.send("l-1", "light-lamp", json!({})).await.unwrap();
        assert_eq!(again.status, CommandStatus::Rejected, "it is lit");
        door.accept("l-1", "darken-lamp", json!({})).await;
        turn(&door, "l-2", round as u64 % 2).await;
    }
    turn(&door, "l-4", 1).await;
    for (lamp, turns) in [("l-1", 6), ("l-2", 4), ("l-4", 3), ("l-5", 2)] {
        let (sequence, state) = door.state(lamp, AsOf::Now).await.unwrap();
        assert_eq!((sequence, state), (2 * turns, json!({ "mode": "dark", "turns": turns })), "{lamp}");
    }
    door.close().await;
    polder_journal::verify(folder.path()).unwrap();
}

/// The newer revision has recorded events that the older one cannot read.
#[tokio::test(flavor = "multi_thread")]
async fn going_back_passes_the_check_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let door = turned(folder.path()).await;
    let next = deploy(&door, next("regular"), CheckOptions::default()).await.unwrap().revision;
    turn(&door, "l-1", 1).await;
    let error = roll_back(&door, None).await.unwrap_err();
    assert!(error.to_string().contains("lamp-lit version 2, 1 event, first for lamp l-1 at sequence 5"), "{error}");
    assert_eq!(active(&door).await, next);
}

/// The journal contains all of it, as events like any other.
#[tokio::test(flavor = "multi_thread")]
async fn acts_and_their_actors_are_a_history() {
    let folder = tempfile::tempdir().unwrap();
    let door = turned(folder.path()).await;
    let by = |actor: &str| CheckOptions { actor: Some(actor.into()), ..CheckOptions::default() };
    refused(&door, next("changes"), by("ann")).await;
    deploy(&door, next("regular"), by("bob")).await.unwrap();
    let options = DeployOptions { check: by("cem"), domain: Some(domain()), ..DeployOptions::default() };
    door.host.deployments().deploy(&tenant(), "not wasm".into(), options).await.unwrap_err();
    assert_eq!(
        administered(&door).await,
        [
            "revision-uploaded",
            "revision-activated",
            "revision-uploaded",
            "revision-refused",
            "revision-uploaded",
            "revision-activated",
            "revision-refused"
        ]
    );
    let revisions = door.host.deployments().revisions(&tenant(), &domain()).await.unwrap();
    let actors: Vec<_> = revisions.iter().map(|info| info.actor.as_deref()).collect();
    assert_eq!(actors, [None, Some("ann"), Some("bob"), Some("cem")]);
    let refused = revisions[3].verdict.as_ref().unwrap().to_string();
    assert!(refused.contains("the file is not WebAssembly"), "{refused}");
    door.close().await;
    polder_journal::verify(folder.path()).unwrap();
}
