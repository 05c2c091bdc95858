//! Events in a stream: each once, in order, with all their metadata.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_nats::jetstream::stream::StorageType;
use polder_tests::{Client, NatsOptions, NatsServer, polder};

use super::site::{Site, WAIT_MAX};
use super::streams::MAIN_STREAM;

const DRAFT: &str = r#"{"customer": "ann"}"#;

#[test]
fn every_event_appears_on_its_subject() {
    let site = Site::open_shop();
    let subject = "main.cmd.orders.order.o-1.draft-order";
    site.request(subject, &[("Causation-Id", "cause-1"), ("Actor", "Jörg Müller")], DRAFT);
    for number in 0..300 {
        site.order(&format!("o-{number}"), "draft-order", DRAFT);
    }
    assert_eq!(site.assert_stream_is_history(), 301 - 1, "o-1 was drafted before");
    let config = site.stream(MAIN_STREAM).unwrap().cached_info().config.clone();
    assert_eq!(config.subjects, ["main.orders.*.*.*"]);
    assert!(config.deny_delete && config.deny_purge);
    assert_eq!((config.max_age, config.max_messages, config.max_bytes), (Duration::ZERO, -1, -1));
    assert_eq!(config.storage, StorageType::File);
    assert!(site.messages("polder-events-system").is_empty());
}

#[test]
fn what_was_recorded_without_nats_follows() {
    let mut site = Site::open_shop();
    site.stop_host();
    let host = polder_tests::Host::start(site.data.path());
    for number in 0..20 {
        let path = format!("/v1/main/orders/order/o-{number}/draft-order");
        host.client().post(&path, DRAFT).json(200);
    }
    host.stop();
    site.start_host();
    assert_eq!(site.assert_stream_is_history(), 20);
}

