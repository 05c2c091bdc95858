//! Many commands in one request: answered line by line while they are sent, in order for each aggregate, without losses
//! at the edges.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use polder_tests::{Host, skipped};
use serde_json::{Value, json};

use super::shop::Shop;

const ROUTE: &str = "/v1/main/commands";
const NDJSON: &str = "application/x-ndjson";

fn line(address: &str, id: &str, payload: &Value) -> String {
    json!({ "address": address, "command_id": id, "payload": payload }).to_string() + "\n"
}

pub(crate) fn draft(order: u64) -> String {
    line(&format!("orders/order/o-{order}/draft-order"), &format!("c-{order}"), &json!({ "customer": "ann" }))
}

/// The answers by the number of their line. `None`: the answer has another last line.
#[track_caller]
fn by_line(answers: &[Value]) -> BTreeMap<u64, &Value> {
    let number = |answer: &Value| answer["line"].as_u64().unwrap_or_else(|| panic!("no line: {answer}"));
    let lines: BTreeMap<u64, &Value> = answers.iter().map(|answer| (number(answer), answer)).collect();
    assert_eq!(lines.len(), answers.len(), "a line is answered twice: {answers:?}");
    lines
}

#[track_caller]
fn sent(shop: &Shop, body: String) -> Vec<Value> {
    shop.client.request("POST", ROUTE).header("content-type", NDJSON).body(body).send().lines()
}

