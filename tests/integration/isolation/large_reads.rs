//! Readers of large states and documents, and filters that match nothing: the memory that answers hold stays within the
//! host's, a neighbour goes on, and all of the memory is given back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use polder_tests::{Client, Host};
use tempfile::TempDir;

use crate::hostile::guests::good;

const MIB: u64 = 1024 * 1024;
/// The least that a host may have.
const MEMORY_BYTES_MAX: u64 = 512 * MIB;
const READS: &str = "polder_memory_bytes{purpose=\"reads\"}";
/// A command of the neighbour beside all readers, on a busy machine.
const COMMAND_MAX: Duration = Duration::from_secs(5);
const WAIT_MAX: Duration = Duration::from_secs(60);
const READERS: u64 = 8;

fn open() -> (TempDir, Host) {
    let folder = tempfile::tempdir().unwrap();
    let bytes_max = MEMORY_BYTES_MAX.to_string();
    let host = Host::start_with(&folder.path().join("data"), &["--memory-bytes-max", &bytes_max]);
    let client = host.client();
    client.put("/v1/tenants/neighbour", "").json(201);
    for tenant in ["main", "neighbour"] {
        client.put(&format!("/v1/{tenant}/domains/rogue"), good("rogue")).json(200);
    }
    (folder, host)
}

fn metric(client: &Client, name: &str) -> u64 {
    let metrics = client.get("/metrics");
    let line = metrics.text().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("there is no {name} in\n{}", metrics.text())).parse().unwrap()
}

/// Runs `read` for each reader at the same time. Meanwhile the neighbour sends commands. Returns the most memory that
/// answers held, in bytes.
fn beside(host: &Host, read: impl Fn(&Client, u64) + Sync) -> u64 {
    let (is_over, client) = (AtomicBool::new(false), host.client());
    let most = thread::scope(|scope| {
        let neighbour = scope.spawn(|| {
            let (client, mut most) = (host.client(), 0);
            while !is_over.load(Ordering::Relaxed) {
                let began = Instant::now();
                client.post("/v1/neighbour/rogue/thing/n-1/do", "{}").json(200);
                assert!(began.elapsed() < COMMAND_MAX, "{:?}", began.elapsed());
                most = most.max(metric(&client, READS));
            }
            most
        });
        let (read, readers) = (&read, (0..READERS));
        let readers: Vec<_> = readers.map(|reader| scope.spawn(move || read(&host.client(), reader))).collect();
        let ended: Vec<_> = readers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        is_over.store(true, Ordering::Relaxed);
        let most = neighbour.join().unwrap();
        ended.into_iter().for_each(|reader| reader.unwrap());
        most
    });
    let began = Instant::now();
    while metric(&client, READS) > 0 {
        assert!(began.elapsed() < WAIT_MAX, "the memory of the answers is not given back");
        thread::sleep(Duration::from_millis(20));
    }
    most
}

#[test]
fn states_of_fifteen_megabytes_stay_within_the_hosts_memory() {
    let _alone = polder_tests::heavy();
    let (_folder, host) = open();
    host.client().post("/v1/main/rogue/thing/inspect-wide/do", "{}").json(200);
    let most = beside(&host, |client, _| {
        let began = Instant::now();
        loop {
            let answer = client.get("/v1/main/rogue/thing/inspect-wide");
            if answer.status == 200 {
                assert!(answer.text().len() as u64 > 15 * MIB);
                return;
            }
            let problem = answer.problem(503, "host-busy");
            assert_eq!(problem["limit_name"], "memory_bytes_max");
            assert!(answer.header("retry-after").is_some() && began.elapsed() < WAIT_MAX, "{problem}");
            thread::sleep(Duration::from_millis(50));
        }
    });
    assert!((15 * MIB..MEMORY_BYTES_MAX).contains(&most), "{most}");
}

/// Eight documents of 1.5 MB: a page has two of them.
#[test]
fn pages_of_large_documents_and_filters_that_match_nothing_stay_within_bounds() {
    let _alone = polder_tests::heavy();
    const DOCUMENTS: u64 = 8;
    const FILTERS_PER_READER: u64 = 25;
    let (_folder, host) = open();
    let client = host.client();
    let mut last = 0;
    for number in 0..DOCUMENTS {
        let ack = client.post(&format!("/v1/main/rogue/thing/wide-{number}/do"), "{}").json(200);
        last = ack["position"].as_u64().unwrap();
    }
    let view = format!("/v1/main/rogue/views/board?after={last}&timeout_ms=60000");
    client.get(&view).json(200);
    let most = beside(&host, |client, reader| {
        let mut offset = 0;
        while offset < DOCUMENTS {
            let page = client.get(&format!("{view}&offset={offset}&limit=1000")).json(200);
            assert_eq!(page["documents"].as_array().unwrap().len(), 2);
            offset = page["next_offset"].as_u64().unwrap_or(DOCUMENTS);
        }
        for filter in 0..FILTERS_PER_READER {
            let page = client.get(&format!("{view}&where=seen:{}", 1_000 + reader * FILTERS_PER_READER + filter));
            assert_eq!(page.json(200)["documents"].as_array().unwrap().len(), 0);
        }
    });
    // A page and its text, for each reader, and for each reader that has just been answered.
    assert!((1..READERS * 2 * 10 * MIB).contains(&most), "{most}");
}
