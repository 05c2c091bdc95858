//! A reader of events over NATS: first the history, then new events, without gap or duplicate, no faster than it takes
//! them.

use std::time::Duration;

use async_nats::{Message, Subscriber};
use futures::StreamExt as _;
use polder_tests::polder;
use serde_json::{Value, json as value};

use super::site::{Site, WAIT_MAX, header, json, map, problem};

const DRAFT: &str = r#"{"customer": "ann"}"#;
const SUBJECT: &str = "main.catchup";
/// The number of events that a reader gets without confirming any: a page, which the host sends ahead.
const EVENTS_PER_PAGE: usize = 256;
/// The most readers that a host serves at a time.
const READERS_MAX: usize = 1_024;

/// A client that reads events.
struct Reader<'a> {
    site: &'a Site,
    messages: Subscriber,
    numbers: u64,
}

impl<'a> Reader<'a> {
    /// Subscribes, and expects an acknowledgement.
    #[track_caller]
    fn open(site: &'a Site, id: &str, asked: &Value) -> Self {
        let messages = site.runtime.block_on(site.client.subscribe(format!("main.result.{id}"))).unwrap();
        let ack = json(&site.request(SUBJECT, &[("Correlation-Id", id)], &asked.to_string()));
        let expected =
            value!({"status": "accepted", "correlation_id": id, "result_subject": format!("main.result.{id}")});
        assert_eq!(ack, expected);
        Self { site, messages, numbers: 0 }
    }

    fn next_within(&mut self, wait_max: Duration) -> Option<Message> {
        let next = async { tokio::time::timeout(wait_max, self.messages.next()).await.ok() };
        let message = self.site.runtime.block_on(next)?.expect("the connection is there");
        if header(&message, "Polder-Catchup") != Some("end") && header(&message, "Nats-Service-Error").is_none() {
            self.numbers += 1;
            assert_eq!(header(&message, "Polder-Number"), Some(&*self.numbers.to_string()), "{message:?}");
        }
        Some(message)
    }

    #[track_caller]
    fn next(&mut self) -> Message {
        self.next_within(WAIT_MAX).unwrap_or_else(|| panic!("nothing comes\n{}", self.site.host().log()))
    }

    fn answer(&self, message: &Message, answer: &str) {
        if let Some(reply) = message.reply.clone() {
            let answered = self.site.client.publish(reply, answer.to_owned().into());
            self.site.runtime.block_on(answered).unwrap();
        }
    }

    /// The next event; confirms it if it asks for that.
    #[track_caller]
    fn event(&mut self) -> Value {
        let message = self.next();
        assert_eq!(header(&message, "Polder-Catchup"), None, "{message:?}");
        self.answer(&message, "");
        json(&message)
    }

    #[track_caller]
    fn events(&mut self, count: usize) -> Vec<Value> {
        (0..count).map(|_| self.event()).collect()
    }

    #[track_caller]
    fn end(&mut self) -> Value {
        let message = self.next();
        assert_eq!(header(&message, "Polder-Catchup"), Some("end"), "{message:?}");
        json(&message)
    }
}

fn positions(events: &[Value]) -> Vec<u64> {
    events.iter().map(|event| event["position"].as_u64().unwrap()).collect()
}

/// Sends without waiting for answers.
fn send(site: &Site, numbers: std::ops::Range<u64>) {
    site.runtime.block_on(async {
        for number in numbers {
            let subject = format!("main.cmd.orders.order.o-{number}.draft-order");
            site.client.publish(subject, DRAFT.into()).await.unwrap();
        }
        site.client.flush().await.unwrap();
    });
}

#[test]
fn history_comes_first_and_then_what_comes() {
    let site = Site::open_shop();
    send(&site, 0..700);
    let mut reader = Reader::open(&site, "r-1", &value!({}));
    let mut events = reader.events(300);
    // The seam: new events arrive before the reader has reached the end.
    send(&site, 700..1_200);
    events.extend(reader.events(900));
    send(&site, 1_200..1_201);
    events.extend(reader.events(1));
    assert_eq!(positions(&events), (1..=1_201).collect::<Vec<_>>());
    assert_eq!(events, site.host().client().get("/v1/main/events").lines());
}

