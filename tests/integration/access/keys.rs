//! Keys are added and revoked while a host runs or is stopped, and are kept over restarts.

use std::os::unix::fs::PermissionsExt;

use polder_access::SigningKey;
use polder_tests::{Host, polder};
use serde_json::json;
use tempfile::tempdir;

use super::site::{Site, claims};

#[test]
fn a_revoked_key_is_refused_at_once_and_after_a_restart() {
    let mut site = Site::open();
    let (second, operator) = (SigningKey::generate().unwrap(), site.operator());
    let add = || operator.post("/v1/keys", json!({ "public_key": second.public_key() }).to_string());
    assert_eq!(add().json(200)["added_by"], "ann");
    add().problem(409, "key-known");
    let token = claims("main subscribe main.>").sign(&second).unwrap();
    let read = |site: &Site| site.anonymous().with_token(&token).get("/v1/main/events");
    assert_eq!(read(&site).lines().len(), 1);
    site.reopen();
    assert_eq!(read(&site).lines().len(), 1);

    let revoke = format!("/v1/keys/{}", second.id());
    let revoked = site.operator().request("DELETE", &revoke).send().json(200);
    assert_eq!(revoked["revoked"]["by"], "ann");
    read(&site).problem(401, "not-authenticated");
    // A second revocation changes nothing, and a revoked key cannot be added again.
    assert_eq!(site.operator().request("DELETE", &revoke).send().json(200), revoked);
    let again = json!({ "public_key": second.public_key() }).to_string();
    site.operator().post("/v1/keys", again).problem(409, "key-known");
    site.reopen();
    read(&site).problem(401, "not-authenticated");
    assert_eq!(site.operator().get("/v1/keys").json(200)["keys"].as_array().unwrap().len(), 2);
}

#[test]
fn what_is_no_public_key_is_refused() {
    let site = Site::open();
    let operator = site.operator();
    let private = SigningKey::generate().unwrap().to_digits();
    operator.post("/v1/keys", "").problem(400, "not-json");
    for body in [
        "{}",
        "[]",
        r#"{"public_key":"abc"}"#,
        r#"{"public_key":7}"#,
        &json!({ "public_key": "00".repeat(32), "private_key": private }).to_string(),
        &json!({ "public_key": format!("01{}", "00".repeat(31)) }).to_string(),
    ] {
        operator.post("/v1/keys", body.to_owned()).problem(400, "bad-body");
    }
    operator.post("/v1/keys", vec![b' '; 2_000]).problem(413, "too-large");
    operator.request("DELETE", "/v1/keys/no.key").send().problem(400, "bad-name");
}

/// The first key closes a running host for callers without a token; the removal of the last key does not open it again.
#[test]
fn a_host_without_keys_needs_no_token_until_it_has_one() {
    let folder = tempdir().unwrap();
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    let host = Host::start(data.as_ref());
    host.client().get("/v1/main/events").lines();
    assert!(host.log().contains("loopback only"), "{}", host.log());
    assert!(host.polder(&["token", "key", "list"]).good().contains("no keys yet"));

    let file = folder.path().join("my.key");
    let file = file.to_str().unwrap();
    // Every client of the host may do everything except this, unless it can read the data folder.
    let public_key = SigningKey::generate().unwrap().public_key();
    let stranger = host.client();
    let add = |proof: Option<&str>| {
        let mut request = stranger.request("POST", "/v1/keys").body(json!({ "public_key": public_key }).to_string());
        if let Some(proof) = proof {
            request = request.header("first-key-proof", proof);
        }
        request.send()
    };
    for proof in [None, Some(""), Some("0")] {
        add(proof).problem(403, "first-key");
    }
    assert!(host.polder(&["token", "key", "new"]).refused().contains("--first-key-proof"));
    assert!(host.client().get("/v1/keys").json(200)["keys"].as_array().unwrap().is_empty());
    let proof = folder.path().join("data/first-key-proof");
    assert_eq!(std::fs::metadata(&proof).unwrap().permissions().mode() & 0o777, 0o600);
    let proof = proof.to_str().unwrap();

    let made = ["token", "key", "new", "--out", file, "--actor", "root", "--first-key-proof", proof, "--json"];
    let made = host.polder(&made).json();
    // The proof was valid for the first key only.
    add(Some(std::fs::read_to_string(proof).unwrap().trim())).problem(401, "not-authenticated");
    let mode = std::fs::metadata(file).unwrap().permissions().mode() & 0o777;
    assert_eq!((made["private_key"].as_str(), mode), (None, 0o600));
    host.client().get("/v1/main/events").problem(401, "not-authenticated");
    let operator =
        polder(&["token", "issue", "--key-file", file, "--operator", "--actor", "ann", "--allow-publish", ">"]);
    let key = made["key"].as_str().unwrap();
    let revoked = host.polder(&["token", "key", "revoke", key, "--token", operator.good()]);
    assert!(revoked.good().contains(", revoked ") && revoked.good().ends_with(" by ann"), "{revoked}");
    host.client().with_token(operator.good()).get("/v1/keys").problem(401, "not-authenticated");
    host.client().get("/v1/main/events").problem(401, "not-authenticated");

    // While the host runs, its data folder cannot be changed by another program; after it has stopped, it can.
    let in_use = polder(&["token", "key", "new", "--data", data]);
    assert!(in_use.refused().contains("is in use by another host"), "{in_use}");
    assert!(
        !folder.path().join("data/keys").read_dir().is_ok_and(|mut keys| keys.next().is_some()),
        "no key is left behind"
    );
    host.stop();
    assert!(!std::fs::exists(proof).unwrap(), "it goes with the host");
    let made = polder(&["token", "key", "new", "--data", data, "--json"]).json();
    let listed = polder(&["token", "key", "list", "--data", data]);
    assert_eq!(listed.good().lines().count(), 2, "{listed}");
    let token = polder(&["token", "issue", "--data", data, "--operator", "--actor", "ann", "--allow-subscribe", ">"]);
    let host = Host::start(data.as_ref());
    host.client().with_token(token.good()).get("/v1/main/events").lines();
    host.stop();
    let key = made["key"].as_str().unwrap();
    assert!(polder(&["token", "key", "revoke", key, "--data", data]).good().contains(", revoked "));
    let none = polder(&["token", "issue", "--data", data, "--operator", "--actor", "ann", "--allow-publish", ">"]);
    assert!(none.refused().contains("holds no private key"), "{none}");
}

#[test]
fn without_keys_only_loopback_is_served() {
    let folder = tempdir().unwrap();
    let data = folder.path().join("data");
    let ran = polder(&["serve", "--data", data.to_str().unwrap(), "--listen", "0.0.0.0:0"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran}");
    assert!(ran.stderr.contains("loopback only") && ran.stderr.contains("polder token key new --data"), "{ran}");
}
