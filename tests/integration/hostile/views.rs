//! Failing calls of the read side: the event is set aside with its reason, other documents continue, and so does the
//! write side.

use polder_core::{DomainName, ProjectionName};
use polder_engine::{DocumentQuery, MAIN_TENANT, WaitFor};

use super::yard::{Yard, tenant};

const WAIT_MS: u64 = 60_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_projection_loses_the_documents_it_breaks_and_no_others() {
    let mut yard = Yard::open().await;
    let mut last = yard.good_call("t-1").await.position;
    let broken = [
        "route-traps",
        "route-faults",
        "route-few",
        "route-empty",
        "route-long",
        "open-traps",
        "apply-traps",
        "apply-faults",
        "apply-text",
        "apply-many",
        "apply-place",
        "document-traps",
        "document-text",
    ];
    for id in broken {
        yard.good_call(id).await;
        last = yard.good_call("t-1").await.position;
        yard.neighbour_goes_on().await;
    }
    let (domain, board) = (DomainName::new("rogue").unwrap(), ProjectionName::new("board").unwrap());
    let wait = Some(WaitFor { position: last, timeout_ms: WAIT_MS });
    let page = yard
        .host
        .views()
        .documents(&tenant(MAIN_TENANT), &domain, &board, &DocumentQuery::default(), wait)
        .await
        .unwrap();
    let documents: Vec<_> =
        page.documents.iter().map(|document| (document.key.as_str(), document.document.get())).collect();
    assert_eq!(documents, [("t-1", "{\"seen\":14}")]);
    let domains = yard.host.deployments().domains(&tenant(MAIN_TENANT)).await.unwrap();
    let view = &domains[0].projections[0];
    assert_eq!((view.parked, view.position, &view.stalled), (broken.len() as u64, last, &None));
}
