//! A command is answered once: accepted or rejected. A repeat with its id gets the same answer and changes nothing.

use serde_json::{Value, json};

use super::shop::Shop;

#[test]
fn an_accepted_command_gets_its_sequence_and_position() {
    let shop = Shop::open();
    let ack = shop.send("o-1", "draft-order", &json!({ "customer": "c-1" })).json(200);
    let id = ack["command_id"].as_str().expect("an id was made up").to_owned();
    let wanted = json!({
        "status": "accepted", "command_id": id, "aggregate_id": "o-1", "sequence": 1, "position": 1, "correlation_id": id,
        "stream_subject": "main.orders.order.>",
    });
    assert_eq!(ack, wanted);

    // Another aggregate has a sequence of its own; positions belong to the tenant.
    let ack = shop.draft("o-2", "c-1", 5);
    assert_eq!((&ack["sequence"], &ack["position"]), (&json!(2), &json!(3)));
}

#[test]
fn an_empty_body_is_a_command_without_particulars() {
    let shop = Shop::open();
    shop.draft("o-1", "c-1", 5);
    let ack = shop.client.post("/v1/main/orders/order/o-1/submit-order", "").json(200);
    assert_eq!(ack["sequence"], 3);
}

#[test]
fn a_rejected_command_is_an_acknowledgement_with_a_reason() {
    let shop = Shop::open();
    shop.draft("o-1", "c-1", 5);
    let ack = shop.send("o-1", "fulfil-order", &json!({})).json(422);
    assert_eq!((&ack["status"], &ack["sequence"], &ack["position"]), (&json!("rejected"), &json!(2), &json!(2)));
    assert_eq!(ack["reason"]["code"], "not-allowed-in-state");
    let message = ack["reason"]["message"].as_str().expect("a message");
    assert!(message.contains("while the order is draft") && message.contains("possible now: add-line"), "{message}");

    // The domain refuses a payload that it cannot use, field by field.
    for (payload, wanted) in [
        (json!({ "sku": "tea", "quantity": 1, "price": 1 }), "\"tea\" is no Sku: it has 1 to 32 characters"),
        (json!({ "sku": "JAM", "quantity": 0, "price": 1 }), "0 is no Quantity: it is 1 to 10000"),
        (json!({ "sku": "JAM", "quantity": "1", "price": 1 }), "`quantity`: invalid type: string"),
        (json!({ "sku": "JAM", "quantity": 1 }), "missing field `price`"),
        (json!({ "sku": "JAM", "quantity": 1, "price": 1, "colour": 1 }), "unknown field `colour`"),
        (json!(["JAM", 1, 1]), "a command takes a JSON object"),
        (json!(null), "a command takes a JSON object"),
    ] {
        let ack = shop.send("o-1", "add-line", &payload).json(422);
        let message = ack["reason"]["message"].as_str().expect("a message");
        assert!(ack["reason"]["code"] == "invalid-payload" && message.contains(wanted), "{payload}: {ack}");
        assert_eq!(shop.client.position(), 2, "{payload}");
    }
}

#[test]
fn a_repeated_command_gets_its_first_acknowledgement_again() {
    let mut shop = Shop::open();
    let draft = json!({ "customer": "c-1" });
    let keyed = |shop: &Shop, id: &str, name: &str, payload: &Value, status: u16| {
        shop.command(id, name, payload).header("idempotency-key", "k-1").send().json(status)
    };
    let first = keyed(&shop, "o-1", "draft-order", &draft, 200);
    assert_eq!((&first["command_id"], &first["correlation_id"]), (&json!("k-1"), &json!("k-1")));
    let rejected = shop.command("o-1", "fulfil-order", &json!({})).header("idempotency-key", "k-2").send().json(422);
    shop.send("o-1", "add-line", &json!({ "sku": "TEA", "quantity": 1, "price": 5 })).json(200);

    for is_reopened in [false, true] {
        if is_reopened {
            shop.reopen();
        }
        let mut again = keyed(&shop, "o-1", "draft-order", &draft, 200);
        assert_eq!(again["repeated"].take(), json!(true));
        let mut wanted = first.clone();
        wanted["repeated"] = Value::Null;
        assert_eq!(again, wanted, "reopened: {is_reopened}");
        // Quotes around the key, as in the draft standard, and other white space in the payload make no difference.
        let quoted = shop.client.request("POST", "/v1/main/orders/order/o-1/draft-order");
        let quoted = quoted.header("idempotency-key", "\"k-1\"").body(draft.to_string()).send().json(200);
        assert_eq!(quoted["repeated"], true);

        let again = shop.command("o-1", "fulfil-order", &json!({})).header("idempotency-key", "k-2").send().json(422);
        assert_eq!((&again["repeated"], &again["reason"]), (&json!(true), &rejected["reason"]));
        assert_eq!(shop.client.position(), 2, "reopened: {is_reopened}");
    }

    // A key belongs to one aggregate: another order has its own keys.
    let other = keyed(&shop, "o-2", "draft-order", &draft, 200);
    assert_eq!((&other["repeated"], &other["position"]), (&Value::Null, &json!(3)));
}

#[test]
fn a_key_of_another_command_is_refused() {
    let shop = Shop::open();
    let keyed =
        |name: &str, payload: &Value| shop.command("o-1", name, payload).header("idempotency-key", "k-1").send();
    keyed("draft-order", &json!({ "customer": "c-1" })).json(200);
    for (name, payload) in
        [("draft-order", json!({ "customer": "c-2" })), ("submit-order", json!({ "customer": "c-1" }))]
    {
        let problem = keyed(name, &payload).problem(422, "id-reused");
        assert_eq!(problem["command_id"], "k-1");
        assert!(problem["detail"].as_str().unwrap().contains("give each command an id of its own"), "{problem}");
        assert_eq!(shop.client.position(), 1);
    }
}

#[test]
fn what_a_command_belongs_to_is_kept_with_its_events() {
    let shop = Shop::open();
    let command = shop.command("o-1", "draft-order", &json!({ "customer": "c-1" }));
    let ack = command
        .header("idempotency-key", "k-1")
        .header("correlation-id", "visit-7")
        .header("causation-id", "click-3")
        .header_bytes("actor", "Jörg".as_bytes())
        .send()
        .json(200);
    assert_eq!(ack["correlation_id"], "visit-7");
    let event = &shop.client.get("/v1/main/events").lines()[0];
    let metadata = ["command_id", "correlation_id", "causation_id", "actor"].map(|name| event[name].clone());
    assert_eq!(metadata, ["k-1", "visit-7", "click-3", "Jörg"].map(Value::from), "{event}");
}
