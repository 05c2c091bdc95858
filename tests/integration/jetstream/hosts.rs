//! Several hosts with one journal: each answers every request, and another host takes over when the owner is gone.

use std::time::{Duration, Instant};

use polder_tests::{Answer, Client, Host, NatsOptions, NatsServer};
use serde_json::Value;
use tempfile::{TempDir, tempdir};

use super::site::secret_file;

/// The longest time until another host owns the journal; the documentation promises ten seconds.
pub(super) const FAILOVER_MAX: Duration = Duration::from_secs(10);

pub(super) struct Hosts {
    pub(super) hosts: Vec<Option<Host>>,
    folders: Vec<TempDir>,
    /// The options of each host.
    options: Vec<Vec<String>>,
}

impl Hosts {
    #[track_caller]
    pub(super) fn start(count: usize, servers: &[NatsServer]) -> Self {
        Self::start_with(count, servers, &[])
    }

    /// Works like [`start`](Self::start), with more options.
    #[track_caller]
    pub(super) fn start_with(count: usize, servers: &[NatsServer], more: &[&str]) -> Self {
        let urls = servers.iter().map(NatsServer::url).collect::<Vec<_>>().join(",");
        Self::start_at(&vec![urls; count], servers, more)
    }

    /// Works like [`start_with`](Self::start_with); each host reaches the servers at URLs of its own.
    #[track_caller]
    pub(super) fn start_at(urls: &[String], servers: &[NatsServer], more: &[&str]) -> Self {
        let replicas = if servers.len() > 1 { "3" } else { "1" };
        let (count, secret) = (urls.len(), secret_file(&servers[0]));
        let options_of = |urls: &String| {
            let options = ["--journal", "jetstream", "--accept-unsynced", "--replicas", replicas, "--nats", urls];
            let secret = ["--journal-secret", secret.to_str().unwrap()];
            options.iter().chain(&secret).chain(more).map(|option| (*option).to_owned()).collect()
        };
        let options = urls.iter().map(options_of).collect();
        let folders: Vec<_> = (0..count).map(|_| tempdir().unwrap()).collect();
        let mut hosts = Self { hosts: (0..count).map(|_| None).collect(), folders, options };
        (0..count).for_each(|number| hosts.start_again(number));
        hosts
    }

    #[track_caller]
    pub(super) fn start_again(&mut self, number: usize) {
        let options: Vec<_> = self.options[number].iter().map(String::as_str).collect();
        self.hosts[number] = Some(Host::start_with(self.folders[number].path(), &options));
    }

    pub(super) fn kill(&mut self, number: usize) {
        self.hosts[number].take().unwrap().kill();
    }

    pub(super) fn host(&self, number: usize) -> &Host {
        self.hosts[number].as_ref().unwrap()
    }

    pub(super) fn data(&self, number: usize) -> &std::path::Path {
        self.folders[number].path()
    }

    pub(super) fn client(&self, number: usize) -> Client {
        self.host(number).client()
    }

    /// Works like [`owner_of`](Self::owner_of), for the only journal.
    #[track_caller]
    pub(super) fn owner(&self) -> usize {
        self.owner_of(1)
    }

