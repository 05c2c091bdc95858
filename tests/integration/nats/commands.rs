//! Commands by request-reply: the answers, and refusals that leave no trace.

use polder_tests::NatsOptions;
use serde_json::json;

use super::site::{Site, header, json, map, problem};

const DRAFT: &str = r#"{"customer": "ann"}"#;
const LINE: &str = r#"{"sku": "TEA", "quantity": 2, "price": 100}"#;

#[test]
fn a_command_is_acknowledged() {
    let site = Site::open_shop();
    let ack = site.order("o-1", "draft-order", DRAFT);
    assert_eq!(
        (&ack["status"], &ack["sequence"], &ack["position"]),
        (&json!("accepted"), &json!(1), &json!(1)),
        "{ack}"
    );
    let events = site.host().client().get("/v1/main/events").lines();
    assert_eq!((events.len(), &events[0]["aggregate_id"]), (1, &json!("o-1")), "{events:?}");
    let ack = site.order("o-1", "submit-order", "");
    assert_eq!(ack["status"], "rejected", "{ack}");
}

#[test]
fn headers_say_how_it_is_handled() {
    let site = Site::open_shop();
    let subject = "main.cmd.orders.order.o-1.draft-order";
    let headers = [
        ("Idempotency-Key", "key-1"),
        ("If-Match", "\"0\""),
        ("correlation-id", "corr-1"),
        ("CAUSATION-ID", "cause-1"),
        ("Actor", "Jörg"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    ];
    let answer = site.request(subject, &headers, DRAFT);
    assert_eq!(json(&answer)["correlation_id"], "corr-1", "{answer:?}");
    assert_eq!(header(&answer, "traceparent"), Some(headers[5].1));
    let again = json(&site.request(subject, &headers, DRAFT));
    assert_eq!((&again["repeated"], &again["sequence"]), (&json!(true), &json!(1)), "{again}");
    let events = site.host().client().get("/v1/main/events").lines();
    let event = &events[0];
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!((&event["command_id"], &event["causation_id"]), (&json!("key-1"), &json!("cause-1")), "{event}");
    assert_eq!((&event["correlation_id"], &event["actor"]), (&json!("corr-1"), &json!("Jörg")), "{event}");
    assert_eq!(event["traceparent"], headers[5].1, "{event}");
    site.assert_stream_is_history();
    problem(&site.request(subject, &[("If-Match", "7")], DRAFT), 409, "sequence-conflict");
}

/// Subject, headers, payload, status, kind.
type Refusal<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str, u16, &'a str);

#[test]
fn what_cannot_be_used_is_answered_and_not_recorded() {
    let site = Site::open_with(NatsOptions { payload_bytes_max: Some(400_000), ..NatsOptions::default() });
    site.host().client().deploy("orders");
    let long = "9".repeat(300);
    let (long, large) = (format!("main.cmd.orders.order.{long}.draft-order"), format!("\"{}\"", "x".repeat(300_000)));
    let good = "main.cmd.orders.order.o-1.draft-order";
    let table: &[Refusal<'_>] = &[
        ("main.cmd.orders.order.draft-order", &[], DRAFT, 400, "bad-subject"),
        ("main.cmd.orders.order.o-1.draft-order.now", &[], DRAFT, 400, "bad-subject"),
        ("main.cmd.orders", &[], DRAFT, 400, "bad-subject"),
        ("main.cmd.orders.order.*.draft-order", &[], DRAFT, 400, "bad-name"),
        ("main.cmd.orders.order.o-1.>", &[], DRAFT, 400, "bad-name"),
        ("main.cmd.orders.order.é.draft-order", &[], DRAFT, 400, "bad-name"),
        (&long, &[], DRAFT, 400, "bad-name"),
        ("main.cmd.Orders.order.o-1.draft-order", &[], DRAFT, 400, "bad-name"),
        ("main.cmd.others.order.o-1.draft-order", &[], DRAFT, 404, "unknown-domain"),
        ("main.cmd.orders.order.o-1.drop-order", &[], DRAFT, 404, "unknown-command"),
        (good, &[("If-Match", "*")], DRAFT, 400, "bad-header"),
        (good, &[("If-Match", "1"), ("if-match", "2")], DRAFT, 400, "bad-header"),
        (good, &[("Idempotency-Key", "two words")], DRAFT, 400, "bad-header"),
        (good, &[("Actor", "")], DRAFT, 400, "bad-header"),
        (good, &[("traceparent", "one two")], DRAFT, 400, "bad-header"),
        (good, &[], "{", 400, "not-json"),
        (good, &[], &large, 413, "too-large"),
    ];
    for (subject, headers, payload, status, kind) in table {
        let document = problem(&site.request(subject, headers, payload), *status, kind);
        assert!(document["detail"].as_str().unwrap().len() < 1_000, "{document}");
    }
    // NATS itself refuses these: no host subscribes to such a subject.
    for subject in ["main.cmd.orders.order.o 1.draft-order", "main.cmd..order.o-1.draft-order", "other.cmd.a.b.c.d"] {
        assert!(site.try_request(subject, &[], DRAFT).is_err(), "{subject}");
    }
    assert_eq!(site.host().client().get("/v1/main/events").lines().len(), 0);
    assert_eq!(site.order("o-1", "draft-order", DRAFT)["sequence"], 1);
}

#[test]
fn without_a_reply_subject_it_is_done_and_logged() {
    let mut site = Site::open_shop();
    site.runtime.block_on(async {
        let headers = map(&[("Idempotency-Key", "quiet-1")]);
        let subject = "main.cmd.orders.order.o-1.draft-order";
        site.client.publish_with_headers(subject, headers, DRAFT.into()).await.unwrap();
        site.client.flush().await.unwrap();
    });
    // Commands to the same aggregate run one after the other: the second finds the result of the first.
    let ack = site.order("o-1", "add-line", LINE);
    assert_eq!(ack["sequence"], 2, "{ack}");
    let log = site.stop_host();
    let line = log.lines().find(|line| line.contains("the request wanted no answer")).expect("a line about it");
    assert!(line.contains("main.cmd.orders.order.o-1.draft-order") && line.contains("code=200"), "{line}");
    assert!(!line.contains("quiet-1") && line.len() < 300, "the answer is the caller's: {line}");
}

#[test]
fn one_callers_commands_are_decided_in_order() {
    const ORDERS: usize = 50;
    let site = Site::open_shop();
    let answers = site.runtime.block_on(async {
        let mut answers = Vec::new();
        let reply = site.client.new_inbox();
        let mut inbox = site.client.subscribe(reply.clone()).await.unwrap();
        for number in 0..ORDERS {
            for (command, payload) in [("draft-order", DRAFT), ("add-line", LINE), ("submit-order", "{}")] {
                let subject = format!("main.cmd.orders.order.o-{number}.{command}");
                site.client.publish_with_reply(subject, reply.clone(), payload.into()).await.unwrap();
            }
        }
        while answers.len() < 3 * ORDERS {
            use futures::StreamExt as _;
            let answer = tokio::time::timeout(super::site::WAIT_MAX, inbox.next()).await;
            answers.push(answer.expect("an answer in time").unwrap());
        }
        answers
    });
    for answer in &answers {
        assert_eq!(json(answer)["status"], "accepted", "{answer:?}");
    }
}

#[test]
fn a_malformed_message_disturbs_others_only_briefly() {
    use std::io::Write as _;
    let site = Site::open_shop();
    let mut raw = std::net::TcpStream::connect(site.server.url().trim_start_matches("nats://")).unwrap();
    raw.write_all(b"CONNECT {\"headers\":true,\"verbose\":false}\r\n").unwrap();
    // A header that is not UTF-8. No client library sends such a header, and async-nats closes the connection on which
    // it arrives.
    raw.write_all(
        b"HPUB main.cmd.orders.order.o-1.draft-order 25 27\r\nNATS/1.0\r\nActor: \xff\xff\xff\r\n\r\n{}\r\nPING\r\n",
    )
    .unwrap();
    let start = std::time::Instant::now();
    // A caller that repeats its request gets an answer.
    while site.try_request("main.cmd.orders.order.o-2.draft-order", &[], DRAFT).is_err() {
        assert!(start.elapsed() < super::site::WAIT_MAX, "{}", site.host().log());
    }
    let events = site.host().client().get("/v1/main/events").lines();
    assert!(events.iter().all(|event| event["aggregate_id"] == "o-2"), "{events:?}");
}
