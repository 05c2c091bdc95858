//! A server that cannot be used is told at once, with what to do; one that goes away is waited for.

use std::time::Duration;

use nkeys::KeyPair;
use polder_bridge::{ConnectError, ConnectOptions, Connection, Credentials, Tls};
use polder_tests::{NatsOptions, NatsServer};
use tempfile::tempdir;

/// Nothing here takes longer; what hangs fails.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// One by password, one by key.
fn users(key: &str) -> String {
    format!("authorization {{ users: [{{ user: desk, password: s3cret }}, {{ nkey: {key} }}] }}")
}

fn options(url: &str, credentials: Credentials) -> ConnectOptions {
    ConnectOptions { urls: url.to_owned(), credentials, tls: Tls::default() }
}

fn password(password: &str) -> Credentials {
    Credentials::UserPassword { user: "desk".to_owned(), password: password.to_owned() }
}

/// Connects as a host does: the connection, then JetStream.
async fn open(options: &ConnectOptions) -> Result<Connection, ConnectError> {
    let connecting = async {
        let connection = Connection::open(options, "polder-tests").await?;
        connection.require_jetstream().await?;
        Ok(connection)
    };
    tokio::time::timeout(WAIT_MAX, connecting).await.expect("a connection is made or refused at once")
}

async fn refused(options: &ConnectOptions) -> String {
    open(options).await.err().expect("refused").to_string()
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told() {
    let said = refused(&options("nats://127.0.0.1:1", Credentials::None)).await;
    assert!(said.contains("no NATS server answers at 127.0.0.1:1") && said.contains("start one there"), "{said}");
    let said = refused(&options("nats://", Credentials::None)).await;
    assert!(said.contains("names no NATS server"), "{said}");
}

#[tokio::test]
async fn who_is_not_known_is_not_let_in() {
    let (folder, known, stranger) = (tempdir().unwrap(), KeyPair::new_user(), KeyPair::new_user());
    let key = |name: &str, pair: &KeyPair| {
        let file = folder.path().join(name);
        std::fs::write(&file, pair.seed().unwrap() + "\n").unwrap();
        Credentials::NKey(file)
    };
    let more = users(&known.public_key());
    let server = NatsServer::start_with(NatsOptions { more, ..NatsOptions::default() });
    assert!(open(&options(&server.url(), key("known", &known))).await.is_ok());
    assert!(open(&options(&server.url(), password("s3cret"))).await.is_ok());
    for credentials in [Credentials::None, password("wrong"), key("stranger", &stranger)] {
        let said = refused(&options(&server.url(), credentials)).await;
        assert!(said.contains("does not let this client in") && !said.contains("wrong"), "{said}");
    }
    let with_password = server.url().replace("nats://", "nats://desk:s3cret@");
    assert!(open(&options(&with_password, Credentials::None)).await.is_ok());
}

#[tokio::test]
async fn jetstream_that_is_off_is_told() {
    let server = NatsServer::start_with(NatsOptions { jetstream: false, ..NatsOptions::default() });
    let said = refused(&options(&server.url(), Credentials::None)).await;
    assert!(said.contains("JetStream is off") && said.contains("jetstream: enabled"), "{said}");
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_named() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("desk.creds");
    let said = refused(&options("nats://127.0.0.1:1", Credentials::File(file.clone()))).await;
    assert!(said.contains("desk.creds"), "{said}");
    std::fs::write(&file, "no credentials").unwrap();
    let said = refused(&options("nats://127.0.0.1:1", Credentials::File(file))).await;
    assert!(said.contains("desk.creds"), "{said}");
}

#[tokio::test]
async fn a_connection_comes_back_and_counts() {
    let mut server = NatsServer::start();
    let connection = open(&options(&server.url(), Credentials::None)).await.unwrap();
    assert_eq!(connection.reconnects(), 0);
    server.kill();
    server.start_again();
    let back = async {
        while !(connection.is_up() && connection.reconnects() > 0) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(WAIT_MAX, back).await.expect("the connection comes back");
    connection.require_jetstream().await.unwrap();
}
