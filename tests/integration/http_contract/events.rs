//! The history, as readers see it: in order, in part, and live.

use serde_json::{Value, json};

use super::shop::Shop;

fn positions(events: &[Value]) -> Vec<u64> {
    events.iter().map(|event| event["position"].as_u64().expect("a position")).collect()
}

#[test]
fn events_are_read_in_order_and_in_part() {
    let shop = Shop::open();
    shop.draft("o-1", "c-1", 5);
    shop.draft("o-2", "c-2", 7);
    shop.send("o-1", "submit-order", &json!({})).json(200);
    let read = |query: &str| shop.client.get(&format!("/v1/main/events{query}")).lines();
    let all = read("");
    assert_eq!(positions(&all), [1, 2, 3, 4, 5]);
    let names = ["domain", "aggregate", "aggregate_id", "name"].map(|name| all[3][name].as_str().unwrap());
    assert_eq!(names, ["orders", "order", "o-2", "line-added"]);
    assert_eq!((&all[3]["sequence"], &all[3]["version"]), (&json!(2), &json!(2)));
    assert_eq!(all[3]["payload"], json!({ "sku": "TEA", "quantity": 2, "price": 7 }));

    for (query, wanted) in [
        ("?after=0", vec![1, 2, 3, 4, 5]),
        ("?after=3", vec![4, 5]),
        ("?after=5", vec![]),
        ("?after=99", vec![]),
        ("?limit=2", vec![1, 2]),
        ("?limit=0", vec![]),
        ("?after=1&limit=2", vec![2, 3]),
        ("?name=line-added", vec![2, 4]),
        ("?name=line-added&limit=1", vec![2]),
        ("?name=line-added&after=2", vec![4]),
        ("?name=never-happened", vec![]),
        ("?domain=orders&after=4", vec![5]),
        ("?aggregate_id=o-1", vec![1, 2, 5]),
        ("?aggregate_id=o-1&after=1&end_at=4", vec![2]),
        ("?end_at=3", vec![1, 2, 3]),
        ("?end_at=0", vec![]),
        ("?end_at=99", vec![1, 2, 3, 4, 5]),
        ("?follow=true&after=1&end_at=4", vec![2, 3, 4]),
        ("?follow=true&after=4&end_at=4", vec![]),
    ] {
        assert_eq!(positions(&read(query)), wanted, "{query}");
    }
    // A domain that does not exist can have no events: a typing error must not give an empty answer.
    let unknown = shop.client.get("/v1/main/events?domain=permits").problem(404, "unknown-domain");
    assert_eq!(unknown["known"], json!(["orders"]));
    assert!(!shop.client.get("/v1/system/events?domain=deployments").lines().is_empty());
    shop.client.get("/v1/system/events?domain=orders").problem(404, "unknown-domain");
    let correlation = all[4]["correlation_id"].as_str().unwrap();
    assert_eq!(positions(&read(&format!("?correlation_id={correlation}"))), [5]);

    let history =
        |query: &str| positions(&shop.client.get(&format!("/v1/main/orders/order/o-1/events{query}")).lines());
    assert_eq!(history(""), [1, 2, 5]);
    assert_eq!((history("?from=2"), history("?from=2&limit=1"), history("?from=9")), (vec![2, 5], vec![2], vec![]));
}

#[test]
fn a_long_history_is_given_whole() {
    let shop = Shop::open();
    // More events than the host reads at a time.
    shop.send("o-1", "draft-order", &json!({ "customer": "c-1" })).json(200);
    for number in 0..600 {
        let line = json!({ "sku": format!("S-{number}"), "quantity": 1, "price": number });
        shop.send("o-1", "add-line", &line).json(200);
    }
    let wanted: Vec<u64> = (1..=601).collect();
    assert_eq!(positions(&shop.client.get("/v1/main/events").lines()), wanted);
    assert_eq!(positions(&shop.client.get("/v1/main/orders/order/o-1/events").lines()), wanted);
    assert_eq!(
        positions(&shop.client.get("/v1/main/events?name=line-added&after=300&limit=280").lines()),
        wanted[300..580]
    );
}

