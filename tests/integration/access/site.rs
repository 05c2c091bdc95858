//! A host that requires a token, with `orders` and one order on it, and a key that signs tokens.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use polder_access::{Claims, KeyFolder, SigningKey};
use polder_tests::{Client, Host, polder};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) struct Site {
    pub(crate) host: Option<Host>,
    pub(crate) key: SigningKey,
    folder: TempDir,
}

impl Site {
    pub(crate) fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let made =
            polder(&["token", "key", "new", "--data", data.to_str().unwrap(), "--actor", "root", "--json"]).json();
        let key = KeyFolder::of_data(&data).read(&made["key"].as_str().unwrap().parse().unwrap()).unwrap();
        let site = Self { host: Some(Host::start(&data)), key, folder };
        let operator = site.operator();
        operator.deploy("orders");
        operator.post("/v1/main/orders/order/o-1/draft-order", r#"{"customer":"c-1"}"#).json(200);
        site
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn host(&self) -> &Host {
        self.host.as_ref().expect("it runs")
    }

    /// Kills the host and starts it again.
    pub(crate) fn reopen(&mut self) {
        self.stop();
        self.host = Some(Host::start(&self.data()));
    }

    pub(crate) fn stop(&mut self) {
        self.host.take().expect("it runs").kill();
    }

    pub(crate) fn anonymous(&self) -> Client {
        self.host().client()
    }

    /// A client that may do everything.
    pub(crate) fn operator(&self) -> Client {
        self.client("$host publish > subscribe >")
    }

    pub(crate) fn client(&self, permissions: &str) -> Client {
        self.anonymous().with_token(&self.token(permissions))
    }

    pub(crate) fn token(&self, permissions: &str) -> String {
        claims(permissions).sign(&self.key).unwrap()
    }
}

/// Reads `main publish main.cmd.> subscribe main.> deny …` as claims of ann that are valid for an hour.
pub(crate) fn claims(text: &str) -> Claims {
    let (scope, rest) = text.split_once(' ').unwrap_or((text, ""));
    let (mut publish, mut subscribe, mut deny) = (Vec::new(), Vec::new(), Vec::new());
    let mut list = &mut publish;
    for word in rest.split_whitespace() {
        match word {
            "publish" => list = &mut publish,
            "subscribe" => list = &mut subscribe,
            "deny" => list = &mut deny,
            pattern => list.push(pattern.parse().unwrap()),
        }
    }
    let scope = scope.to_owned().try_into().unwrap();
    let issued_at_s = now_s();
    Claims { scope, actor: "ann".into(), issued_at_s, expires_at_s: issued_at_s + 3_600, publish, subscribe, deny }
}

pub(crate) fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// The component of a revision that the tenant does not have.
const NO_COMPONENT: &str =
    "/v1/tenants/main/components/0000000000000000000000000000000000000000000000000000000000000000";

/// A request to each route that is permitted as a whole or not at all, with the permission that it needs and the status
/// that it gets with it.
pub(crate) const REQUESTS: &[(&str, &str, &str, &str, u16)] = &[
    (
        "POST",
        "/v1/main/orders/order/o-1/draft-order",
        r#"{"customer":"c"}"#,
        "publish main.cmd.orders.order.o-1.draft-order",
        422,
    ),
    ("GET", "/v1/main/orders/order/o-1", "", "publish main.state.orders.order.o-1", 200),
    ("GET", "/v1/main/orders/order/o-1/events", "", "subscribe main.orders.order.*.v1", 200),
    ("GET", "/v1/main/events", "", "subscribe main.*.*.order-drafted.*", 200),
    ("GET", "/v1/main/orders/views/order-summary", "", "publish main.query.orders.order-summary", 200),
    ("GET", "/v1/main/orders/views/customer-totals/c-1?after=1", "", "publish main.query.orders.customer-totals", 404),
    ("GET", "/v1/main/orders/effects", "", "publish main.query.orders.effects", 200),
    ("GET", "/v1/main/parked?domain=orders", "", "publish main.admin.parked.orders", 200),
    ("GET", "/v1/main/parked/7?domain=orders", "", "publish main.admin.parked.orders", 404),
    ("POST", "/v1/main/parked/retry?domain=orders", "", "publish main.admin.retry.orders", 202),
    ("POST", "/v1/main/parked/discard?domain=orders", "", "publish main.admin.discard.orders", 202),
    ("GET", "/v1/main/domains/orders", "", "publish main.query.orders.catalog", 200),
    ("GET", "/v1/main/domains/orders/revisions", "", "publish main.query.orders.catalog", 200),
    ("PUT", "/v1/main/domains/orders", "no wasm", "publish main.admin.deploy.orders", 422),
    ("PUT", "/v1/main/domains/orders?dry_run=true", "no wasm", "publish main.admin.deploy.orders", 422),
    ("PUT", "/v1/main/domains/orders?release_quarantine=true", "", "publish main.admin.deploy.orders", 422),
    ("POST", "/v1/main/domains/orders/rollback", "", "publish main.admin.rollback.orders", 409),
    ("POST", "/v1/main/domains/none/rollback?dry_run=true", "", "publish main.admin.rollback.none", 404),
    ("GET", "/metrics", "", "publish $host.metrics", 200),
    ("GET", "/v1/main/bridge", "", "publish main.admin.bridge.show", 200),
    ("PUT", "/v1/main/bridge", "{\"rules\": []}", "publish main.admin.bridge.set", 200),
    ("GET", "/v1/tenants", "", "publish $host.admin.tenant.list", 200),
    ("GET", "/v1/tenants/main", "", "publish $host.admin.tenant.show.main", 200),
    ("PUT", "/v1/tenants/main", "", "publish $host.admin.tenant.add.main", 200),
    ("PATCH", "/v1/tenants/main/limits", "{}", "publish $host.admin.tenant.limits.main", 400),
    ("DELETE", "/v1/tenants/none?confirm=none", "", "publish $host.admin.tenant.remove.none", 404),
    ("GET", "/v1/tenants/main/facts", "", "publish $host.admin.tenant.export.main", 200),
    ("GET", NO_COMPONENT, "", "publish $host.admin.tenant.export.main", 404),
    ("POST", "/v1/tenants/none/suspend", "", "publish $host.admin.tenant.suspend.none", 404),
    ("POST", "/v1/tenants/main/resume", "", "publish $host.admin.tenant.resume.main", 200),
    ("GET", "/v1/keys", "", "publish $host.admin.key.list", 200),
    ("POST", "/v1/keys", "{}", "publish $host.admin.key.add", 400),
    ("DELETE", "/v1/keys/key-0000000000000000", "", "publish $host.admin.key.revoke", 404),
    ("POST", "/v1/drain", "", "publish $host.admin.drain", 503),
];

/// The document of a problem without the subject, which the path reveals anyway.
pub(crate) fn without_subject(mut problem: Value) -> Value {
    let subject = problem["subject"].as_str().expect("a refusal names its subject").to_owned();
    problem["detail"] = problem["detail"].as_str().unwrap().replace(&subject, "").into();
    problem["subject"] = Value::Null;
    problem
}
