//! `polder state`, `events`, `view`, `effects` and `domains`.

use polder_tests::polder;
use serde_json::{Value, json};

use super::Desk;

/// A host with one fulfilled order: five events.
fn fulfilled() -> Desk {
    let desk = Desk::open();
    for (command, payload) in [
        ("draft-order", r#"{"customer":"c-1"}"#),
        ("add-line", r#"{"sku":"TEA","quantity":2,"price":5}"#),
        ("submit-order", "{}"),
        ("validate-order", "{}"),
        ("fulfil-order", "{}"),
    ] {
        desk.send("o-1", command, payload);
    }
    desk
}

#[test]
fn a_state_is_shown_now_and_then() {
    let desk = fulfilled();
    let ran = desk.host.polder(&["state", "orders/order/o-1"]);
    let (head, state) = ran.good().split_once('\n').expect("a head and a state");
    assert!(head.starts_with("orders/order/o-1 at sequence 5, 20"), "{head}");
    let state: Value = serde_json::from_str(state).unwrap();
    assert_eq!((&state["status"], &state["total"]), (&json!("fulfilled"), &json!(10)));
    let then = desk.host.polder(&["state", "orders/order/o-1", "--sequence", "1", "--json"]).json();
    assert_eq!((&then["sequence"], &then["state"]["status"]), (&json!(1), &json!("draft")));
    for (arguments, wanted) in [
        (&["--sequence", "9"][..], "order \"o-1\" has no sequence 9; its newest is 5"),
        (&["--at", "2001-01-01T00:00:00Z"], "order \"o-1\" has no event by then"),
        (&["--at", "yesterday"], "parameter \"at\" is \"yesterday\"; an RFC 3339 time such as"),
    ] {
        let ran = desk.host.polder(&[&["state", "orders/order/o-1"], arguments].concat());
        assert!(ran.refused().starts_with(&format!("error: {wanted}")), "{ran}");
    }
}

#[test]
fn events_are_one_a_line() {
    let desk = fulfilled();
    let ran = desk.host.polder(&["events", "--after", "1", "--limit", "1"]);
    let line = ran.good();
    assert!(
        line.starts_with("       2  20") && line.contains("  orders/order/o-1 2  line-added@2  {\"sku\":\"TEA\""),
        "{line}"
    );
    let count = |arguments: &[&str]| {
        let ran = desk.host.polder(&[&["events", "--json"], arguments].concat());
        ran.good().lines().inspect(|line| assert!(serde_json::from_str::<Value>(line).is_ok(), "{line}")).count()
    };
    assert_eq!(count(&[]), 5);
    assert_eq!(count(&["orders/order/o-1", "--after", "3"]), 2);
    assert_eq!(count(&["--name", "line-added"]), 1);
    assert_eq!(count(&["--follow", "--limit", "3"]), 3);
    assert_eq!(desk.host.polder(&["events", "--after", "5"]).good(), "");
    let unknown = desk.host.polder(&["events", "--domain", "oders"]);
    assert!(unknown.refused().contains("has no domain \"oders\"; it has orders"), "{unknown}");
    let missing = desk.host.polder(&["events", "orders/order/o-9"]);
    assert_eq!(missing.refused(), "error: order \"o-9\" has no event");
}

#[test]
fn views_are_shown_one_or_many() {
    let desk = fulfilled();
    let wait = ["--after", "5", "--timeout-ms", "30000"];
    let one = desk.host.polder(&[&["view", "orders/order-summary", "o-1"], &wait[..]].concat());
    assert_eq!((one.code, one.stderr.trim_end()), (0, "as of position 5"), "{one}");
    assert_eq!(serde_json::from_str::<Value>(&one.stdout).unwrap()["status"], "fulfilled");
    let json = desk.host.polder(&[&["view", "orders/order-summary", "o-1", "--json"], &wait[..]].concat()).json();
    assert_eq!((&json["position"], &json["set_aside"]), (&5.into(), &Value::Null));
    let many =
        desk.host.polder(&[&["view", "orders/order-summary", "--where", "status:fulfilled"], &wait[..]].concat());
    let many = many.good();
    assert!(many.starts_with("o-1  {") && many.ends_with("\n1 document, as of position 5"), "{many}");
    let none = desk.host.polder(&["view", "orders/order-summary", "--where", "status:draft"]);
    assert_eq!(none.good(), "0 documents, as of position 5");
    assert_eq!(
        desk.host.polder(&["effects", "orders"]).good().split_whitespace().collect::<Vec<_>>()[..5],
        ["5.1", "order-summary", "notify", "c-1", "fulfilled:o-1"]
    );
    for (arguments, wanted) in [
        (
            &["view", "orders/order-summary", "o-9"][..],
            "projection \"order-summary\" has no document \"o-9\", as of position 5",
        ),
        (
            &["view", "orders/order"],
            "domain \"orders\" has no projection \"order\"; it has customer-totals, order-summary",
        ),
        (
            &["view", "orders/order-summary", "--order", "colour"],
            "the documents have no field \"colour\"; they have changed_at",
        ),
        (
            &["view", "orders/order-summary", "--where", "status"],
            "parameter \"where\" is \"status\"; field:value would be right",
        ),
        (
            &["view", "orders/order-summary", "--after", "9", "--timeout-ms", "0"],
            "the view is at position 5, not yet at 9: ask again, or with a longer timeout",
        ),
        (&["parked", "retry", "3"], "no event that matches is set aside at position 3"),
        (&["parked", "discard", "3", "--domain", "orders"], "no event that matches is set aside at position 3"),
        (&["parked", "show", "3"], "no event that matches is set aside at position 3"),
        (&["effects", "shop"], "tenant \"main\" has no domain \"shop\"; it has orders"),
    ] {
        let ran = desk.host.polder(arguments);
        assert!(ran.refused().starts_with(&format!("error: {wanted}")), "{ran}");
    }
}

#[test]
fn a_page_says_how_to_go_on() {
    let desk = Desk::open();
    let client = desk.host.client();
    for number in 1..=5 {
        for (command, payload) in [
            ("draft-order", r#"{"customer":"c-1"}"#),
            ("add-line", r#"{"sku":"TEA","quantity":2,"price":5}"#),
            ("submit-order", "{}"),
            ("validate-order", "{}"),
            ("fulfil-order", "{}"),
        ] {
            client.post(&format!("/v1/main/orders/order/o-{number}/{command}"), payload).json(200);
        }
    }
    for view in ["order-summary", "customer-totals"] {
        client.get(&format!("/v1/main/orders/views/{view}?after=25&timeout_ms=60000")).json(200);
    }
    let documents = |arguments: &[&str]| desk.host.polder(&[&["view", "orders/order-summary"], arguments].concat());
    let (first, last) = (documents(&["--limit", "2"]), documents(&["--limit", "2", "--offset", "4"]));
    let said = "\n2 of 5 documents, as of position 25; go on with --offset 2";
    assert!(first.good().starts_with("o-1  {") && first.good().ends_with(said), "{first}");
    assert!(last.good().starts_with("o-5  {") && last.good().ends_with("\n1 document, as of position 25"), "{last}");

    let effects = |after: &str| desk.host.polder(&["effects", "orders", "--limit", "2", "--after", after]);
    let mut cursor = "0".to_owned();
    for shown in [["o-1", "o-2"], ["o-3", "o-4"]] {
        let page = effects(&cursor);
        let (lines, next) =
            page.good().rsplit_once("\n2 effects, there are more: go on with --after ").expect("a hint");
        assert!(shown.iter().all(|order| lines.contains(&format!("fulfilled:{order}"))), "{page}");
        cursor = next.to_owned();
    }
    let page = effects(&cursor);
    assert!(page.good().contains("fulfilled:o-5") && page.good().ends_with(", as of position 25"), "{page}");
}

#[test]
fn domains_are_listed_with_what_they_can_do() {
    let desk = fulfilled();
    let ran = desk.host.polder(&["domains"]);
    let output = ran.good();
    assert!(output.starts_with("orders  revision "), "{output}");
    assert!(output.contains("\n  aggregate order: add-line, cancel-order, draft-order, fulfil-order,"), "{output}");
    assert!(output.contains("\n  view order-summary: at position "), "{output}");
    let json = desk.host.polder(&["domains", "--json"]).json();
    assert_eq!(json["domains"][0]["domain"], "orders");
}

#[test]
fn a_missing_host_is_reported_with_the_remedy() {
    for arguments in [
        &["domains"][..],
        &["events"],
        &["effects", "orders"],
        &["state", "orders/order/o-1"],
        &["view", "orders/order-summary"],
        &["send", "orders/order/o-1", "add-line"],
    ] {
        let ran = polder(&[arguments, &["--host", "http://127.0.0.1:1"]].concat());
        assert_eq!(
            ran.refused(),
            "error: no host answers at http://127.0.0.1:1 (Connection refused (os error 111)): \
             start one with `polder serve --data DIR`, or name another with --host"
        );
    }
}
