//! The host is killed in the middle of its work, again and again, and the server too. In the end the stream holds the
//! events of the journal: the same events, in the same order, none missing and none twice. All acknowledged events are
//! in both.
//!
//! `POLDER_NATS_KILL_ROUNDS` sets the rounds, `POLDER_NATS_KILL_COMMANDS` the commands of each round,
//! `POLDER_NATS_KILL_SEED` the seed.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_nats::StatusCode;
use futures::StreamExt as _;
use polder_tests::{Client, Random};

use super::site::{Site, json};
use super::streams::MAIN_STREAM;

const ROUNDS: u64 = 3;
const COMMANDS: u64 = 1_500;
const DRAFT: &str = r#"{"customer": "ann"}"#;
/// Commands in flight at a time: fewer than a tenant may have.
const IN_FLIGHT_MAX: u64 = 2_000;
/// After this time a dead host certainly sends no more.
const QUIET: Duration = Duration::from_millis(300);

#[test]
fn a_killed_host_loses_and_doubles_nothing_in_the_stream() {
    rounds(|site, _| {
        site.kill_host();
        site.start_host();
    });
}

#[test]
fn a_killed_server_loses_and_doubles_nothing_in_the_stream() {
    rounds(|site, random| match random.below(2) {
        0 => {
            site.server.kill();
            site.server.start_again();
        }
        _ => {
            site.server.kill();
            site.kill_host();
            site.server.start_again();
            site.start_host();
        }
    });
}

/// The number of kills of the cluster's servers; `POLDER_NATS_SERVER_KILLS` sets another one.
const SERVER_KILLS: u64 = 4;
/// The longest time after the last kill until every server has caught up with the others.
const COPIES_WAIT_MAX: Duration = Duration::from_secs(60);

#[test]
fn every_servers_copy_is_whole_whatever_servers_are_killed_under_load() {
    let kills = setting("POLDER_NATS_SERVER_KILLS", SERVER_KILLS);
    let mut random = Random::seeded(setting("POLDER_NATS_KILL_SEED", 1));
    let (mut site, others) = Site::open_cluster();
    site.host().client().deploy("orders");
    let mut others = others;
    let (address, is_over) = (site.host().address().to_owned(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for caller in 0..2 {
            let (address, is_over) = (&address, &is_over);
            scope.spawn(move || {
                let client = Client::new(address);
                for number in 0.. {
                    if is_over.load(Ordering::Relaxed) {
                        return;
                    }
                    client.post(&format!("/v1/main/orders/order/c{caller}-{number}/draft-order"), DRAFT).json(200);
                }
            });
        }
        for _ in 0..kills {
            std::thread::sleep(Duration::from_millis(200 + random.below(800)));
            let server = match random.below(3) {
                0 => &mut site.server,
                other => &mut others[other as usize - 1],
            };
            server.kill();
            std::thread::sleep(Duration::from_millis(random.below(1_000)));
            server.start_again();
        }
        is_over.store(true, Ordering::Relaxed);
    });
    let count = site.assert_stream_is_history() as u64;
    let began = Instant::now();
    let copies = || [&site.server, &others[0], &others[1]].map(|server| server.copy_of(MAIN_STREAM));
    while copies() != [Some((count, count)); 3] {
        assert!(began.elapsed() < COPIES_WAIT_MAX, "{count} messages; the servers have {:?}", copies());
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn rounds(disturb: impl Fn(&mut Site, &mut Random)) {
    let (rounds, commands) =
        (setting("POLDER_NATS_KILL_ROUNDS", ROUNDS), setting("POLDER_NATS_KILL_COMMANDS", COMMANDS));
    let seed = setting("POLDER_NATS_KILL_SEED", 1);
    println!("{rounds} rounds, {commands} commands each, seed {seed}");
    let mut random = Random::seeded(seed);
    let mut site = Site::open_shop();
    let mut acknowledged = BTreeSet::new();
    for round in 1..=rounds {
        let answers_min = 1 + random.below(commands);
        let before = acknowledged.len();
        acknowledged.extend(send(&site, round, commands, answers_min));
        disturb(&mut site, &mut random);
        site.await_host();
        println!("round {round}: {} of {commands} acknowledged", acknowledged.len() - before);
    }
    // An orderly end completes the remaining work, so that the history no longer changes.
    site.stop_host();
    site.start_host();
    let count = site.assert_stream_is_history();
    let recorded: BTreeSet<String> = site
        .host()
        .client()
        .get("/v1/main/events")
        .lines()
        .iter()
        .map(|event| event["command_id"].as_str().expect("an id").to_owned())
        .collect();
    assert_eq!(recorded.len(), count);
    let lost: Vec<_> = acknowledged.difference(&recorded).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
}

/// Keeps many commands in flight; returns the ids of the acknowledged ones when there are at least `answers_min`.
fn send(site: &Site, round: u64, commands: u64, answers_min: u64) -> Vec<String> {
    site.runtime.block_on(async {
        let inbox = site.client.new_inbox();
        let mut answers = site.client.subscribe(inbox.clone()).await.unwrap();
        let (mut sent, mut acknowledged) = (0, Vec::new());
        while (acknowledged.len() as u64) < answers_min {
            while sent < commands && sent < acknowledged.len() as u64 + IN_FLIGHT_MAX {
                let subject = format!("main.cmd.orders.order.r{round}-{sent}.draft-order");
                let headers = super::site::map(&[("Idempotency-Key", &format!("r{round}-{sent}"))]);
                let reply = inbox.clone();
                site.client.publish_with_reply_and_headers(subject, reply, headers, DRAFT.into()).await.unwrap();
                sent += 1;
            }
            let Ok(Some(answer)) = tokio::time::timeout(QUIET, answers.next()).await else { break };
            if answer.status == Some(StatusCode::NO_RESPONDERS) {
                // The host has not reconnected to the server yet: this command was not accepted.
                continue;
            }
            let ack = json(&answer);
            assert_eq!(ack["status"], "accepted", "{ack}");
            acknowledged.push(ack["command_id"].as_str().expect("an id").to_owned());
        }
        acknowledged
    })
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |value| value.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}