    /// The host whose log is the last to report that it owns the journal. Waits until there is one.
    #[track_caller]
    pub(super) fn owner_of(&self, journal: usize) -> usize {
        let start = Instant::now();
        loop {
            let running = self.hosts.iter().enumerate().filter_map(|(number, host)| Some((number, host.as_ref()?)));
            let owns = |log: &str| {
                let said = |what: &str| log.rfind(&format!("{what} journal={journal}"));
                said("this host owns the journal now") > said("does not own the journal any more")
            };
            let owner = running.map(|(number, host)| (number, owns(&host.log()))).find(|(_, owns)| *owns);
            if let Some((owner, _)) = owner {
                return owner;
            }
            assert!(start.elapsed() < Duration::from_secs(30), "no host owns journal {journal}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The host takes nothing now, or cannot say whether it has done what was asked. The same command may be sent again.
pub(super) fn may_come_again(status: u16) -> bool {
    matches!(status, 503 | 504)
}

/// Lights and darkens a lamp alternately: sends its `times`-th command.
#[track_caller]
fn switch(client: &Client, times: u64) -> Value {
    let acknowledged = ask_to_switch(client, times).json(200);
    assert_eq!(acknowledged["sequence"], times);
    acknowledged
}

/// Works like [`switch`] when the owner may have been killed with the request: a caller without an answer repeats it.
#[track_caller]
fn switch_again(client: &Client, times: u64) {
    let start = Instant::now();
    while may_come_again(ask_to_switch(client, times).status) && start.elapsed() < FAILOVER_MAX {
        std::thread::sleep(Duration::from_millis(20));
    }
    switch(client, times);
}

fn ask_to_switch(client: &Client, times: u64) -> Answer {
    let command = if times % 2 == 1 { "light-lamp" } else { "darken-lamp" };
    let request = client.request("POST", &format!("/v1/main/lamps/lamp/l-1/{command}"));
    request.header("idempotency-key", &format!("times-{times}")).body("{}").send()
}

/// A section of a component that no program reads: id 0, the length of the rest as LEB128, and a name of one letter.
fn custom_section(bytes: usize) -> Vec<u8> {
    let (mut section, mut left) = (vec![0], bytes + 2);
    while left >= 0x80 {
        section.push(left as u8 | 0x80);
        left >>= 7;
    }
    section.extend([left as u8, 1, b'x']);
    section.extend(vec![0; bytes]);
    section
}

fn unsynced_server() -> NatsServer {
    NatsServer::start_with(NatsOptions::default())
}

#[test]
fn every_host_answers_everything() {
    let server = unsynced_server();
    let hosts = Hosts::start(3, std::slice::from_ref(&server));
    let owner = hosts.owner();
    let clients: Vec<_> = (0..3).map(|number| hosts.client(number)).collect();
    let (one, other) = (&clients[(owner + 1) % 3], &clients[(owner + 2) % 3]);
    one.deploy("lamps");
    for (client, times) in clients.iter().zip(1..) {
        assert_eq!(switch(client, times)["position"], times);
        // After its answer, a caller reads the event from the same host at once.
        assert_eq!(client.get("/v1/main/lamps/lamp/l-1").json(200)["sequence"], times);
        assert_eq!(client.position(), times);
    }
    other.put("/v1/tenants/acme", "").json(201);
    assert_eq!(other.get("/v1/tenants/acme").json(200)["tenant"], "acme");
    one.post("/v1/main/lamps/lamp/l-1/unknown", "{}").problem(404, "unknown-command");
    // Larger than a message.
    let wasm = std::fs::read(polder_tests::guest_file("orders")).unwrap();
    let padded = [wasm, custom_section(2 * 1024 * 1024)].concat();
    other.put("/v1/main/domains/orders", padded).json(200);
    other.post("/v1/main/orders/order/o-1/draft-order", r#"{"customer":"c"}"#).json(200);
    other.get("/v1/main/orders/order/o-1").json(200);
}

#[test]
fn another_host_goes_on_when_the_owner_is_killed() {
    let server = unsynced_server();
    let mut hosts = Hosts::start(2, std::slice::from_ref(&server));
    let owner = hosts.owner();
    let other = hosts.client(1 - owner);
    other.deploy("lamps");
    (1..=5).for_each(|times| drop(switch(&other, times)));
    hosts.kill(owner);
    let start = Instant::now();
    switch_again(&other, 6);
    assert!(start.elapsed() < FAILOVER_MAX, "{:?}", start.elapsed());
    hosts.start_again(owner);
    let back = hosts.client(owner);
    switch(&back, 7);
    assert_eq!(back.get("/v1/main/lamps/lamp/l-1").json(200)["sequence"], 7);
    let verified = polder_tests::polder(&["verify", "--nats", &server.url(), "--json"]).json();
    let journals = &verified["journals"];
    // Seven events of the lamp, and three of the host's own history: the tenant's key, the upload and the activation.
    assert_eq!((&verified["good"], &journals[0]["commands"]), (&Value::Bool(true), &Value::from(10)));
    assert_eq!((&journals[0]["journal"], &journals[1]), (&Value::from(1), &Value::Null));
}

#[test]
fn a_drained_host_gives_the_journal_up_and_goes_on_answering() {
    let server = unsynced_server();
    let mut hosts = Hosts::start(2, std::slice::from_ref(&server));
    let owner = hosts.owner();
    let client = hosts.client(owner);
    client.deploy("lamps");
    switch(&client, 1);
    hosts.host(owner).polder(&["drain"]).good();
    switch(&client, 2);
    assert_eq!(hosts.owner(), 1 - owner);
    let log = hosts.hosts[owner].take().unwrap().stop();
    assert!(log.contains("it was asked to"), "{log}");
}
