//! SIGKILL under load, again and again: documents and checkpoint of a view always match, and no acknowledgement is
//! lost.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use polder_sdk::{Domain, EventRef};
use polder_tests::{Client, Host, Random};
use serde_json::{Value, json};

/// The number of kills in one run; `POLDER_KILLS` sets another one.
const KILLS: u64 = 6;
const WRITERS: u64 = 4;
/// Each writer begins another order after this many commands, because orders come to an end.
const COMMANDS_PER_ORDER: u64 = 40;

#[test]
fn documents_and_checkpoint_stay_together() {
    let kills = std::env::var("POLDER_KILLS").map_or(KILLS, |kills| kills.parse().expect("POLDER_KILLS is a number"));
    let seed = std::env::var("POLDER_SEED").map_or(1, |seed| seed.parse().expect("POLDER_SEED is a number"));
    println!("POLDER_SEED={seed}");
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random::seeded(seed);
    let acknowledged = Mutex::new(BTreeSet::new());
    for kill in 0..kills {
        let host = Host::start(folder.path());
        if kill == 0 {
            host.client().deploy("orders");
        }
        load_until_killed(host, &mut random, kill, &acknowledged);
        check(folder.path(), &acknowledged.lock().unwrap());
    }
}

/// Writers send until the host is killed, after a random number of answers.
fn load_until_killed(host: Host, random: &mut Random, kill: u64, acknowledged: &Mutex<BTreeSet<String>>) {
    let (outcomes, answers) = channel();
    let until = 1 + random.below(400);
    let seed = random.number();
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (client, outcomes) = (host.client(), outcomes.clone());
            scope.spawn(move || write(&client, kill, writer, Random::seeded(seed ^ writer), &outcomes));
        }
        drop(outcomes);
        collect(&answers, until, acknowledged);
        host.kill();
        collect(&answers, u64::MAX, acknowledged);
    });
}

fn collect(answers: &Receiver<Answered>, count: u64, acknowledged: &Mutex<BTreeSet<String>>) {
    let answers = answers.iter().take(usize::try_from(count).unwrap_or(usize::MAX));
    acknowledged.lock().unwrap().extend(answers.flatten());
}

/// The command's key if it was accepted.
type Answered = Option<String>;

fn write(client: &Client, kill: u64, writer: u64, mut random: Random, outcomes: &Sender<Answered>) {
    for number in 0_u64.. {
        let order = format!("o-{kill}-{writer}-{}", number / COMMANDS_PER_ORDER);
        let sku = *random.one_of(&["TEA", "POT", "CUP"]);
        let (command, payload) = match random.below(8) {
            0..2 => ("draft-order", json!({ "customer": format!("c-{}", random.below(3)) })),
            2..5 => ("add-line", json!({ "sku": sku, "quantity": 1 + random.below(9), "price": random.below(100) })),
            5..7 => ("remove-line", json!({ "sku": sku })),
            _ if random.below(4) == 0 => ("cancel-order", json!({})),
            _ => ("submit-order", json!({})),
        };
        let key = format!("{kill}-{writer}-{number}");
        let request = client.request("POST", &format!("/v1/main/orders/order/{order}/{command}"));
        let sent = request.header("idempotency-key", &key).header("content-type", "application/json");
        let Ok(answer) = sent.body(payload.to_string()).try_send() else { return };
        match answer.status {
            200 => outcomes.send(Some(key)),
            422 => outcomes.send(None),
            _ => panic!("{command}: {} {}", answer.status, answer.text()),
        }
        .expect("the receiver exists until the last writer ends");
    }
}

/// Starts the host again, and compares acknowledgements with events, and documents with documents built natively from
/// the events.
fn check(folder: &Path, acknowledged: &BTreeSet<String>) {
    let host = Host::start(folder);
    let client = host.client();
    let events = events(&client);
    let positions: Vec<u64> = events.iter().map(|event| event["position"].as_u64().unwrap()).collect();
    assert_eq!(positions, (1..=events.len() as u64).collect::<Vec<_>>(), "without a gap");
    let commands: Vec<&str> = events.iter().map(|event| event["command_id"].as_str().unwrap()).collect();
    let distinct: BTreeSet<&str> = commands.iter().copied().collect();
    assert_eq!(distinct.len(), commands.len(), "a command is there twice");
    let lost: Vec<&String> = acknowledged.iter().filter(|key| !distinct.contains(key.as_str())).collect();
    assert!(lost.is_empty(), "acknowledged, and not there: {lost:?}");
    for projection in ["order-summary", "customer-totals"] {
        let expected = views_natively(orders::domain(), projection, &events);
        let found = documents(&client, projection, events.len());
        assert_eq!(found, expected, "{projection}");
    }
    println!("{} events, {} acknowledged so far", events.len(), acknowledged.len());
    host.stop();
    polder_journal::verify(folder).unwrap();
}

fn events(client: &Client) -> Vec<Value> {
    let mut events: Vec<Value> = Vec::new();
    loop {
        let page = client.get(&format!("/v1/main/events?after={}&limit=1000", events.len())).lines();
        if page.is_empty() {
            return events;
        }
        events.extend(page);
    }
}

fn documents(client: &Client, projection: &str, position: usize) -> BTreeMap<String, Value> {
    let path = format!("/v1/main/orders/views/{projection}?limit=10000&after={position}&timeout_ms=60000");
    let page = client.get(&path).json(200);
    let pair = |document: &Value| (document["key"].as_str().unwrap().to_owned(), document["document"].clone());
    page["documents"].as_array().unwrap().iter().map(pair).collect()
}

/// The documents that the natively compiled rules build from the events.
fn views_natively(domain: &Domain, projection: &str, events: &[Value]) -> BTreeMap<String, Value> {
    let mut documents = BTreeMap::new();
    for event in events {
        let text = |field: &str| event[field].as_str().unwrap();
        let number = |field: &str| event[field].as_u64().unwrap();
        let payload = event["payload"].to_string();
        let event = EventRef {
            position: number("position"),
            aggregate: text("aggregate"),
            aggregate_id: text("aggregate_id"),
            sequence: number("sequence"),
            name: text("name"),
            version: u32::try_from(number("version")).unwrap(),
            payload: payload.as_bytes(),
            at_ms: number("at_ms"),
        };
        for key in domain.route(projection, &[event]).unwrap().remove(0) {
            let document = match documents.entry(key) {
                std::collections::btree_map::Entry::Occupied(occupied) => occupied.into_mut(),
                std::collections::btree_map::Entry::Vacant(vacant) => {
                    let document = domain.open(projection, vacant.key(), None).unwrap();
                    vacant.insert(document)
                }
            };
            document.apply(&[event]).unwrap();
        }
    }
    let saved = documents.into_iter().filter_map(|(key, document)| Some((key, document.save().unwrap()?)));
    saved.map(|(key, saved)| (key, serde_json::from_slice(&saved).unwrap())).collect()
}
