//! A missing server, or a stream with wrong settings, affects only NATS and that tenant. The host starts, answers over
//! HTTP, reports the problem once, and recovers by itself when the problem is fixed.

use std::time::{Duration, Instant};

use async_nats::jetstream::stream::Config;
use polder_tests::{Host, NatsOptions, NatsServer};
use tempfile::tempdir;

use super::events::metric;
use super::site::{Site, WAIT_MAX, json, runtime};
use super::streams::MAIN_STREAM;

const DRAFT: &str = r#"{"customer": "ann"}"#;
const STALLED: &str = "polder_nats_stalled{tenant=\"main\"}";
const LAG: &str = "polder_nats_lag_events{tenant=\"main\"}";
/// The host checks a stream every ten seconds, and retries a stream with a problem within thirty.
const NOTICED_MAX: Duration = Duration::from_secs(60);
/// The host's pauses between two attempts after an error grow from the first to the second.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);

fn post(host: &Host, order: &str) {
    host.client().post(&format!("/v1/main/orders/order/{order}/draft-order"), DRAFT).json(200);
}

#[track_caller]
fn await_that(what: &str, site: &Site, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < NOTICED_MAX, "{what}: {}", site.host().log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Changes the stream as an operator would with NATS's own command.
fn edit(site: &Site, change: impl FnOnce(&mut Config)) {
    let mut config = site.stream(MAIN_STREAM).unwrap().cached_info().config.clone();
    change(&mut config);
    site.runtime.block_on(site.jetstream().update_stream(config)).unwrap();
}

#[test]
fn a_host_starts_while_nats_is_away_and_serves_it_once_it_is_there() {
    let mut server = NatsServer::start();
    let (data, runtime) = (tempdir().unwrap(), runtime());
    server.kill();
    let host = Host::start_with(data.path(), &["--nats", &server.url()]);
    host.client().deploy("orders");
    post(&host, "o-1");
    let metrics = host.client().get("/metrics").text().to_owned();
    assert!(metrics.contains("\npolder_nats_connected 0\n"), "{metrics}");
    assert!(host.log().contains("NATS is away"), "{}", host.log());
    server.start_again();
    let client = runtime.block_on(async_nats::connect(server.url())).unwrap();
    let start = Instant::now();
    let subject = "main.cmd.orders.order.o-2.draft-order";
    while runtime.block_on(client.request(subject, DRAFT.into())).is_err() {
        assert!(start.elapsed() < WAIT_MAX, "{}", host.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(host.client().get("/v1/main/events").lines().len(), 2);
}

#[test]
fn another_history_is_not_served_beside_the_first() {
    let site = Site::open_shop();
    let data = tempdir().unwrap();
    // A tenant without a domain also belongs to the first host.
    let other = Host::start_with(data.path(), &["--nats", &site.server.url()]);
    other.client().deploy("orders");
    for number in 0..20 {
        site.order(&format!("o-{number}"), "draft-order", DRAFT);
    }
    assert_eq!(site.host().client().get("/v1/main/events").lines().len(), 20);
    assert!(other.client().get("/v1/main/events").lines().is_empty());
    let log = other.stop();
    assert_eq!(log.matches("holds the events of another history").count(), 1, "{log}");
    site.assert_stream_is_history();
}

#[test]
fn of_two_new_hosts_one_serves_the_tenant() {
    let server = NatsServer::start();
    let (folders, runtime) = ([tempdir().unwrap(), tempdir().unwrap()], runtime());
    let hosts: Vec<_> = std::thread::scope(|scope| {
        let start = |data: &std::path::Path| Host::start_with(data, &["--nats", &server.url()]);
        let started: Vec<_> = folders.iter().map(|data| scope.spawn(move || start(data.path()))).collect();
        started.into_iter().map(|host| host.join().unwrap()).collect()
    });
    hosts.iter().for_each(|host| drop(host.client().deploy("orders")));
    let client = runtime.block_on(async_nats::connect(server.url())).unwrap();
    for number in 0..20 {
        let subject = format!("main.cmd.orders.order.o-{number}.draft-order");
        let answer = runtime.block_on(client.request(subject, DRAFT.into())).unwrap();
        assert_eq!(json(&answer)["status"], "accepted");
    }
    let mut counts: Vec<_> = hosts.iter().map(|host| host.client().get("/v1/main/events").lines().len()).collect();
    counts.sort_unstable();
    assert_eq!(counts, [0, 20]);
}

#[test]
fn a_stream_with_other_settings_is_its_tenants_trouble() {
    let mut site = Site::open_shop();
    site.order("o-1", "draft-order", DRAFT);
    site.await_messages(1);
    edit(&site, |config| config.max_age = Duration::from_secs(3_600));
    site.stop_host();
    site.start_host();
    assert_eq!(site.order("o-2", "draft-order", DRAFT)["position"], 2);
    await_that("it is stalled", &site, || metric(&site, STALLED) == 1);
    edit(&site, |config| config.max_age = Duration::ZERO);
    await_that("it goes on", &site, || metric(&site, STALLED) == 0);
    assert_eq!(site.assert_stream_is_history(), 2);
    let log = site.stop_host();
    assert_eq!(log.matches("its setting max_age is 3600s").count(), 1, "{log}");
}

#[test]
fn a_stream_that_loses_events_is_filled_anew() {
    let site = Site::open_shop();
    (0..10).for_each(|number| drop(site.order(&format!("o-{number}"), "draft-order", DRAFT)));
    site.await_messages(10);
    let stream = site.stream(MAIN_STREAM).unwrap();
    assert!(site.runtime.block_on(async { stream.purge().await }).is_err(), "it cannot be emptied");
    assert!(site.runtime.block_on(stream.delete_message(3)).is_err(), "nor can a message be deleted");
    // Only for a while: afterwards the settings no longer show it. The server remembers ids for two seconds, and
    // messages must stay at least that long.
    edit(&site, |config| config.max_age = Duration::from_secs(2));
    let messages = || site.stream(MAIN_STREAM).unwrap().cached_info().state.messages;
    await_that("messages are gone", &site, || messages() == 0);
    edit(&site, |config| config.max_age = Duration::ZERO);
    await_that("it is whole", &site, || {
        let state = site.stream(MAIN_STREAM).map(|stream| stream.cached_info().state.clone());
        state.is_some_and(|state| (state.first_sequence, state.messages) == (1, 10))
    });
    assert_eq!(site.assert_stream_is_history(), 10);
    assert!(site.host().log().contains("it is filled anew"));
}

#[test]
fn a_stream_whose_subjects_were_edited_takes_events_again() {
    let site = Site::open_shop();
    site.order("o-1", "draft-order", DRAFT);
    site.await_messages(1);
    edit(&site, |config| config.subjects = vec!["main.none.*.*.*".to_owned()]);
    site.order("o-2", "draft-order", DRAFT);
    assert_eq!(site.assert_stream_is_history(), 2);
}

#[test]
fn full_storage_is_said_once_and_tried_ever_more_rarely() {
    let more = r#"no_auth_user: host
        accounts { HOSTS { jetstream: { max_file: 2M }, users: [ { user: host, password: p } ] } }"#;
    let mut site = Site::open_with(NatsOptions { more: more.to_owned(), ..NatsOptions::default() });
    site.host().client().deploy("orders");
    let big = format!(r#"{{"customer": "{}"}}"#, "x".repeat(100));
    let draft = |from: u32, to: u32| {
        for number in from..to {
            let path = format!("/v1/main/orders/order/o-{number}/draft-order");
            site.host().client().post(&path, big.clone()).json(200);
        }
    };
    let mut sent = 0;
    let start = Instant::now();
    while metric(&site, STALLED) == 0 {
        draft(sent, sent + 200);
        sent += 200;
        assert!(start.elapsed() < NOTICED_MAX * 2, "{sent}");
    }
    let attempts = || metric(&site, "polder_nats_publishing_restarts_total{tenant=\"main\"}");
    let until_another = || {
        let (before, began) = (attempts(), Instant::now());
        while attempts() == before {
            assert!(began.elapsed() < PAUSE_MAX * 2, "the host tries no more");
            std::thread::sleep(Duration::from_millis(10));
        }
        began.elapsed()
    };
    until_another();
    let pause = until_another();
    assert!(pause >= PAUSE_MIN, "{pause:?} between two attempts");
    site.server.stop();
    site.server.start_again_with(NatsOptions { more: more.replace("2M", "50M"), ..NatsOptions::default() });
    await_that("it goes on", &site, || metric(&site, STALLED) == 0);
    assert_eq!(site.assert_stream_is_history() as u32, sent);
    let log = site.stop_host();
    assert!(log.matches("events of a tenant are not published").count() <= 2, "{log}");
}

#[test]
fn an_idle_host_has_no_lag_after_a_restart() {
    let mut site = Site::open_shop();
    (0..5).for_each(|number| drop(site.order(&format!("o-{number}"), "draft-order", DRAFT)));
    site.await_messages(5);
    site.stop_host();
    site.start_host();
    site.await_host();
    assert_eq!(metric(&site, LAG), 0);
}

/// An older copy of the data folder is behind its own stream, and so is a host that was frozen: neither may advise to
/// delete the newer stream.
#[test]
fn a_host_that_is_behind_does_not_advise_to_delete_the_stream() {
    let mut site = Site::open_shop();
    site.order("o-1", "draft-order", DRAFT);
    site.await_messages(1);
    site.stop_host();
    let older = tempdir().unwrap();
    assert!(
        std::process::Command::new("cp")
            .args(["-a", &format!("{}/.", site.data.path().display())])
            .arg(older.path())
            .status()
            .unwrap()
            .success()
    );
    site.start_host();
    site.order("o-2", "draft-order", DRAFT);
    site.await_messages(2);
    site.stop_host();
    let host = Host::start_with(older.path(), &["--nats", &site.server.url()]);
    let start = Instant::now();
    while !host.log().contains("an older copy?") {
        assert!(start.elapsed() < NOTICED_MAX, "{}", host.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    let log = host.stop();
    assert!(!log.contains("stream rm"), "{log}");
    assert_eq!(site.stream(MAIN_STREAM).unwrap().cached_info().state.messages, 2);
    // A certain difference is reported: another event in the same place means another history.
    let host = Host::start_with(older.path(), &[]);
    post(&host, "o-9");
    host.stop();
    let host = Host::start_with(older.path(), &["--nats", &site.server.url()]);
    assert!(host.stop().contains("is not the one that is recorded there here"));
}