#[test]
fn a_follower_gets_past_and_new_events() {
    let shop = Shop::open();
    shop.draft("o-1", "c-1", 5);
    let reader = polder_tests::Client::new(shop.address());
    let mut all = reader.request("GET", "/v1/main/events?follow=true&after=1").lines();
    let other = polder_tests::Client::new(shop.address());
    let mut some = other.request("GET", "/v1/main/events?follow=true&name=order-submitted&limit=1").lines();
    let mut next = || serde_json::from_str::<Value>(&all.next().expect("an event")).unwrap()["position"].clone();
    assert_eq!(next(), 2);
    shop.draft("o-2", "c-1", 5);
    shop.send("o-2", "submit-order", &json!({})).json(200);
    assert_eq!((next(), next(), next()), (json!(3), json!(4), json!(5)));
    let event: Value = serde_json::from_str(&some.next().expect("an event")).unwrap();
    assert_eq!(event["position"], 5);
    assert_eq!(some.next(), None, "the limit ends the stream");
}

#[test]
fn nothing_is_missing_or_double_where_history_becomes_present() {
    const EVENTS: u64 = 300;
    const READERS: u64 = 12;
    let shop = Shop::open();
    shop.send("o-1", "draft-order", &json!({ "customer": "c-1" })).json(200);
    std::thread::scope(|scope| {
        let writer = polder_tests::Client::new(shop.address());
        scope.spawn(move || {
            for number in 2..=EVENTS {
                let line = json!({ "sku": format!("S-{number}"), "quantity": 1, "price": number });
                writer.post("/v1/main/orders/order/o-1/add-line", line.to_string()).json(200);
            }
        });
        // Readers connect while it writes, each at another moment, and stay until the end.
        let address = shop.address();
        for reader in 0..READERS {
            scope.spawn(move || {
                let client = polder_tests::Client::new(address);
                let come = reader * EVENTS / READERS;
                client
                    .request("GET", &format!("/v1/main/events?follow=true&limit={}", come + 1))
                    .lines()
                    .for_each(drop);
                let after = come / 2;
                let path = format!("/v1/main/events?follow=true&after={after}&end_at={EVENTS}&aggregate_id=o-1");
                let read: Vec<Value> =
                    client.request("GET", &path).lines().map(|line| serde_json::from_str(&line).unwrap()).collect();
                assert_eq!(positions(&read), (after + 1..=EVENTS).collect::<Vec<_>>(), "after {after}");
            });
        }
    });
}

#[test]
fn browsers_get_server_sent_events_and_go_on_where_they_broke_off() {
    let shop = Shop::open();
    shop.draft("o-1", "c-1", 5);
    let request = |query: &str| {
        shop.client.request("GET", &format!("/v1/main/events{query}")).header("accept", "text/event-stream")
    };
    let lines: Vec<String> = request("").lines().collect();
    assert_eq!((lines[0].as_str(), lines[3].as_str()), ("id: 1", "id: 2"));
    // The end is marked, because a browser would reconnect otherwise; a browser that reconnects gets 204, which stops
    // it.
    assert_eq!(lines[6..], ["event: end", "data: {}", ""]);
    assert_eq!(request("").header("last-event-id", "2").send().status, 204);
    assert_eq!(request("?follow=true&end_at=2").header("last-event-id", "2").send().status, 204);
    let data: Value = serde_json::from_str(lines[1].strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!((&data["position"], lines[2].as_str()), (&json!(1), ""));
    let again = request("?after=0").header("last-event-id", "1").lines();
    assert_eq!(again.header("content-type"), Some("text/event-stream"));
    assert_eq!(again.collect::<Vec<_>>()[0], "id: 2");
    request("").header("last-event-id", "x").send().problem(400, "bad-header");
}

#[test]
fn a_browser_that_reads_one_aggregate_goes_on_where_it_broke_off() {
    let shop = Shop::open();
    shop.draft("o-1", "c-1", 5);
    shop.draft("o-2", "c-2", 5);
    let request = |query: &str| {
        let path = format!("/v1/main/orders/order/o-2/events{query}");
        shop.client.request("GET", &path).header("accept", "text/event-stream")
    };
    // Its ids are sequences, which are the parameters of one aggregate's events.
    let lines: Vec<String> = request("").lines().collect();
    assert_eq!((lines[0].as_str(), lines[3].as_str()), ("id: 1", "id: 2"));
    assert_eq!(lines[6..], ["event: end", "data: {}", ""]);
    let again: Vec<String> = request("?from=1").header("last-event-id", "1").lines().collect();
    assert_eq!((again[0].as_str(), again.len()), ("id: 2", 6));
    assert_eq!(request("").header("last-event-id", "2").send().status, 204);
    assert_eq!(request("").header("last-event-id", &u64::MAX.to_string()).send().status, 204);
    request("").header("last-event-id", "x").send().problem(400, "bad-header");
}
