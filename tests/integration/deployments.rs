//! Deployments over HTTP and with the command: a domain is accepted, any other upload is refused with the reason, and
//! then the active revision stays. `engine/takeovers.rs` tests what the revision check finds; this file tests its
//! requests and reports.

use polder_tests::{Client, Host, guest_file};
use serde_json::{Value, json};
use tempfile::TempDir;

const ORDERS: &str = "/v1/main/domains/orders";

struct Site {
    host: Option<Host>,
    client: Client,
    folder: TempDir,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let host = Host::start(&folder.path().join("data"));
        Self { client: host.client(), host: Some(host), folder }
    }

    fn reopen(&mut self) {
        self.host.take().expect("it runs").kill();
        let host = Host::start(&self.folder.path().join("data"));
        self.client = host.client();
        self.host = Some(host);
    }

    fn revision(&self) -> Value {
        self.client.get(ORDERS).json(200)["revision"].clone()
    }

    /// Uploads bytes that the host must refuse, and returns the reason.
    #[track_caller]
    fn refused(&self, bytes: impl Into<Vec<u8>>) -> String {
        let problem = self.client.put(ORDERS, bytes.into()).problem(422, "component-refused");
        problem["reason"].as_str().expect("a reason").to_owned()
    }
}

fn orders() -> Vec<u8> {
    std::fs::read(guest_file("orders")).unwrap()
}

/// The same rules in other bytes: a custom section that has no meaning.
fn orders_again() -> Vec<u8> {
    [orders(), vec![0, 6, 4, b'n', b'o', b't', b'e', b'!']].concat()
}

fn component(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("a component as text")
}

#[test]
fn a_domain_is_taken_and_listed() {
    let site = Site::new();
    assert_eq!(site.client.get("/v1/main/domains").json(200), json!({ "domains": [] }));
    let deployed = site.client.deploy("orders");
    assert_eq!((&deployed["status"], &deployed["previous"]), (&json!("activated"), &Value::Null));
    assert_eq!(deployed["checks"][2], "describes 1 aggregate and 2 projections");
    // The views of a new domain are built in a moment; until then two answers may differ.
    let is_being_built = |info: &Value| info["projections"].to_string().contains("\"is_being_built\":true");
    while is_being_built(&site.client.get(ORDERS).json(200)) {
        std::thread::yield_now();
    }
    let domains = site.client.get("/v1/main/domains").json(200);
    let info = &domains["domains"][0];
    assert_eq!((&info["domain"], &info["revision"]), (&json!("orders"), &deployed["revision"]));
    assert_eq!(info["descriptor"]["aggregates"]["order"]["chart"]["initial"], "new");
    assert_eq!(&site.client.get(ORDERS).json(200), info);
}

