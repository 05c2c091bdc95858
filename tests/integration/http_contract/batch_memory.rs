//! Batches reserve the memory of their lines and answers. A batch that finds none is refused as a whole, and one whose
//! lines are large has few of them in flight.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use polder_tests::{Answer, Client, Host, RawConnection};
use serde_json::{Value, json};

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
    let folder = tempfile::tempdir().unwrap();
    let bytes_max = MEMORY_BYTES_MAX.to_string();
    let host = Host::start_with(&folder.path().join("data"), &["--memory-bytes-max", &bytes_max]);
    let (client, mut open) = (host.client(), Vec::new());
    client.deploy("orders");
    let refused = loop {
        let mut connection = begin(&host);
        let text = connection.begun(ANSWER_WAIT_MAX);
        if !text.starts_with("HTTP/1.1 200 ") {
            break text;
        }
        open.push(connection);
        assert!(open.len() <= BODIES_BYTES_MAX / BATCH_BYTES, "{} batches have memory", open.len());
    };
    assert!(open.len() > BODIES_BYTES_MAX / BATCH_BYTES * 9 / 10, "{} batches", open.len());
    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("host-busy"), "{refused}");
    assert!(refused.contains("retry-after: ") && refused.contains("memory_bytes_max"), "{refused}");
    // Each of the batches has had its line decided, all with the same id, and the refused one did nothing.
    assert_eq!(client.position(), 1);
    let held = held(&client);
    assert!((BODIES_BYTES_MAX * 9 / 10..=BODIES_BYTES_MAX).contains(&held), "{held} bytes");
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
    const LINES: usize = 60;
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start(&folder.path().join("data"));
    let client = host.client();
    client.put("/v1/main/domains/rogue", good("rogue")).json(200);
    let mut stream = TcpStream::connect(host.address().trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(ANSWER_WAIT_MAX)).unwrap();
    let answers = BufReader::new(stream.try_clone().unwrap());
    let writing = thread::spawn(move || {
        let head = "POST /v1/main/commands HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/x-ndjson\r\n\
                    transfer-encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        let lines = (0..LINES).map(slow_line);
        // The host stops reading, and finally closes the connection.
        lines.map(|line| write!(stream, "{:x}\r\n{line}\r\n", line.len())).take_while(Result::is_ok).count()
    });
    let began = Instant::now();
    while client.get("/metrics").text().contains("\npolder_slow_lane_commands_total 0\n") {
        assert!(began.elapsed() < ANSWER_WAIT_MAX, "no command runs");
        thread::sleep(Duration::from_millis(20));
    }
    // The end of the host ends the batch, and says how many lines it took.
    let stopping = thread::spawn(move || host.stop());
    let lines = answers.lines().map(|line| line.expect("the answer does not break off"));
    let mut decided = 0;
    let end = lines.filter(|line| line.starts_with('{')).map(|line| serde_json::from_str::<Value>(&line).unwrap());
    let end = end.inspect(|line| decided += usize::from(line["type"] == "urn:polder:problem:guest-fault"));
    let end = end.skip_while(|line| line["lines_taken"].is_null()).next().expect("an end");
    let in_flight_max = LINE_BYTES_IN_FLIGHT_MAX.div_ceil(slow_line(0).len());
    let taken = end["lines_taken"].as_u64().unwrap() as usize;
    assert!((1..=in_flight_max + decided).contains(&taken), "{taken} lines were taken, {decided} decided");
    stopping.join().unwrap();
    assert!(writing.join().unwrap() <= LINES);
}
