//! Connections are bounded, below the number that the process may open; silent connections never lock others out.

use std::time::{Duration, Instant};

use polder_tests::{Client, Host, RawConnection};
use serde_json::json;

const DRAFT: &str = r#"{"customer":"c-1"}"#;
/// The longest wait for a command beside a thousand silent connections, also on a busy machine.
const COMMAND_WAIT_MAX: Duration = Duration::from_secs(5);

#[test]
fn silent_connections_take_no_descriptor_that_others_need() {
    polder_server::raise_descriptors();
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start_with_descriptors(&folder.path().join("data"), 1_024, 1_024);
    let kept = host.client();
    kept.deploy("orders");
    let send = |client: &Client, id: String| {
        let begin = Instant::now();
        client.post(&format!("/v1/main/orders/order/{id}/draft-order"), DRAFT).json(200);
        assert!(begin.elapsed() < COMMAND_WAIT_MAX, "{id}: {:?}", begin.elapsed());
    };
    let mut silent = Vec::new();
    for number in 0..1_000 {
        let mut connection = RawConnection::open(host.address());
        connection.send(b"GET /v1/main/events HTTP/1.1\r\nhost: ");
        silent.push(connection);
        if number % 50 == 0 {
            send(&kept, format!("kept-{number}"));
            send(&host.client(), format!("new-{number}"));
        }
    }
    let metrics = kept.get("/metrics");
    let metric = |name: &str| {
        let line = metrics.text().lines().find(|line| line.starts_with(&format!("{name} "))).expect("a metric");
        line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()
    };
    assert_eq!(metric("polder_connections_max"), 512);
    assert!(metric("polder_connections") <= 512 && metric("polder_connections_evicted_total") >= 500);
    // Beside all of them the host opens files: those of new tenants and of a view.
    for tenant in ["a", "b", "c"] {
        kept.put(&format!("/v1/tenants/{tenant}"), "").json(201);
    }
    kept.get("/v1/main/orders/views/order-summary/new-0?after=2&timeout_ms=60000").json(200);
    drop(silent);
    send(&host.client(), "after".to_owned());
    kept.get("/readyz").json(200);
    assert!(!host.log().contains("cannot accept"), "{}", host.log());
    assert!(host.stop().contains("connections_max=512"), "the bounds are said at start");
}

#[test]
fn the_limit_of_open_files_is_raised_at_start() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start_with_descriptors(&folder.path().join("data"), 256, 4_096);
    let log = host.log();
    assert!(log.contains("descriptors_max=4096") && log.contains("connections_max=2048"), "{log}");
}

/// Served connections keep their places, and a refused connection gets an answer.
#[test]
fn followers_keep_their_places() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start_with_descriptors(&folder.path().join("data"), 80, 80);
    let client = host.client();
    client.get("/readyz").json(200);
    // 40 connections, 30 of them from one address; this client has one of the 30, which is idle.
    let follow = b"GET /v1/main/events?follow=true HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: text/event-stream\r\n\r\n";
    let mut followers: Vec<_> = (0..30).map(|_| RawConnection::open(host.address())).collect();
    for connection in &mut followers {
        assert!(connection.send(follow) && connection.has_begun_an_answer(Duration::from_secs(10)), "it is served");
    }
    let begin = Instant::now();
    let refused = loop {
        let mut more = RawConnection::open(host.address());
        more.send(b"GET /readyz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n");
        let answer = more.answer(Duration::from_secs(10)).unwrap_or_default();
        if !answer.starts_with("HTTP/1.1 200 ") {
            break answer;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "all are let in");
    };
    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("retry-after: 1"), "{refused}");
    followers.truncate(20);
    let begin = Instant::now();
    while client.request("GET", "/readyz").try_send().map(|answer| answer.status).ok() != Some(200) {
        assert!(begin.elapsed() < Duration::from_secs(10), "places are given back");
    }
    client.deploy("orders");
    client.post("/v1/main/orders/order/o-1/draft-order", json!({ "customer": "c-1" }).to_string()).json(200);
}
