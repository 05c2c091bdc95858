//! NATS publishes an answer to the reply subject of a request with the rights of the host. Therefore a request whose
//! reply subject is not an inbox is neither executed nor answered.

use async_nats::{Client, ConnectOptions};
use polder_tests::{Host, NatsOptions, NatsServer, polder};
use tempfile::tempdir;

use super::site::{Site, json, runtime};
use super::streams::MAIN_STREAM;

const DRAFT: &str = r#"{"customer": "ann"}"#;
const COMMAND: &str = "main.cmd.orders.order.o-1.draft-order";

/// The host may do everything. The clerk may send commands and queries, and receive in inboxes.
const USERS: &str = r#"no_auth_user: host
    authorization { users: [
        { user: host, password: p }
        { user: clerk, password: p, permissions: {
            publish: ["main.cmd.>", "main.query.>", "main.catchup", "$SRV.>"], subscribe: "_INBOX.>"
        } }
    ] }"#;

fn with_users() -> NatsOptions {
    NatsOptions { more: USERS.to_owned(), ..NatsOptions::default() }
}

async fn clerk(server: &NatsServer) -> Client {
    ConnectOptions::with_user_and_password("clerk".to_owned(), "p".to_owned()).connect(server.url()).await.unwrap()
}

/// Sends every kind of request, each with these reply subjects, and waits until the server has passed them all on.
async fn ask_all(clerk: &Client, replies: &[&str]) -> usize {
    let requests = [
        (COMMAND, DRAFT),
        ("main.cmd.none", ""),
        ("main.query.orders.order-summary", ""),
        ("main.query.none", "{"),
        ("main.catchup", ""),
        ("$SRV.PING", ""),
        ("$SRV.INFO.polder", ""),
        ("$SRV.STATS.polder", ""),
    ];
    for reply in replies {
        for (subject, payload) in requests {
            clerk.publish_with_reply(subject, (*reply).to_owned(), payload.into()).await.unwrap();
        }
    }
    // The host handles one client's requests of one kind in order: a good request of each kind is answered after the
    // bad ones.
    for subject in
        ["main.cmd.orders.order.o-2.cancel-order", "main.query.orders.none", "main.catchup", "$SRV.PING.polder"]
    {
        clerk.request(subject, "".into()).await.unwrap();
    }
    replies.len() * requests.len()
}

fn refused_replies(host: &Host) -> usize {
    let text = host.client().get("/metrics").text().to_owned();
    let line = text.lines().find_map(|line| line.strip_prefix("polder_nats_refused_replies_total "));
    line.unwrap_or_else(|| panic!("{text}")).trim().parse().unwrap()
}

#[test]
fn a_host_writes_into_no_stream_for_a_caller() {
    let server = NatsServer::start_with(with_users());
    let (data, runtime) = (tempdir().unwrap(), runtime());
    let host = Host::start_with(data.path(), &["--nats", &server.url()]);
    let client = host.client();
    client.deploy("orders");
    client.put("/v1/tenants/acme", "").json(201);
    let wasm = std::fs::read(polder_tests::guest_file("orders")).unwrap();
    client.put("/v1/acme/domains/orders", wasm).json(200);
    let (clerk, root) = runtime.block_on(async { (clerk(&server).await, async_nats::connect(server.url()).await) });
    let replies = [
        "acme.orders.order.order-drafted.v1",
        "main.orders.order.order-drafted.v1",
        "acme.cmd.orders.order.o-9.draft-order",
    ];
    let asked = runtime.block_on(ask_all(&clerk, &replies));
    assert_eq!(refused_replies(&host), asked);
    for tenant in ["main", "acme"] {
        assert!(
            client.get(&format!("/v1/{tenant}/events")).lines().is_empty(),
            "a command of {tenant} was carried out"
        );
    }
    let _inside = runtime.enter();
    let jetstream = async_nats::jetstream::new(root.unwrap());
    for stream in [MAIN_STREAM, "polder-events-acme"] {
        let stream = runtime.block_on(jetstream.get_stream(stream)).unwrap();
        assert_eq!(stream.cached_info().state.messages, 0);
    }
    // A request with an inbox is answered.
    let answer = runtime.block_on(clerk.request(COMMAND, DRAFT.into())).unwrap();
    assert_eq!(json(&answer)["status"], "accepted", "{answer:?}");
    let log = host.stop();
    assert_eq!(log.matches("its reply subject is not an inbox").count(), 1, "{log}");
}

