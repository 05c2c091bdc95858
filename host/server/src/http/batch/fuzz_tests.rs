//! Damaged bodies of batches, cut into pieces at random: each line is returned as it is, or reported as too long.

use axum::body::Body;
use bytes::Bytes;
use futures::FutureExt as _;
use polder_fuzz::{Damage, Rng, run};
use serde::de::IgnoredAny;

use super::lines::{Line, Lines};
use crate::access::Caller;
use crate::requests::batch_line;

const CASES_MIN: u64 = 500;
const LINE_BYTES_MAX: usize = 200;

const BODY: &str = concat!(
    r#"{"address":"orders/order/o-1/draft-order","command_id":"c-1","expected_sequence":3,"payload":{"customer":"é"}}"#,
    "\r\n\n",
    r#"{"address":"orders/order/o-1/add-line","actor":"ann","traceparent":"00-1-2-01","retry_rejected":true,"payload":[1e9]}"#,
    "\n",
    r#"{"address":"orders/order/o-2/draft-order","correlation_id":"k","causation_id":"l"}"#,
);
const PIECES: [&str; 12] = ["\n", "\r", "\"", "{", "}", "[", "/", "\\u0000", ",", "null", ":", "1e999"];

/// Returns whether all lines are commands.
fn check(body: &[u8], random: &mut Rng) -> bool {
    let mut pieces = Vec::new();
    let mut rest = body;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(random.usize(1..=rest.len().min(120)));
        pieces.push(Ok::<_, std::io::Error>(Bytes::copy_from_slice(piece)));
        rest = after;
    }
    let mut lines = Lines::new(Body::from_stream(futures::stream::iter(pieces)), 1, LINE_BYTES_MAX);
    let (mut given, mut are_commands) = (Vec::new(), true);
    while let Some(Line { number, bytes }) =
        lines.next().now_or_never().expect("nothing waits").expect("nothing breaks off")
    {
        if let Some(line) = &bytes {
            let read = batch_line::read(line, &"main".parse().unwrap(), &Caller::Anyone, None);
            assert!(read.is_err() || serde_json::from_slice::<IgnoredAny>(line).is_ok());
            are_commands &= read.is_ok();
        }
        given.push((number, bytes.map(|bytes| bytes.to_vec())));
    }
    let wanted = (1..)
        .zip(body.split(|byte| *byte == b'\n'))
        .filter(|(_, line)| !line.trim_ascii().is_empty() || line.len() > LINE_BYTES_MAX);
    let wanted: Vec<_> =
        wanted.map(|(number, line)| (number, (line.len() <= LINE_BYTES_MAX).then(|| line.to_vec()))).collect();
    assert_eq!(given, wanted);
    are_commands
}

#[test]
fn damaged_batches_return_each_line_unchanged() {
    let damage = Damage::new([BODY], &PIECES);
    run(CASES_MIN, |random| check(&damage.some_undamaged(random), random)).assert_both();
}
