//! The host is killed in the middle of its work, again and again, and the server too. What is in the stream in the end is what is in the
//! journal: the same events, in the same order, none missing, none twice; and all that was acknowledged is in both.
//!
//! `POLDER_NATS_KILL_ROUNDS` sets the rounds, `POLDER_NATS_KILL_COMMANDS` the commands of each, `POLDER_NATS_KILL_SEED` the seed.

use std::collections::BTreeSet;
use std::time::Duration;

use async_nats::StatusCode;
use futures::StreamExt as _;
use polder_tests::Random;

use super::site::{Site, json};

const ROUNDS: u64 = 3;
const COMMANDS: u64 = 1_500;
const DRAFT: &str = r#"{"customer": "ann"}"#;
/// Commands on their way at a time: below what a tenant may have in flight.
const IN_FLIGHT_MAX: u64 = 2_000;
/// A host that is dead sends no more.
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
    // What it still had to do is done once it has ended, so that the history stands still.
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

/// Keeps many on their way; gives the ids of those that were acknowledged when at least so many were.
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
                // The host has not come back to the server yet: this one was not taken.
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