/// `POLDER_NATS_AWAY_SECONDS` sets the shortest time for which the server is away.
#[test]
fn a_server_that_is_away_is_waited_for() {
    const WHILE_AWAY: u64 = 200;
    let away = std::env::var("POLDER_NATS_AWAY_SECONDS").map_or(0, |text| text.parse().expect("a number of seconds"));
    let mut site = Site::open_shop();
    let (sent, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    let address = site.host().address().to_owned();
    std::thread::scope(|scope| {
        // HTTP continues as usual.
        scope.spawn(|| {
            let client = Client::new(&address);
            while !is_over.load(Ordering::Relaxed) {
                let number = sent.fetch_add(1, Ordering::Relaxed);
                client.post(&format!("/v1/main/orders/order/o-{number}/draft-order"), DRAFT).json(200);
            }
        });
        let await_sent = |count: u64, seconds: u64| {
            let (began, target) = (Instant::now(), sent.load(Ordering::Relaxed) + count);
            while sent.load(Ordering::Relaxed) < target || began.elapsed() < Duration::from_secs(seconds) {
                assert!(began.elapsed() < WAIT_MAX + Duration::from_secs(seconds), "nothing is sent any more");
                std::thread::sleep(Duration::from_millis(10));
            }
        };
        await_sent(WHILE_AWAY, 0);
        site.server.kill();
        await_sent(WHILE_AWAY, away);
        let lag = metric(&site, "polder_nats_lag_events{tenant=\"main\"}");
        assert!(lag >= WHILE_AWAY / 2, "{lag}");
        site.server.start_again();
        await_sent(WHILE_AWAY, 0);
        is_over.store(true, Ordering::Relaxed);
    });
    assert_eq!(site.assert_stream_is_history() as u64, sent.load(Ordering::Relaxed));
    // The metric is updated a moment later.
    let began = Instant::now();
    while metric(&site, "polder_nats_lag_events{tenant=\"main\"}") > 0 {
        assert!(began.elapsed() < WAIT_MAX);
    }
    assert!(metric(&site, "polder_nats_reconnects_total") >= 2);
    assert_eq!(metric(&site, "polder_nats_connected"), 1);
    assert_eq!(metric(&site, "polder_nats_stalled{tenant=\"main\"}"), 0);
}

#[test]
fn a_cluster_that_loses_a_server_goes_on() {
    let (site, mut others) = Site::open_cluster();
    let client = site.host().client();
    client.deploy("orders");
    let send = |number: u32| client.post(&format!("/v1/main/orders/order/o-{number}/draft-order"), DRAFT).json(200);
    (0..400).for_each(|number| drop(send(number)));
    for (round, server) in others.iter_mut().enumerate() {
        server.kill();
        let first = 400 + 200 * round as u32;
        (first..first + 200).for_each(|number| drop(send(number)));
        server.start_again();
    }
    assert_eq!(site.assert_stream_is_history(), 800);
    let info = site.stream(MAIN_STREAM).unwrap();
    assert_eq!(info.cached_info().config.num_replicas, 3);
}

#[test]
fn messages_of_others_are_skipped() {
    let mut site = Site::open_shop();
    site.order("o-1", "draft-order", DRAFT);
    site.await_messages(1);
    site.runtime.block_on(async {
        site.client.publish("main.orders.order.order-drafted.v1", "{}".into()).await.unwrap();
        site.client.flush().await.unwrap();
    });
    site.order("o-2", "draft-order", DRAFT);
    site.await_messages(3);
    site.stop_host();
    site.start_host();
    site.order("o-3", "draft-order", DRAFT);
    site.await_messages(4);
    let positions: Vec<_> = site
        .messages(MAIN_STREAM)
        .iter()
        .map(|message| super::site::header(message, "Polder-Position").map(str::to_owned))
        .collect();
    let expected = [Some("1"), None, Some("2"), Some("3")];
    assert_eq!(positions.iter().map(Option::as_deref).collect::<Vec<_>>(), expected);
    assert!(site.stop_host().contains("permit only the host to do that"));
}

#[test]
fn a_stream_that_was_deleted_is_filled_anew() {
    let site = Site::open_shop();
    (0..10).for_each(|number| drop(site.order(&format!("o-{number}"), "draft-order", DRAFT)));
    site.await_messages(10);
    site.runtime.block_on(site.jetstream().delete_stream(MAIN_STREAM)).unwrap();
    site.order("o-10", "draft-order", DRAFT);
    assert_eq!(site.assert_stream_is_history(), 11);
}

/// Starts a host with this server, and returns its error message.
fn refused(server: &NatsServer, data: &std::path::Path) -> String {
    let arguments = ["serve", "--data", data.to_str().unwrap(), "--listen", "127.0.0.1:0", "--nats", &server.url()];
    polder(&arguments).refused().to_owned()
}

#[test]
fn a_server_that_cannot_be_used_is_reported_at_start() {
    let data = tempfile::tempdir().unwrap();
    let server = NatsServer::start_with(NatsOptions { jetstream: false, ..NatsOptions::default() });
    assert!(refused(&server, data.path()).contains("JetStream is off"));
    let more = "authorization { user: ann, password: s3cret }".to_owned();
    let server = NatsServer::start_with(NatsOptions { more, ..NatsOptions::default() });
    assert!(refused(&server, data.path()).contains("does not let this client in"));
    drop(server);
    let options =
        ["serve", "--data", data.path().to_str().unwrap(), "--nats", "nats://127.0.0.1:1", "--nats-user", "ann"];
    assert!(polder(&options).refused().contains("POLDER_NATS_PASSWORD"));
    // The attempt left no files.
    assert!(!data.path().join("journal").exists());
}

/// No outdated server is available for the test, so this one only sends its greeting.
#[test]
fn a_server_that_is_too_old_is_reported_at_start() {
    use std::io::{BufRead as _, BufReader, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let greeting = format!(
        "INFO {{\"server_id\":\"OLD\",\"server_name\":\"old\",\"version\":\"2.10.29\",\"go\":\"go1.24\",\"host\":\"127.0.0.1\",\
         \"port\":{port},\"headers\":true,\"max_payload\":1048576,\"proto\":1,\"jetstream\":true}}\r\n"
    );
    let old = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(greeting.as_bytes()).unwrap();
        for line in BufReader::new(stream.try_clone().unwrap()).lines() {
            // The client disconnects after it has read enough.
            let Ok(line) = line else { return };
            if line.starts_with("PING") && stream.write_all(b"PONG\r\n").is_err() {
                return;
            }
        }
    });
    let data = tempfile::tempdir().unwrap();
    let url = format!("nats://127.0.0.1:{port}");
    let said = polder(&["serve", "--data", data.path().to_str().unwrap(), "--nats", &url]).refused().to_owned();
    assert!(said.contains("is of version 2.10.29, which is too old: 2.14.4 or newer is needed"), "{said}");
    old.join().unwrap();
}

#[test]
fn a_removed_tenant_leaves_nothing_at_nats() {
    let site = Site::open();
    let host = site.host();
    host.polder(&["tenant", "add", "acme"]).good();
    let wasm = std::fs::read(polder_tests::guest_file("orders")).unwrap();
    host.client().put("/v1/acme/domains/orders", wasm).json(200);
    host.client().post("/v1/acme/orders/order/o-1/draft-order", DRAFT).json(200);
    let began = Instant::now();
    while site.messages("polder-events-acme").len() != 1 {
        assert!(began.elapsed() < WAIT_MAX);
    }
    host.polder(&["tenant", "remove", "acme", "--confirm", "acme"]).good();
    while site.stream("polder-events-acme").is_some() {
        assert!(began.elapsed() < 2 * WAIT_MAX);
    }
}

pub(super) fn metric(site: &Site, name: &str) -> u64 {
    let text = site.host().client().get("/metrics").text().to_owned();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("no {name} in {text}"));
    line.trim().parse().unwrap()
}
