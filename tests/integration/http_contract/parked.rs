//! Events that projections could not apply: the list, one of them, retries and discards. Documents and pages say what
//! is missing in them.

use std::time::{Duration, Instant};

use polder_tests::{Client, Host};
use serde_json::{Value, json};

/// The longest wait for events that are tried again.
const WAIT_MAX: Duration = Duration::from_secs(60);
const LEDGER: &str = "/v1/main/saboteur/views/ledger";

/// Positions and kinds of what is set aside, once no event is about to be tried again.
fn settled(client: &Client) -> Vec<(u64, String)> {
    let began = Instant::now();
    loop {
        let page = client.get("/v1/main/parked").json(200);
        let parked = page["parked"].as_array().expect("a list");
        let is_settled = |event: &Value| event["is_due"] == false && event["kind"] != "behind";
        if parked.first().is_none_or(is_settled) {
            let line =
                |event: &Value| (event["position"].as_u64().unwrap(), event["kind"].as_str().unwrap().to_owned());
            return parked.iter().map(line).collect();
        }
        assert!(began.elapsed() < WAIT_MAX, "{page}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn kinds(wanted: &[(u64, &str)]) -> Vec<(u64, String)> {
    wanted.iter().map(|(position, kind)| (*position, (*kind).to_owned())).collect()
}

#[test]
fn what_is_set_aside_is_listed_shown_retried_and_discarded() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start(&folder.path().join("data"));
    let client = host.client();
    client.deploy("saboteur");
    for command in ["turn", "curse", "turn", "curse"] {
        client.post(&format!("/v1/main/saboteur/machine/m-1/{command}"), "{}").json(200);
    }
    let one = client.get(&format!("{LEDGER}/m-1?after=4&timeout_ms=60000")).json(200);
    assert_eq!((&one["document"], &one["set_aside"]), (&json!({"turns": 1}), &json!({"first": 2, "events": 3})));
    let page = client.get(&format!("{LEDGER}?after=4&timeout_ms=60000")).json(200);
    let aside = json!({"first": 2, "events": 3});
    assert_eq!((&page["set_aside"], &page["documents"][0]["set_aside"]), (&aside, &aside));
    let domain = client.get("/v1/main/domains/saboteur").json(200);
    assert_eq!(domain["projections"][0]["parked"], 3, "{domain}");

    let before = [(2, "failed"), (3, "behind"), (4, "behind")];
    assert_eq!(settled(&client), kinds(&before));
    let list = client.get("/v1/main/parked?domain=saboteur&projection=ledger&key=m-1&limit=1").json(200);
    let (first, next) = (&list["parked"][0], &list["next"]);
    let members = ["domain", "projection", "key", "aggregate", "aggregate_id", "event"].map(|name| &first[name]);
    assert_eq!(members, ["saboteur", "ledger", "m-1", "machine", "m-1", "machine-cursed"]);
    assert!(first["reason"].as_str().unwrap().contains("cursed on purpose"), "{first}");
    assert_eq!((&first["is_live"], next), (&json!(true), &json!(2)));
    let rest = client.get("/v1/main/parked?after=2").json(200);
    assert_eq!((rest["parked"].as_array().unwrap().len(), &rest["next"]), (2, &Value::Null));
    client.get("/v1/main/parked?limit=1000").json(200);
    client.get("/v1/main/parked?limit=1001").problem(400, "bad-query");
    let shown = client.get("/v1/main/parked/2").json(200);
    assert_eq!((&shown["event"]["position"], &shown["event"]["name"]), (&json!(2), &json!("machine-cursed")));
    assert_eq!(shown["parked"].as_array().unwrap().len(), 1, "{shown}");
    client.get("/v1/main/parked/1").problem(404, "nothing-parked");

    for act in ["retry", "discard"] {
        let path = format!("/v1/main/parked/{act}");
        client.post(&path, "").problem(400, "bad-query");
        client.post(&format!("{path}?all=true&key=m-1"), "").problem(400, "bad-query");
        assert_eq!(client.post(&format!("{path}?domain=others"), "").json(202)["events"], 0);
    }
    // The events that wait are tried together with the one before them.
    assert_eq!(client.post("/v1/main/parked/retry?position=3", "").json(202)["events"], 3);
    assert_eq!(settled(&client), kinds(&before));
    assert_eq!(client.post("/v1/main/parked/discard?position=2", "").json(202)["events"], 1);
    assert_eq!(settled(&client), kinds(&[(4, "failed")]));
    let one = client.get(&format!("{LEDGER}/m-1?after=4&timeout_ms=60000")).json(200);
    assert_eq!((&one["document"], &one["set_aside"]), (&json!({"turns": 2}), &json!({"first": 4, "events": 1})));
    assert_eq!(client.post("/v1/main/parked/discard?all=true", "").json(202)["events"], 1);
    assert_eq!(settled(&client), []);
    let one = client.get(&format!("{LEDGER}/m-1?after=4&timeout_ms=60000")).json(200);
    assert_eq!((&one["document"], &one["set_aside"]), (&json!({"turns": 2}), &Value::Null));
}
