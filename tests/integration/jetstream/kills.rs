//! Three servers, three hosts, and whatever can be killed or frozen is, under load. `POLDER_CHAOS_ROUNDS` asks for more rounds than a test run makes;
//! `POLDER_SEED` repeats one.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use polder_tests::{Acknowledged, Client, NatsOptions, NatsServer, Operation, Random, Recorded, check_history};

use super::hosts::Hosts;

const ROUNDS: u64 = 3;
const CALLERS: u64 = 4;
/// Longer than a lease.
const FROZEN: Duration = Duration::from_secs(6);
/// Load between two rounds.
const CALM: Duration = Duration::from_secs(2);
/// A command that was not acknowledged by then is given up.
const TRIED_MAX: Duration = Duration::from_secs(60);

/// Where the hosts are now: they come back on other ports.
type Addresses = Arc<Mutex<Vec<String>>>;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

#[test]
fn every_acknowledged_command_is_there_once_whatever_is_killed() {
    let seed = number("POLDER_SEED").unwrap_or_else(|| RandomState::new().hash_one(0_u8) >> 16);
    let rounds = number("POLDER_CHAOS_ROUNDS").unwrap_or(ROUNDS);
    println!("POLDER_SEED={seed}");
    let mut servers = NatsServer::start_cluster(3, &NatsOptions::default());
    let mut hosts = Hosts::start(3, &servers);
    hosts.owner();
    hosts.client(0).deploy("lamps");
    let addresses = Addresses::default();
    let place = |hosts: &Hosts| (0..3).map(|number| hosts.host(number).address().to_owned()).collect::<Vec<_>>();
    *addresses.lock().unwrap() = place(&hosts);
    let (done, clock) = (AtomicBool::new(false), AtomicU64::new(0));
    let operations: Vec<Operation> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| {
                let (addresses, done, clock) = (Arc::clone(&addresses), &done, &clock);
                scope.spawn(move || call(caller, Random::seeded(seed + 1 + caller), &addresses, done, clock))
            })
            .collect();
        let mut random = Random::seeded(seed);
        for round in 0..rounds {
            std::thread::sleep(CALM);
            let victim = random.below(3) as usize;
            // The first rounds are one of each.
            let what = if round < 3 { round } else { random.below(4) };
            println!(
                "round {round}: {} {victim}",
                ["kill the owner, of", "freeze the owner, of", "kill server", "freeze server"][what as usize]
            );
            match what {
                0 => {
                    let owner = hosts.owner();
                    hosts.kill(owner);
                    std::thread::sleep(CALM);
                    hosts.start_again(owner);
                }
                1 => {
                    let owner = hosts.owner();
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
    let acknowledged = operations.iter().filter(|operation| operation.acknowledged.is_some()).count();
    println!("{} commands, {acknowledged} acknowledged", operations.len());
    assert!(acknowledged > 20, "there was load");
    let last =
        operations.iter().filter_map(|operation| operation.acknowledged).map(|told| told.position).max().unwrap();
    for host in 0..3 {
        let client = hosts.client(host);
        let start = Instant::now();
        while client.position() < last {
            assert!(start.elapsed() < TRIED_MAX, "host {host} stays behind: {}", hosts.host(host).log());
            std::thread::sleep(Duration::from_millis(50));
        }
        check_history(&operations, &history(&client)).unwrap();
    }
    let urls: Vec<_> = servers.iter().map(NatsServer::url).collect();
    polder_tests::polder(&["verify", "--nats", &urls.join(",")]).good();
}

fn call(
    caller: u64,
    mut random: Random,
    addresses: &Addresses,
    done: &AtomicBool,
    clock: &AtomicU64,
) -> Vec<Operation> {
    let mut operations = Vec::new();
    while !done.load(Ordering::Acquire) {
        let (aggregate, command) = (format!("l-{}", random.below(6)), format!("c-{caller}-{}", operations.len()));
        let order = if random.below(2) == 0 { "light-lamp" } else { "darken-lamp" };
        let sent_at = clock.fetch_add(1, Ordering::SeqCst);
        let start = Instant::now();
        let mut acknowledged = None;
        while acknowledged.is_none() && start.elapsed() < TRIED_MAX {
            let address = addresses.lock().unwrap()[random.below(3) as usize].clone();
            let client = Client::with_timeout(&address, Duration::from_secs(3));
            let path = format!("/v1/main/lamps/lamp/{aggregate}/{order}");
            let sent = client.request("POST", &path).header("idempotency-key", &command).body("{}").try_send();
            match sent {
                Ok(answer) if answer.status == 200 => {
                    let answer = answer.json(200);
                    let field = |name: &str| answer[name].as_u64().unwrap();
                    let at = clock.fetch_add(1, Ordering::SeqCst);
                    acknowledged = Some(Acknowledged { at, position: field("position"), sequence: field("sequence") });
                }
                // A lamp that was lit cannot be lit: the first answer stays, and nothing is recorded in its history.
                Ok(answer) if answer.status == 422 => break,
                Ok(answer) if answer.status == 503 => std::thread::sleep(Duration::from_millis(20)),
                Ok(answer) => panic!("{}: {}", answer.status, answer.text()),
                // It is gone, frozen, or just coming back.
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
        operations.push(Operation { command, aggregate, sent_at, acknowledged });
    }
    operations
}

fn history(client: &Client) -> Vec<Recorded> {
    let mut history = Vec::new();
    loop {
        let page = client.get(&format!("/v1/main/events?after={}&limit=1000", history.len())).lines();
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
