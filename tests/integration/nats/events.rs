//! Events in a stream: each once, in order, with all that is known of it.

use std::time::{Duration, Instant};

use async_nats::jetstream::stream::{Config, StorageType};
use polder_tests::{NatsOptions, NatsServer, polder};

use super::site::{Site, WAIT_MAX, runtime};
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

#[test]
fn a_server_that_is_away_is_waited_for() {
    let mut site = Site::open_shop();
    let client = site.host().client();
    let send = |number: u32| client.post(&format!("/v1/main/orders/order/o-{number}/draft-order"), DRAFT).json(200);
    (0..50).for_each(|number| drop(send(number)));
    site.server.kill();
    // HTTP goes on as if nothing were.
    (50..150).for_each(|number| drop(send(number)));
    assert!(metric(&site, "polder_nats_lag_events{tenant=\"main\"}") >= 100);
    site.server.start_again();
    (150..200).for_each(|number| drop(send(number)));
    assert_eq!(site.assert_stream_is_history(), 200);
    // Told a moment later than it is so.
    let began = Instant::now();
    while metric(&site, "polder_nats_lag_events{tenant=\"main\"}") > 0 {
        assert!(began.elapsed() < WAIT_MAX);
    }
    assert!(metric(&site, "polder_nats_reconnects_total") >= 2);
    assert_eq!(metric(&site, "polder_nats_connected"), 1);
    assert_eq!(metric(&site, "polder_nats_stalled{tenant=\"main\"}"), 0);
}

#[test]
fn messages_of_somebody_else_are_looked_past() {
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
    assert!(site.stop_host().contains("let nobody but the host do that"));
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

/// Starts a host over a server, and gives what it says when it does not start.
fn refused(server: &NatsServer, data: &std::path::Path) -> String {
    let arguments = ["serve", "--data", data.to_str().unwrap(), "--listen", "127.0.0.1:0", "--nats", &server.url()];
    polder(&arguments).refused().to_owned()
}

#[test]
fn a_stream_with_other_settings_is_refused_at_start() {
    let server = NatsServer::start();
    let (data, runtime) = (tempfile::tempdir().unwrap(), runtime());
    let client = runtime.block_on(async_nats::connect(server.url())).unwrap();
    let _inside = runtime.enter();
    let jetstream = async_nats::jetstream::new(client);
    let config = |subjects: &str| Config {
        name: MAIN_STREAM.to_owned(),
        subjects: vec![subjects.to_owned()],
        max_age: Duration::from_secs(3_600),
        ..Config::default()
    };
    runtime.block_on(jetstream.create_stream(config("main.orders.*.*.*"))).unwrap();
    let said = refused(&server, data.path());
    assert!(said.contains(MAIN_STREAM) && said.contains("nats stream rm"), "{said}");
    runtime.block_on(jetstream.delete_stream(MAIN_STREAM)).unwrap();
    runtime.block_on(jetstream.create_stream(config("main.>"))).unwrap();
    let said = refused(&server, data.path());
    assert!(said.contains("\"main.>\", where no event of the tenant appears"), "{said}");
}

#[test]
fn a_stream_of_another_history_is_refused_at_start() {
    let mut site = Site::open_shop();
    site.order("o-1", "draft-order", DRAFT);
    site.await_messages(1);
    site.stop_host();
    let other = tempfile::tempdir().unwrap();
    let said = refused(&site.server, other.path());
    assert!(said.contains("at position 1 that this history does not hold"), "{said}");
}

#[test]
fn a_server_that_cannot_be_used_is_told_at_start() {
    let data = tempfile::tempdir().unwrap();
    let server = NatsServer::start_with(NatsOptions { jetstream: false, ..NatsOptions::default() });
    assert!(refused(&server, data.path()).contains("JetStream is off"));
    let more = "authorization { user: ann, password: s3cret }".to_owned();
    let server = NatsServer::start_with(NatsOptions { more, ..NatsOptions::default() });
    assert!(refused(&server, data.path()).contains("does not let this client in"));
    drop(server);
    let options = ["serve", "--data", data.path().to_str().unwrap(), "--nats", "nats://127.0.0.1:1"];
    assert!(polder(&options).refused().contains("no NATS server answers"));
    let options =
        ["serve", "--data", data.path().to_str().unwrap(), "--nats", "nats://127.0.0.1:1", "--nats-user", "ann"];
    assert!(polder(&options).refused().contains("POLDER_NATS_PASSWORD"));
    // Nothing was left behind.
    assert!(!data.path().join("journal").exists());
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

fn metric(site: &Site, name: &str) -> u64 {
    let text = site.host().client().get("/metrics").text().to_owned();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("no {name} in {text}"));
    line.trim().parse().unwrap()
}
