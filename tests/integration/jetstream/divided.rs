//! Several journals, divided among hosts: each host owns its share, every host answers for every tenant, and the other
//! hosts take over the share of a lost host.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use polder_core::{JournalNumber, Journals};
use polder_nats::journal::{JournalError, JournalLink, JournalOptions};
use polder_tests::{Client, NatsOptions, NatsServer};
use serde_json::{Value, json};
use tempfile::tempdir;

use super::hosts::{FAILOVER_MAX, Hosts, may_come_again};
use super::site::{connect, secret_file, unsynced};

const JOURNALS: usize = 3;
/// One tenant of each journal, from the first journal on.
pub(super) const TENANTS: [&str; JOURNALS] = ["a", "tenant-1", "main"];
/// The longest wait until journals have moved from host to host, one after the other.
const DIVIDED_WAIT_MAX: Duration = Duration::from_secs(30);
const LOOK_PAUSE: Duration = Duration::from_millis(20);

fn start(hosts: usize, server: &NatsServer) -> Hosts {
    Hosts::start_with(hosts, std::slice::from_ref(server), &["--journals", &JOURNALS.to_string()])
}

/// For each journal, the hosts that report that they accept the commands of its tenants.
fn owners(hosts: &Hosts) -> Vec<Vec<usize>> {
    let mut owners = vec![Vec::new(); JOURNALS];
    for number in 0..hosts.hosts.len() {
        // The host may have been killed.
        let Some(host) = &hosts.hosts[number] else { continue };
        let metrics = host.client().get("/metrics");
        for (index, owners) in owners.iter_mut().enumerate() {
            if metrics.text().contains(&format!("\npolder_writable{{journal=\"{}\"}} 1\n", index + 1)) {
                owners.push(number);
            }
        }
    }
    owners
}

/// Waits until each journal has one owner, and the hosts own the expected numbers of journals; returns the owner of
/// each journal.
#[track_caller]
pub(super) fn divided(hosts: &Hosts, expected: &[usize]) -> Vec<usize> {
    let start = Instant::now();
    loop {
        let owners = owners(hosts);
        let mut loads = vec![0; hosts.hosts.len()];
        owners.iter().flatten().for_each(|owner| loads[*owner] += 1);
        if owners.iter().all(|owners| owners.len() == 1) && loads == expected {
            return owners.into_iter().flatten().collect();
        }
        assert!(start.elapsed() < DIVIDED_WAIT_MAX, "{owners:?}, expected are {expected:?}");
        std::thread::sleep(LOOK_PAUSE);
    }
}

