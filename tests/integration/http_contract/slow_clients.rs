//! Clients that do not read, or that send half a request, cost the host a bounded amount of memory for a bounded time.

use std::time::{Duration, Instant};

use polder_tests::{Host, RawConnection};
use serde_json::json;
use tempfile::TempDir;

const MIB: u64 = 1024 * 1024;
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(60);
const FEED: &str = "GET /v1/main/events HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n";

/// A host with a history that is larger than 10 MB in its answers.
fn with_history() -> (TempDir, Host, usize) {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start(&folder.path().join("data"));
    let client = host.client();
    client.deploy("saboteur");
    for number in 0..40 {
        client.post(&format!("/v1/main/saboteur/machine/m-{number}/rush"), "{}").json(200);
    }
    let bytes = client.get("/v1/main/events").text().len();
    assert!(bytes as u64 > 10 * MIB, "{bytes}");
    (folder, host, bytes)
}

/// Waits until the host reads nothing more for its clients. Returns the most memory that it had until then, in bytes.
fn once_nothing_moves(host: &Host) -> u64 {
    let (client, begin) = (host.client(), Instant::now());
    let (mut most, mut last, mut same) = (0, Vec::new(), 0);
    while same < 3 {
        assert!(begin.elapsed() < ANSWER_WAIT_MAX, "the host still reads for clients that do not read: {last:?}");
        most = most.max(host.resident_bytes());
        std::thread::sleep(Duration::from_millis(100));
        let metrics = client.get("/metrics");
        let value = |name: &str| {
            let line = metrics.text().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.expect("a metric").parse::<u64>().expect("a number")
        };
        let now = vec![value("polder_reads"), value("polder_memory_bytes{purpose=\"reads\"}")];
        same = if now == last && now[0] == 0 && now[1] > 0 { same + 1 } else { 0 };
        last = now;
    }
    most
}

#[test]
fn clients_that_do_not_read_are_not_answered_ahead() {
    let (_folder, host, bytes) = with_history();
    let before = host.resident_bytes();
    // One packet with many requests, and many connections with one request each. All answers together would take a
    // gigabyte.
    let mut pipelined = RawConnection::open(host.address());
    assert!(pipelined.send(FEED.repeat(40).as_bytes()));
    let mut unread: Vec<_> = (0..60).map(|_| RawConnection::open(host.address())).collect();
    unread.iter_mut().for_each(|connection| assert!(connection.send(FEED.as_bytes())));
    let most = once_nothing_moves(&host).saturating_sub(before);
    assert!(most < 150 * MIB, "{} MiB", most / MIB);
    // Once they read, they get everything. Both read at the same time, because a client that still does not read is
    // closed after a while.
    let mut one = unread.swap_remove(0);
    drop(unread);
    std::thread::scope(|scope| {
        scope.spawn(move || assert!(one.answer(ANSWER_WAIT_MAX).expect("an answer").len() > bytes));
        for number in 0..10 {
            let answer = pipelined.answer(ANSWER_WAIT_MAX).expect("an answer");
            assert!(answer.len() > bytes, "{number}: {} of {bytes}", answer.len());
        }
    });
}

/// Each ends in time: a head within ten seconds, a body too, and the client gets an answer with the reason if there is
/// one.
#[test]
fn half_sent_requests_end() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start(&folder.path().join("data"));
    host.client().deploy("orders");
    let mut head = RawConnection::open(host.address());
    head.send(b"GET /readyz HTTP/1.1\r\nhost: 127");
    let sent = |path: &str, method: &str, content_type: &str| {
        let mut body = RawConnection::open(host.address());
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: {content_type}\r\ncontent-length: 50000\r\n\r\n{{"
        );
        body.send(head.as_bytes());
        body
    };
    let bodies = [
        sent("/v1/main/orders/order/o-1/draft-order", "POST", "application/json"),
        sent("/v1/main/domains/orders", "PUT", "application/wasm"),
        sent("/v1/main/bridge", "PUT", "application/json"),
    ];
    let unread = sent("/nowhere", "POST", "application/json");
    assert!(head.is_closed_within(Duration::from_secs(20)));
    for mut body in bodies {
        let answer = body.answer(Duration::from_secs(20)).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("too-slow"), "{answer}");
        assert!(body.is_closed_within(Duration::from_secs(10)));
    }
    // The host waits no longer for a body that it does not need.
    let mut unread = unread;
    assert!(unread.answer(Duration::from_secs(20)).expect("an answer").starts_with("HTTP/1.1 404 "));
    assert!(unread.is_closed_within(Duration::from_secs(10)));
    host.client().post("/v1/main/orders/order/o-1/draft-order", json!({ "customer": "c-1" }).to_string()).json(200);
}

/// A request that never ends does not delay the end of the host: it is cut off before its own time is up.
#[test]
fn a_half_sent_request_delays_the_end_only_for_a_while() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start(&folder.path().join("data"));
    host.client().deploy("orders");
    let mut half = RawConnection::open(host.address());
    // At the least rate that the host accepts, this body may take a minute.
    let head = "PUT /v1/main/domains/orders HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/wasm\r\n\
                content-length: 4000000\r\n\r\n";
    assert!(half.send(head.as_bytes()) && half.send(&[0; 1000]));
    // The host has taken the request when it has answered a later one.
    host.client().get("/readyz").json(200);
    let begin = Instant::now();
    host.stop();
    assert!(begin.elapsed() < Duration::from_secs(9), "{:?}", begin.elapsed());
    assert!(half.is_closed_within(Duration::from_secs(5)));
}
