//! Events that projections cannot apply are recorded with their reasons, reported with every answer, retried and
//! discarded. Also views whose file is damaged or missing.

use std::collections::BTreeSet;
use std::time::Duration;

use polder_core::{DomainName, LimitChanges, Limits, Position, ProjectionName, Revision};
use polder_engine::{
    CheckOptions, DeployOptions, Deployed, DocumentAnswer, MAIN_TENANT, ParkedFilter, ParkedKind, ProjectionInfo,
    ReadError,
};

use super::guests::{good, rogue};
use super::yard::{LIMITS, Yard, tenant};

const WAIT_MS: u64 = 60_000;

fn everything() -> ParkedFilter {
    ParkedFilter::default()
}

fn board() -> (DomainName, ProjectionName) {
    (DomainName::new("rogue").unwrap(), ProjectionName::new("board").unwrap())
}

fn seen(count: u64) -> String {
    format!("{{\"seen\":{count}}}")
}

async fn document(yard: &Yard, key: &str) -> Result<DocumentAnswer, ReadError> {
    let (domain, projection) = board();
    yard.host.views().document(&tenant(MAIN_TENANT), &domain, &projection, key, None).await
}

/// Position, kind and reason of each event that is set aside.
async fn parked(yard: &Yard) -> Vec<(u64, ParkedKind, String)> {
    let page = yard.host.views().parked(&tenant(MAIN_TENANT), everything(), 1_000).await.unwrap();
    page.parked.into_iter().map(|event| (event.position.0, event.kind, event.reason)).collect()
}

fn kinds(parked: &[(u64, ParkedKind, String)]) -> Vec<(u64, ParkedKind)> {
    parked.iter().map(|(position, kind, _)| (*position, *kind)).collect()
}

