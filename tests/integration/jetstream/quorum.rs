//! Servers that have lost their majority, and a server that is cut off from the others while the hosts reach all three.

use std::time::{Duration, Instant};

use polder_tests::{Client, NatsOptions, NatsServer};

use super::hosts::{FAILOVER_MAX, Hosts, may_come_again};

/// The documentation promises two seconds; a busy machine may need more.
const ANSWERED_MAX: Duration = Duration::from_secs(3);
/// Elections of the servers add to the time that hosts need.
const RESUMED_MAX: Duration = Duration::from_secs(30);

fn light(client: &Client, lamp: u32) -> u16 {
    let path = format!("/v1/main/lamps/lamp/l-{lamp}/light-lamp");
    client.request("POST", &path).header("idempotency-key", &format!("c-{lamp}")).body("{}").send().status
}

#[test]
fn without_a_majority_requests_are_refused_at_once_and_go_on_when_it_is_back() {
    let mut servers = NatsServer::start_cluster(3, &NatsOptions::default());
    let hosts = Hosts::start(2, &servers);
    let owner = hosts.owner();
    hosts.client(owner).deploy("lamps");
    assert_eq!(light(&hosts.client(owner), 0), 200);
    servers[0].kill();
    servers[1].kill();
    for round in 1..=3 {
        for number in [owner, 1 - owner] {
            let start = Instant::now();
            let status = light(&hosts.client(number), round);
            assert!(may_come_again(status), "{status}");
            assert!(start.elapsed() < ANSWERED_MAX, "round {round}, host {number}: {:?}", start.elapsed());
        }
    }
    assert_eq!(hosts.client(owner).get("/readyz").status, 503);
    // The other host notices it by a lease that its running owner does not renew.
    let start = Instant::now();
    while hosts.client(1 - owner).get("/readyz").status != 503 {
        assert!(start.elapsed() < FAILOVER_MAX, "{}", hosts.host(1 - owner).log());
        std::thread::sleep(Duration::from_millis(100));
    }
    servers[0].start_again();
    let start = Instant::now();
    for number in [owner, 1 - owner] {
        while may_come_again(light(&hosts.client(number), 1)) {
            assert!(start.elapsed() < RESUMED_MAX, "{}", hosts.host(number).log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    let events = hosts.client(owner).get("/v1/main/events").lines();
    let recorded = events.iter().filter(|event| event["command_id"] == "c-1").count();
    assert_eq!(recorded, 1, "{events:?}");
}

#[test]
fn what_is_normal_is_no_error() {
    let server = NatsServer::start_with(NatsOptions::default());
    let mut hosts = Hosts::start(2, std::slice::from_ref(&server));
    let owner = hosts.owner();
    hosts.client(owner).deploy("lamps");
    hosts.host(owner).freeze();
    let start = Instant::now();
    while may_come_again(light(&hosts.client(1 - owner), 1)) {
        assert!(start.elapsed() < FAILOVER_MAX * 2, "{}", hosts.host(1 - owner).log());
    }
    hosts.host(owner).thaw();
    // The owner notices it with its next frame.
    while may_come_again(light(&hosts.client(owner), 2)) {
        assert!(start.elapsed() < FAILOVER_MAX * 3, "{}", hosts.host(owner).log());
    }
    for host in hosts.hosts.iter_mut() {
        let log = host.take().unwrap().stop();
        assert!(!log.contains("ERROR") && !log.contains("until the host is started again"), "{log}");
        assert!(!log.contains("stream rm"), "{log}");
    }
}

#[test]
fn a_request_is_not_stored_for_the_owner_before_its_caller_is_authenticated() {
    let server = NatsServer::start_with(NatsOptions::default());
    let hosts = Hosts::start(2, std::slice::from_ref(&server));
    let owner = hosts.owner();
    let url = hosts.host(1 - owner).address().to_owned();
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    let proof = hosts.data(1 - owner).join("first-key-proof");
    let (key, proof) = (key.to_str().unwrap(), proof.to_str().unwrap());
    let arguments = ["token", "key", "new", "--host", &url, "--out", key, "--first-key-proof", proof];
    let made = polder_tests::polder(&arguments);
    made.good();
    let start = Instant::now();
    // The other host reads the key from the journal.
    while hosts.client(1 - owner).get("/v1/tenants").status != 401 {
        assert!(start.elapsed() < FAILOVER_MAX);
    }
    let large = vec![0; 6 * 1024 * 1024];
    hosts.client(1 - owner).put("/v1/main/domains/orders", large).problem(401, "not-authenticated");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let context = async_nats::jetstream::new(async_nats::connect(server.url()).await.unwrap());
        let parcels = context.get_stream("OBJ_polder-1-parcels").await.unwrap();
        let info = parcels.cached_info();
        assert_eq!(info.state.last_sequence, 0, "a request of a caller without permission was stored");
        // The remains of a disconnected client expire by themselves.
        assert_eq!(info.config.max_age, Duration::from_secs(900));
    });
}