#[test]
fn it_ends_where_the_reader_says() {
    let site = Site::open_shop();
    send(&site, 0..10);
    let mut reader = Reader::open(&site, "r-1", &value!({"start_after": 3, "end_at": 12}));
    let mut events = reader.events(7);
    send(&site, 10..20);
    events.extend(reader.events(2));
    assert_eq!(positions(&events), (4..=12).collect::<Vec<_>>());
    assert_eq!(reader.end(), value!({"ended": "that was all", "position": 12}));
    // The reader can also end it, in its answer to any message that asks for one.
    let mut reader = Reader::open(&site, "r-2", &value!({}));
    let mut last = reader.next();
    while last.reply.is_none() {
        last = reader.next();
    }
    reader.answer(&last, "stop");
    assert_eq!(reader.end()["ended"], "the reader wants no more");
    assert!(reader.next_within(Duration::from_millis(200)).is_none(), "the end is the last");
}

#[test]
fn a_reader_says_which_events() {
    let site = Site::open_shop();
    let headers = [("Correlation-Id", "corr-1")];
    site.request("main.cmd.orders.order.o-1.draft-order", &headers, DRAFT);
    site.order("o-2", "draft-order", DRAFT);
    site.order("o-1", "add-line", r#"{"sku": "TEA", "quantity": 2, "price": 100}"#);
    for (number, (asked, expected)) in [
        (value!({"target_id": "o-1", "end_at": 3}), &[1, 3][..]),
        (value!({"correlation_id": "corr-1", "end_at": 3}), &[1]),
        (value!({"name": "order-drafted", "end_at": 3}), &[1, 2]),
        (value!({"domain": "permits", "end_at": 3}), &[]),
        (value!({"start_after": 3, "end_at": 3}), &[]),
    ]
    .into_iter()
    .enumerate()
    {
        let mut reader = Reader::open(&site, &format!("r-{number}"), &asked);
        assert_eq!(positions(&reader.events(expected.len())), expected, "{asked}");
        assert_eq!(reader.end(), value!({"ended": "that was all", "position": 3}), "{asked}");
    }
}

/// The reader gets one page, and no more before it confirms that page.
#[test]
fn a_slow_reader_loses_nothing_and_is_sent_no_more_than_it_takes() {
    const COUNT: usize = 3 * EVENTS_PER_PAGE;
    let site = Site::open_shop();
    send(&site, 0..COUNT as u64);
    site.await_messages(COUNT as u64);
    let mut reader = Reader::open(&site, "r-1", &value!({"end_at": COUNT}));
    let mut page = Vec::new();
    while let Some(message) = reader.next_within(Duration::from_millis(500)) {
        page.push(message);
    }
    assert!((1..=EVENTS_PER_PAGE).contains(&page.len()), "{}", page.len());
    let last = page.last().unwrap();
    assert!(last.reply.is_some() && page.iter().filter(|message| message.reply.is_some()).count() == 1);
    reader.answer(last, "");
    let rest = reader.events(COUNT - page.len());
    let mut found: Vec<Value> = page.iter().map(json).collect();
    found.extend(rest);
    assert_eq!(positions(&found), (1..=COUNT as u64).collect::<Vec<_>>());
    assert_eq!(reader.end()["position"], COUNT);
}

#[test]
fn a_reader_that_is_gone_is_soon_sent_nothing() {
    let site = Site::open_shop();
    send(&site, 0..5);
    site.await_messages(5);
    let readers = || {
        let metrics = site.host().client().get("/metrics").text().to_owned();
        let line = metrics.lines().find_map(|line| line.strip_prefix("polder_nats_readers ")).unwrap().to_owned();
        line.parse::<u64>().unwrap()
    };
    let mut reader = Reader::open(&site, "r-1", &value!({}));
    reader.events(5);
    assert_eq!(readers(), 1);
    drop(reader);
    site.runtime.block_on(site.client.flush()).unwrap();
    // The next event finds no subscriber.
    send(&site, 5..6);
    let began = std::time::Instant::now();
    while readers() > 0 {
        assert!(began.elapsed() < WAIT_MAX, "{}", site.host().log());
    }
    // A reader that never listened is also detected at once.
    site.request(SUBJECT, &[("Correlation-Id", "r-2")], "");
    while readers() > 0 {
        assert!(began.elapsed() < 2 * WAIT_MAX, "{}", site.host().log());
    }
}

#[test]
fn one_reader_more_than_allowed_is_refused_with_the_limit() {
    let site = Site::open_shop();
    send(&site, 0..1);
    site.await_messages(1);
    // Each reader listens, and confirms nothing.
    let _messages = site.runtime.block_on(site.client.subscribe("main.result.*")).unwrap();
    let subscribe = |number: usize| site.request(SUBJECT, &[("Correlation-Id", &format!("r-{number}"))], "");
    for number in 0..READERS_MAX {
        assert_eq!(json(&subscribe(number))["status"], "accepted", "{number}");
    }
    let refused = problem(&subscribe(READERS_MAX), 429, "busy");
    assert_eq!((&refused["limit_name"], &refused["limit"]), (&value!("readers_max"), &value!(READERS_MAX)));
}

#[test]
fn what_cannot_be_read_is_refused_with_the_reason() {
    let site = Site::open_shop();
    for (headers, payload, kind) in [
        (&[][..], "[", "not-json"),
        (&[], r#"{"after": 3}"#, "bad-body"),
        (&[], r#"{"start_after": -1}"#, "bad-body"),
        (&[], r#"{"target_id": "a b"}"#, "bad-body"),
        (&[("Correlation-Id", "a.b")], "", "bad-header"),
        (&[("Correlation-Id", "*")], "", "bad-header"),
    ] {
        let document = problem(&site.request(SUBJECT, headers, payload), 400, kind);
        assert!(document["detail"].as_str().unwrap().len() < 1_000, "{document}");
    }
    // No host subscribes to such a subject.
    for subject in ["other.catchup", "main.catchup.orders"] {
        assert!(site.try_request(subject, &[], "").is_err(), "{subject}");
    }
}

#[test]
fn a_token_says_which_events_are_seen() {
    let mut site = Site::open_shop();
    site.order("o-1", "draft-order", DRAFT);
    site.order("o-1", "add-line", r#"{"sku": "TEA", "quantity": 2, "price": 100}"#);
    site.order("o-2", "draft-order", DRAFT);
    site.stop_host();
    let data = site.data.path().to_str().unwrap().to_owned();
    polder(&["token", "key", "new", "--data", &data]).good();
    let token = |tenant: &str, pattern: &str| {
        let arguments = ["token", "issue", "--data", &data, "--tenant", tenant, "--actor", "desk"];
        format!("Bearer {}", polder(&[&arguments[..], &["--allow-subscribe", pattern]].concat()).good().trim())
    };
    let (some, none) = (token("main", "main.orders.order.order-drafted.*"), token("main", "main.permits.>"));
    let stranger = token("acme", ">");
    site.start_host();
    problem(&site.request(SUBJECT, &[], ""), 401, "not-authenticated");
    for token in [&none, &stranger] {
        let only = r#"{"domain": "orders"}"#;
        problem(&site.request(SUBJECT, &[("Authorization", token)], only), 403, "not-permitted");
    }
    let (found, end) = site.runtime.block_on(async {
        let mut messages = site.client.subscribe("main.result.r-1").await.unwrap();
        let headers = map(&[("Authorization", &some), ("Correlation-Id", "r-1")]);
        let request = async_nats::Request::new().payload(r#"{"end_at": 3}"#.into()).headers(headers);
        site.client.send_request(SUBJECT, request).await.unwrap();
        let mut found = Vec::new();
        loop {
            let message = tokio::time::timeout(WAIT_MAX, messages.next()).await.unwrap().unwrap();
            if header(&message, "Polder-Catchup") == Some("end") {
                return (found, json(&message));
            }
            found.push(json(&message));
            if let Some(reply) = message.reply {
                site.client.publish(reply, "".into()).await.unwrap();
            }
        }
    });
    assert_eq!(positions(&found), [1, 3]);
    assert_eq!(end["position"], 3);
}

#[test]
fn a_reader_ends_when_it_is_not_permitted_any_more() {
    let site = Site::open_shop();
    site.order("o-1", "draft-order", DRAFT);
    let mut reader = Reader::open(&site, "r-1", &value!({}));
    assert_eq!(reader.event()["position"], 1);
    // From the first key on, a reader without a token is refused.
    let proof = site.data.path().join("first-key-proof");
    let key = site.data.path().with_file_name("operators-key");
    let arguments =
        ["token", "key", "new", "--first-key-proof", proof.to_str().unwrap(), "--out", key.to_str().unwrap()];
    site.host().polder(&arguments).good();
    std::fs::remove_file(&key).unwrap();
    let end = reader.end();
    assert_eq!(
        (&end["ended"], &end["position"]),
        (&value!("the reader is not permitted to read any more"), &value!(1))
    );
}