#[test]
fn each_line_is_answered_as_the_command_alone_would_be() {
    let shop = Shop::open();
    let order = |command: &str, id: &str, payload: Value| line(&format!("orders/order/o-1/{command}"), id, &payload);
    let body = [
        order("draft-order", "c-1", json!({ "customer": "ann" })),
        order("submit-order", "c-2", json!({})),
        "not json\n".to_owned(),
        order("add-line", "c-4", json!({ "sku": "TEA", "quantity": 2, "price": 100 })),
        "\n".to_owned(),
        order("drop-order", "c-6", json!({})),
        "{\"address\":\"orders/order/o-1/submit-order\",\"expected_sequence\":7}\n".to_owned(),
        "{\"address\":\"orders/order/o-1/submit-order\",\"expected_sequence\":2,\"actor\":\"ann\",\"causation_id\":\"k\"}\r\n".to_owned(),
        order("add-line", "c-4", json!({ "sku": "TEA", "quantity": 2, "price": 100 })),
        order("add-line", "c-4", json!({ "sku": "TEA", "quantity": 3, "price": 100 })),
        line("others/order/o-1/draft-order", "c-1", &json!({})),
        "{\"address\":\"orders/order/o-2/draft-order\",\"payload\":{\"customer\":\"bob\"}}".to_owned(),
    ];
    let answers = sent(&shop, body.concat());
    let lines = by_line(&answers);
    let kind =
        |line: u64| lines[&line]["type"].as_str().unwrap_or_default().rsplit(':').next().unwrap_or_default().to_owned();
    assert_eq!(lines.keys().copied().collect::<Vec<_>>(), [1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12]);
    assert_eq!((&lines[&1]["status"], &lines[&1]["sequence"]), (&json!("accepted"), &json!(1)));
    assert_eq!((&lines[&2]["status"], &lines[&2]["command_id"]), (&json!("rejected"), &json!("c-2")));
    assert_eq!((kind(3).as_str(), &lines[&3]["status"]), ("bad-line", &json!(400)));
    assert_eq!((&lines[&4]["status"], &lines[&4]["sequence"]), (&json!("accepted"), &json!(2)));
    assert_eq!(kind(6), "unknown-command");
    assert!(lines[&6]["known"].as_array().is_some_and(|known| known.contains(&json!("draft-order"))), "{}", lines[&6]);
    assert_eq!((kind(7).as_str(), &lines[&7]["actual"]), ("sequence-conflict", &json!(2)));
    assert_eq!((&lines[&8]["status"], &lines[&8]["sequence"]), (&json!("accepted"), &json!(3)));
    assert_eq!((&lines[&9]["status"], &lines[&9]["repeated"]), (&json!("accepted"), &json!(true)));
    assert_eq!((kind(10).as_str(), &lines[&10]["recorded"]), ("id-reused", &json!("accepted")));
    assert_eq!(kind(11), "unknown-domain");
    assert_eq!(lines[&12]["status"], "accepted");
    let events = shop.client.get("/v1/main/events").lines();
    let names: Vec<_> = events.iter().map(|event| event["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["order-drafted", "line-added", "order-submitted", "order-drafted"]);
    assert_eq!((&events[2]["actor"], &events[2]["causation_id"]), (&json!("ann"), &json!("k")));
}

#[test]
fn the_request_as_such_must_be_one() {
    let shop = Shop::open();
    let post = |headers: &[(&str, &str)], path: &str| {
        let request = headers
            .iter()
            .fold(shop.client.request("POST", path), |request, (name, value)| request.header(name, value));
        request.body(draft(1)).send()
    };
    post(&[("content-type", "application/json")], ROUTE).problem(415, "wrong-content-type");
    post(&[], ROUTE).problem(415, "wrong-content-type");
    for header in ["idempotency-key", "if-match", "actor", "correlation-id", "causation-id", "polder-retry-rejected"] {
        let problem = post(&[("content-type", NDJSON), (header, "1")], ROUTE).problem(400, "bad-header");
        assert!(problem["detail"].as_str().unwrap().contains("each line may have a member"), "{problem}");
    }
    post(&[("content-type", NDJSON)], "/v1/main/commands?x=1").problem(400, "bad-query");
    post(&[("content-type", NDJSON)], "/v1/others/commands").problem(404, "unknown-tenant");
    shop.client.get(ROUTE).problem(405, "method-not-allowed");
    assert_eq!(shop.client.position(), 0);
    let answers =
        post(&[("content-type", "Application/X-NDJSON; charset=utf-8")], "/v1/main/commands?first_line=7").lines();
    assert_eq!((&answers[0]["line"], &answers[0]["status"]), (&json!(7), &json!("accepted")));
}

#[test]
fn a_line_that_is_too_long_is_one_problem() {
    let shop = Shop::open();
    let long = line("orders/order/o-9/draft-order", "c-9", &json!({ "customer": "x".repeat(300_000) }));
    let answers = sent(&shop, [draft(1), long, draft(3)].concat());
    let lines = by_line(&answers);
    assert_eq!((&lines[&1]["status"], &lines[&3]["status"]), (&json!("accepted"), &json!("accepted")));
    assert_eq!(
        (&lines[&2]["type"], &lines[&2]["limit_name"]),
        (&json!("urn:polder:problem:too-large"), &json!("command_bytes_max"))
    );
}

/// A request whose body is written piece by piece.
pub(crate) struct Open {
    stream: TcpStream,
    answer: BufReader<TcpStream>,
}

impl Open {
    fn new(address: &str) -> Self {
        Self::with_headers(address, "")
    }

    /// Each of the headers ends with a line end.
    pub(crate) fn with_headers(address: &str, headers: &str) -> Self {
        let mut stream = TcpStream::connect(address.trim_start_matches("http://")).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let host = address.trim_start_matches("http://");
        let head = format!(
            "POST {ROUTE} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {NDJSON}\r\n{headers}Transfer-Encoding: chunked\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let answer = BufReader::new(stream.try_clone().unwrap());
        Self { stream, answer }
    }

    pub(crate) fn send(&mut self, text: &str) {
        write!(self.stream, "{:x}\r\n{text}\r\n", text.len()).unwrap();
    }

    /// The next line of JSON; heads and sizes of chunks around it are skipped.
    #[track_caller]
    pub(crate) fn next(&mut self) -> Value {
        loop {
            let mut line = String::new();
            assert!(self.answer.read_line(&mut line).unwrap() > 0, "the answer is over");
            if line.starts_with('{') {
                return serde_json::from_str(&line).unwrap();
            }
        }
    }
}

#[test]
fn answers_come_while_lines_are_sent() {
    let shop = Shop::open();
    let mut open = Open::new(shop.address());
    for order in 1..=3 {
        open.send(&draft(order));
        let answer = open.next();
        assert_eq!((&answer["line"], &answer["status"]), (&json!(order), &json!("accepted")));
    }
    open.send("");
}

#[test]
fn a_client_that_sends_all_before_it_reads_is_answered() {
    let shop = Shop::open();
    let mut open = Open::new(shop.address());
    let count = 3_000;
    for order in 1..=count {
        open.send(&draft(order));
    }
    open.send("");
    let answers: Vec<Value> = (0..count).map(|_| open.next()).collect();
    assert!(answers.iter().all(|answer| answer["status"] == "accepted"));
    assert_eq!(by_line(&answers).len() as u64, count);
    assert_eq!(shop.client.position(), count);
}

#[test]
fn curl_can_send_a_batch() {
    let shop = Shop::open();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("commands.ndjson");
    std::fs::write(&file, (1..=2_000).map(draft).collect::<String>()).unwrap();
    let arguments = ["-sS", "-T", file.to_str().unwrap(), "-X", "POST", "-H", "Content-Type: application/x-ndjson"];
    let url = format!("{}{ROUTE}", shop.address());
    let Ok(ran) = Command::new("curl").args(arguments).arg(url).output() else {
        return skipped("there is no curl");
    };
    let answers = String::from_utf8(ran.stdout).unwrap();
    assert_eq!(
        answers.lines().filter(|line| line.contains("\"accepted\"")).count(),
        2_000,
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
}

#[test]
fn lines_wait_for_a_limit_of_the_tenant() {
    let shop = Shop::open();
    let limits = shop.client.request("PATCH", "/v1/tenants/main/limits").header("content-type", "application/json");
    assert_eq!(limits.body(r#"{"commands_per_second_max": 20}"#).send().status, 200);
    let start = Instant::now();
    let answers = sent(&shop, (1..=50).map(draft).collect());
    assert!(by_line(&answers).values().all(|answer| answer["status"] == "accepted"), "{answers:?}");
    assert!(start.elapsed() > Duration::from_secs(1), "{:?}", start.elapsed());
}

#[test]
fn a_batch_that_ends_early_says_how_far_it_got() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start(&folder.path().join("data"));
    host.client().deploy("orders");
    let mut open = Open::new(host.address());
    open.send(&[draft(1), draft(2)].concat());
    assert_eq!((open.next()["line"].clone(), open.next()["line"].clone()), (json!(1), json!(2)));
    let stopping = std::thread::spawn(move || host.stop());
    let end = open.next();
    assert_eq!((&end["lines_taken"], &end["type"]), (&json!(2), &json!("urn:polder:problem:shutting-down")), "{end}");
    drop(open);
    stopping.join().unwrap();
}

#[test]
fn a_rejected_command_is_decided_again_when_that_is_asked() {
    let mut shop = Shop::open();
    let submit = "{\"address\":\"orders/order/o-1/submit-order\",\"command_id\":\"s\"}\n";
    let again = "{\"address\":\"orders/order/o-1/submit-order\",\"command_id\":\"s\",\"retry_rejected\":true}\n";
    shop.send("o-1", "draft-order", &json!({ "customer": "ann" })).json(200);
    let answer = |shop: &Shop, body: &str| sent(shop, body.to_owned()).remove(0);
    let outcome =
        |answer: &Value| (answer["status"].as_str().unwrap_or_default().to_owned(), answer["repeated"] == true);
    assert_eq!(outcome(&answer(&shop, submit)), ("rejected".into(), false));
    // As before, also when it is decided again with the same result.
    assert_eq!(outcome(&answer(&shop, submit)), ("rejected".into(), true));
    assert_eq!(outcome(&answer(&shop, again)), ("rejected".into(), false));
    let cancel = line("orders/order/o-1/cancel-order", "s", &json!({}));
    assert_eq!(answer(&shop, &cancel)["recorded"], "rejected");
    shop.send("o-1", "add-line", &json!({ "sku": "TEA", "quantity": 2, "price": 1 })).json(200);
    assert_eq!(outcome(&answer(&shop, submit)), ("rejected".into(), true));
    assert_eq!(outcome(&answer(&shop, again)), ("accepted".into(), false));
    // An acceptance is final: at once, and after the host was killed and has read its journal again.
    for _ in 0..2 {
        assert_eq!(outcome(&answer(&shop, again)), ("accepted".into(), true));
        assert_eq!(outcome(&answer(&shop, submit)), ("accepted".into(), true));
        shop.reopen();
    }
    let one = shop.command("o-2", "submit-order", &json!({})).header("idempotency-key", "x");
    assert_eq!(one.send().status, 422);
    shop.draft("o-2", "ann", 1);
    let one = shop.command("o-2", "submit-order", &json!({})).header("idempotency-key", "x");
    assert_eq!(one.header("polder-retry-rejected", "true").send().json(200)["status"], "accepted");
    let one = shop.command("o-2", "submit-order", &json!({})).header("polder-retry-rejected", "yes");
    one.send().problem(400, "bad-header");
}
