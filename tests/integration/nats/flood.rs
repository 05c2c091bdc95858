//! One tenant's flood of requests holds a bounded part of the host's memory, and another tenant is answered meanwhile.

use std::time::{Duration, Instant};

use async_nats::Subscriber;
use futures::StreamExt as _;
use polder_tests::{Client, guest_file};
use serde_json::Value;

use super::site::{Site, WAIT_MAX, header, json, map, problem};

const MIB: u64 = 1024 * 1024;
/// The least that a host may have.
const MEMORY_BYTES_MAX: u64 = 512 * MIB;
/// What the requests of one tenant may hold.
const TENANT_BYTES_MAX: u64 = MEMORY_BYTES_MAX / 8;
/// The HTTP connections of the test, and the requests of the other tenant.
const REST_BYTES_MAX: u64 = MIB;
/// Nearly as large as a message may be.
const REQUEST_BYTES: usize = 900 * 1024;
/// They are about twice as large together as what one tenant may hold.
const REQUESTS: usize = 150;
/// The longest time until the other tenant has its answer.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(30);
const STRAIGHT: (&str, &str) = ("Polder-Result", "reply");
const DRAFT: &str = r#"{"customer": "ann"}"#;

fn held(client: &Client) -> u64 {
    let metrics = client.get("/metrics");
    let name = "polder_memory_bytes{purpose=\"request-bodies\"} ";
    metrics.text().lines().find_map(|line| line.strip_prefix(name)).unwrap().parse().unwrap()
}

/// Sends a query that waits for the second event of the tenant `main`. Its payload is large.
fn send_query(site: &Site, number: usize) {
    let query = format!("{}{}", " ".repeat(REQUEST_BYTES), r#"{"after": 2, "timeout_ms": 50000}"#);
    site.runtime.block_on(async {
        let (subject, reply) = ("main.query.orders.order-summary", format!("_INBOX.flood.{number}"));
        site.client.publish_with_reply_and_headers(subject, reply, map(&[STRAIGHT]), query.into()).await.unwrap();
    });
}

/// Serves the tenant `acme` too, and waits until it is answered over NATS.
fn add_neighbour(site: &Site) {
    let client = site.host().client();
    client.put("/v1/tenants/acme", "").json(201);
    client.put("/v1/acme/domains/orders", std::fs::read(guest_file("orders")).unwrap()).json(200);
    let began = Instant::now();
    while site.try_request("acme.query.orders.order-summary", &[STRAIGHT], "").is_err() {
        assert!(began.elapsed() < WAIT_MAX, "{}", site.host().log());
    }
}

/// How many requests were carried out, and how many were refused with the limit's name.
fn count_answers(site: &Site, answers: &mut Subscriber) -> (usize, usize) {
    let (mut carried_out, mut refused) = (0, 0);
    for _ in 0..REQUESTS {
        let answer = async { tokio::time::timeout(WAIT_MAX, answers.next()).await };
        let answer = site.runtime.block_on(answer).expect("each request is answered").unwrap();
        match header(&answer, "Nats-Service-Error-Code") {
            None => carried_out += 1,
            Some(_) => {
                let document = problem(&answer, 429, "busy");
                assert_eq!(document["limit_name"], "nats_request_bytes_max", "{document}");
                assert_eq!(document["limit"], TENANT_BYTES_MAX, "{document}");
                refused += 1;
            }
        }
    }
    (carried_out, refused)
}

#[test]
fn a_flood_of_one_tenant_holds_a_bounded_part_of_the_memory_and_delays_no_other() {
    let _alone = polder_tests::heavy();
    let site = Site::open_serving(&["--memory-bytes-max", &MEMORY_BYTES_MAX.to_string()]);
    let client = site.host().client();
    client.deploy("orders");
    site.order("o-1", "draft-order", DRAFT);
    // From now on the view is fed.
    let fed =
        json(&site.request("main.query.orders.order-summary", &[STRAIGHT], r#"{"after": 1, "timeout_ms": 20000}"#));
    assert_eq!(fed["documents"][0]["key"], "o-1", "{fed}");
    add_neighbour(&site);
    let mut answers = site.runtime.block_on(site.client.subscribe("_INBOX.flood.*")).unwrap();
    let mut held_max = 0;
    for number in 0..REQUESTS {
        send_query(&site, number);
        // The host receives this after the query, so it also keeps the flood from breaking the connection.
        let began = Instant::now();
        let subject = format!("acme.cmd.orders.order.o-{number}.draft-order");
        let acknowledged: Value = json(&site.request(&subject, &[], DRAFT));
        assert_eq!(acknowledged["status"], "accepted", "{acknowledged}");
        assert!(began.elapsed() < ANSWER_WAIT_MAX, "after {:?}", began.elapsed());
        held_max = held_max.max(held(&client));
    }
    assert!(held_max <= TENANT_BYTES_MAX + REST_BYTES_MAX, "{held_max} bytes");
    assert!(held_max >= TENANT_BYTES_MAX / 10 * 9, "{held_max} bytes are no flood");
    // The event that all of them wait for.
    client.post("/v1/main/orders/order/o-2/draft-order", DRAFT).json(200);
    let (carried_out, refused) = count_answers(&site, &mut answers);
    assert!(carried_out as u64 * REQUEST_BYTES as u64 <= TENANT_BYTES_MAX, "{carried_out} of {REQUESTS}");
    assert!(carried_out > 0 && refused > 0, "{carried_out} carried out, {refused} refused");
    let began = Instant::now();
    while held(&client) > REST_BYTES_MAX {
        assert!(began.elapsed() < WAIT_MAX, "{} bytes are not given back", held(&client));
    }
}
