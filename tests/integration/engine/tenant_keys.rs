//! A damaged or missing key takes its tenant out of service, and a damaged or missing component its domain; the host
//! reports it. Everything else is served, and nothing is ever acknowledged with a wrong key.

use std::fs;
use std::path::{Path, PathBuf};

use polder_core::{Command, TenantName};
use polder_engine::{DeployOptions, EventFilter, Host, ReadError, SubmitError};
use polder_journal::{Keyring, verify};
use serde_json::json;

use super::door::{Door, component, options, tenant};

fn acme() -> TenantName {
    TenantName::new("acme").unwrap()
}

/// Fills a folder with two tenants with the same domain, and an order in each.
async fn filled(folder: &Path) {
    let door = Door::orders(folder).await;
    door.host.tenants().add(&acme(), None).await.unwrap();
    door.host.deployments().deploy(&acme(), component("orders").into(), DeployOptions::default()).await.unwrap();
    door.accept("o-1", "draft-order", json!({ "customer": "c-1" })).await;
    door.host.submit(of_acme(&door, "o-1")).await.unwrap();
    door.close().await;
}

fn of_acme(door: &Door, id: &str) -> Command {
    Command { tenant: acme(), ..door.command(id, "draft-order", &json!({ "customer": "c-1" })) }
}

fn key(folder: &Path) -> PathBuf {
    folder.join("tenant-keys/acme.key")
}

async fn is_out_of_service(folder: &Path, what: &str) {
    let door =
        Door::at(Host::open(options(folder)).unwrap_or_else(|error| panic!("{what}: {error}")), "orders", "order");
    // The other tenant is not affected.
    door.accept(&format!("o-{what}"), "draft-order", json!({ "customer": "c-1" })).await;
    for id in ["o-1", "o-2"] {
        let refused = door.host.submit(of_acme(&door, id)).await.unwrap_err();
        assert!(matches!(&refused, SubmitError::TenantUnavailable(name) if *name == acme()), "{what}: {refused:?}");
        assert!(!refused.to_string().contains("tenant-keys"), "{what}: {refused}");
    }
    let read = door.host.queries().events(&acme(), &EventFilter::default(), polder_core::Position::ZERO, 10).await;
    assert!(matches!(read, Err(ReadError::TenantUnavailable(_))), "{what}: {read:?}");
    let deployed = door.host.deployments().deploy(&acme(), component("orders").into(), DeployOptions::default()).await;
    assert!(matches!(deployed, Err(polder_engine::DeployError::TenantUnavailable(_))), "{what}: {deployed:?}");
    let health = door.host.health();
    assert!(health.writable, "{what}");
    assert_eq!(health.degraded.iter().map(|degraded| &degraded.tenant).collect::<Vec<_>>(), [&acme()], "{what}");
    assert!(door.host.tenants().get(&acme()).unwrap().unavailable, "{what}");
    door.close().await;
}

