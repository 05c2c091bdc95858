//! The effects of a deployment, also while commands are running, when its caller disconnects, and when the next
//! deployment starts before the views are built.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use polder_core::{Position, ProjectionName};
use polder_engine::{AsOf, DeployOptions, DeployStatus, Host, OpenError, ReadError, WaitFor};
use serde_json::json;

use super::door::{Door, another_revision, component, options, tenant};
use super::laws::fold_natively;

/// The host's own history is not part of the tenant's.
#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_moves_no_tenants_position() {
    let folder = tempfile::tempdir().unwrap();
    let door = Door::orders(folder.path()).await;
    assert_eq!(door.position(), Position::ZERO);
    for number in 0..5 {
        door.accept(&format!("o-{number}"), "draft-order", json!({ "customer": "c-1" })).await;
    }
    door.deploy(another_revision(&component("orders"), 1)).await;
    assert_eq!(door.position(), Position(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_go_on_while_revisions_change() {
    let folder = tempfile::tempdir().unwrap();
    let door = Arc::new(Door::orders(folder.path()).await);
    door.accept("o-1", "draft-order", json!({ "customer": "c-1" })).await;
    // Several at once, so that there always is a decision that is not durable yet.
    let write = |sku: &'static str| {
        let door = Arc::clone(&door);
        tokio::spawn(async move {
            for _ in 0..50 {
                door.accept("o-1", "add-line", json!({ "sku": sku, "quantity": 1, "price": 2 })).await;
                door.accept("o-1", "remove-line", json!({ "sku": sku })).await;
            }
        })
    };
    let writers = ["TEA", "POT", "CUP", "CAN"].map(write);
    for mark in 1..=3 {
        let deployed = door.deploy(another_revision(&component("orders"), mark)).await;
        assert_eq!(deployed.status, DeployStatus::Activated);
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let history = door.history("o-1").await;
    assert_eq!(history.len(), 401);
    let expected = (401, fold_natively(orders::domain(), &history));
    assert_eq!(door.state("o-1", AsOf::Now).await.unwrap(), expected);
    let documents = door.documents("order-summary", Position(401)).await;
    assert_eq!((documents.len(), &documents[0].1["lines"]), (1, &json!(0)));
}

/// Each deployment begins a rebuild, and the next one drops it half done. In the end the last view is complete, without
/// duplicates.
#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_that_is_overtaken_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let door = Door::orders(folder.path()).await;
    let mut last = Position::ZERO;
    for number in 0..300 {
        let order = format!("o-{}", number % 30);
        let name = if number < 30 { "draft-order" } else { "add-line" };
        let payload = if number < 30 {
            json!({ "customer": "c-1" })
        } else {
            json!({ "sku": format!("S-{number}"), "quantity": 1, "price": 1 })
        };
        last = door.accept(&order, name, payload).await.position;
    }
    let mut newest = None;
    for mark in 1..=6 {
        newest = Some(door.deploy(another_revision(&component("orders"), mark)).await.revision);
    }
    // Waits for the rebuild, not only for the position: the view of an older revision may have reached it already.
    let summary = ProjectionName::new("order-summary").unwrap();
    let mut info = door.projection(summary.as_str()).await;
    while Some(info.revision) != newest {
        assert_eq!(info.stalled, None);
        tokio::task::yield_now().await;
        info = door.projection(summary.as_str()).await;
    }
    let documents = door.documents(summary.as_str(), last).await;
    assert_eq!(documents.len(), 30);
    assert!(documents.iter().all(|(_, document)| document["lines"] == 9), "{documents:?}");
    assert_eq!(door.projection(summary.as_str()).await.rebuilding, None);
}

/// A recorded deployment also takes effect: the next deployment and the next start continue from it.
#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_whose_caller_goes_away_is_finished() {
    let folder = tempfile::tempdir().unwrap();
    let door = Door::orders(folder.path()).await;
    for steps_max in 1..=6 {
        let (tenant, revision) = (tenant(), another_revision(&component("orders"), steps_max));
        let mut deploying =
            Box::pin(door.host.deployments().deploy(&tenant, revision.into(), DeployOptions::default()));
        // The caller disconnects one step later each time; a step ends where the deployment waits.
        let mut steps = 0;
        let until_then = poll_fn(|context| {
            steps += 1;
            let is_ready = deploying.as_mut().poll(context).is_ready();
            if is_ready || steps == steps_max { Poll::Ready(()) } else { Poll::Pending }
        });
        until_then.await;
    }
    let last = door.deploy(another_revision(&component("orders"), 99)).await;
    assert_eq!(last.status, DeployStatus::Activated);
    door.accept("o-1", "draft-order", json!({ "customer": "c-1" })).await;
    door.close().await;
    polder_journal::verify(folder.path()).unwrap();
    // A compilation continues after its caller disconnected, and it keeps the folder in use until it ends.
    let host = loop {
        match polder_engine::Host::open(super::door::options(folder.path())) {
            Err(OpenError::Journal(polder_journal::OpenError::InUse { .. })) => tokio::task::yield_now().await,
            opened => break opened.unwrap(),
        }
    };
    let domains = host.deployments().domains(&tenant()).await.unwrap();
    assert_eq!(domains[0].revision, last.revision);
}

/// A domain without projections: no view will ever advance, so a wait returns at once with a failure.
#[tokio::test(flavor = "multi_thread")]
async fn a_view_without_a_feed_is_behind() {
    let folder = tempfile::tempdir().unwrap();
    let host = polder_engine::Host::open(super::door::options(folder.path())).unwrap();
    host.deployments().attach(&tenant(), host.deployments().load(&component("orders")).unwrap()).unwrap();
    let (domain, summary) = ("orders".parse().unwrap(), ProjectionName::new("order-summary").unwrap());
    let wait = WaitFor { position: Position(1), timeout_ms: 3_600_000 };
    let error = host.views().document(&tenant(), &domain, &summary, "o-1", Some(wait)).await.unwrap_err();
    assert!(matches!(error, ReadError::Behind { .. }), "{error}");
}

/// A starting host opens its views in the background. Views were once opened when only the first domain was known, and
/// the views of other domains got no events until they were opened again.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_every_domains_views_are_fed() {
    const RESTARTS: usize = 5;
    /// The events to apply again; they keep the first opened views open for a while.
    const EVENTS: usize = 1_000;
    let folder = tempfile::tempdir().unwrap();
    let door = Door::orders(folder.path()).await;
    for domain in ["lamps", "permits"] {
        door.host.deployments().deploy(&tenant(), component(domain).into(), DeployOptions::default()).await.unwrap();
    }
    for number in 0..EVENTS {
        door.accept(&format!("o-{number}"), "draft-order", json!({ "customer": "c-1" })).await;
    }
    door.close().await;
    for restart in 0..RESTARTS {
        std::fs::remove_dir_all(folder.path().join("views")).unwrap();
        let host = Host::open(options(folder.path())).unwrap();
        let domains = host.deployments().domains(&tenant()).await.unwrap();
        assert_eq!(domains.len(), 3);
        for info in domains.items {
            let (fed, described) = (info.projections.len(), info.descriptor.projections.len());
            assert_eq!(fed, described, "{} after restart {restart}", info.domain);
        }
        host.shutdown().await;
    }
}
