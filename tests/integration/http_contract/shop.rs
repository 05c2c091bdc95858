//! A host with `orders` on it, in a folder of its own.

use polder_tests::{Answer, Client, Host, Request};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) struct Shop {
    host: Option<Host>,
    pub(crate) client: Client,
    folder: TempDir,
}

impl Shop {
    pub(crate) fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let host = Host::start(&folder.path().join("data"));
        let client = host.client();
        client.deploy("orders");
        Self { host: Some(host), client, folder }
    }

    /// Kills the host and starts it again on the same folder.
    pub(crate) fn reopen(&mut self) {
        self.host.take().expect("it runs").kill();
        let host = Host::start(&self.folder.path().join("data"));
        self.client = host.client();
        self.host = Some(host);
    }

    /// Works like [`reopen`](Self::reopen), and removes one folder of the data folder.
    pub(crate) fn reopen_without(&mut self, derived: &str) {
        self.host.take().expect("it runs").kill();
        std::fs::remove_dir_all(self.folder.path().join("data").join(derived)).unwrap();
        let host = Host::start(&self.folder.path().join("data"));
        self.client = host.client();
        self.host = Some(host);
    }

    /// A file of the data folder.
    pub(crate) fn data(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join("data").join(name)
    }

    pub(crate) fn address(&self) -> &str {
        self.host.as_ref().expect("it runs").address()
    }

    /// A request with a command for one order, ready for headers.
    pub(crate) fn command(&self, id: &str, name: &str, payload: &Value) -> Request<'_> {
        self.client.request("POST", &format!("/v1/main/orders/order/{id}/{name}")).body(payload.to_string())
    }

    #[track_caller]
    pub(crate) fn send(&self, id: &str, name: &str, payload: &Value) -> Answer {
        self.command(id, name, payload).send()
    }

    /// A draft of one customer with one line: two events.
    #[track_caller]
    pub(crate) fn draft(&self, id: &str, customer: &str, price: u64) -> Value {
        self.send(id, "draft-order", &json!({ "customer": customer })).json(200);
        self.send(id, "add-line", &json!({ "sku": "TEA", "quantity": 2, "price": price })).json(200)
    }

    /// Fulfils a new order: five events. Returns the last acknowledgement.
    #[track_caller]
    pub(crate) fn fulfil(&self, id: &str, customer: &str, price: u64) -> Value {
        self.draft(id, customer, price);
        self.send(id, "submit-order", &json!({})).json(200);
        self.send(id, "validate-order", &json!({})).json(200);
        self.send(id, "fulfil-order", &json!({})).json(200)
    }
}
