//! Over NATS as over HTTP: a host with keys requires a token, and the token determines the allowed requests.

use std::time::Instant;

use polder_tests::{Host, NatsOptions, NatsServer, polder};

use super::site::{Site, WAIT_MAX, json, problem, runtime};
use super::streams::MAIN_STREAM;

const DRAFT: &str = r#"{"customer": "ann"}"#;
const COMMAND: &str = "main.cmd.orders.order.o-1.draft-order";
const STRAIGHT: (&str, &str) = ("Polder-Result", "reply");

#[test]
fn a_token_says_what_may_be_asked() {
    let mut site = Site::open_shop();
    site.stop_host();
    let data = site.data.path().to_str().unwrap().to_owned();
    polder(&["token", "key", "new", "--data", &data]).good();
    let token = |permissions: &[&str]| {
        let arguments = [&["token", "issue", "--data", &data, "--tenant", "main", "--actor", "desk"][..], permissions];
        format!("Bearer {}", polder(&arguments.concat()).good())
    };
    let clerk = token(&["--allow-publish", "main.cmd.orders.>", "--deny", "main.cmd.*.*.*.cancel-order"]);
    let reader = token(&["--allow-publish", "main.query.>"]);
    let stranger = token(&["--allow-publish", "main.*.none.>"]);
    site.start_host();
    let (clerk, reader) = (("Authorization", &*clerk), ("authorization", &*reader));
    let stranger = ("Authorization", &*stranger);

    problem(&site.request(COMMAND, &[], DRAFT), 401, "not-authenticated");
    problem(&site.request(COMMAND, &[("Authorization", "Bearer x")], DRAFT), 401, "not-authenticated");
    problem(&site.request(COMMAND, &[reader], DRAFT), 403, "not-permitted");
    let ack = json(&site.request(COMMAND, &[clerk], DRAFT));
    assert_eq!(ack["status"], "accepted", "{ack}");
    problem(&site.request("main.cmd.orders.order.o-1.cancel-order", &[clerk], ""), 403, "not-permitted");
    // No caller can act as another one.
    problem(&site.request(COMMAND, &[clerk, ("Actor", "ann")], DRAFT), 403, "not-permitted");

    let question = "main.query.orders.order-summary";
    problem(&site.request(question, &[STRAIGHT], ""), 401, "not-authenticated");
    problem(&site.request(question, &[STRAIGHT, clerk], ""), 403, "not-permitted");
    let page = json(&site.request(question, &[STRAIGHT, reader], r#"{"after": 1}"#));
    assert_eq!(page["documents"][0]["key"], "o-1", "{page}");

    // A refusal lists known names only for callers that may use them.
    for (subject, header, kind, known) in [
        ("main.cmd.orders.none.o-1.draft-order", clerk, "unknown-aggregate", &["order"][..]),
        ("main.query.none.order-summary", reader, "unknown-domain", &["orders"]),
        ("main.query.none.order-summary", stranger, "unknown-domain", &[]),
        ("main.cmd.none.order.o-1.draft-order", stranger, "unknown-domain", &[]),
    ] {
        let document = problem(&site.request(subject, &[STRAIGHT, header], ""), 404, kind);
        assert_eq!(document["known"], serde_json::json!(known), "{subject}: {document}");
    }

    site.await_messages(1);
    let messages = site.messages(MAIN_STREAM);
    assert_eq!(super::site::header(&messages[0], "Actor"), Some("desk"));
    assert_eq!(messages.len(), 1, "{messages:?}");
}

#[test]
fn the_host_needs_no_more_permissions_than_the_book_says() {
    let own = r#"["main.>", "$SRV.>", "_INBOX.>", "$JS.API.>"]"#;
    let more = format!(
        r#"no_auth_user: root
        authorization {{ users: [
            {{ user: root, password: p }}
            {{ user: host, password: "a/b@c", permissions: {{ publish: {own}, subscribe: {own} }} }}
        ] }}"#
    );
    let server = NatsServer::start_with(NatsOptions { more, ..NatsOptions::default() });
    let (data, folder, runtime) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), runtime());
    let password = folder.path().join("password");
    std::fs::write(&password, "a/b@c\n").unwrap();
    let options = ["--nats", &server.url(), "--nats-user", "host", "--nats-password-file", password.to_str().unwrap()];
    let host = Host::start_with(data.path(), &options);
    host.client().deploy("orders");
    let client = runtime.block_on(async_nats::connect(server.url())).unwrap();
    let answer = runtime.block_on(client.request(COMMAND, DRAFT.into())).unwrap();
    assert_eq!(json(&answer)["status"], "accepted", "{answer:?}");
    runtime.block_on(client.request("$SRV.PING.polder", "".into())).unwrap();
    let _inside = runtime.enter();
    let jetstream = async_nats::jetstream::new(client);
    let began = Instant::now();
    let messages =
        || runtime.block_on(jetstream.get_stream(MAIN_STREAM)).map_or(0, |stream| stream.cached_info().state.messages);
    while messages() < 1 {
        assert!(began.elapsed() < WAIT_MAX, "{}", host.log());
    }
    assert!(!host.log().contains("complains"), "{}", host.log());
}

#[test]
fn without_keys_nats_is_on_this_machine() {
    let data = tempfile::tempdir().unwrap();
    let server = NatsServer::start();
    // It leads back to this machine, and is no loopback address.
    let url = server.url().replace("127.0.0.1", "0.0.0.0");
    let arguments = ["serve", "--data", data.path().to_str().unwrap(), "--listen", "127.0.0.1:0", "--nats", &url];
    let ran = polder(&arguments);
    assert!(ran.refused().contains("without access keys a host serves loopback only"), "{ran}");
}
