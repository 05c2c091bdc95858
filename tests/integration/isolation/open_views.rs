//! The views of many tenants. The host keeps a bounded number of them open; the others are opened when they are needed.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use polder_tests::{Client, Host, guest_file};

const TENANTS: u64 = 100;
/// The host's bound.
const OPEN_TENANTS_MAX: usize = 64;
const WAIT_MAX: Duration = Duration::from_secs(30);

/// The tenants whose views the process has open.
fn open(host: &Host) -> usize {
    let descriptors = std::fs::read_dir(format!("/proc/{}/fd", host.id())).unwrap();
    let files = descriptors.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    let names = files.filter(|file| file.parent().is_some_and(|folder| folder.ends_with("views")));
    let names: BTreeSet<String> =
        names.filter_map(|file| Some(file.file_name()?.to_str()?.split('.').next()?.to_owned())).collect();
    names.len()
}

fn draft(client: &Client, tenant: u64, order: u64) -> u64 {
    let path = format!("/v1/t{tenant}/orders/order/o-{order}/draft-order");
    client.post(&path, r#"{"customer":"c-1"}"#).json(200)["position"].as_u64().unwrap()
}

#[test]
fn a_bounded_number_of_tenants_has_open_views() {
    let _alone = polder_tests::heavy();
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start(&folder.path().join("data"));
    let client = host.client();
    let wasm = std::fs::read(guest_file("orders")).unwrap();
    for tenant in 0..TENANTS {
        client.put(&format!("/v1/tenants/t{tenant}"), "").json(201);
        client.put(&format!("/v1/t{tenant}/domains/orders"), wasm.clone()).json(200);
    }
    for order in 1..=2 {
        for tenant in 0..TENANTS {
            draft(&client, tenant, order);
        }
        let began = Instant::now();
        while open(&host) > OPEN_TENANTS_MAX {
            assert!(began.elapsed() < WAIT_MAX, "{} tenants have open views", open(&host));
            thread::sleep(Duration::from_millis(50));
        }
    }
    // Whether its views are open or not, each tenant reads its own writes.
    for tenant in 0..TENANTS {
        let path = format!("/v1/t{tenant}/orders/views/order-summary?after=2&timeout_ms=30000");
        assert_eq!(client.get(&path).json(200)["documents"].as_array().unwrap().len(), 2, "t{tenant}");
    }
    let began = Instant::now();
    while open(&host) > OPEN_TENANTS_MAX {
        assert!(began.elapsed() < WAIT_MAX, "{} tenants have open views", open(&host));
        thread::sleep(Duration::from_millis(50));
    }
    host.stop();
}
