//! Requests that no normal client sends: each gets an answer, and none is misunderstood.

use std::time::Duration;

use polder_tests::RawConnection;

use super::shop::Shop;

const ANSWER_WAIT_MAX: Duration = Duration::from_secs(20);
const HOST: &str = "host: 127.0.0.1";

fn status(shop: &Shop, request: &[u8]) -> Option<u16> {
    let mut connection = RawConnection::open(shop.address());
    connection.send(request);
    let answer = connection.answer(ANSWER_WAIT_MAX)?;
    Some(answer.split(' ').nth(1).expect("a status").parse().expect("a number"))
}

#[test]
fn whatever_cannot_be_read_is_answered() {
    let shop = Shop::open();
    let long = |bytes: usize| "x".repeat(bytes);
    let many: String = (0..120).map(|number| format!("h-{number}: 1\r\n")).collect();
    for (what, request, wanted) in [
        ("no request", "GARBAGE\r\n\r\n".to_owned(), 400),
        ("no version", "GET /readyz\r\n\r\n".to_owned(), 400),
        ("another version", format!("GET /readyz HTTP/9.9\r\n{HOST}\r\n\r\n"), 400),
        ("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), 400),
        ("TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\u{7f}\x03\x03\r\n\r\n".to_owned(), 400),
        ("no host", "GET /readyz HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("no host, old", "GET /readyz HTTP/1.0\r\n\r\n".to_owned(), 400),
        ("two hosts", format!("GET /readyz HTTP/1.1\r\n{HOST}\r\n{HOST}\r\n\r\n"), 400),
        ("an empty host", "GET /readyz HTTP/1.1\r\nhost:\r\n\r\n".to_owned(), 400),
        ("two hosts in one", "GET /readyz HTTP/1.1\r\nhost: 127.0.0.1, 127.0.0.1\r\n\r\n".to_owned(), 400),
        ("another host in the path", format!("GET http://evil.example/readyz HTTP/1.1\r\n{HOST}\r\n\r\n"), 400),
        ("no colon", format!("GET /readyz HTTP/1.1\r\n{HOST}\r\nno header\r\n\r\n"), 400),
        ("a space before the colon", format!("GET /readyz HTTP/1.1\r\n{HOST}\r\nif-match : 1\r\n\r\n"), 400),
        ("a folded header", format!("GET /readyz HTTP/1.1\r\n{HOST}\r\na: 1\r\n  2\r\n\r\n"), 400),
        ("a NUL", format!("GET /readyz HTTP/1.1\r\n{HOST}\r\na: \0\r\n\r\n"), 400),
        ("a space in the path", format!("GET /ready z HTTP/1.1\r\n{HOST}\r\n\r\n"), 400),
        ("two lengths", format!("POST / HTTP/1.1\r\n{HOST}\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab"), 400),
        ("a negative length", format!("POST / HTTP/1.1\r\n{HOST}\r\ncontent-length: -1\r\n\r\n"), 400),
        ("a length that is none", format!("POST / HTTP/1.1\r\n{HOST}\r\ncontent-length: 0x1\r\n\r\n"), 400),
        ("a long path", format!("GET /{} HTTP/1.1\r\n{HOST}\r\n\r\n", long(9_000)), 414),
        ("a very long path", format!("GET /{} HTTP/1.1\r\n{HOST}\r\n\r\n", long(70_000)), 431),
        ("a long header", format!("GET /readyz HTTP/1.1\r\n{HOST}\r\na: {}\r\n\r\n", long(40_000)), 431),
        ("a head without end", format!("GET /readyz HTTP/1.1\r\n{HOST}\r\na: {}", long(500_000)), 431),
        ("many headers", format!("GET /readyz HTTP/1.1\r\n{HOST}\r\n{many}\r\n"), 431),
    ] {
        // The packets determine which of the two bounds is reached first.
        let is_right = |found: Option<u16>| found == Some(wanted) || (wanted == 431 && found == Some(414));
        let found = status(&shop, request.as_bytes());
        assert!(is_right(found), "{what}: {found:?} instead of {wanted}");
        // Later bytes do not suppress the answer.
        let more = [request.as_bytes(), &vec![b'x'; 300_000][..]].concat();
        let found = status(&shop, &more);
        assert!(is_right(found), "{what}, and more: {found:?} instead of {wanted}");
    }
    assert_eq!(shop.client.position(), 0);
}

/// An unreadable request after a good one: both are answered, in order.
#[test]
fn what_stands_behind_a_good_request_is_answered_too() {
    let shop = Shop::open();
    for (second, wanted) in [
        ("GARBAGE\r\n\r\n".to_owned(), "HTTP/1.1 400 "),
        ("GET /readyz HTTP/1.1\r\n\r\n".to_owned(), "HTTP/1.1 400 "),
        (format!("GET /{} HTTP/1.1\r\n{HOST}\r\n\r\n", "x".repeat(9_000)), "HTTP/1.1 414 "),
        (format!("GET / HTTP/1.1\r\n{HOST}\r\na: {}\r\n\r\n", "x".repeat(40_000)), "HTTP/1.1 431 "),
    ] {
        let mut connection = RawConnection::open(shop.address());
        connection.send(format!("GET /healthz HTTP/1.1\r\n{HOST}\r\n\r\n{second}").as_bytes());
        let first = connection.answer(ANSWER_WAIT_MAX).expect("an answer");
        assert!(first.starts_with("HTTP/1.1 200 "), "{first}");
        let second = connection.answer(ANSWER_WAIT_MAX).unwrap_or_default();
        assert!(second.starts_with(wanted), "{wanted}: {second:?}");
    }
}

/// One byte per packet, and many requests in one packet.
#[test]
fn requests_may_come_in_any_pieces() {
    let shop = Shop::open();
    let request = |id: &str| {
        let body = r#"{"customer":"c-1"}"#;
        format!(
            "POST /v1/main/orders/order/{id}/draft-order HTTP/1.1\r\n{HOST}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let mut connection = RawConnection::open(shop.address());
    for byte in request("slow").bytes() {
        assert!(connection.send(&[byte]));
    }
    assert!(connection.answer(ANSWER_WAIT_MAX).expect("an answer").starts_with("HTTP/1.1 200 "));
    let many: String = (0..50).map(|number| request(&format!("o-{number}"))).collect();
    assert!(connection.send(many.as_bytes()));
    for number in 0..50 {
        let answer = connection.answer(ANSWER_WAIT_MAX).expect("an answer");
        assert!(answer.contains(&format!("\"aggregate_id\":\"o-{number}\"")), "{answer}");
    }
    assert_eq!(shop.client.position(), 51);
}
