//! Batches reserve the memory of their lines and answers. A batch that finds none is refused as a whole.

use std::thread;
use std::time::{Duration, Instant};

use polder_tests::{Answer, Client, Host, RawConnection};

use super::batch::draft;

const MIB: usize = 1024 * 1024;
/// The least that a host may have.
const MEMORY_BYTES_MAX: usize = 512 * MIB;
/// Lines and answers of a batch whose size is not known.
const BATCH_BYTES: usize = 5 * MIB;
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

#[test]
fn a_batch_that_finds_no_memory_is_refused_as_a_whole() {
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
        assert!(open.len() <= MEMORY_BYTES_MAX / BATCH_BYTES, "{} batches have memory", open.len());
    };
    assert!(open.len() > MEMORY_BYTES_MAX / BATCH_BYTES * 9 / 10, "{} batches", open.len());
    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("host-busy"), "{refused}");
    assert!(refused.contains("retry-after: ") && refused.contains("memory_bytes_max"), "{refused}");
    // Each of the batches has had its line decided, all with the same id, and the refused one did nothing.
    assert_eq!(client.position(), 1);
    drop(open);
    let began = Instant::now();
    while send(&client).status != 200 {
        assert!(began.elapsed() < ANSWER_WAIT_MAX, "the memory is not given back");
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(client.position(), 2);
}
