//! Three servers and three hosts under load; every part that can be killed or frozen is. `POLDER_CHAOS_ROUNDS` sets the
//! number of rounds; `POLDER_SEED` repeats a run.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use polder_tests::{Acknowledged, Client, NatsOptions, NatsServer, Operation, Random, Recorded, check_history};

use super::divided::{TENANTS, divided};
use super::hosts::{Hosts, may_come_again};

const CALLERS: u64 = 4;
/// Longer than a lease.
const FROZEN: Duration = Duration::from_secs(6);
/// The time under load between two rounds.
const CALM: Duration = Duration::from_secs(2);
/// The longest time for a command; without an acknowledgement the caller then stops.
const TRIED_MAX: Duration = Duration::from_secs(60);

/// The current addresses of the hosts, because they return on other ports.
type Addresses = Arc<Mutex<Vec<String>>>;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

#[test]
fn every_acknowledged_command_is_there_once_whatever_is_killed() {
    chaos(1, &["main"], 4);
}

#[test]
fn nor_does_it_matter_how_many_journals_there_are() {
    // Killing servers too makes no difference to the other test.
    chaos(TENANTS.len(), &TENANTS, 2);
}

fn chaos(journals: usize, tenants: &'static [&'static str], rounds: u64) {
    // One test at a time: three servers and three hosts are enough for a machine.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let seed = number("POLDER_SEED").unwrap_or_else(|| RandomState::new().hash_one(0_u8) >> 16);
    let rounds = number("POLDER_CHAOS_ROUNDS").unwrap_or(rounds);
    println!("POLDER_SEED={seed}");
    let mut servers = NatsServer::start_cluster(3, &NatsOptions::default());
    let mut hosts = Hosts::start_with(3, &servers, &["--journals", &journals.to_string()]);
    for journal in 1..=journals {
        hosts.owner_of(journal);
    }
    prepare(&hosts, tenants);
    let addresses = Addresses::default();
    let place = |hosts: &Hosts| (0..3).map(|number| hosts.host(number).address().to_owned()).collect::<Vec<_>>();
    *addresses.lock().unwrap() = place(&hosts);
    let (done, clock) = (AtomicBool::new(false), AtomicU64::new(0));
    let operations: Vec<(&str, Operation)> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| {
                let (addresses, done, clock) = (Arc::clone(&addresses), &done, &clock);
                let random = Random::seeded(seed + 1 + caller);
                scope.spawn(move || call(caller, random, tenants, &addresses, done, clock))
            })
            .collect();
        let mut random = Random::seeded(seed);
        for round in 0..rounds {
            std::thread::sleep(CALM);
            let (victim, journal) = (random.below(3) as usize, 1 + random.below(journals as u64) as usize);
            // The first rounds are one of each kind.
            let what = if round < 4 { round } else { random.below(4) };
            println!(
                "round {round}: {} {victim}",
                ["kill an owner, beside", "freeze an owner, beside", "kill server", "freeze server"][what as usize]
            );
            match what {
                0 => {
                    let owner = hosts.owner_of(journal);
                    hosts.kill(owner);
                    std::thread::sleep(CALM);
                    hosts.start_again(owner);
                }
                1 => {
                    let owner = hosts.owner_of(journal);
                    hosts.host(owner).freeze();
                    std::thread::sleep(FROZEN);
                    hosts.host(owner).thaw();
                }
                2 => {
                    servers[victim].kill();
                    std::thread::sleep(CALM);
                    servers[victim].start_again();
                }
                _ => {
                    servers[victim].freeze();
                    std::thread::sleep(FROZEN);
                    servers[victim].thaw();
                }
            }
            *addresses.lock().unwrap() = place(&hosts);
        }
        std::thread::sleep(CALM);
        done.store(true, Ordering::Release);
        callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect()
    });
    let acknowledged = operations.iter().filter(|(_, operation)| operation.acknowledged.is_some()).count();
    println!("{} commands, {acknowledged} acknowledged", operations.len());
    assert!(acknowledged > 20, "there was load");
    for tenant in tenants {
        let own = operations.iter().filter(|(name, _)| name == tenant).map(|(_, operation)| operation.clone());
        let own: Vec<Operation> = own.collect();
        let last = own
            .iter()
            .filter_map(|operation| operation.acknowledged)
            .map(|acknowledged| acknowledged.position)
            .max()
            .unwrap();
        for host in 0..3 {
            let client = hosts.client(host);
            let start = Instant::now();
            while (history(&client, tenant).len() as u64) < last {
                assert!(start.elapsed() < TRIED_MAX, "host {host} stays behind: {}", hosts.host(host).log());
                std::thread::sleep(Duration::from_millis(50));
            }
            check_history(&own, &history(&client, tenant)).unwrap_or_else(|problem| panic!("{tenant}: {problem}"));
        }
    }
    if journals > 1 {
        divided(&hosts, &[1; 3]);
    }
    let urls: Vec<_> = servers.iter().map(NatsServer::url).collect();
    polder_tests::polder(&["verify", "--nats", &urls.join(",")]).good();
}