#[test]
fn a_journal_and_its_keys_cannot_be_written_by_way_of_an_answer() {
    let server = NatsServer::start_with(with_users());
    let (data, runtime) = (tempdir().unwrap(), runtime());
    let options = ["--journal", "jetstream", "--accept-unsynced", "--nats", &server.url()];
    let host = Host::start_with(data.path(), &options);
    host.client().deploy("orders");
    let clerk = runtime.block_on(clerk(&server));
    // The host answers from the moment when it owns the journal.
    let start = std::time::Instant::now();
    while runtime.block_on(clerk.request("$SRV.PING.polder", "".into())).is_err() {
        assert!(start.elapsed() < super::site::WAIT_MAX, "{}", host.log());
    }
    let replies = [
        "$polder.polder-1.frames",
        "$polder.polder-1.keys.main",
        "$polder.polder-1.hosts",
        "$KV.polder-1-owner.owner",
        "$O.polder-1-objects.M.x",
        "$JS.API.STREAM.DELETE.polder-1-journal",
        "_INBOX.polder.x",
    ];
    let asked = runtime.block_on(ask_all(&clerk, &replies));
    assert_eq!(refused_replies(&host), asked);
    host.client().post("/v1/main/orders/order/o-3/draft-order", DRAFT).json(200);
    host.stop();
    let host = Host::start_with(data.path(), &options);
    assert_eq!(host.client().get("/v1/main/events").lines().len(), 1);
    host.stop();
    polder(&["verify", "--nats", &server.url()]).good();
}

#[test]
fn a_client_of_another_account_is_answered() {
    let more = r#"no_auth_user: host
        accounts {
            HOSTS { jetstream: enabled, users: [ { user: host, password: p } ], exports: [ { service: "main.cmd.>" } ] }
            CLIENTS { users: [ { user: clerk, password: p } ], imports: [ { service: { account: HOSTS, subject: "main.cmd.>" } } ] }
        }"#;
    let site = Site::open_with(NatsOptions { more: more.to_owned(), ..NatsOptions::default() });
    site.host().client().deploy("orders");
    let answer = site.runtime.block_on(async {
        let clerk = clerk(&site.server).await;
        clerk.request(COMMAND, DRAFT.into()).await.unwrap()
    });
    assert_eq!(json(&answer)["status"], "accepted", "{answer:?}");
}

#[test]
fn clients_with_inboxes_of_their_own_are_answered_when_that_was_asked_for() {
    let server = NatsServer::start();
    let (data, runtime) = (tempdir().unwrap(), runtime());
    let ask = || {
        runtime.block_on(async {
            let options = ConnectOptions::new().custom_inbox_prefix("_INBOX_desk");
            let client =
                options.request_timeout(Some(std::time::Duration::from_secs(2))).connect(server.url()).await.unwrap();
            client.request(COMMAND, DRAFT.into()).await
        })
    };
    let host = Host::start_with(data.path(), &["--nats", &server.url()]);
    host.client().deploy("orders");
    assert!(ask().is_err());
    assert!(host.client().get("/v1/main/events").lines().is_empty());
    host.stop();
    let _host = Host::start_with(data.path(), &["--nats", &server.url(), "--nats-inbox-prefix", "_INBOX_desk"]);
    assert_eq!(json(&ask().unwrap())["status"], "accepted");
}
