//! An unusable server is reported at once with the remedy; the host waits for a server that goes away.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use polder_nats::{ConnectError, ConnectOptions, Connection, Credentials, Tls};
use polder_tests::{NatsOptions, NatsServer};
use serde_json::json;
use tempfile::tempdir;

/// Nothing here takes longer, so a test that hangs fails.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// One user with a password, one with a key.
fn users(key: &str) -> String {
    format!("authorization {{ users: [{{ user: desk, password: s3cret }}, {{ nkey: {key} }}] }}")
}

fn options(url: &str, credentials: Credentials) -> ConnectOptions {
    ConnectOptions { urls: url.to_owned(), credentials, ..ConnectOptions::default() }
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
async fn a_missing_server_is_reported() {
    let message = refused(&options("nats://127.0.0.1:1", Credentials::None)).await;
    assert!(
        message.contains("no NATS server answers at 127.0.0.1:1") && message.contains("start one there"),
        "{message}"
    );
    let message = refused(&options("nats://", Credentials::None)).await;
    assert!(message.contains("names no NATS server"), "{message}");
}

#[tokio::test]
async fn an_unknown_client_is_refused() {
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
        let message = refused(&options(&server.url(), credentials)).await;
        assert!(message.contains("does not let this client in") && !message.contains("wrong"), "{message}");
    }
    let with_password = server.url().replace("nats://", "nats://desk:s3cret@");
    assert!(open(&options(&with_password, Credentials::None)).await.is_ok());
}

#[tokio::test]
async fn a_server_that_is_frozen_is_not_waited_for() {
    let server = NatsServer::start();
    server.freeze();
    let message = refused(&options(&server.url(), Credentials::None)).await;
    assert!(message.contains("no NATS server answers"), "{message}");
    server.thaw();
    assert!(open(&options(&server.url(), Credentials::None)).await.is_ok());
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_not_trusted() {
    let folder = tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (folder.path().join("certificate.pem"), folder.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let more = format!("tls {{ cert_file: {certificate:?}, key_file: {key:?} }}");
    let server = NatsServer::start_with(NatsOptions { more, ..NatsOptions::default() });
    let message = refused(&options(&server.url(), Credentials::None)).await;
    assert!(message.contains("no trusted connection"), "{message}");
    let tls = Tls { authorities: Some(certificate), certificate: None };
    assert!(open(&ConnectOptions { urls: server.url(), tls, ..ConnectOptions::default() }).await.is_ok());
}

#[tokio::test]
async fn a_credentials_file_lets_in() {
    let folder = tempdir().unwrap();
    let (operator, system) = (KeyPair::new_operator(), KeyPair::new_account());
    let (account, user) = (KeyPair::new_account(), KeyPair::new_user());
    let by_operator = jwt(&operator, &operator, json!({ "type": "operator", "version": 2 }));
    let account_jwt = |about: &KeyPair, storage: i64| {
        let limits = json!({
            "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1,
            "mem_storage": storage, "disk_storage": storage, "streams": storage, "consumer": storage
        });
        jwt(&operator, about, json!({ "type": "account", "version": 2, "limits": limits }))
    };
    let permitted =
        json!({ "type": "user", "version": 2, "pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1 });
    let credentials = |by: &KeyPair, name: &str| {
        let file = folder.path().join(name);
        let (jwt, seed) = (jwt(by, &user, permitted.clone()), user.seed().unwrap());
        let text = format!(
            "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        );
        std::fs::write(&file, text).unwrap();
        Credentials::File(file)
    };
    let more = format!(
        "operator: {by_operator}\nsystem_account: {system_key}\nresolver: MEMORY\n\
         resolver_preload: {{ {system_key}: {}, {}: {} }}",
        account_jwt(&system, 0),
        account.public_key(),
        account_jwt(&account, -1),
        system_key = system.public_key()
    );
    let server = NatsServer::start_with(NatsOptions { more, ..NatsOptions::default() });
    open(&options(&server.url(), credentials(&account, "desk.creds"))).await.unwrap();
    // A user of an account that the server does not know.
    let stranger = credentials(&KeyPair::new_account(), "stranger.creds");
    assert!(refused(&options(&server.url(), stranger)).await.contains("does not let this client in"));
}

/// A JWT, as `nsc` makes it.
fn jwt(by: &KeyPair, about: &KeyPair, nats: serde_json::Value) -> String {
    let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let head = part(json!({ "typ": "JWT", "alg": "ed25519-nkey" }));
    let claims = json!({ "jti": "test", "iat": 1, "iss": by.public_key(), "name": "test", "sub": about.public_key(), "nats": nats });
    let signed = format!("{head}.{}", part(claims));
    let signature = URL_SAFE_NO_PAD.encode(by.sign(signed.as_bytes()).unwrap());
    format!("{signed}.{signature}")
}

#[tokio::test]
async fn disabled_jetstream_is_reported() {
    let server = NatsServer::start_with(NatsOptions { jetstream: false, ..NatsOptions::default() });
    let message = refused(&options(&server.url(), Credentials::None)).await;
    assert!(message.contains("JetStream is off") && message.contains("jetstream: enabled"), "{message}");
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_named() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("desk.creds");
    let message = refused(&options("nats://127.0.0.1:1", Credentials::File(file.clone()))).await;
    assert!(message.contains("desk.creds"), "{message}");
    std::fs::write(&file, "no credentials").unwrap();
    let message = refused(&options("nats://127.0.0.1:1", Credentials::File(file))).await;
    assert!(message.contains("desk.creds"), "{message}");
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
