//! Batches reserve the memory of their lines and answers. A batch that finds none is refused as a whole, and one whose
//! lines are large has few of them in flight.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use polder_tests::{Answer, Client, Host, RawConnection};
use serde_json::json;

use super::batch::draft;
use crate::hostile::guests::good;

const MIB: usize = 1024 * 1024;
/// The least that a host may have.
const MEMORY_BYTES_MAX: usize = 512 * MIB;
/// The part of it that bodies of requests may have.
const BODIES_BYTES_MAX: usize = MEMORY_BYTES_MAX / 2;
/// Lines and answers of a batch whose size is not known.
const BATCH_BYTES: usize = 5 * MIB;
/// Lines of one batch that are in flight, in bytes.
const LINE_BYTES_IN_FLIGHT_MAX: usize = 4 * MIB;
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(20);

/// Begins a batch whose end never comes.
fn begin(host: &Host) -> RawConnection {
    let (line, mut connection) = (draft(1), RawConnection::open(host.address()));
    let head = "POST /v1/main/commands HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/x-ndjson\r\n\
                transfer-encoding: chunked\r\n\r\n";
    connection.send(format!("{head}{:x}\r\n{line}\r\n", line.len()).as_bytes());
    connection
}

fn send(client: &Client) -> Answer {
    client.request("POST", "/v1/main/commands").header("content-type", "application/x-ndjson").body(draft(2)).send()
}

/// The memory that bodies of requests hold, in bytes, by the host's own account.
fn held(client: &Client) -> usize {
    let metrics = client.get("/metrics");
    let of = |line: &str| line.strip_prefix("polder_memory_bytes{purpose=\"request-bodies\"} ").map(str::to_owned);
    metrics.text().lines().find_map(of).expect("a metric").parse().expect("a number")
}

/// A batch that finds no memory is refused as a whole. The rest of the memory is left to other requests.
#[test]
fn half_sent_batches_take_half_of_the_memory_and_leave_the_rest() {
    let _alone = polder_tests::heavy();
    let folder = tempfile::tempdir().unwrap();
    let bytes_max = MEMORY_BYTES_MAX.to_string();
    let host = Host::start_with(&folder.path().join("data"), &["--memory-bytes-max", &bytes_max]);
    let (client, mut open) = (host.client(), Vec::new());
    client.deploy("orders");
    // All begin at once, so that none of them meets its own limit of time before the last one has begun.
    let begun: Vec<_> = (0..BODIES_BYTES_MAX / BATCH_BYTES + 5).map(|_| begin(&host)).collect();
    let began = Instant::now();
    let held = loop {
        let held = held(&client);
        if held >= BODIES_BYTES_MAX * 9 / 10 {
            break held;
        }
        assert!(began.elapsed() < ANSWER_WAIT_MAX, "{held} bytes");
    };
    assert!(held <= BODIES_BYTES_MAX, "{held} bytes");
    let mut refused = String::new();
    for mut connection in begun {
        match connection.begun(ANSWER_WAIT_MAX) {
            text if text.starts_with("HTTP/1.1 200 ") => open.push(connection),
            text => refused = text,
        }
    }
    let open_max = BODIES_BYTES_MAX / BATCH_BYTES;
    assert!((open_max * 9 / 10..=open_max).contains(&open.len()), "{} batches have memory", open.len());
    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("host-busy"), "{refused}");
    assert!(refused.contains("retry-after: ") && refused.contains("memory_bytes_max"), "{refused}");
    // Each of the batches has had its line decided, all with the same id, and the refused one did nothing.
    assert_eq!(client.position(), 1);
    // Commands, states and new connections are served from the rest.
    client.post("/v1/main/orders/order/o-3/draft-order", json!({ "customer": "ann" }).to_string()).json(200);
    client.get("/v1/main/orders/order/o-3").json(200);
    let mut new = RawConnection::open(host.address());
    assert!(new.send(b"GET /readyz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"));
    assert!(new.begun(ANSWER_WAIT_MAX).starts_with("HTTP/1.1 200 "));
    drop(open);
    let began = Instant::now();
    while send(&client).status != 200 {
        assert!(began.elapsed() < ANSWER_WAIT_MAX, "the memory is not given back");
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(client.position(), 3);
}

/// The payload of each command is almost as large as it may be, and each command takes a second.
fn slow_line(number: usize) -> String {
    let payload = "x".repeat(250_000);
    let id = format!("c-{number}");
    json!({ "address": "rogue/thing/l-1/loop", "command_id": id, "payload": payload }).to_string() + "\n"
}

#[test]
fn a_bounded_number_of_bytes_is_in_flight() {
    let _alone = polder_tests::heavy();
    const LINES: usize = 400;
    /// More than the buffers of both ends of a connection hold together.
    const BUFFERS_BYTES_MAX: usize = 32 * 1024 * 1024;
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start(&folder.path().join("data"));
    host.client().put("/v1/main/domains/rogue", good("rogue")).json(200);
    let mut stream = TcpStream::connect(host.address().trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(ANSWER_WAIT_MAX)).unwrap();
    let mut answers = BufReader::new(stream.try_clone().unwrap()).lines();
    let sent = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&sent);
    let writing = thread::spawn(move || {
        let head = "POST /v1/main/commands HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/x-ndjson\r\n\
                    transfer-encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        // The host stops reading, and finally closes the connection.
        for line in (0..LINES).map(slow_line) {
            if write!(stream, "{:x}\r\n{line}\r\n", line.len()).is_err() {
                return;
            }
            counting.fetch_add(1, Ordering::SeqCst);
        }
    });
    // When the first line is decided, the client has sent whatever it could.
    let decided = answers.find(|line| line.as_ref().is_ok_and(|line| line.contains("guest-fault")));
    assert!(decided.is_some(), "no line was decided");
    let sent_max = (LINE_BYTES_IN_FLIGHT_MAX + BUFFERS_BYTES_MAX) / slow_line(0).len() + 1;
    let sent = sent.load(Ordering::SeqCst);
    assert!(sent > 1 && sent < sent_max && sent < LINES, "{sent} lines were sent; at most {sent_max} have room");
    host.stop();
    writing.join().unwrap();
}
