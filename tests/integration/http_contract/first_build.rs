//! A view that is built for the first time is not shown as an empty one: a query waits for a while, and then the answer
//! says how far the view is. The projections here are so slow that their build does not end while the test runs.

use std::time::{Duration, Instant};

use polder_tests::Host;

use crate::hostile::guests::rogue;

/// How long a query waits for a view that is being built for the first time.
const FIRST_BUILD_WAIT: Duration = Duration::from_secs(2);
/// That, on a busy machine.
const WAIT_MAX: Duration = Duration::from_secs(15);
const EVENTS: u64 = 5;

#[test]
fn a_view_in_its_first_build_says_how_far_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let host = Host::start(&data);
    host.client().put("/v1/main/domains/rogue", rogue("crowd")).json(200);
    for id in ["t-1", "route-loops", "open-loops", "apply-loops", "document-loops"] {
        host.client().post(&format!("/v1/main/rogue/thing/{id}/do"), "{}").json(200);
    }
    host.kill();
    std::fs::remove_dir_all(data.join("views")).unwrap();

    let host = Host::start(&data);
    let client = host.client();
    for path in ["/v1/main/rogue/views/board-7", "/v1/main/rogue/views/board-7/t-1"] {
        let began = Instant::now();
        let answer = client.get(path);
        let problem = answer.problem(503, "view-being-built");
        assert!((FIRST_BUILD_WAIT..WAIT_MAX).contains(&began.elapsed()), "{:?}", began.elapsed());
        let reached = problem["reached"].as_u64().expect("a position");
        assert!(reached < EVENTS && problem["newest"] == EVENTS, "{problem}");
        let said = format!("projection \"board-7\" is being built, at {reached} of {EVENTS}: ask again");
        assert!(problem["detail"].as_str().unwrap().starts_with(&said), "{problem}");
        assert!(answer.header("retry-after").is_some());
    }
    let ran = host.polder(&["view", "rogue/board-7"]);
    let said = ran.refused();
    assert!(said.starts_with("error: projection \"board-7\" is being built, at "), "{ran}");
    assert!(said.contains(&format!(" of {EVENTS}: ask again")), "{ran}");
    let domains = host.polder(&["domains"]);
    let view = domains.good().lines().find(|line| line.contains("view board-7:")).expect("the view is listed");
    assert!(view.contains(", is being built"), "{view}");
}