fn prepare(hosts: &Hosts, tenants: &[&str]) {
    let client = hosts.client(0);
    let wasm = std::fs::read(polder_tests::guest_file("lamps")).unwrap();
    for tenant in tenants {
        client.put(&format!("/v1/tenants/{tenant}"), "");
        client.put(&format!("/v1/{tenant}/domains/lamps"), wasm.clone()).json(200);
    }
}

fn call(
    caller: u64,
    mut random: Random,
    tenants: &'static [&'static str],
    addresses: &Addresses,
    done: &AtomicBool,
    clock: &AtomicU64,
) -> Vec<(&'static str, Operation)> {
    let mut operations = Vec::new();
    while !done.load(Ordering::Acquire) {
        let (aggregate, command) = (format!("l-{}", random.below(6)), format!("c-{caller}-{}", operations.len()));
        let tenant = tenants[random.below(tenants.len() as u64) as usize];
        let order = if random.below(2) == 0 { "light-lamp" } else { "darken-lamp" };
        let sent_at = clock.fetch_add(1, Ordering::SeqCst);
        let start = Instant::now();
        let mut acknowledged = None;
        while acknowledged.is_none() && start.elapsed() < TRIED_MAX {
            let address = addresses.lock().unwrap()[random.below(3) as usize].clone();
            let client = Client::with_timeout(&address, Duration::from_secs(3));
            let path = format!("/v1/{tenant}/lamps/lamp/{aggregate}/{order}");
            let sent = client.request("POST", &path).header("idempotency-key", &command).body("{}").try_send();
            match sent {
                Ok(answer) if answer.status == 200 => {
                    let answer = answer.json(200);
                    let field = |name: &str| answer[name].as_u64().unwrap();
                    let at = clock.fetch_add(1, Ordering::SeqCst);
                    acknowledged = Some(Acknowledged { at, position: field("position"), sequence: field("sequence") });
                }
                // A lit lamp cannot be lit again: the first answer stays, and nothing is recorded in its history.
                Ok(answer) if answer.status == 422 => break,
                Ok(answer) if may_come_again(answer.status) => std::thread::sleep(Duration::from_millis(20)),
                Ok(answer) => panic!("{}: {}", answer.status, answer.text()),
                // The host is gone, frozen, or just returning.
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
        operations.push((tenant, Operation { command, aggregate, sent_at, acknowledged }));
    }
    operations
}

pub(super) fn history(client: &Client, tenant: &str) -> Vec<Recorded> {
    let mut history = Vec::new();
    loop {
        let page = client.get(&format!("/v1/{tenant}/events?after={}&limit=1000", history.len())).lines();
        if page.is_empty() {
            return history;
        }
        history.extend(page.iter().map(|event| {
            let text = |name: &str| event[name].as_str().unwrap().to_owned();
            let number = |name: &str| event[name].as_u64().unwrap();
            Recorded {
                command: text("command_id"),
                aggregate: text("aggregate_id"),
                position: number("position"),
                sequence: number("sequence"),
            }
        }));
    }
}
