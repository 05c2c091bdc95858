//! A stream of events ends when the right to read it ends.

use std::time::{Duration, Instant};

use polder_access::{Claims, SigningKey};
use serde_json::json;

use super::site::{Site, claims, now_s};

/// The longest time from the end of the right to the end of the stream, also on a busy machine.
const END_WAIT_MAX: Duration = Duration::from_secs(20);

/// Reads until the stream ends.
fn ends(mut lines: impl Iterator<Item = String>, since: Instant) {
    while lines.next().is_some() {}
    assert!(since.elapsed() < END_WAIT_MAX, "{:?}", since.elapsed());
}

#[test]
fn a_stream_ends_when_its_key_is_revoked() {
    let site = Site::open();
    let (second, operator) = (SigningKey::generate().unwrap(), site.operator());
    operator.post("/v1/keys", json!({ "public_key": second.public_key() }).to_string()).json(200);
    let client = |key: &SigningKey| site.anonymous().with_token(&claims("main subscribe main.>").sign(key).unwrap());
    let (with_second, with_first) = (client(&second), client(&site.key));
    let mut revoked = with_second.request("GET", "/v1/main/events?follow=true").lines();
    let mut other = with_first.request("GET", "/v1/main/events?follow=true").lines();
    for lines in [&mut revoked, &mut other] {
        assert!(lines.next().expect("an event").contains("order-drafted"));
    }
    operator.request("DELETE", &format!("/v1/keys/{}", second.id())).send().json(200);
    ends(revoked, Instant::now());
    // The stream of the other key, which is still valid, continues.
    operator.post("/v1/main/orders/order/o-2/draft-order", r#"{"customer":"c-1"}"#).json(200);
    assert!(other.next().expect("an event").contains("\"o-2\""));
}

#[test]
fn a_stream_ends_when_its_token_expires() {
    let site = Site::open();
    // Clocks may differ by a minute, so the host accepts a token for a minute longer: this one has seconds left.
    let (issued_at_s, expires_at_s) = (now_s() - 600, now_s() - 60 + 4);
    let token = Claims { issued_at_s, expires_at_s, ..claims("main subscribe main.>") }.sign(&site.key).unwrap();
    let client = site.anonymous().with_token(&token);
    let mut lines = client.request("GET", "/v1/main/events?follow=true").lines();
    assert!(lines.next().expect("an event").contains("order-drafted"));
    ends(lines, Instant::now());
    client.get("/v1/main/events").problem(401, "not-authenticated");
}
