//! A host skips everything in the journal's streams and buckets that no host of the cluster wrote, and loses nothing by
//! it.

use std::sync::mpsc;
use std::time::Duration;

use async_nats::jetstream::{self, Context};
use async_nats::{Client, HeaderMap, Message, Subscriber};
use futures::StreamExt as _;
use polder_core::JournalNumber;
use polder_journal_contract::model::{Model, SEALED, accept, tenant};
use polder_nats::journal::{
    Heartbeat, JournalError, JournalLink, JournalOptions, JournalSecret, LEASE, Lease, Presence, Renewal, verify_stream,
};
use polder_tests::NatsServer;
use tempfile::tempdir;
use tokio::runtime::Runtime;

use super::hosts::Hosts;
use super::site::{connect, lead, link, open_copy, secret_file, server, unsynced};

/// An attacker with all permissions at the servers, but without the secret.
struct Stranger {
    runtime: Runtime,
    client: Client,
    context: Context,
}

/// Nothing here takes longer, so a test that hangs fails.
const WAIT_MAX: Duration = Duration::from_secs(20);
/// Time in which a wrong answer would come.
const NO_ANSWER_WAIT: Duration = Duration::from_millis(500);
/// An inbox of a host, as far as its subject shows.
const HOSTS_INBOX: &str = "_INBOX.polder.stranger";

impl Stranger {
    fn at(server: &NatsServer) -> Self {
        let runtime = Runtime::new().unwrap();
        let client = runtime.block_on(async_nats::connect(server.url())).unwrap();
        let _inside = runtime.enter();
        let context = jetstream::new(client.clone());
        drop(_inside);
        Self { runtime, client, context }
    }

    /// Listens on a subject that ends with a wildcard token. The server knows the subscription when this returns.
    fn listen(&self, prefix: &str) -> Subscriber {
        self.runtime.block_on(async {
            let mut messages = self.client.subscribe(format!("{prefix}.*")).await.unwrap();
            self.client.publish(format!("{prefix}.none"), "".into()).await.unwrap();
            assert_eq!(messages.next().await.unwrap().subject.as_str(), format!("{prefix}.none"));
            messages
        })
    }

    fn next(&self, messages: &mut Subscriber, wait_max: Duration) -> Option<Message> {
        self.runtime.block_on(async { tokio::time::timeout(wait_max, messages.next()).await.ok().flatten() })
    }

    /// Sends a message of a host again, with this reply subject. The server has it when this returns.
    fn send_again(&self, message: &Message, reply: &str) {
        let (subject, headers) = (message.subject.clone(), message.headers.clone().unwrap());
        self.runtime.block_on(async {
            let (reply, payload) = (reply.to_owned(), message.payload.clone());
            self.client.publish_with_reply_and_headers(subject, reply, headers, payload).await.unwrap();
        });
        drop(self.listen("_INBOX.settled"));
    }

    fn write(&self, subject: &str, headers: HeaderMap, payload: &[u8]) {
        let (subject, payload) = (subject.to_owned(), payload.to_vec());
        self.runtime.block_on(async {
            let sent = self.context.publish_with_headers(subject, headers, payload.into()).await;
            sent.unwrap().await.unwrap()
        });
    }

    /// Writes into the stream of frames: nonsense, a forged frame, and the last frame of a host once more.
    fn write_frames(&self) {
        const FRAMES: &str = "$polder.polder-1.frames";
        self.write(FRAMES, HeaderMap::new(), b"{\"status\": 403}");
        let last = self.runtime.block_on(async {
            let stream = self.context.get_stream("polder-1-journal").await.unwrap();
            let mut sequence = stream.cached_info().state.last_sequence;
            loop {
                let message = stream.get_raw_message(sequence).await.unwrap();
                if message.headers.get("Polder-Mark").is_some() {
                    return message;
                }
                sequence -= 1;
            }
        });
        let number: u64 = last.headers.get("Polder-Frame").unwrap().as_str().parse().unwrap();
        // Without the headers in which the host stated its expectations of the stream.
        let mut again = HeaderMap::new();
        for name in ["Polder-Frame", "Polder-Mark"] {
            again.insert(name, last.headers.get(name).unwrap().clone());
        }
        let mut forged = again.clone();
        forged.insert("Polder-Frame", (number + 1).to_string());
        self.write(FRAMES, forged, &last.payload);
        self.write(FRAMES, again, &last.payload);
    }
}

