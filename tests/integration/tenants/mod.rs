//! Many tenants on one host: their data, their limits, and their isolation.

mod commands;
mod isolation;
mod limits;
mod removal;

use polder_tests::{Answer, Client, Host, guest_file};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A host in a folder of its own, on which tests add and remove tenants.
struct Town {
    host: Option<Host>,
    client: Client,
    folder: TempDir,
}

impl Town {
    /// A town with these tenants, each with `orders` on it.
    fn with(tenants: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let host = Host::start(&folder.path().join("data"));
        let town = Self { client: host.client(), host: Some(host), folder };
        for tenant in tenants {
            town.client.put(&format!("/v1/tenants/{tenant}"), "").json(201);
            town.deploy(tenant);
        }
        town
    }

    fn host(&self) -> &Host {
        self.host.as_ref().expect("it runs")
    }

    fn deploy(&self, tenant: &str) {
        let wasm = std::fs::read(guest_file("orders")).unwrap();
        self.client.put(&format!("/v1/{tenant}/domains/orders"), wasm).json(200);
    }

    /// Kills the host and starts it again on the same folder.
    fn reopen(&mut self) {
        self.host.take().expect("it runs").kill();
        let host = Host::start(&self.folder.path().join("data"));
        self.client = host.client();
        self.host = Some(host);
    }

    fn draft(&self, tenant: &str, id: &str, customer: &str) -> Answer {
        let path = format!("/v1/{tenant}/orders/order/{id}/draft-order");
        self.client.post(&path, json!({ "customer": customer }).to_string())
    }

    fn line(&self, tenant: &str, id: &str) -> Answer {
        let path = format!("/v1/{tenant}/orders/order/{id}/add-line");
        self.client.post(&path, json!({ "sku": "TEA", "quantity": 1, "price": 5 }).to_string())
    }

    /// Sets one limit; `None` resets it.
    fn limit(&self, tenant: &str, name: &str, value: Option<u64>) -> Answer {
        let path = format!("/v1/tenants/{tenant}/limits");
        self.client.request("PATCH", &path).body(json!({ name: value }).to_string()).send()
    }

    /// The events about a tenant in the host's own history.
    fn facts(&self, tenant: &str) -> Vec<Value> {
        self.client.get(&format!("/v1/system/tenants/tenant/{tenant}/events")).lines()
    }
}

#[track_caller]
fn assert_detail_contains(problem: &Value, wanted: &str) {
    let detail = problem["detail"].as_str().expect("a detail");
    assert!(detail.contains(wanted), "no {wanted:?} in {detail:?}");
}
