//! Clients that do not read, and clients that send half a request.

use super::attack::{Attack, Begin};
use super::clients::{Clients, Then};

const FOLLOWERS: usize = 500;
/// Commands of 40 events each: a history of 20,000 events, more than the system's own buffers hold for a connection.
const MANY: usize = 500;
const HEADS: usize = 1_000;
const BODIES: usize = 2_000;
/// A body that a command may have, and the half of it that is sent.
const BODY_BYTES: usize = 200_000;

pub(super) fn followers() -> Attack {
    Attack::new("followers", "500 followers of a history that never read", |site| {
        site.deploy("good")?;
        for _ in 0..MANY {
            site.send("history", "many")?;
        }
        let request = format!("GET /v1/{}/events?follow=true HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n", site.tenants[0]);
        Ok(hold(FOLLOWERS, request.into_bytes(), Then::ReadNothing))
    })
}

pub(super) fn heads() -> Attack {
    let about = "1,000 half-sent heads of requests, to a host under `ulimit -n 1024`";
    Attack::new("half-sent-heads", about, |site| {
        let head = format!("GET /v1/{}/events HTTP/1.1\r\nhost: ", site.tenants[0]);
        Ok(hold(HEADS, head.into_bytes(), Then::Wait))
    })
    .with_descriptors(1_024)
}

pub(super) fn bodies() -> Attack {
    Attack::new("half-sent-bodies", "2,000 commands whose bodies are sent half", |site| {
        site.deploy("good")?;
        let head = format!(
            "POST /v1/{}/rogue/thing/t-1/do HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n\
             content-length: {BODY_BYTES}\r\n\r\n",
            site.tenants[0]
        );
        Ok(hold(BODIES, [head.into_bytes(), vec![b' '; BODY_BYTES / 2]].concat(), Then::Wait))
    })
}

fn hold(count: usize, bytes: Vec<u8>, then: Then) -> Begin {
    Box::new(move |clients: &mut Clients| clients.hold(count, &bytes, then))
}
