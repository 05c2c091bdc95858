//! Damaged messages between hosts: each is refused, or reads the same once it is written again.

use polder_fuzz::{Damage, run};

use super::*;

const WORDS: [&str; 10] = ["\"", "[", "]", "{", "}", ",", "null", "[\"a\",[10]]", "99999999999", "\\ud800"];

fn messages() -> [Bytes; 3] {
    let mut headers = HeaderMap::new();
    headers.append("actor", HeaderValue::from_bytes("Jörg".as_bytes()).unwrap());
    headers.append("idempotency-key", HeaderValue::from_static("c-1"));
    let uri = "/v1/main/orders/order/o-1/draft-order?x=1";
    let (parts, ()) = axum::http::Request::post(uri).body(()).unwrap().into_parts();
    [
        written(&RequestHead::new(&parts, &headers, None), b"{}"),
        written(&AnswerHead::new(StatusCode::OK, &headers, 7), b"{\"a\":1}"),
        written(&AnswerHead::NotOwner, b""),
    ]
}

/// Reads a message as one with the head `T`, and writes and reads it again.
fn read_twice<T: Serialize + DeserializeOwned>(bytes: &Bytes) -> Option<T> {
    let (head, body) = read::<T>(bytes.clone())?;
    assert!(bytes.ends_with(&body));
    let (again, body_again) = read::<T>(written(&head, &body)).unwrap();
    let json = |head: &T| serde_json::to_string(head).unwrap();
    assert_eq!((json(&again), body_again), (json(&head), body));
    Some(head)
}

#[test]
fn damaged_messages_are_refused_or_read_as_written() {
    let good = messages();
    let whole = Damage::new(good.iter().map(|message| message.to_vec()), &WORDS);
    let heads = Damage::new(good.iter().map(|message| message[LENGTH_BYTES..].to_vec()), &WORDS);
    let counts = run(1_000, |random| {
        let bytes: Bytes = if random.bool() {
            whole.some_undamaged(random).into()
        } else {
            // The length is that of the damaged head, so that the head itself is read.
            let head = heads.bytes(random);
            [&(head.len() as u32).to_be_bytes()[..], &head].concat().into()
        };
        let request = read_twice::<RequestHead>(&bytes);
        let parts = request.as_ref().and_then(RequestHead::parts);
        let answer = read_twice::<AnswerHead>(&bytes);
        if let Some(AnswerHead::Answer { headers: listed, .. }) = &answer {
            let _ = headers(listed);
        }
        parts.is_some() || answer.is_some()
    });
    counts.assert_both();
}

#[test]
fn more_headers_than_http_can_hold_are_refused() {
    let listed: Vec<_> = (0..40_000).map(|number| (format!("h-{number}"), Vec::new())).collect();
    assert!(headers(&listed).is_none());
}