/// The contents that an operator may find in place of the key.
fn spoilt(right: &[u8]) -> Vec<(&'static str, Option<Vec<u8>>)> {
    let elsewhere = tempfile::tempdir().unwrap();
    Keyring::open(elsewhere.path()).unwrap().create(&acme()).unwrap();
    let mut flipped = right.to_vec();
    flipped[11] ^= 4;
    vec![
        ("flipped", Some(flipped)),
        ("short", Some(right[..31].to_vec())),
        ("another", Some(fs::read(elsewhere.path().join("acme.key")).unwrap())),
        ("missing", None),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_cannot_be_used_stops_its_tenant_alone() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).await;
    let right = fs::read(key(folder.path())).unwrap();
    for (what, bytes) in spoilt(&right) {
        match bytes {
            Some(bytes) => fs::write(key(folder.path()), bytes).unwrap(),
            None => fs::remove_file(key(folder.path())).unwrap(),
        }
        is_out_of_service(folder.path(), what).await;
        // Also when only the journal is left.
        fs::remove_dir_all(folder.path().join("index")).unwrap();
        is_out_of_service(folder.path(), &format!("{what}-2")).await;
        let report = verify(folder.path()).unwrap();
        assert_eq!(
            report.sealed.get("acme"),
            Some(&1),
            "{what}: nothing came under another key, and nothing is called damaged"
        );
    }
    // With the right key everything is back.
    fs::write(key(folder.path()), right).unwrap();
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(key(folder.path()), fs::Permissions::from_mode(0o600)).unwrap();
    let door = Door::at(Host::open(options(folder.path())).unwrap(), "orders", "order");
    assert_eq!(door.host.health().degraded, []);
    let page =
        door.host.queries().events(&acme(), &EventFilter::default(), polder_core::Position::ZERO, 10).await.unwrap();
    assert_eq!(page.events.len(), 1);
    assert_eq!(door.host.submit(of_acme(&door, "o-2")).await.unwrap().position.0, 2);
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_whose_key_is_lost_can_be_removed() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).await;
    fs::remove_file(key(folder.path())).unwrap();
    let door = Door::at(Host::open(options(folder.path())).unwrap(), "orders", "order");
    door.host.tenants().remove(&acme(), "acme", None).await.unwrap();
    assert_eq!(door.host.health().degraded, []);
    door.close().await;
    let door = Door::at(Host::open(options(folder.path())).unwrap(), "orders", "order");
    assert!(door.host.tenants().get(&acme()).is_err());
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_is_damaged_or_missing_stops_its_domain_alone() {
    for is_missing in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let door = Door::orders(folder.path()).await;
        let permits = component("permits");
        door.host.deployments().deploy(&tenant(), permits.clone().into(), DeployOptions::default()).await.unwrap();
        door.accept("o-1", "draft-order", json!({ "customer": "c-1" })).await;
        door.close().await;
        let file = folder.path().join(format!("components/{}.wasm", polder_core::Revision::of(&component("orders"))));
        if is_missing {
            fs::remove_file(&file).unwrap();
        } else {
            let mut bytes = fs::read(&file).unwrap();
            bytes[100] ^= 1;
            fs::write(&file, bytes).unwrap();
        }
        let door = Door::at(Host::open(options(folder.path())).unwrap(), "orders", "order");
        let refused = door.send("o-2", "draft-order", json!({ "customer": "c-1" })).await.unwrap_err();
        assert!(matches!(&refused, SubmitError::OutOfService { .. }), "{refused:?}");
        assert!(refused.to_string().contains("deploy it again") && !refused.to_string().contains(".wasm"), "{refused}");
        let health = door.host.health();
        let out: Vec<_> = health.degraded.iter().map(|one| one.domain.as_ref().unwrap().as_str()).collect();
        assert_eq!((health.writable, out), (true, vec!["orders"]));
        assert_eq!(door.events().await.len(), 1, "its history can be read");
        assert_eq!(door.host.deployments().domains(&tenant()).await.unwrap().len(), 1, "the other domain is served");
        // The same component brings the domain back, also for the next start.
        door.deploy(component("orders")).await;
        assert_eq!(door.host.health().degraded, []);
        assert_eq!(
            door.accept("o-1", "add-line", json!({ "sku": "TEA", "quantity": 1, "price": 2 })).await.sequence.0,
            2
        );
        door.close().await;
        let door = Door::at(Host::open(options(folder.path())).unwrap(), "orders", "order");
        assert_eq!(door.host.health().degraded, []);
        door.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_the_folder_is_the_hosts_users_alone() {
    use std::os::unix::fs::MetadataExt as _;
    let folder = tempfile::tempdir().unwrap();
    let door = Door::orders(folder.path()).await;
    let last = door.accept("o-1", "draft-order", json!({ "customer": "c-1" })).await;
    door.documents("order-summary", last.position).await;
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(folder.path()), 0o700);
    for part in ["journal", "tenant-keys", "components", "compiled", "uploads", "views"] {
        assert_eq!(mode(&folder.path().join(part)), 0o700, "{part}");
    }
    for entry in fs::read_dir(folder.path().join("views")).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    door.close().await;
}
