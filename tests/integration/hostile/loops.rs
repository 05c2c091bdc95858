//! Many projections of two tenants that loop in each of their calls. A neighbour reads its own writes, the hostile
//! tenants can be removed while other administration continues, and the host shuts down in time.

use polder_core::Limits;
use polder_engine::{DeployOptions, MAIN_TENANT};

use super::guests::rogue;
use super::yard::{NEIGHBOUR, Yard, tenant};

const SECOND: &str = "second";
/// Each of the 50 projections of each tenant loops over these.
const LOOPS: [&str; 4] = ["route-loops", "open-loops", "apply-loops", "document-loops"];
const READ_MS_MAX: u64 = 1_000;

/// Only the watchdog ends a loop, after a second.
fn limits() -> Limits {
    Limits { fuel_per_call_max: 1_000_000_000_000, ..Limits::DEFAULT }
}

async fn with_two_hostile_tenants() -> Yard {
    let yard = Yard::with(limits()).await;
    yard.host.tenants().add(&tenant(SECOND), None).await.unwrap();
    for name in [MAIN_TENANT, SECOND] {
        yard.host.deployments().deploy(&tenant(name), rogue("crowd").into(), DeployOptions::default()).await.unwrap();
        for id in LOOPS.iter().cycle().take(20) {
            yard.send_as(name, id, "do").await.unwrap();
        }
    }
    yard
}

#[tokio::test(flavor = "multi_thread")]
async fn a_neighbour_reads_its_own_writes_beside_projections_that_loop() {
    let yard = with_two_hostile_tenants().await;
    for turn in 1..=20 {
        let written = yard.send_as(NEIGHBOUR, "n-1", "do").await.unwrap();
        let documents = yard.documents(NEIGHBOUR, "board", written.position, READ_MS_MAX).await;
        let seen = documents.unwrap_or_else(|error| panic!("turn {turn}: {error}"));
        // Plus one for the command that the yard sends when it opens.
        assert_eq!(seen, [("n-1".to_owned(), format!("{{\"seen\":{}}}", turn + 1))]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_whose_projections_loop_is_removed_in_time_and_others_go_on() {
    let yard = with_two_hostile_tenants().await;
    tokio::join!(yard.remove_in_time(SECOND), async {
        yard.host.tenants().add(&tenant("third"), None).await.unwrap();
    });
    yard.shut_down_in_time().await;
}

/// A looping event is finally set aside for its own document; events of other documents are applied.
#[tokio::test(flavor = "multi_thread")]
async fn events_over_which_a_projection_loops_are_set_aside() {
    let yard = Yard::with(Limits { call_wall_ms_max: 100, ..limits() }).await;
    for id in LOOPS {
        yard.good_call(id).await;
    }
    let last = yard.good_call("t-1").await.position;
    let documents = yard.documents(MAIN_TENANT, "board", last, 60_000).await.unwrap();
    assert_eq!(documents, [("t-1".to_owned(), "{\"seen\":1}".to_owned())]);
    let domains = yard.host.deployments().domains(&tenant(MAIN_TENANT)).await.unwrap();
    assert_eq!(domains[0].projections[0].parked, LOOPS.len() as u64);
}
