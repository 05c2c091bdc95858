//! SIGKILL while calls of one domain are on the slow lane and those of another on the first: no acknowledged command is
//! lost, and none is there twice.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};

use polder_tests::{Acknowledged, Client, Host, Operation, Random, Recorded, check_history};
use serde_json::{Value, json};

/// The number of kills in one run; `POLDER_KILLS` sets another one.
const KILLS: u64 = 4;
const MACHINES: u64 = 3;
/// Much more than a time slice.
const TOIL_ROUNDS: u64 = 4_000_000;

/// Everything that was sent, by the command's id.
#[derive(Default)]
struct Sent {
    clock: AtomicU64,
    operations: Mutex<BTreeMap<String, (Operation, Request)>>,
}

#[derive(Clone)]
struct Request {
    path: String,
    payload: String,
}

#[test]
fn nothing_is_lost_or_doubled_on_either_lane() {
    let kills = std::env::var("POLDER_KILLS").map_or(KILLS, |kills| kills.parse().expect("POLDER_KILLS is a number"));
    let seed = std::env::var("POLDER_SEED").map_or(1, |seed| seed.parse().expect("POLDER_SEED is a number"));
    println!("POLDER_SEED={seed}");
    let (folder, sent, mut random) = (tempfile::tempdir().unwrap(), Sent::default(), Random::seeded(seed));
    for kill in 0..kills {
        let host = Host::start(folder.path());
        if kill == 0 {
            host.client().deploy("saboteur");
            host.client().deploy("orders");
        }
        load_until_killed(host, kill, 20 + random.below(100), random.number(), &sent);
        check(&Host::start(folder.path()), &sent);
    }
}

/// Runs until both lanes have worked, and a number of commands was answered.
fn load_until_killed(host: Host, kill: u64, answers_min: u64, seed: u64, sent: &Sent) {
    let (answered, answers) = channel();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let (client, answered, name) = (host.client(), answered.clone(), format!("{kill}-{writer}"));
            let random = Random::seeded(seed ^ writer);
            scope.spawn(move || write(&client, &name, writer % 2 == 0, random, sent, &answered));
        }
        drop(answered);
        let mut count = 0;
        while count < answers_min || slow_commands(&host.client()) == 0 {
            answers.recv().expect("writers go on until the host is gone");
            count += 1;
        }
        host.kill();
    });
}

fn slow_commands(client: &Client) -> u64 {
    let metrics = client.get("/metrics");
    let line = metrics.text().lines().find_map(|line| line.strip_prefix("polder_slow_lane_commands_total "));
    line.expect("the metric exists").parse().unwrap()
}

fn write(client: &Client, name: &str, is_slow: bool, mut random: Random, sent: &Sent, answered: &Sender<()>) {
    for number in 0_u64.. {
        let id = format!("{name}-{number}");
        let (aggregate, command, payload) = match (is_slow, random.below(4)) {
            (true, 0) => (machine(&mut random), "toil", json!({ "rounds": TOIL_ROUNDS })),
            (true, _) => (machine(&mut random), "turn", json!({})),
            (false, _) => (format!("orders/order/o-{id}"), "draft-order", json!({ "customer": "c-1" })),
        };
        let request = Request { path: format!("/v1/main/{aggregate}/{command}"), payload: payload.to_string() };
        let sent_at = sent.now();
        let operation = Operation { command: id.clone(), aggregate, sent_at, acknowledged: None };
        sent.operations.lock().unwrap().insert(id.clone(), (operation, request.clone()));
        let Ok(answer) = post(client, &request, &id).try_send() else { return };
        let ack = answer.json(200);
        assert_eq!(ack["repeated"], Value::Null, "{ack}");
        sent.operations.lock().unwrap().get_mut(&id).unwrap().0.acknowledged = Some(acknowledged(&ack, sent.now()));
        // The receiver is gone once the host is being killed.
        let _ = answered.send(());
    }
}

fn machine(random: &mut Random) -> String {
    format!("saboteur/machine/m-{}", random.below(MACHINES))
}

fn post<'a>(client: &'a Client, request: &Request, id: &str) -> polder_tests::Request<'a> {
    client.request("POST", &request.path).header("idempotency-key", id).body(request.payload.clone())
}

fn acknowledged(ack: &Value, at: u64) -> Acknowledged {
    let number = |field: &str| ack[field].as_u64().unwrap();
    Acknowledged { at, position: number("position"), sequence: number("sequence") }
}

impl Sent {
    fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }
}

/// Each acknowledged command is at its acknowledged place, and a repeat gets the same answer. Each other command is
/// there once or not at all.
fn check(host: &Host, sent: &Sent) {
    let client = host.client();
    let mut history: Vec<Recorded> = Vec::new();
    loop {
        let page = client.get(&format!("/v1/main/events?after={}&limit=1000", history.len())).lines();
        if page.is_empty() {
            break;
        }
        history.extend(page.iter().map(recorded));
    }
    let operations = sent.operations.lock().unwrap();
    let all: Vec<Operation> = operations.values().map(|(operation, _)| operation.clone()).collect();
    check_history(&all, &history).unwrap();
    for (operation, request) in operations.values() {
        let Some(first) = operation.acknowledged else { continue };
        let again = post(&client, request, &operation.command).send().json(200);
        assert_eq!((acknowledged(&again, first.at), &again["repeated"]), (first, &Value::Bool(true)), "{again}");
    }
    println!("{} events, {} sent so far", history.len(), all.len());
}

fn recorded(event: &Value) -> Recorded {
    let text = |field: &str| event[field].as_str().unwrap();
    let number = |field: &str| event[field].as_u64().unwrap();
    let aggregate = format!("{}/{}/{}", text("domain"), text("aggregate"), text("aggregate_id"));
    let (position, sequence) = (number("position"), number("sequence"));
    Recorded { command: text("command_id").to_owned(), aggregate, position, sequence }
}
