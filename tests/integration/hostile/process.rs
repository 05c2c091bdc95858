//! A real host with tenants whose projections and commands loop: a neighbour goes on, a hostile tenant is removed in
//! time, and SIGTERM ends the host in time.

use std::time::{Duration, Instant};

use polder_tests::{Client, Host, RawConnection};

use super::guests::{good, rogue};

/// Generous limits: this is a debug build, and other tests run beside it.
const REMOVAL_MAX: Duration = Duration::from_secs(30);
const END_MAX: Duration = Duration::from_secs(20);
/// A command or an administrative act beside hostile tenants.
const ACT_MAX: Duration = Duration::from_secs(20);
const READ_MS_MAX: u64 = 10_000;
/// A host that has just started opens its views for the first read.
const FIRST_READ_MS_MAX: u64 = 10_000;
const LOOPS: [&str; 4] = ["route-loops", "open-loops", "apply-loops", "document-loops"];

/// Adds a tenant with fifty projections that loop in each of their calls.
fn add_hostile(client: &Client, name: &str) {
    client.put(&format!("/v1/tenants/{name}"), "").json(201);
    client.put(&format!("/v1/{name}/domains/rogue"), rogue("crowd")).json(200);
    for id in LOOPS.iter().cycle().take(20) {
        client.post(&format!("/v1/{name}/rogue/thing/{id}/do"), "{}").json(200);
    }
}

/// Commands that loop; no client waits for their answers.
fn begin_loops(host: &Host, name: &str) -> Vec<RawConnection> {
    let begin = |number: usize| {
        let mut connection = RawConnection::open(host.address());
        let head = format!(
            "POST /v1/{name}/rogue/thing/l-{number}/loop HTTP/1.1\r\nhost: 127.0.0.1\r\n\
             content-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}"
        );
        assert!(connection.send(head.as_bytes()));
        connection
    };
    (0..20).map(begin).collect()
}

/// The neighbour reads its own write within this time.
fn neighbour_goes_on(client: &Client, turn: u64, timeout_ms: u64) {
    let began = Instant::now();
    let ack = client.post("/v1/main/rogue/thing/n-1/do", "{}").json(200);
    assert_eq!(ack["sequence"], turn);
    assert!(began.elapsed() < ACT_MAX, "turn {turn}: {:?}", began.elapsed());
    let path = format!("/v1/main/rogue/views/board/n-1?after={}&timeout_ms={timeout_ms}", ack["position"]);
    assert_eq!(client.get(&path).json(200)["document"]["seen"], turn);
}

#[test]
fn a_real_host_removes_hostile_tenants_and_ends_in_time() {
    let _alone = polder_tests::heavy();
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start(&folder.path().join("data"));
    let client = host.client();
    client.put("/v1/main/domains/rogue", good("rogue")).json(200);
    for name in ["first", "second"] {
        add_hostile(&client, name);
    }
    let _unanswered = [begin_loops(&host, "first"), begin_loops(&host, "second")];
    (1..=10).for_each(|turn| neighbour_goes_on(&client, turn, READ_MS_MAX));

    let began = Instant::now();
    let removal = std::thread::scope(|scope| {
        let removing = scope.spawn(|| host.client().request("DELETE", "/v1/tenants/first?confirm=first").send());
        let act = Instant::now();
        client.put("/v1/tenants/third", "").json(201);
        assert!(act.elapsed() < ACT_MAX, "another act took {:?}", act.elapsed());
        removing.join().unwrap()
    });
    removal.json(200);
    assert!(began.elapsed() < REMOVAL_MAX, "the removal took {:?}", began.elapsed());
    neighbour_goes_on(&client, 11, READ_MS_MAX);

    let began = Instant::now();
    host.stop();
    assert!(began.elapsed() < END_MAX, "the end took {:?}", began.elapsed());
    // Nothing has to be repaired, and the hostile tenant that is left does not delay the start.
    let host = Host::start(&folder.path().join("data"));
    neighbour_goes_on(&host.client(), 12, FIRST_READ_MS_MAX);
    host.client().get("/v1/first/events").problem(404, "unknown-tenant");
}
