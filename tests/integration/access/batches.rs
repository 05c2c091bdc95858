//! A batch ends when the right to send it ends.

use std::thread;
use std::time::{Duration, Instant};

use polder_access::SigningKey;
use serde_json::json;

use super::site::{Site, claims};
use crate::http_contract::batch::{Open, draft};

/// The longest time from the end of the right to the end of the batch, also on a busy machine.
const END_WAIT_MAX: Duration = Duration::from_secs(20);

#[test]
fn a_batch_ends_when_its_key_is_revoked() {
    let site = Site::open();
    let (second, operator) = (SigningKey::generate().unwrap(), site.operator());
    operator.post("/v1/keys", json!({ "public_key": second.public_key() }).to_string()).json(200);
    let token = claims("main publish main.cmd.>").sign(&second).unwrap();
    let mut open = Open::with_headers(site.host().address(), &format!("Authorization: Bearer {token}\r\n"));
    open.send(&draft(10));
    assert_eq!(open.next()["status"], "accepted");
    operator.request("DELETE", &format!("/v1/keys/{}", second.id())).send().json(200);
    let (began, mut taken) = (Instant::now(), 1);
    let end = loop {
        open.send(&draft(10 + taken));
        let answer = open.next();
        if answer["status"] != "accepted" {
            break answer;
        }
        taken += 1;
        assert!(began.elapsed() < END_WAIT_MAX, "{taken} lines were taken");
        // The host looks at the token again after a second.
        thread::sleep(Duration::from_millis(50));
    };
    assert_eq!((&end["status"], &end["type"]), (&json!(401), &json!("urn:polder:problem:not-authenticated")), "{end}");
    assert_eq!(end["lines_taken"], taken, "{end}");
    // One order is the site's own.
    assert_eq!(operator.position(), 1 + taken);
}
