//! Bodies of batches, mangled and cut into pieces at random: each line is returned as it is, or reported as too long.
//!
//! `POLDER_FUZZ_SECONDS` is the duration, `POLDER_FUZZ_SEED` the first seed; a failure prints its seed.

use std::time::{Duration, Instant};

use axum::body::Body;
use bytes::Bytes;
use futures::FutureExt as _;

use super::lines::{Line, Lines};
use crate::access::Caller;
use crate::requests::batch_line;

const SECONDS: u64 = 2;
const LINE_BYTES_MAX: usize = 200;

const BODY: &str = concat!(
    r#"{"address":"orders/order/o-1/draft-order","command_id":"c-1","expected_sequence":3,"payload":{"customer":"é"}}"#,
    "\r\n\n",
    r#"{"address":"orders/order/o-1/add-line","actor":"ann","traceparent":"00-1-2-01","retry_rejected":true,"payload":[1e9]}"#,
    "\n",
    r#"{"address":"orders/order/o-2/draft-order","correlation_id":"k","causation_id":"l"}"#,
);
const PIECES: [&str; 12] = ["\n", "\r", "\"", "{", "}", "[", "/", "\\u0000", ",", "null", ":", "1e999"];

struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }
}

fn mangled(random: &mut Random) -> Vec<u8> {
    let mut bytes = BODY.as_bytes().to_vec();
    for _ in 0..random.below(8) {
        let at = random.below(bytes.len() + 1);
        let end = (at + random.below(90)).min(bytes.len());
        match random.below(4) {
            0 => drop(bytes.splice(at..at, PIECES[random.below(PIECES.len())].bytes())),
            1 if at < bytes.len() => bytes[at] = random.below(256) as u8,
            2 => drop(bytes.drain(at..end)),
            _ => {
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }
    bytes
}

fn check(random: &mut Random) {
    let body = mangled(random);
    let mut pieces = Vec::new();
    let mut rest = &body[..];
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(1 + random.below(rest.len().min(120)));
        pieces.push(Ok::<_, std::io::Error>(Bytes::copy_from_slice(piece)));
        rest = after;
    }
    let mut lines = Lines::new(Body::from_stream(futures::stream::iter(pieces)), 1, LINE_BYTES_MAX);
    let mut given = Vec::new();
    while let Some(Line { number, bytes }) =
        lines.next().now_or_never().expect("nothing waits").expect("nothing breaks off")
    {
        if let Some(line) = &bytes {
            let read = batch_line::read(line, &"main".parse().unwrap(), &Caller::Anyone, None);
            assert!(read.is_err() || serde_json::from_slice::<serde_json::Value>(line).is_ok());
        }
        given.push((number, bytes.map(|bytes| bytes.to_vec())));
    }
    let wanted = (1..)
        .zip(body.split(|byte| *byte == b'\n'))
        .filter(|(_, line)| !line.trim_ascii().is_empty() || line.len() > LINE_BYTES_MAX);
    let wanted: Vec<_> =
        wanted.map(|(number, line)| (number, (line.len() <= LINE_BYTES_MAX).then(|| line.to_vec()))).collect();
    assert_eq!(given, wanted);
}

#[test]
fn mangled_batches_return_each_line_unchanged() {
    let number = |name: &str, default| std::env::var(name).map_or(default, |text| text.parse().expect("a number"));
    let (seconds, mut seed) = (number("POLDER_FUZZ_SECONDS", SECONDS), number("POLDER_FUZZ_SEED", 1));
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(seconds) {
        let caught = std::panic::catch_unwind(|| check(&mut Random(seed.max(1).wrapping_mul(0x9E37_79B9_7F4A_7C15))));
        if let Err(panic) = caught {
            println!("POLDER_FUZZ_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
        seed += 1;
    }
    println!("seeds up to {seed}");
}
