//! A refusal names the mistake and the right form, and changes nothing.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use super::shop::Shop;

const LINE: &str = "/v1/main/orders/order/o-1/add-line";

#[track_caller]
fn assert_detail_contains(problem: &Value, wanted: &str) {
    let detail = problem["detail"].as_str().expect("a detail");
    assert!(detail.contains(wanted), "no {wanted:?} in {detail:?}");
}

#[test]
fn unknown_names_are_refused_with_the_known_ones() {
    let shop = Shop::open();
    shop.draft("o-1", "c-1", 5);
    let views = json!(["customer-totals", "order-summary"]);
    let commands = json!([
        "add-line",
        "cancel-order",
        "draft-order",
        "fulfil-order",
        "remove-line",
        "submit-order",
        "validate-order"
    ]);
    for (method, path, kind, known) in [
        ("POST", "/v1/other/orders/order/o-1/add-line", "unknown-tenant", Value::Null),
        ("POST", "/v1/main/order/order/o-1/add-line", "unknown-domain", json!(["orders"])),
        ("POST", "/v1/main/orders/orders/o-1/add-line", "unknown-aggregate", json!(["order"])),
        ("POST", "/v1/main/orders/order/o-1/add-lines", "unknown-command", commands),
        ("GET", "/v1/other/orders/order/o-1", "unknown-tenant", Value::Null),
        ("GET", "/v1/main/order/order/o-1", "unknown-domain", json!(["orders"])),
        ("GET", "/v1/main/orders/orders/o-1", "unknown-aggregate", json!(["order"])),
        ("GET", "/v1/main/orders/orders/o-1/events", "unknown-aggregate", json!(["order"])),
        ("GET", "/v1/main/orders/views/order-sum", "unknown-projection", views.clone()),
        ("GET", "/v1/main/orders/views/order-sum/o-1", "unknown-projection", views),
        ("GET", "/v1/main/order/views/order-summary", "unknown-domain", json!(["orders"])),
        ("GET", "/v1/main/order/effects", "unknown-domain", json!(["orders"])),
        ("GET", "/v1/main/domains/order", "unknown-domain", json!(["orders"])),
        ("GET", "/v1/other/domains", "unknown-tenant", Value::Null),
        ("GET", "/v1/other/events", "unknown-tenant", Value::Null),
        ("GET", "/v1/system/deployments/domains/main:orders/events", "unknown-aggregate", json!(["domain"])),
    ] {
        let problem = shop.client.request(method, path).send().problem(404, kind);
        assert_eq!(problem["known"], known, "{method} {path}: {problem}");
        if kind == "unknown-tenant" {
            assert_detail_contains(&problem, "there is no tenant");
        }
        assert_eq!(shop.client.position(), 2, "{method} {path}");
    }
}

#[test]
fn the_hosts_own_history_is_read_and_nothing_else() {
    let shop = Shop::open();
    let revision = shop.client.get("/v1/main/domains/orders").json(200)["revision"].clone();
    let events = shop.client.get("/v1/system/events?domain=deployments").lines();
    let history = shop.client.get("/v1/system/deployments/domain/main:orders/events").lines();
    assert_eq!((events.len(), &events), (2, &history));
    assert_eq!(events[0]["name"], "revision-uploaded");
    assert_eq!((&events[1]["name"], &events[1]["sequence"]), (&json!("revision-activated"), &json!(2)));
    let payload = &events[1]["payload"];
    assert_eq!(
        (&payload["tenant"], &payload["domain"], &payload["revision"]),
        (&json!("main"), &json!("orders"), &revision)
    );
    let unknown = shop.client.get("/v1/system/deployment/domain/main:orders/events").problem(404, "unknown-domain");
    assert!(unknown["known"].as_array().unwrap().contains(&json!("deployments")), "{unknown}");
    for (method, path) in [
        ("POST", "/v1/system/deployments/domain/main:orders/record"),
        ("GET", "/v1/system/deployments/domain/main:orders"),
        ("GET", "/v1/system/deployments/views/domains"),
        ("PUT", "/v1/system/domains/orders"),
    ] {
        assert_detail_contains(
            &shop.client.request(method, path).send().problem(403, "system-tenant"),
            "the host's own history",
        );
    }
    assert_eq!(shop.client.get("/v1/system/events?domain=deployments").lines().len(), 2);
}

