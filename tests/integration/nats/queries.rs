//! Queries of views: acknowledged at once and answered on a subject, or answered directly.

use futures::StreamExt as _;
use serde_json::{Value, json};

use super::site::{Site, WAIT_MAX, header, json, problem};

const DRAFT: &str = r#"{"customer": "ann"}"#;
const STRAIGHT: (&str, &str) = ("Polder-Result", "reply");

fn shop() -> Site {
    let site = Site::open_shop();
    for id in ["o-1", "o-2", "o-3"] {
        site.order(id, "draft-order", DRAFT);
    }
    site
}

/// The answer of HTTP to the same query.
fn over_http(site: &Site, path: &str) -> Value {
    site.host().client().get(path).json(200)
}

#[test]
fn an_answer_comes_on_its_subject_after_the_acknowledgement() {
    let site = shop();
    let (ack, result) = site.runtime.block_on(async {
        let inbox = site.client.new_inbox();
        // One subscription receives both, which shows their order. The reply subject has to be an inbox.
        let mut all = site.client.subscribe(">").await.unwrap();
        let headers = super::site::map(&[("Correlation-Id", "mine")]);
        let subject = "main.query.orders.order-summary";
        let payload = r#"{"key": "o-1", "after": 3}"#;
        let reply = inbox.clone();
        site.client.publish_with_reply_and_headers(subject, reply, headers, payload.into()).await.unwrap();
        let mut next = async || loop {
            let message = tokio::time::timeout(WAIT_MAX, all.next()).await.unwrap().unwrap();
            if message.subject.as_str() == inbox || message.subject.as_str() == "main.result.mine" {
                return message;
            }
        };
        (next().await, next().await)
    });
    assert_eq!(result.subject.as_str(), "main.result.mine");
    let expected = json!({ "status": "accepted", "correlation_id": "mine", "result_subject": "main.result.mine" });
    assert_eq!(json(&ack), expected);
    assert_eq!(json(&result), over_http(&site, "/v1/main/orders/views/order-summary/o-1"));
    assert_eq!(header(&result, "correlation-id"), Some("mine"));
    // Without an id from the caller the host makes one.
    let ack = json(&site.request("main.query.orders.order-summary", &[], ""));
    let id = ack["correlation_id"].as_str().unwrap();
    assert_eq!(ack["result_subject"], format!("main.result.{id}"));
}

#[test]
fn an_answer_comes_straight_when_that_is_asked() {
    let site = shop();
    let ask = |payload: &str| json(&site.request("main.query.orders.order-summary", &[STRAIGHT], payload));
    ask(r#"{"after": 3}"#);
    assert_eq!(ask(r#"{"key": "o-2"}"#), over_http(&site, "/v1/main/orders/views/order-summary/o-2"));
    assert_eq!(ask(""), over_http(&site, "/v1/main/orders/views/order-summary"));
    assert_eq!(
        ask(r#"{"where": ["customer:ann"], "order": "-customer", "limit": 2, "offset": 1}"#),
        over_http(&site, "/v1/main/orders/views/order-summary?where=customer:ann&order=-customer&limit=2&offset=1")
    );
}

#[test]
fn an_impossible_query_is_refused_with_the_reason() {
    let site = shop();
    let subject = "main.query.orders.order-summary";
    for (subject, headers, payload, status, kind) in [
        ("main.query.orders", &[STRAIGHT][..], "", 400, "bad-subject"),
        ("main.query.orders.order-summary.o-1", &[STRAIGHT], "", 400, "bad-subject"),
        ("main.query.orders.*", &[STRAIGHT], "", 400, "bad-name"),
        ("main.query.others.order-summary", &[STRAIGHT], "", 404, "unknown-domain"),
        ("main.query.orders.sumary", &[STRAIGHT], "", 404, "unknown-projection"),
        (subject, &[STRAIGHT], r#"{"key": "o-9"}"#, 404, "no-such-document"),
        (subject, &[STRAIGHT], r#"{"key": "o-1", "limit": 2}"#, 400, "bad-body"),
        (subject, &[STRAIGHT], r#"{"keys": "o-1"}"#, 400, "bad-body"),
        (subject, &[STRAIGHT], "[", 400, "not-json"),
        (subject, &[STRAIGHT], r#"{"where": ["customer"]}"#, 400, "bad-query"),
        (subject, &[STRAIGHT], r#"{"after": 99, "timeout_ms": 0}"#, 503, "view-behind"),
        (subject, &[("Polder-Result", "now")], "", 400, "bad-header"),
        (subject, &[("Correlation-Id", "a.b")], "", 400, "bad-header"),
        (subject, &[("Correlation-Id", "*")], "", 400, "bad-header"),
    ] {
        problem(&site.request(subject, headers, payload), status, kind);
    }
}
