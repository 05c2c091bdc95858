//! `polder events --follow` continues at its last position when the host is back.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use polder_tests::{Host, polder_file};
use serde_json::Value;

use super::Desk;

/// A process that ends with the test.
struct Following(Child);

impl Drop for Following {
    fn drop(&mut self) {
        // Both fail only when the process has already ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_follower_continues_where_it_was_after_the_host_was_away() {
    let Desk { host, folder } = Desk::open();
    let (address, data) = (host.address().to_owned(), folder.path().join("data"));
    let send = |host: &Host, id: &str| {
        host.polder(&["send", &format!("orders/order/{id}"), "draft-order", r#"{"customer":"c-1"}"#]).good().to_owned()
    };
    send(&host, "o-1");
    let mut child = Command::new(polder_file())
        .args(["events", "--follow", "--limit", "4", "--json", "--host", &address])
        .env_remove("POLDER_TOKEN")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let following = Following(child);
    let mut next = || -> Value { serde_json::from_str(&lines.next().expect("an event").unwrap()).unwrap() };
    assert_eq!(next()["position"], 1);

    // Once the host is killed, which breaks the answer off, and once it shuts down, which ends the answer.
    host.kill();
    let host = Host::start_at(&data, &address);
    send(&host, "o-2");
    let second = next();
    assert_eq!(second["position"], 2, "{second}");
    host.stop();
    let host = Host::start_at(&data, &address);
    send(&host, "o-3");
    assert_eq!(next()["position"], 3);
    send(&host, "o-4");
    assert_eq!(next()["position"], 4);
    assert!(lines.next().is_none(), "the limit ends it");
    let mut following = following;
    assert!(following.0.wait().unwrap().success());
}