#[test]
fn missing_items_are_distinguished_from_unknown_names() {
    let shop = Shop::open();
    shop.draft("o-1", "c-1", 5);
    for (path, kind) in [
        ("/v1/main/orders/order/o-9", "no-such-aggregate"),
        ("/v1/main/orders/order/o-9/events", "no-such-aggregate"),
        ("/v1/main/orders/order/o-1?sequence=3", "no-such-sequence"),
        ("/v1/main/orders/order/o-1?sequence=0", "no-such-sequence"),
        ("/v1/main/orders/order/o-1?at=2001-01-01T00:00:00Z", "no-such-aggregate"),
        ("/v1/main/orders/views/order-summary/o-9?after=2", "no-such-document"),
        ("/v1/main/nowhere", "unknown-route"),
        ("/", "unknown-route"),
        ("/v2/main/domains", "unknown-route"),
    ] {
        let problem = shop.client.get(path).problem(404, kind);
        if kind == "unknown-route" {
            assert_detail_contains(&problem, "POST /v1/{tenant}/{domain}/{aggregate}/{id}/{command}");
        }
    }
}

#[test]
fn names_and_ids_are_checked_before_anything_else() {
    let shop = Shop::open();
    let ids = [
        "o.1",
        "o%201",
        "o%2F1",
        "%C3%B6",
        "o*",
        "o%3E",
        "o%00",
        "%0A",
        "..%2F..%2Fetc",
        "a%23b",
        "%25",
        "o%3B1",
        &"9".repeat(129),
    ];
    for id in ids {
        let problem = shop.client.post(&format!("/v1/main/orders/order/{id}/draft-order"), r#"{"customer":"c-1"}"#);
        let problem = problem.problem(400, "bad-name");
        assert_detail_contains(&problem, "an id has 1 to 128 characters A-Z, a-z, 0-9 and - _ : @ = + ~");
        assert_eq!(shop.client.position(), 0, "{id}");
        shop.client.get(&format!("/v1/main/orders/order/{id}")).problem(400, "bad-name");
    }
    let broken = shop.client.post("/v1/main/orders/order/%FF/draft-order", "{}").problem(400, "bad-path");
    assert_detail_contains(&broken, "escape UTF-8 bytes only");
    for path in [
        "/v1/Main/orders/order/o-1/draft-order",
        "/v1/main/Orders/order/o-1/draft-order",
        "/v1/main/orders/1order/o-1/draft-order",
        "/v1/main/orders/order/o-1/draft_order",
        &format!("/v1/main/{}/order/o-1/draft-order", "x".repeat(64)),
    ] {
        let problem = shop.client.post(path, r#"{"customer":"c-1"}"#).problem(400, "bad-name");
        assert_detail_contains(&problem, "a name has 1 to 63 characters a-z, 0-9 and '-', and starts with a letter");
        assert_eq!(shop.client.position(), 0, "{path}");
    }
    // All allowed characters are valid in a path without escaping.
    let id = "A-z_0:@=+~";
    shop.client.post(&format!("/v1/main/orders/order/{id}/draft-order"), r#"{"customer":"c-1"}"#).json(200);
    assert_eq!(shop.client.get(&format!("/v1/main/orders/order/{id}")).json(200)["sequence"], 1);
}

#[test]
fn headers_that_cannot_be_used_are_refused_by_name() {
    let shop = Shop::open();
    shop.draft("o-1", "c-1", 5);
    let long = "x".repeat(129);
    for (name, value, wanted) in [
        ("idempotency-key", "two words", "an id has 1 to 128 visible ASCII characters"),
        ("idempotency-key", "", "is empty"),
        ("idempotency-key", "\"\"", "is empty"),
        ("idempotency-key", &long, "is too long"),
        ("correlation-id", "two words", "an id has 1 to 128 visible ASCII characters"),
        ("causation-id", "", "is empty"),
        ("actor", &long, "a name of 1 to 128 bytes"),
        ("if-match", "*", "one sequence would be right, as in \"5\""),
        ("if-match", "W/\"2\"", "one sequence would be right"),
        ("if-match", "\"2\", \"3\"", "one sequence would be right"),
        ("if-match", "-1", "one sequence would be right"),
        ("if-match", "two", "one sequence would be right"),
    ] {
        let request = shop.client.request("POST", LINE).header(name, value);
        let problem = request.body(r#"{"sku":"JAM","quantity":1,"price":1}"#).send().problem(400, "bad-header");
        assert_eq!(problem["header"], name);
        assert_detail_contains(&problem, wanted);
        assert_eq!(shop.client.position(), 2, "{name}: {value}");
    }
    let twice = shop.client.request("POST", LINE).header("idempotency-key", "a").header("idempotency-key", "b").send();
    assert_detail_contains(&twice.problem(400, "bad-header"), "give it once");
    let not_text = shop.client.request("POST", LINE).header_bytes("idempotency-key", b"\xFF").send();
    assert_detail_contains(&not_text.problem(400, "bad-header"), "is not UTF-8");
    assert_eq!(shop.client.position(), 2);
}

#[test]
fn a_body_that_is_no_payload_is_refused() {
    let shop = Shop::open();
    shop.draft("o-1", "c-1", 5);
    for body in ["{", "{\"sku\":\"JAM\",}", "sku=JAM", "{} {}", "\u{feff}{}", "{\"sku\":NaN}", "'JAM'"] {
        assert_detail_contains(&shop.client.post(LINE, body).problem(400, "not-json"), "the payload is not JSON: ");
        assert_eq!(shop.client.position(), 2, "{body}");
    }
    let not_text = shop.client.post(LINE, &b"{\"sku\":\"\xFF\"}"[..]);
    assert_detail_contains(&not_text.problem(400, "not-json"), "invalid utf-8 sequence of 1 bytes from index 8");

    // The largest allowed body is read; one byte more is refused, and so is a body far beyond the limit.
    let limit = 256 * 1024;
    for (bytes, is_allowed) in [(limit, true), (limit + 1, false), (3 * limit, false), (40 * limit, false)] {
        let body = format!("{}{}", " ".repeat(bytes - 2), "{}");
        let answer = shop.client.post(LINE, body);
        if is_allowed {
            assert_eq!(answer.json(422)["reason"]["code"], "invalid-payload");
        } else {
            let problem = answer.problem(413, "too-large");
            assert_eq!(problem["limit"], limit);
        }
        assert_eq!(shop.client.position(), 2, "{bytes} bytes");
    }
}

#[test]
fn a_request_that_breaks_off_leaves_no_trace() {
    let shop = Shop::open();
    shop.draft("o-1", "c-1", 5);
    let address = shop.address().strip_prefix("http://").unwrap().to_owned();
    let body = r#"{"sku":"JAM","quantity":1,"price":1}"#;
    let mut connection = TcpStream::connect(&address).unwrap();
    let head = format!(
        "POST {LINE} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len() + 1
    );
    connection.write_all(head.as_bytes()).unwrap();
    connection.write_all(body.as_bytes()).unwrap();
    connection.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    // An answer or none, but no acknowledgement.
    let _ = connection.read_to_string(&mut answer);
    assert!(!answer.contains("accepted"), "{answer}");
    assert_eq!(shop.client.position(), 2);
}

#[test]
fn other_methods_are_refused_with_the_right_ones() {
    let shop = Shop::open();
    for (method, path, expected) in [
        ("GET", LINE, "POST"),
        ("PUT", LINE, "POST"),
        ("DELETE", "/v1/main/orders/order/o-1", "GET"),
        ("POST", "/v1/main/events", "GET"),
        ("POST", "/v1/main/domains", "GET, PUT"),
        ("DELETE", "/v1/main/domains/orders", "GET, PUT"),
        ("PATCH", "/v1/main/orders/views/order-summary", "GET"),
        ("POST", "/readyz", "GET"),
    ] {
        let answer = shop.client.request(method, path).body("{}").send();
        let problem = answer.problem(405, "method-not-allowed");
        assert_eq!((&problem["expected"], &problem["method"]), (&json!(expected), &json!(method)));
        // The header that the standard requires names them too; GET includes HEAD.
        let allow = answer.header("allow").unwrap_or_default();
        assert!(expected.split(", ").all(|method| allow.contains(method)), "{method} {path}: allow: {allow:?}");
        assert_eq!(shop.client.position(), 0);
    }
    assert_eq!(shop.client.request("HEAD", "/readyz").send().status, 200);
}

#[test]
fn parameters_are_read_strictly() {
    let shop = Shop::open();
    shop.draft("o-1", "c-1", 5);
    let view = "/v1/main/orders/views/order-summary";
    for (path, wanted) in [
        (
            "/v1/main/events?afer=1".to_owned(),
            "there are: after, end_at, domain, aggregate_id, name, correlation_id, follow, limit",
        ),
        ("/v1/main/events?after=x".to_owned(), "parameter \"after\" is \"x\"; a whole number from 0 would be right"),
        ("/v1/main/events?follow=maybe".to_owned(), "true or false would be right"),
        ("/v1/main/events?after=1&after=2".to_owned(), "give it once"),
        ("/v1/main/orders/order/o-1?at=yesterday".to_owned(), "an RFC 3339 time such as"),
        ("/v1/main/orders/order/o-1?at=2026-01-01T00:00:00Z&sequence=1".to_owned(), "give one of them"),
        ("/v1/main/orders/order/o-1?version=1".to_owned(), "there are: sequence, at"),
        (format!("{view}?where=status"), "field:value would be right"),
        (format!("{view}?where=colour:red"), "no field \"colour\"; they have changed_at, customer"),
        (format!("{view}?where=total:many"), "field \"total\" cannot be \"many\": it is a whole number"),
        (
            format!("{view}?where=changed_at:today"),
            "field \"changed_at\" cannot be \"today\": it is a point in time such as 2026-01-31T14:30:00Z",
        ),
        (format!("{view}?order=colour"), "no field \"colour\""),
        (format!("{view}?limit=-1"), "a whole number from 0"),
        (format!("{view}?limit=0"), "limit 0 is out of range: 1 to 10000"),
        (format!("{view}?timeout_ms=5"), "needs \"after\", the position to wait for"),
        (format!("{view}?after=1&timeout_ms=60001"), "more than 60000, the longest wait"),
        (format!("{view}?where=status:%FF"), "escape UTF-8 bytes only"),
    ] {
        assert_detail_contains(&shop.client.get(&path).problem(400, "bad-query"), wanted);
    }
    assert_detail_contains(
        &shop.client.get("/v1/main/events?domain=Orders").problem(400, "bad-name"),
        "a name has 1 to 63",
    );
}

#[test]
fn each_bound_is_refused_with_its_name() {
    let shop = Shop::open();
    let spaces = |bytes: usize| " ".repeat(bytes);
    let long_path = format!("/v1/main/events?name={}", "a".repeat(8 * 1024));
    for (method, path, body, status, limit, value) in [
        ("GET", long_path.as_str(), String::new(), 414, "uri_bytes_max", 8 * 1024),
        ("PATCH", "/v1/tenants/main/limits", spaces(64 * 1024 + 1), 413, "limit_change_bytes_max", 64 * 1024),
        ("PUT", "/v1/main/bridge", spaces(256 * 1024 + 1), 413, "rules_bytes_max", 256 * 1024),
        (
            "GET",
            "/v1/main/orders/views/order-summary?after=1&timeout_ms=60001",
            String::new(),
            400,
            "wait_ms_max",
            60_000,
        ),
        ("GET", "/v1/main/parked?limit=1001", String::new(), 400, "parked_per_page_max", 1_000),
        ("GET", "/v1/tenants?limit=1001", String::new(), 400, "items_per_page_max", 1_000),
    ] {
        let answer = shop.client.request(method, path).body(body).send();
        assert_eq!(answer.status, status, "{method} {path}");
        let problem: Value = serde_json::from_str(answer.text()).unwrap();
        assert_eq!((&problem["limit_name"], &problem["limit"]), (&json!(limit), &json!(value)), "{method} {path}");
    }
}