#[test]
fn frames_of_strangers_are_passed_over() {
    let (server, one, two) = (server(), tempdir().unwrap(), tempdir().unwrap());
    let (stranger, mut model) = (Stranger::at(&server), Model::default());
    let (mut writer, reader, _) = lead(&link(&server), one.path()).unwrap();
    for number in 0..5 {
        model.append(&mut writer, &[accept("main", number, &[100])]).unwrap();
        stranger.write_frames();
    }
    model.check(&reader);
    // Another host takes it over, and a further one begins with an empty folder.
    drop((writer, reader));
    let (mut next, reader, _) = lead(&link(&server), two.path()).unwrap();
    stranger.write_frames();
    model.append(&mut next, &[accept("main", 7, &[100])]).unwrap();
    model.check(&reader);
    next.close().unwrap();
    stranger.write_frames();
    model.check(&open_copy(&link(&server), one.path()).unwrap().1);
    model.check(&open_copy(&link(&server), tempdir().unwrap().path()).unwrap().1);
    assert_eq!(verify_stream(&link(&server)).unwrap().commands, 6);
}

#[test]
fn a_follower_passes_over_what_a_stranger_writes() {
    let (server, one, two) = (server(), tempdir().unwrap(), tempdir().unwrap());
    let (stranger, mut model) = (Stranger::at(&server), Model::default());
    let (mut writer, _, _) = lead(&link(&server), one.path()).unwrap();
    let following = link(&server);
    let (mut follower, reader, _) = open_copy(&following, two.path()).unwrap();
    stranger.write_frames();
    model.append(&mut writer, &[accept("main", 1, &[100])]).unwrap();
    following
        .follow(&mut follower, Duration::from_secs(20), |followed| followed.expect("frames come").tenants.is_empty())
        .unwrap();
    model.check(&reader);
}

#[test]
fn a_key_of_a_stranger_is_none() {
    let (server, folder) = (server(), tempdir().unwrap());
    let stranger = Stranger::at(&server);
    // The stream is made before any tenant has a key.
    drop(link(&server).keyring().unwrap());
    stranger.write("$polder.polder-1.keys.main", HeaderMap::new(), &[7; 32]);
    let (mut writer, reader, _) = lead(&link(&server), folder.path()).unwrap();
    let mut model = Model::default();
    model.append(&mut writer, &[accept("main", 1, &[100])]).unwrap();
    for secret in [&[8; 32][..], b"{\"status\": 403}"] {
        stranger.write("$polder.polder-1.keys.main", HeaderMap::new(), secret);
    }
    model.check(&reader);
    drop(writer);
    // A host without a copy reads the history with the right key.
    model.check(&open_copy(&link(&server), tempdir().unwrap().path()).unwrap().1);
    link(&server).keyring().unwrap().destroy(&tenant(SEALED)).unwrap();
    assert!(!link(&server).keyring().unwrap().has(&tenant(SEALED)));
}

#[test]
fn a_lease_of_a_stranger_neither_ends_nor_frees_one() {
    let server = server();
    let (stranger, link) = (Stranger::at(&server), link(&server));
    let (mut holder, mut other) = (Lease::open(&link, "holder").unwrap(), Lease::open(&link, "other").unwrap());
    assert!(holder.look(|_| true).unwrap());
    assert!(!other.look(|_| true).unwrap());
    let write = |value: &[u8]| stranger.write("$KV.polder-1-owner.owner", HeaderMap::new(), value);
    for value in [&b"{\"host\":null}"[..], b"{\"host\":\"x\",\"replaces\":1,\"mark\":\"\"}", b""] {
        write(value);
        assert!(!other.look(|_| true).unwrap());
        assert_eq!(other.owner(), Some("holder"));
        assert!(!matches!(holder.renew(), Renewal::Lost));
        assert_eq!(holder.renew(), Renewal::Held);
    }
    // A holder that is gone loses it, regardless of what the attacker writes.
    let start = std::time::Instant::now();
    while !other.look(|_| true).unwrap() {
        write(b"{}");
        std::thread::sleep(LEASE / 10);
        assert!(start.elapsed() < LEASE * 3);
    }
}

#[test]
fn hosts_go_on_beside_a_stranger() {
    let server = server();
    let stranger = Stranger::at(&server);
    let mut hosts = Hosts::start(2, std::slice::from_ref(&server));
    let owner = hosts.owner();
    hosts.client(owner).deploy("lamps");
    stranger.write_frames();
    for (number, lamp) in [(owner, "l-1"), (1 - owner, "l-2")] {
        let path = format!("/v1/main/lamps/lamp/{lamp}/light-lamp");
        let start = std::time::Instant::now();
        while super::hosts::may_come_again(hosts.client(number).post(&path, "{}").status) {
            assert!(start.elapsed() < Duration::from_secs(20));
        }
    }
    for number in [0, 1] {
        let log = hosts.hosts[number].take().unwrap().stop();
        assert!(!log.contains("ERROR"), "{log}");
    }
    stranger.write_frames();
    hosts.start_again(0);
    assert_eq!(hosts.client(0).get("/v1/main/events").lines().len(), 2);
}

