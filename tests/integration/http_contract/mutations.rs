//! Damaged requests: for all bytes, the host answers or closes the connection, does nothing that was not requested, and
//! continues.

use std::time::Duration;

use polder_fuzz::{Damage, run};
use polder_tests::RawConnection;

use super::shop::Shop;

const CASES_MIN: u64 = 1_500;
/// A host that waits for the rest of a body longer than [`REST`] does neither; this test does not wait with it.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(1);
/// The rest of an answer that has begun. A stream of events has no end.
const REST_WAIT_MAX: Duration = Duration::from_millis(20);
/// Follows each damaged request, so that its head, and mostly its body too, has an end. As a request of its own it
/// cannot be read.
const REST: &[u8] = &[b'\n'; 4_096];

fn corpus() -> Vec<Vec<u8>> {
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: text/event-stream\r\n\r\n");
    let post = |path: &str, body: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\nidempotency-key: \"a\"\r\n\
             if-match: 0\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    [
        get("/readyz"),
        get("/v1/main/events?after=0&limit=2&name=order-drafted"),
        get("/v1/main/orders/order/o-1?at=2011-10-02T14:30:00Z"),
        get("/v1/main/orders/views/order-summary?where=customer:c%2D1&order=-total_cents&limit=5"),
        post("/v1/main/orders/order/o-1/draft-order", r#"{"customer":"c-1"}"#),
        post("/v1/main/orders/order/o%2D1/draft-order", r#"{"customer":"c-1","x":[1e5,{"y":null}]}"#),
        "POST /v1/main/orders/order/o-1/x HTTP/1.1\r\nhost: [::1]\r\ntransfer-encoding: chunked\r\n\
         content-type: application/json\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
            .to_owned(),
        "PUT /v1/main/domains/orders HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\n\
         content-type: application/wasm\r\ncontent-length: 4\r\n\r\n\0asm"
            .to_owned(),
    ]
    .map(String::into_bytes)
    .into()
}

#[test]
fn damaged_requests_are_answered_or_end() {
    let shop = Shop::open();
    let words = [
        "\r\n\r\n",
        "\r\n",
        "\0",
        "%00",
        "%FF",
        "%2F",
        "..",
        "//",
        " ",
        "\u{e9}",
        "content-length: 5\r\n",
        "host: evil\r\n",
        "transfer-encoding: chunked\r\n",
        "99999999999999999999",
        "HTTP/1.0",
        "?&=&",
        "[[[[",
        "1e400",
    ];
    let damage = Damage::new(corpus(), &words);
    let (mut cases, mut answered, mut closed, mut commands) = (0_u64, 0_u64, 0_u64, 0_u64);
    let counts = run(CASES_MIN, |random| {
        cases += 1;
        if cases.is_multiple_of(100) {
            shop.client.get("/readyz").json(200);
        }
        let mut connection = RawConnection::open(shop.address());
        // The host may have closed the connection before it has read everything.
        connection.send(&[&damage.bytes(random)[..], b"\r\n\r\nend\r\n\r\n", REST].concat());
        let begun = connection.begun(ANSWER_WAIT_MAX);
        if begun.is_empty() {
            closed += u64::from(connection.is_closed_within(REST_WAIT_MAX));
            return false;
        }
        let answer = connection.answer(REST_WAIT_MAX).unwrap_or(begun);
        let status: u16 = answer.get(9..12).and_then(|status| status.parse().ok()).expect("a status line");
        assert!((100..500).contains(&status) || status == 503, "{answer}");
        answered += 1;
        commands += u64::from(status == 200 && answer.contains("\"accepted\""));
        (200..300).contains(&status)
    });
    println!("of {cases} requests {answered} were answered and {closed} closed; {commands} commands were accepted");
    counts.assert_both();
    assert!(answered * 10 > cases * 6, "{answered} of {cases}");
    assert!((answered + closed) * 100 > cases * 95, "{answered} and {closed} of {cases}");
    shop.client.get("/readyz").json(200);
    let events = shop.client.get("/v1/main/events").lines().len() as u64;
    assert!(events >= commands, "{events} events, {commands} acknowledgements");
}