/// Sends the next command to the tenant, which must be accepted; returns its position. Without an answer, because a
/// host was killed, the command is repeated.
#[track_caller]
fn draft(client: &Client, tenant: &str, order: &str) -> u64 {
    let path = format!("/v1/{tenant}/orders/order/{order}/draft-order");
    let start = Instant::now();
    loop {
        let sent = client.request("POST", &path).header("idempotency-key", &format!("{tenant}-{order}"));
        let answer = sent.body(r#"{"customer":"c"}"#).send();
        if !may_come_again(answer.status) || start.elapsed() > FAILOVER_MAX {
            return answer.json(200)["position"].as_u64().unwrap();
        }
        std::thread::sleep(LOOK_PAUSE);
    }
}

/// The orders in the tenant's history, in order.
fn history(client: &Client, tenant: &str) -> Vec<String> {
    let events = client.get(&format!("/v1/{tenant}/events")).lines();
    events.iter().map(|event| event["aggregate_id"].as_str().unwrap().to_owned()).collect()
}

/// Prepares the tenants through one of the hosts; all hosts have them when this returns.
#[track_caller]
fn prepare(client: &Client, all: &[Client]) {
    let wasm = std::fs::read(polder_tests::guest_file("orders")).unwrap();
    for tenant in TENANTS {
        if tenant != "main" {
            client.put(&format!("/v1/tenants/{tenant}"), "").json(201);
        }
        client.put(&format!("/v1/{tenant}/domains/orders"), wasm.clone()).json(200);
    }
    let start = Instant::now();
    for (client, tenant) in all.iter().flat_map(|client| TENANTS.map(|tenant| (client, tenant))) {
        while client.get(&format!("/v1/{tenant}/domains/orders")).status != 200 {
            assert!(start.elapsed() < DIVIDED_WAIT_MAX, "{tenant}");
            std::thread::sleep(LOOK_PAUSE);
        }
    }
}

#[test]
fn each_host_owns_its_share_and_answers_for_every_tenant() {
    let server = NatsServer::start_with(NatsOptions::default());
    let hosts = start(3, &server);
    let mut owned = divided(&hosts, &[1, 1, 1]);
    owned.sort_unstable();
    assert_eq!(owned, [0, 1, 2]);
    let clients: Vec<_> = (0..3).map(|number| hosts.client(number)).collect();
    prepare(&clients[0], &clients);
    for tenant in TENANTS {
        let mut drafted = Vec::new();
        for (number, client) in clients.iter().enumerate() {
            drafted.push(format!("o-{number}"));
            let position = draft(client, tenant, &drafted[number]);
            assert_eq!(position, drafted.len() as u64, "{tenant}");
            // The same host shows the event at once, and the others when they have reached its position.
            assert_eq!(history(client, tenant), drafted, "{tenant}");
            for client in &clients {
                let path = format!("/v1/{tenant}/orders/views/order-summary?after={position}&timeout_ms=20000");
                assert_eq!(
                    client.get(&path).json(200)["documents"].as_array().unwrap().len(),
                    drafted.len(),
                    "{tenant}"
                );
            }
        }
        // The same command again, through any host.
        clients.iter().for_each(|client| assert_eq!(draft(client, tenant, "o-1"), 2));
        clients.iter().for_each(|client| assert_eq!(history(client, tenant), drafted, "{tenant}"));
    }
    for client in &clients {
        let tenants = client.get("/v1/tenants").json(200);
        let names: Vec<_> = tenants["tenants"].as_array().unwrap().iter().map(|tenant| &tenant["tenant"]).collect();
        assert_eq!(names, ["a", "main", "tenant-1"]);
        client.get("/readyz").json(200);
        check_metrics(client.get("/metrics").text());
    }
    over_nats(&server);
    let verified = polder_tests::polder(&["verify", "--nats", &server.url(), "--json"]).json();
    let journals = verified["journals"].as_array().unwrap();
    assert_eq!(journals.iter().map(|journal| &journal["journal"]).collect::<Vec<_>>(), [1, 2, 3]);
    // The tenant's order events; and from the host's own history those of the tenant or its key, and two for its
    // domain.
    let commands: Vec<_> = journals.iter().map(|journal| journal["commands"].as_u64().unwrap()).collect();
    assert_eq!(commands, [4 + 3, 4 + 3, 4 + 3]);
    // A key belongs to the first journal, and is valid for all.
    let stranger = (0..3).find(|number| !owners(&hosts)[0].contains(number)).unwrap();
    let proof = hosts.data(stranger).join("first-key-proof");
    hosts.host(stranger).polder(&["token", "key", "new", "--first-key-proof", proof.to_str().unwrap()]).good();
    let start = Instant::now();
    for client in &clients {
        while client.get("/v1/a/events").status != 401 {
            assert!(start.elapsed() < FAILOVER_MAX, "callers without a token are still served");
            std::thread::sleep(LOOK_PAUSE);
        }
        client.post("/v1/a/orders/order/o-1/draft-order", "{}").problem(401, "not-authenticated");
    }
}

/// Checks that every metric is described once, by one line of each kind, before its values.
#[track_caller]
fn check_metrics(text: &str) {
    let mut described = BTreeMap::new();
    for line in text.lines() {
        match line.strip_prefix("# TYPE ").and_then(|rest| rest.split(' ').next()) {
            Some(name) => assert_eq!(described.insert(name, ()), None, "{name} is there twice"),
            None if line.starts_with('#') => {}
            None => assert!(described.contains_key(line.split(['{', ' ']).next().unwrap()), "{line}"),
        }
    }
    assert!(text.contains("polder_tenant_cpu_microseconds_total{journal=\"3\",tenant=\"main\"}"), "{text}");
    assert!(!text.contains("{journal=\"1\",tenant=\"main\"}"), "main is nowhere else");
}

/// Each request gets one answer, whichever host owns its tenant.
fn over_nats(server: &NatsServer) {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let client = async_nats::connect(server.url()).await.unwrap();
        for tenant in TENANTS {
            let inbox = client.new_inbox();
            let mut answers = client.subscribe(inbox.clone()).await.unwrap();
            let subject = format!("{tenant}.cmd.orders.order.o-nats.draft-order");
            client.publish_with_reply(subject, inbox, r#"{"customer":"c"}"#.into()).await.unwrap();
            let answer = answers.next().await.unwrap();
            assert_eq!(serde_json::from_slice::<Value>(&answer.payload).unwrap()["status"], "accepted", "{tenant}");
            let query = format!("{tenant}.query.orders.order-summary");
            let mut headers = async_nats::HeaderMap::new();
            headers.insert("polder-result", "reply");
            let asked = json!({ "after": 4 }).to_string();
            let answer = client.request_with_headers(query, headers, asked.into()).await.unwrap();
            assert_eq!(serde_json::from_slice::<Value>(&answer.payload).unwrap()["position"], 4, "{tenant}");
            // A second answer would have arrived by now.
            let another = tokio::time::timeout(Duration::ZERO, answers.next()).await;
            assert!(another.is_err(), "{tenant}: {another:?}");
        }
        let inbox = client.new_inbox();
        let mut pongs = client.subscribe(inbox.clone()).await.unwrap();
        client.publish_with_reply("$SRV.PING.polder", inbox, "".into()).await.unwrap();
        let mut ids = BTreeSet::new();
        for _ in 0..3 {
            let pong = tokio::time::timeout(FAILOVER_MAX, pongs.next()).await.unwrap().unwrap();
            ids.insert(serde_json::from_slice::<Value>(&pong.payload).unwrap()["id"].as_str().unwrap().to_owned());
        }
        assert_eq!(ids.len(), 3, "each host is one service");
    });
}