#[test]
fn the_same_bytes_are_active_already_and_others_take_over() {
    let mut site = Site::new();
    let first = site.client.deploy("orders");
    let same = site.client.deploy("orders");
    assert_eq!((&same["status"], &same["revision"]), (&json!("already-active"), &first["revision"]));
    site.client.post("/v1/main/orders/order/o-1/draft-order", r#"{"customer":"c-1"}"#).json(200);

    let next = site.client.put(ORDERS, orders_again()).json(200);
    assert_eq!((&next["status"], &next["previous"]), (&json!("activated"), &first["revision"]));
    assert_ne!(next["revision"], first["revision"]);
    site.reopen();
    assert_eq!(site.revision(), next["revision"]);
    let line = r#"{"sku":"TEA","quantity":1,"price":5}"#;
    assert_eq!(site.client.post("/v1/main/orders/order/o-1/add-line", line).json(200)["sequence"], 2);
    // Back to the older revision, which is a revision like any other.
    assert_eq!(site.client.put(ORDERS, orders()).json(200)["previous"], next["revision"]);
    assert_eq!(site.revision(), first["revision"]);
}

/// A deployment is recorded in the host's own history. Its position there was once mistaken for a position of the
/// tenant.
#[test]
fn a_deployment_does_not_move_the_tenants_history() {
    let site = Site::new();
    let lags = || {
        let metrics = site.client.get("/metrics");
        let lags = metrics.text().lines().filter(|line| line.starts_with("polder_projection_lag_events{"));
        lags.map(|line| line.rsplit(' ').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    site.client.deploy("orders");
    assert_eq!(lags(), ["0", "0"]);
    let wait = site.client.get("/v1/main/orders/views/order-summary?after=1&timeout_ms=0");
    wait.problem(503, "view-behind");

    for number in 1..=3 {
        let path = format!("/v1/main/orders/order/o-{number}/draft-order");
        site.client.post(&path, r#"{"customer":"c-1"}"#).json(200);
    }
    site.client.put(ORDERS, orders_again()).json(200);
    let page = site.client.get("/v1/main/orders/views/order-summary?after=3&timeout_ms=30000").json(200);
    assert_eq!((&page["position"], page["documents"].as_array().unwrap().len()), (&json!(3), 3));
}

#[test]
fn what_is_no_domain_is_refused_and_the_active_revision_stays() {
    let mut site = Site::new();
    let active = site.client.deploy("orders")["revision"].clone();
    let clock = "wasi:clocks/monotonic-clock@0.2.0";
    let cut = orders()[..100_000].to_vec();
    for (what, bytes, wanted) in [
        ("text", b"not wasm".to_vec(), "the file is not WebAssembly"),
        ("nothing", Vec::new(), "the file is not WebAssembly"),
        ("a cut file", cut, "the file is damaged"),
        (
            "another import",
            component(&format!("(component (import \"{clock}\" (instance (export \"now\" (func (result u64))))))")),
            clock,
        ),
        ("a core module's import", component("(module (import \"env\" \"now\" (func (result i64))))"), "env"),
        ("another world", component("(component)"), "it lacks polder:domain/"),
        ("a module of nothing", component("(module)"), "the module exports no domain"),
    ] {
        let reason = site.refused(bytes);
        assert!(reason.contains(wanted), "{what}: {reason}");
        assert_eq!(site.revision(), active, "{what}");
    }

    let problem = site.client.put("/v1/main/domains/orders", vec![b'x'; 8 * 1024 * 1024 + 1]).problem(413, "too-large");
    assert_eq!((&problem["limit"], &problem["limit_name"]), (&json!(8 * 1024 * 1024), &json!("component_bytes_max")));

    // A descriptor that breaks the rules, with the same length: a name must not begin with a capital letter.
    let mut broken = orders();
    let name = b"customer-totals";
    let places: Vec<usize> =
        broken.windows(name.len()).enumerate().filter(|(_, bytes)| bytes == name).map(|(place, _)| place).collect();
    places.iter().for_each(|place| broken[*place] = b'C');
    let reason = site.refused(broken);
    assert!(reason.contains("Customer-totals"), "{reason}");

    let problem = site.client.put("/v1/main/domains/shop", orders()).problem(422, "other-domain");
    assert_eq!((&problem["expected"], &problem["actual"]), (&json!("shop"), &json!("orders")));
    let problem = site.client.put("/v1/main/domains/Shop", orders()).problem(400, "bad-name");
    assert!(problem["detail"].as_str().unwrap().contains("a name has 1 to 63"), "{problem}");
    site.client.put("/v1/other/domains/orders", orders()).problem(404, "unknown-tenant");
    site.client.put(ORDERS, vec![b'x'; 33 * 1024 * 1024]).problem(413, "too-large");

    for is_reopened in [false, true] {
        if is_reopened {
            site.reopen();
        }
        assert_eq!(site.revision(), active);
        let path = format!("/v1/main/orders/order/o-{is_reopened}/draft-order");
        site.client.post(&path, r#"{"customer":"c-1"}"#).json(200);
    }
    assert_eq!(site.client.get("/v1/main/domains").json(200)["domains"].as_array().unwrap().len(), 1);
}

#[test]
fn the_command_refuses_what_the_host_would() {
    let site = Site::new();
    let host = site.host.as_ref().expect("it runs");
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let file = folder.path().join(name);
        std::fs::write(&file, bytes).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let text = file("text.wasm", b"not wasm");
    let ran = host.polder(&["deploy", &text]);
    assert!(ran.refused().starts_with("error: refused: the file is not WebAssembly"), "{ran}");
    let missing = host.polder(&["deploy", "none.wasm"]);
    assert_eq!(missing.refused(), "error: cannot read none.wasm: No such file or directory (os error 2)");
    let good = file("orders.wasm", &orders());
    let other = host.polder(&["deploy", &good, "--domain", "shop"]);
    assert_eq!(other.refused(), "error: the component describes domain \"orders\", but was deployed as \"shop\"");
    assert_eq!(host.polder(&["domains"]).good(), "no domains yet: `polder deploy FILE.wasm` adds one");

    let ran = host.polder(&["deploy", &good]);
    assert!(ran.good().starts_with("orders is at revision "), "{ran}");
    let again = host.polder(&["deploy", &good, "--json"]).json();
    assert_eq!(again["status"], "already-active");
    let next = file("next.wasm", &orders_again());
    let ran = host.polder(&["deploy", &next, "--actor", "me"]);
    assert!(ran.good().contains(", before at "), "{ran}");
}

#[test]
fn progress_comes_in_lines_and_the_answer_is_the_last() {
    let site = Site::new();
    let lines = |path: &str, bytes: Vec<u8>| {
        let put = site.client.request("PUT", path).header("accept", "application/x-ndjson");
        put.body(bytes).send().lines()
    };
    let answers = lines("/v1/main/domains", orders());
    assert_eq!(answers.last().unwrap()["deployed"]["status"], "activated");
    assert!(answers[..answers.len() - 1].iter().all(|line| line["progress"]["total"].is_u64()), "{answers:?}");
    // The status line has already been sent.
    let answers = lines(ORDERS, b"not wasm".to_vec());
    let problem = &answers.last().unwrap()["problem"];
    assert_eq!((&problem["type"], &problem["status"]), (&json!("urn:polder:problem:component-refused"), &json!(422)));
}

#[test]
fn a_domain_goes_back_and_lists_its_revisions() {
    let site = Site::new();
    let (revisions, rollback) = (format!("{ORDERS}/revisions"), format!("{ORDERS}/rollback"));
    site.client.get(&revisions).problem(404, "unknown-domain");
    site.client.post(&rollback, "").problem(404, "unknown-domain");
    let first = site.client.deploy("orders")["revision"].clone();
    site.client.post(&rollback, "").problem(409, "nothing-before");
    let next = site.client.request("PUT", ORDERS).header("actor", "ann").body(orders_again()).send().json(200);

    let dry = site.client.post(&format!("{rollback}?dry_run=true"), "").json(200);
    assert_eq!((&dry["status"], &dry["revision"]), (&json!("would-pass"), &first));
    let back = site.client.post(&rollback, "").json(200);
    assert_eq!(
        (&back["status"], &back["revision"], &back["previous"]),
        (&json!("rolled-back"), &first, &next["revision"])
    );
    assert_eq!(site.revision(), first);
    site.client.post(&format!("{rollback}?to=0"), "").problem(404, "unknown-revision");
    let problem = site.client.put(&format!("{ORDERS}?replay=some"), orders()).problem(400, "bad-query");
    assert!(problem["detail"].as_str().unwrap().contains("\"all\", or a number"), "{problem}");

    let answer = site.client.get(&revisions).json(200);
    let revisions_found: Vec<_> =
        answer["revisions"].as_array().unwrap().iter().map(|info| (&info["status"], &info["actor"])).collect();
    let (none, ann) = (Value::Null, json!("ann"));
    assert_eq!(
        revisions_found,
        [(&json!("was-active"), &none), (&json!("rolled-back"), &ann), (&json!("active"), &none)]
    );
}

/// The view of an author: differences are shown, and the list contains everything.
#[test]
fn the_command_shows_what_the_check_found() {
    let site = Site::new();
    let host = site.host.as_ref().expect("it runs");
    let next = std::fs::read(guest_file("lamps_next")).unwrap();
    let make = b"the make: regular";
    let place = next.windows(make.len()).position(|bytes| bytes == make).expect("the make");
    let mut changes = next.clone();
    changes[place..place + make.len()].copy_from_slice(b"the make: changes");
    let file = site.folder.path().join("changes.wasm");
    std::fs::write(&file, changes).unwrap();
    let file = file.to_str().unwrap();

    site.client.deploy("lamps");
    host.polder(&["send", "lamps/lamp/l-1", "light-lamp"]).good();
    let refused = host.polder(&["deploy", file, "--actor", "ann"]);
    assert_eq!(
        refused.refused(),
        "error: refused: 1 of 1 states differ from those of the revision before; accept the changes if they are intended\n  \
         lamp: turns: 1\n  lamp l-1 at sequence 1:\n    turns: 1 before, 2 now"
    );
    let dry = host.polder(&["deploy", file, "--accept-changes", "--dry-run"]);
    assert!(dry.good().starts_with("lamps could be at revision ") && dry.good().contains(", now at "), "{dry}");
    let ran = host.polder(&["deploy", file, "--accept-changes", "--replay", "all"]);
    assert!(ran.good().contains("checked: replayed 1 event of 1 aggregate, 1 state differs, accepted"), "{ran}");
    assert!(ran.good().contains("turns: 1 before, 2 now"), "{ran}");
    let back = host.polder(&["rollback", "lamps", "--accept-changes"]);
    assert!(back.good().starts_with("lamps is back at revision "), "{back}");
    let nothing = host.polder(&["rollback", "lamps"]);
    assert!(nothing.refused().contains("has nothing to go back to"), "{nothing}");
    assert!(nothing.refused().contains("after a rollback, deploy the revision that you want"), "{nothing}");

    let revisions = host.polder(&["revisions", "lamps"]);
    let lines: Vec<&str> = revisions.good().lines().collect();
    let words = [
        "  was active   -",
        "  refused      ann  1 of 1 states",
        "  rolled back  -  replayed",
        "  active       -  asked for  replayed",
    ];
    assert_eq!(lines.len(), words.len(), "{revisions}");
    assert!(lines.iter().zip(words).all(|(line, words)| line.contains(words)), "{revisions}");
    let whole = host.polder(&["revisions", "lamps", "--json"]).json();
    assert_eq!(whole["revisions"][1]["verdict"]["refusals"][0]["kind"], "differing-states");
}
