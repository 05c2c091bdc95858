//! An aggregate's state, now and at every moment of its past.

use serde_json::{Value, json};

use super::shop::Shop;

#[test]
fn the_state_is_known_at_every_sequence() {
    let shop = Shop::open();
    let answer = shop.draft("o-1", "c-1", 5);
    shop.send("o-1", "cancel-order", &json!({ "reason": "too late" })).json(200);
    let read = |query: &str| shop.client.get(&format!("/v1/main/orders/order/o-1{query}"));
    let lines = json!({ "TEA": { "quantity": 2, "price": 5 } });
    for (query, sequence, state) in [
        ("?sequence=1", 1, json!({ "status": "draft", "customer": "c-1", "lines": {}, "total": 0 })),
        ("?sequence=2", 2, json!({ "status": "draft", "customer": "c-1", "lines": lines, "total": 10 })),
        ("?sequence=3", 3, json!({ "status": "cancelled", "customer": "c-1", "lines": lines, "total": 10 })),
        ("", 3, json!({ "status": "cancelled", "customer": "c-1", "lines": lines, "total": 10 })),
    ] {
        let answer = read(query);
        assert_eq!(answer.header("etag"), Some(format!("\"{sequence}\"").as_str()));
        let answer = answer.json(200);
        assert_eq!((&answer["sequence"], &answer["state"]), (&json!(sequence), &state), "{query}");
    }
    let problem = read("?sequence=4").problem(404, "no-such-sequence");
    assert_eq!((&problem["asked"], &problem["newest"]), (&json!(4), &json!(3)));
    assert_eq!(answer["sequence"], 2);
}

#[test]
fn the_state_is_known_at_every_time() {
    let mut shop = Shop::open();
    shop.draft("o-1", "c-1", 5);
    // Repeats until the clock has moved on, so that the next event has a later millisecond.
    let at_of = |shop: &Shop, sequence: usize| {
        let events = shop.client.get("/v1/main/orders/order/o-1/events").lines();
        events[sequence - 1]["at_ms"].as_u64().expect("a time")
    };
    let drafted_ms = at_of(&shop, 2);
    let mut price = 1;
    while at_of(&shop, price + 1) == drafted_ms {
        price += 1;
        let line = json!({ "sku": format!("S-{price}"), "quantity": 1, "price": 1 });
        shop.send("o-1", "add-line", &line).json(200);
    }
    let newest = price + 1;
    let newest_ms = at_of(&shop, newest);
    let sequence = |shop: &Shop, at: &str| -> Value {
        shop.client.get(&format!("/v1/main/orders/order/o-1?at={at}")).json(200)["sequence"].clone()
    };
    for is_reopened in [false, true] {
        if is_reopened {
            shop.reopen();
        }
        assert_eq!(sequence(&shop, &drafted_ms.to_string()), newest - 1, "reopened: {is_reopened}");
        assert_eq!(sequence(&shop, &(newest_ms - 1).to_string()), newest - 1);
        assert_eq!(sequence(&shop, &newest_ms.to_string()), newest);
        assert_eq!(sequence(&shop, "2999-01-01T00:00:00%2B01:00"), newest);
        let before = shop.client.get("/v1/main/orders/order/o-1?at=2001-01-01T00:00:00Z");
        let detail = before.problem(404, "no-such-aggregate")["detail"].clone();
        assert_eq!(detail, "order \"o-1\" has no event by then");
    }
}