/// Waits until exactly these events are set aside.
async fn until_parked(yard: &Yard, wanted: &[(u64, ParkedKind)]) {
    while kinds(&parked(yard).await) != wanted {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn deploy(yard: &Yard, component: Vec<u8>, accept_set_aside: bool) -> Deployed {
    let check = CheckOptions { accept_set_aside, ..CheckOptions::default() };
    let options = DeployOptions { check, ..DeployOptions::default() };
    yard.host.deployments().deploy(&tenant(MAIN_TENANT), component.into(), options).await.unwrap()
}

async fn info(yard: &Yard) -> ProjectionInfo {
    yard.host.deployments().domains(&tenant(MAIN_TENANT)).await.unwrap().remove(0).projections.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_cannot_be_routed_holds_what_comes_after_it_until_a_limit_is_raised() {
    let limits = Limits { fuel_per_call_max: 1_000_000_000, memory_bytes_max: 256 * 1024 * 1024, ..LIMITS };
    let yard = Yard::with(limits).await;
    yard.good_call("t-1").await;
    let first = yard.good_call("route-some").await.position;
    let second = yard.good_call("route-some").await.position;
    let last = yard.good_call("t-1").await.position;
    assert_eq!(yard.documents(MAIN_TENANT, "board", last, WAIT_MS).await.unwrap(), [("t-1".to_owned(), seen(2))]);
    let found = parked(&yard).await;
    assert_eq!(kinds(&found), [(first.0, ParkedKind::Unrouted), (second.0, ParkedKind::Behind)]);
    assert!(found[0].2.contains("limit documents_per_event_max"), "{}", found[0].2);
    let one = document(&yard, "t-1").await.unwrap();
    assert_eq!(one.unrouted.map(|aside| (aside.first, aside.events)), Some((first, 2)));
    let missing = document(&yard, "0001").await.unwrap_err();
    assert!(missing.to_string().contains(&format!("from position {first} on events are set aside")), "{missing}");
    let shown = yard.host.views().parked_event(&tenant(MAIN_TENANT), first, everything()).await.unwrap();
    assert_eq!((shown.event.position, shown.event.aggregate_id.as_str(), shown.parked.len()), (first, "route-some", 1));

    // A changed limit takes effect by itself.
    let changes: LimitChanges = serde_json::from_str(r#"{"documents_per_event_max": 2000}"#).unwrap();
    yard.host.tenants().change_limits(&tenant(MAIN_TENANT), changes, None).await.unwrap();
    until_parked(&yard, &[]).await;
    let one = document(&yard, "0001").await.unwrap();
    assert_eq!((one.document.get(), one.unrouted), (seen(2).as_str(), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_set_aside_is_tried_again_and_given_up() {
    let yard = Yard::open().await;
    let mut last = Position::ZERO;
    for id in ["apply-traps", "apply-traps", "apply-faults", "t-1"] {
        last = yard.good_call(id).await.position;
    }
    yard.documents(MAIN_TENANT, "board", last, WAIT_MS).await.unwrap();
    let all = [(1, ParkedKind::Failed), (2, ParkedKind::Behind), (3, ParkedKind::Failed)];
    let found = parked(&yard).await;
    assert_eq!(kinds(&found), all);
    assert!(
        found[0].2.contains("the domain's code trapped") && found[2].2.contains("it reports a fault in apply"),
        "{found:?}"
    );

    // The retry fails as before.
    let retried = yard.host.views().retry_parked(&tenant(MAIN_TENANT), everything()).await.unwrap();
    assert_eq!(retried.events, 3);
    let last = yard.good_call("t-1").await.position;
    yard.documents(MAIN_TENANT, "board", last, WAIT_MS).await.unwrap();
    assert_eq!(kinds(&parked(&yard).await), all);
    let page = yard.host.views().parked(&tenant(MAIN_TENANT), everything(), 1_000).await.unwrap();
    assert!(!page.parked.iter().any(|event| event.is_due), "nothing is left to retry: {page:?}");

    let missing = ParkedFilter { position: Some(last), ..everything() };
    let refusals = [
        yard.host.views().retry_parked(&tenant(MAIN_TENANT), missing.clone()).await.unwrap_err(),
        yard.host.views().discard_parked(&tenant(MAIN_TENANT), missing).await.unwrap_err(),
    ];
    for refusal in refusals {
        assert!(matches!(refusal, ReadError::NothingParked(position) if position == last), "{refusal:?}");
    }

    // The events behind the discarded one are retried, and fail by themselves.
    let first = ParkedFilter { position: Some(Position(1)), ..everything() };
    assert_eq!(yard.host.views().discard_parked(&tenant(MAIN_TENANT), first).await.unwrap().events, 1);
    until_parked(&yard, &[(2, ParkedKind::Failed), (3, ParkedKind::Failed)]).await;
    let projection = ParkedFilter { projection: Some(board().1), ..everything() };
    assert_eq!(yard.host.views().discard_parked(&tenant(MAIN_TENANT), projection).await.unwrap().events, 2);
    let last = yard.good_call("t-1").await.position;
    yard.documents(MAIN_TENANT, "board", last, WAIT_MS).await.unwrap();
    assert_eq!(parked(&yard).await, []);
}

/// Each failure costs two calls, so the host does not try all of the event's documents.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_fails_for_a_few_documents_is_set_aside_for_all_of_them() {
    let yard = Yard::open().await;
    yard.good_call("route-failing").await;
    let last = yard.good_call("t-1").await.position;
    assert_eq!(yard.documents(MAIN_TENANT, "board", last, WAIT_MS).await.unwrap(), [("t-1".to_owned(), seen(1))]);
    let page = yard.host.views().parked(&tenant(MAIN_TENANT), everything(), 1_000).await.unwrap();
    let keys: BTreeSet<&str> = page.parked.iter().filter_map(|event| event.key.as_deref()).collect();
    assert_eq!((page.parked.len(), keys.len()), (20, 20));
    assert!(page.parked.iter().all(|event| event.position.0 == 1 && event.kind == ParkedKind::Failed));
    let reasons: BTreeSet<&str> = page.parked.iter().map(|event| event.reason.as_str()).collect();
    assert_eq!(reasons.len(), 4, "the documents that were tried: {reasons:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_that_sets_aside_what_the_view_before_applied_is_not_switched_in() {
    let yard = Yard::open().await;
    yard.good_call("t-1").await;
    let last = yard.good_call("t-2").await.position;
    yard.documents(MAIN_TENANT, "board", last, WAIT_MS).await.unwrap();
    deploy(&yard, rogue("apply-breaks"), false).await;
    let withheld = loop {
        if let Some(withheld) = info(&yard).await.withheld {
            break withheld;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    let reason = "sets aside 2 events that the view before has applied, the first at position 1";
    assert!(withheld.contains(reason), "{withheld}");
    // Readers keep the good revision, which continues too.
    let last = yard.good_call("t-1").await.position;
    let documents = yard.documents(MAIN_TENANT, "board", last, WAIT_MS).await.unwrap();
    assert_eq!(documents, [("t-1".to_owned(), seen(2)), ("t-2".to_owned(), seen(1))]);

    // An operator can accept this.
    deploy(&yard, rogue("apply-breaks"), true).await;
    while info(&yard).await.revision == Revision::of(&good("rogue")) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    yard.documents(MAIN_TENANT, "board", last, WAIT_MS).await.unwrap();
    let missing = document(&yard, "t-1").await.unwrap_err();
    assert!(
        matches!(missing, ReadError::NoSuchDocument { set_aside: Some(aside), .. } if aside.events == 2),
        "{missing:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_that_is_damaged_or_removed_while_the_host_runs_is_made_anew() {
    let yard = Yard::open().await;
    let file = yard.folder.path().join("views").join("main.sqlite");
    let mut last = yard.good_call("t-1").await.position;
    yard.documents(MAIN_TENANT, "board", last, WAIT_MS).await.unwrap();
    for damage in ["removed", "another file"] {
        std::fs::remove_file(&file).unwrap();
        if damage != "removed" {
            std::fs::write(&file, "no database ".repeat(1_000)).unwrap();
        }
        last = yard.good_call("t-1").await.position;
        let documents = loop {
            match yard.documents(MAIN_TENANT, "board", last, WAIT_MS).await {
                Err(ReadError::BeingBuilt { .. }) => {}
                answer => break answer.unwrap_or_else(|error| panic!("{damage}: {error}")),
            }
        };
        assert_eq!(documents, [("t-1".to_owned(), seen(last.0))], "{damage}");
    }
}