#[test]
fn a_request_of_a_host_is_carried_out_once_however_often_it_is_sent() {
    let server = server();
    let stranger = Stranger::at(&server);
    let mut hosts = Hosts::start(2, std::slice::from_ref(&server));
    let owner = hosts.owner();
    let other = hosts.client(1 - owner);
    other.deploy("orders");
    other.post("/v1/main/orders/order/o-1/draft-order", r#"{"customer": "c"}"#).json(200);
    // Without an id, a repetition of the command would be a second command.
    let add_line = |sku: &str| {
        let line = format!(r#"{{"sku": "{sku}", "quantity": 2, "price": 100}}"#);
        other.post("/v1/main/orders/order/o-1/add-line", line).json(200)["position"].as_u64().unwrap()
    };
    let mut requests = stranger.listen("$polder.polder-1.host");
    let position = add_line("TEA");
    let captured = stranger.next(&mut requests, WAIT_MAX).expect("the owner is asked");
    let mut answers = stranger.listen(HOSTS_INBOX);
    stranger.send_again(&captured, &format!("{HOSTS_INBOX}.1"));
    stranger.send_again(&captured, captured.reply.as_ref().unwrap());
    // An altered time or number is no remedy: the mark covers both.
    for name in ["Polder-Sent", "Polder-Request"] {
        let mut altered = captured.clone();
        let headers = altered.headers.as_mut().unwrap();
        let value: u64 = headers.get(name).unwrap().as_str().parse().unwrap();
        headers.insert(name, (value - 1).to_string());
        stranger.send_again(&altered, &format!("{HOSTS_INBOX}.2"));
    }
    assert!(stranger.next(&mut answers, NO_ANSWER_WAIT).is_none(), "the owner answers a repeated request");
    assert_eq!(add_line("COFFEE"), position + 1);
    assert_eq!(other.get("/v1/main/events").lines().len(), 3);
    let log = hosts.hosts[owner].take().unwrap().stop();
    assert!(log.contains("a request of another host is refused") && log.contains("it was there before"), "{log}");
}

#[test]
fn a_heartbeat_that_is_sent_again_is_ignored() {
    let (server, (sender, heard)) = (server(), mpsc::channel());
    let (stranger, listening, link) = (Stranger::at(&server), link(&server), link(&server));
    let hear = move |heartbeat| {
        sender.send(heartbeat).unwrap();
        false
    };
    Presence::of(&listening).keep(Duration::from_secs(3_600), || None, hear).unwrap();
    let mut heartbeats = stranger.listen("$polder.polder");
    let presence = Presence::of(&link);
    let say_and_hear = |is_leaving: bool| {
        let heartbeat = Heartbeat { host: "one".to_owned(), is_leaving };
        presence.say(heartbeat.clone());
        assert_eq!(heard.recv_timeout(WAIT_MAX).unwrap(), heartbeat);
    };
    say_and_hear(true);
    let captured = stranger.next(&mut heartbeats, WAIT_MAX).expect("the host has said that it leaves");
    stranger.send_again(&captured, "_INBOX.stranger.1");
    // Otherwise the repeated heartbeat would be heard first.
    say_and_hear(false);
    assert!(heard.try_recv().is_err());
}

#[test]
fn a_host_without_the_clusters_secret_is_refused_with_the_remedy() {
    let (server, folder) = (server(), tempdir().unwrap());
    drop(link(&server));
    let open = |secret: std::path::PathBuf| {
        let options = JournalOptions { secret, ..unsynced(&server) };
        JournalLink::open(&connect(&server.url()), &options, JournalNumber::FIRST).map(drop).unwrap_err()
    };
    let missing = open(folder.path().join("missing"));
    assert!(
        matches!(missing, JournalError::NoSecret { .. }) && missing.to_string().contains("copy the file"),
        "{missing}"
    );
    assert!(!folder.path().join("missing").exists(), "none is made: it would be another");
    JournalSecret::make(&folder.path().join("other")).unwrap();
    let other = open(folder.path().join("other"));
    assert!(matches!(other, JournalError::OtherSecret { .. }), "{other}");
    std::fs::copy(secret_file(&server), folder.path().join("copy")).unwrap();
    let options = JournalOptions { secret: folder.path().join("copy"), ..unsynced(&server) };
    JournalLink::open(&connect(&server.url()), &options, JournalNumber::FIRST).unwrap();
}