/// Every command is accepted while `act` changes the hosts. Returns the tenants' orders.
fn while_orders_come(address: &str, round: &str, act: impl FnOnce()) -> Vec<(&'static str, String)> {
    let (start, is_over) = (Instant::now(), AtomicBool::new(false));
    let goes_on = &|| !is_over.load(Ordering::Acquire) && start.elapsed() < DIVIDED_WAIT_MAX * 2;
    std::thread::scope(|scope| {
        let callers = TENANTS.map(|tenant| {
            scope.spawn(move || {
                let client = Client::new(address);
                let orders = (0..).take_while(|_| goes_on()).map(|number| {
                    let order = format!("o-{round}-{number}");
                    let path = format!("/v1/{tenant}/orders/order/{order}/draft-order");
                    client.post(&path, r#"{"customer":"c"}"#).json(200);
                    (tenant, order)
                });
                orders.collect::<Vec<_>>()
            })
        });
        act();
        is_over.store(true, Ordering::Release);
        callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect()
    })
}

#[test]
fn journals_move_when_hosts_are_killed_join_and_are_drained() {
    let server = NatsServer::start_with(NatsOptions::default());
    let mut hosts = start(2, &server);
    // Which host has two journals is random.
    let start = Instant::now();
    while !owners(&hosts).iter().flatten().any(|owner| *owner == 0) {
        assert!(start.elapsed() < DIVIDED_WAIT_MAX, "{:?}", owners(&hosts));
        std::thread::sleep(LOOK_PAUSE);
    }
    prepare(&hosts.client(1), &[hosts.client(0)]);
    let mut orders = Vec::new();
    let draft_everywhere = |client: &Client, order: &str| {
        TENANTS.iter().for_each(|tenant| _ = draft(client, tenant, order));
        TENANTS.map(|tenant| (tenant, order.to_owned()))
    };
    orders.extend(draft_everywhere(&hosts.client(1), "o-first"));

    hosts.kill(0);
    let start = Instant::now();
    orders.extend(draft_everywhere(&hosts.client(1), "o-killed"));
    assert!(start.elapsed() < FAILOVER_MAX, "{:?}", start.elapsed());
    divided(&hosts, &[0, 3]);

    // An orderly handover delays commands, but fails none.
    let address = hosts.host(1).address().to_owned();
    orders.extend(while_orders_come(&address, "joined", || {
        hosts.start_again(0);
        divided(&hosts, &[1, 2]);
    }));
    let address = hosts.host(0).address().to_owned();
    orders.extend(while_orders_come(&address, "drained", || _ = hosts.host(1).polder(&["drain"]).good()));
    let owners = owners(&hosts);
    assert!(owners.iter().flatten().all(|owner| *owner == 0), "{owners:?}");
    orders.extend(draft_everywhere(&hosts.client(1), "o-last"));
    divided(&hosts, &[3, 0]);

    for tenant in TENANTS {
        let mut expected: Vec<_> = orders.iter().filter(|(of, _)| *of == tenant).map(|(_, order)| order).collect();
        let (mut history, is_loaded) = (history(&hosts.client(0), tenant), expected.len() > 100);
        assert!(is_loaded, "{tenant}: {} orders", expected.len());
        expected.sort_unstable();
        history.sort_unstable();
        assert_eq!(history.iter().collect::<Vec<_>>(), expected, "{tenant}");
    }
    let log = hosts.hosts[1].take().unwrap().stop();
    assert!(log.contains("it was asked to") && log.contains("another host has fewer journals"), "{log}");
}

#[test]
fn another_number_of_journals_is_refused() {
    let (server, folder) = (NatsServer::start_with(NatsOptions::default()), tempdir().unwrap());
    drop(start(1, &server));
    for count in [1, 2, 4] {
        let options = JournalOptions { journals: Journals::new(count).unwrap(), ..unsynced(&server) };
        match JournalLink::open(&connect(&server.url()), &options, JournalNumber::FIRST).map(drop) {
            Err(JournalError::OtherCount { there, .. }) => assert_eq!(there.count(), JOURNALS),
            other => panic!("{other:?}"),
        }
    }
    let data = folder.path().to_str().unwrap();
    let url = server.url();
    let serve = |more: &[&str]| {
        let common = ["serve", "--data", data, "--listen", "127.0.0.1:0", "--nats", &url, "--accept-unsynced"];
        polder_tests::polder(&[&common, more].concat())
    };
    for asked in ["1", "4"] {
        let secret = secret_file(&server);
        let ran = serve(&["--journal", "jetstream", "--journals", asked, "--journal-secret", secret.to_str().unwrap()]);
        let said = ran.stderr.lines().last().unwrap_or_default();
        assert!(
            ran.code == 1 && said.contains("polder is divided into 3 journals") && said.contains("use --journals 3"),
            "{ran}"
        );
    }
    // A folder is also not used for a journal that it does not contain.
    let copies = folder.path().join("journals");
    std::fs::create_dir(&copies).unwrap();
    assert!(serve(&[]).refused().contains("serve it with --journal jetstream"));
    assert!(polder_tests::polder(&["verify", "--data", data]).refused().contains("polder verify --nats"));
    assert!(polder_tests::polder(&["token", "key", "new", "--data", data]).refused().contains("ask a host that runs"));
    std::fs::rename(copies, folder.path().join("journal")).unwrap();
    assert!(serve(&["--journal", "jetstream", "--journals", "3"]).stderr.contains("serve it with --journal file"));
    assert!(serve(&["--journals", "3"]).stderr.contains("--journal jetstream"), "a folder has one journal");
    assert!(serve(&["--journal", "jetstream", "--journals", "65"]).misused().contains("from 1 to 64"));
}
