//! Readers of events see those that their token may subscribe to; the positions of others are left out.

use serde_json::{Value, json};

use super::site::Site;

fn names(events: &[Value]) -> Vec<(u64, &str)> {
    events.iter().map(|event| (event["position"].as_u64().unwrap(), event["name"].as_str().unwrap())).collect()
}

fn order(site: &Site) {
    let operator = site.operator();
    let line = json!({ "sku": "TEA", "quantity": 2, "price": 5 }).to_string();
    operator.post("/v1/main/orders/order/o-1/add-line", line).json(200);
    operator.post("/v1/main/orders/order/o-1/submit-order", "{}").json(200);
    operator.post("/v1/main/orders/order/o-2/draft-order", r#"{"customer":"c-2"}"#).json(200);
}

#[test]
fn a_stream_holds_only_what_may_be_seen() {
    let site = Site::open();
    order(&site);
    let read = |permissions: &str, path: &str| site.client(permissions).get(path).lines();
    let drafted = "main subscribe main.*.*.order-drafted.>";
    assert_eq!(names(&read(drafted, "/v1/main/events")), [(1, "order-drafted"), (4, "order-drafted")]);
    assert_eq!(names(&read(drafted, "/v1/main/events?limit=1")), [(1, "order-drafted")]);
    assert_eq!(names(&read(drafted, "/v1/main/events?after=1&limit=1")), [(4, "order-drafted")]);
    assert_eq!(names(&read(drafted, "/v1/main/orders/order/o-1/events")), [(1, "order-drafted")]);
    let not_drafted = "main subscribe main.> deny main.*.*.order-drafted.>";
    assert_eq!(names(&read(not_drafted, "/v1/main/events")), [(2, "line-added"), (3, "order-submitted")]);
    assert_eq!(names(&read(not_drafted, "/v1/main/orders/order/o-1/events?limit=1")), [(2, "line-added")]);
    let all = "main subscribe main.orders.>";
    assert_eq!(read(all, "/v1/main/events").len(), 4);

    // A request for events that the token may not see at all, and for a part that it may see.
    let client = site.client(drafted);
    client.get("/v1/main/events?name=line-added").problem(403, "not-permitted");
    assert_eq!(client.get("/v1/main/events?name=order-drafted&domain=orders").lines().len(), 2);
    site.client("main subscribe main.permits.>").get("/v1/main/events?domain=orders").problem(403, "not-permitted");
    site.client("main subscribe main.permits.>").get("/v1/main/orders/order/o-1/events").problem(403, "not-permitted");
    assert!(read("main subscribe main.permits.>", "/v1/main/events").is_empty());
}

/// Events that the reader may not see do not end the answer, however many there are.
#[test]
fn many_unseen_events_are_passed_over() {
    let site = Site::open();
    let operator = site.operator();
    operator.deploy("saboteur");
    for _ in 0..3 {
        operator.post("/v1/main/saboteur/machine/m-1/rush", "{}").json(200);
    }
    operator.post("/v1/main/saboteur/machine/m-1/curse", "{}").json(200);
    let client = site.client("main subscribe main.*.*.machine-cursed.>");
    assert_eq!(names(&client.get("/v1/main/events").lines()), [(3_002, "machine-cursed")]);
    assert_eq!(names(&client.get("/v1/main/saboteur/machine/m-1/events").lines()), [(3_002, "machine-cursed")]);
    // The same holds for events that a filter of the request excludes.
    assert_eq!(names(&operator.get("/v1/main/events?name=machine-cursed").lines()), [(3_002, "machine-cursed")]);
}

#[test]
fn a_follower_sees_what_it_may_as_it_comes() {
    let site = Site::open();
    let client = site.client("main subscribe main.orders.order.order-submitted.>");
    let mut lines = client.request("GET", "/v1/main/events?follow=true").lines();
    order(&site);
    let event: Value = serde_json::from_str(&lines.next().unwrap()).unwrap();
    assert_eq!((event["position"].as_u64(), event["name"].as_str()), (Some(3), Some("order-submitted")));
}
