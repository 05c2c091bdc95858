//! SIGTERM ends a host in time, whatever its clients and its guests do meanwhile, and nothing has to be repaired.

use std::time::{Duration, Instant};

use polder_tests::{Client, RawConnection};

use super::site::{Site, WAIT_MAX, map};
use crate::hostile::guests::{bomb, good, with_parasite};

/// `END_WAIT_MAX` of `polder serve`, and what the process needs beside it.
const END_MAX: Duration = Duration::from_secs(10);
const STRAIGHT: (&str, &str) = ("Polder-Result", "reply");
const QUERY: &str = "main.query.orders.order-summary";

/// Sends a request that is never answered in time.
fn begin(site: &Site, head: &str, body: &[u8]) -> RawConnection {
    let mut connection = RawConnection::open(site.host().address());
    let head = format!("{head} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {}\r\n", body.len());
    assert!(connection.send(head.as_bytes()));
    connection
}

fn has_compiler(client: &Client) -> bool {
    let metrics = client.get("/metrics");
    let of = |line: &str| line.strip_prefix("polder_memory_bytes{purpose=\"compilers\"} ").map(str::to_owned);
    metrics.text().lines().find_map(of).expect("a metric") != "0"
}

#[test]
fn a_host_ends_in_time_whatever_its_clients_and_guests_do() {
    let mut site = Site::open_shop();
    let client = site.host().client();
    site.order("o-1", "draft-order", r#"{"customer": "ann"}"#);
    client.deploy("saboteur");
    client.put("/v1/main/domains/rogue", good("rogue")).json(200);
    for number in 0..8 {
        client.post(&format!("/v1/main/saboteur/machine/m-{number}/rush"), "{}").json(200);
    }
    // A client has read a part of its answer, which is larger than all buffers.
    let mut half_read = begin(&site, "GET /v1/main/events", b"");
    assert!(half_read.send(b"\r\n") && half_read.has_begun_an_answer(WAIT_MAX));
    // A query over NATS waits for a position that never comes. It has arrived when a later one is answered.
    let payload = r#"{"after": 1000000, "timeout_ms": 60000}"#;
    site.runtime.block_on(async {
        let inbox = site.client.new_inbox();
        site.client.publish_with_reply_and_headers(QUERY, inbox, map(&[STRAIGHT]), payload.into()).await.unwrap();
    });
    site.request(QUERY, &[STRAIGHT], r#"{"key": "o-1"}"#);
    // Commands loop, and a deployment compiles for longer than the end may take.
    let loops = (0..4).map(|number| {
        let head = format!("POST /v1/main/rogue/thing/l-{number}/loop");
        let mut command = begin(&site, &head, b"{}");
        assert!(command.send(b"content-type: application/json\r\n\r\n{}"));
        command
    });
    let _loops: Vec<_> = loops.collect();
    let component = with_parasite(&bomb(90, 200, 1_000));
    let mut deployment = begin(&site, "PUT /v1/main/domains", &component);
    assert!(deployment.send(b"content-type: application/wasm\r\n\r\n") && deployment.send(&component));
    let began = Instant::now();
    while !has_compiler(&client) {
        assert!(began.elapsed() < WAIT_MAX, "nothing is compiled");
    }
    let began = Instant::now();
    let log = site.stop_host();
    assert!(began.elapsed() < END_MAX, "the end took {:?}: {log}", began.elapsed());
    // The journal was closed in its own time.
    assert!(!log.contains("a step of the end") && !log.contains("not closed cleanly"), "{log}");
    site.start_host();
    site.host().client().get("/v1/main/orders/order/o-1").json(200);
}
