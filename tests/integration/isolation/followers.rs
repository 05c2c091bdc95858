//! Many clients that request a long history and never read it: memory and threads of the host stay bounded, and others
//! are served.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use polder_tests::{Client, Host};

const READS: &str = "polder_memory_bytes{purpose=\"reads\"}";
const FOLLOWERS: u64 = 40;
/// A thousand events each: about 2.5 MB of answer, more than the system's own buffers hold for a connection.
const RUSHES: u64 = 8;
/// What the host may hold for one follower that reads nothing: two pages ahead, one that is being read, and the texts.
const FOLLOWER_BYTES_MAX: u64 = 2 * 1024 * 1024;
/// Threads that the runtime may start beside. Far fewer than one for each follower.
const MORE_THREADS_MAX: u64 = 16;
/// Shorter than the time after which the host closes a connection whose client reads nothing: then there would be
/// nothing left to measure.
const SETTLED_WAIT_MAX: Duration = Duration::from_secs(25);

/// The memory that answers hold, and the threads of the process, are counted. Resident memory is not: the allocator
/// keeps what was freed.
#[test]
fn followers_that_never_read_cost_bounded_memory_and_threads() {
    let _alone = polder_tests::heavy();
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start(&folder.path().join("data"));
    let client = host.client();
    client.deploy("saboteur");
    for _ in 0..RUSHES {
        client.post("/v1/main/saboteur/machine/m-1/rush", "{}").json(200);
    }
    assert_eq!(client.get("/v1/main/events?after=7900").lines().len(), 100);
    let threads_before = threads(&host);
    let followers: Vec<_> = (0..FOLLOWERS).map(|_| follow(&host)).collect();
    // Each gets its first pages; from then on its memory does not grow.
    let (begin, mut last) = (Instant::now(), 0);
    let held = loop {
        let (reads, held) = (metric(&client, "polder_reads"), metric(&client, READS));
        assert!(held < FOLLOWERS * FOLLOWER_BYTES_MAX, "{held} bytes for readers that take nothing");
        if reads == 0 && held == last && held > 0 {
            break held;
        }
        assert!(begin.elapsed() < SETTLED_WAIT_MAX, "{reads} reads go on, {held} bytes are held");
        last = held;
        std::thread::sleep(Duration::from_millis(100));
    };
    let more_threads = threads(&host).saturating_sub(threads_before);
    assert!(more_threads < MORE_THREADS_MAX, "{more_threads} more threads, {held} bytes held");
    // Another client reads everything, and a command is accepted.
    client.post("/v1/main/saboteur/machine/m-2/turn", "{}").json(200);
    assert_eq!(client.get("/v1/main/events?after=7900").lines().len(), 101);
    drop(followers);
    let begin = Instant::now();
    while metric(&client, READS) > 0 {
        assert!(begin.elapsed() < SETTLED_WAIT_MAX, "{} bytes are not given back", metric(&client, READS));
        std::thread::sleep(Duration::from_millis(50));
    }
    host.stop();
}

fn follow(host: &Host) -> TcpStream {
    let address = host.address().strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("GET /v1/main/events?follow=true HTTP/1.1\r\nhost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

fn metric(client: &Client, name: &str) -> u64 {
    let lines = client.get("/metrics");
    let text = lines.text();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("there is no {name} in\n{text}")).parse().unwrap()
}

fn threads(host: &Host) -> u64 {
    let status = host.process_status();
    let line = status.lines().find_map(|line| line.strip_prefix("Threads:")).expect("Linux counts threads");
    line.trim().parse().unwrap()
}

/// A search without matches reads the whole history, page by page, with low priority.
#[test]
fn a_search_that_finds_nothing_goes_on_on_the_slow_lane() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start(&folder.path().join("data"));
    let client = host.client();
    client.deploy("saboteur");
    for _ in 0..10 {
        client.post("/v1/main/saboteur/machine/m-1/rush", "{}").json(200);
    }
    assert_eq!(client.get("/v1/main/events").lines().len(), 10_000);
    assert_eq!(metric(&client, "polder_slow_reads_total"), 0, "what is found is read at once");
    assert_eq!(client.get("/v1/main/events?correlation_id=none").lines().len(), 0);
    assert!(metric(&client, "polder_slow_reads_total") > 0);
    host.stop();
}
