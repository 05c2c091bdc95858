//! The host records an act with the holder of the token as its actor.

use super::site::Site;

const DRAFT: &str = r#"{"customer":"c-1"}"#;

#[test]
fn the_holder_of_a_token_is_the_actor() {
    let site = Site::open();
    let client = site.client("main publish main.cmd.> subscribe main.>");
    let draft = |id: u8| client.request("POST", &format!("/v1/main/orders/order/a-{id}/draft-order")).body(DRAFT);
    draft(1).send().json(200);
    draft(2).header("actor", "ann").send().json(200);
    let problem = draft(3).header("actor", "bob").send().problem(403, "not-permitted");
    assert_eq!(problem["subject"], "main.admin.act-for-others");
    let agent = site.client("main publish main.cmd.> main.admin.act-for-others");
    let path = "/v1/main/orders/order/a-3/draft-order";
    agent.request("POST", path).header("actor", "bob").body(DRAFT).send().json(200);
    let events = client.get("/v1/main/events").lines();
    let actors: Vec<_> = events.iter().map(|event| event["actor"].as_str().unwrap()).collect();
    assert_eq!(actors, ["ann", "ann", "ann", "bob"]);
}

#[test]
fn administrative_acts_are_recorded_with_their_actor() {
    let site = Site::open();
    let deployer = site.client("main publish main.admin.deploy.*");
    let wasm = || std::fs::read(polder_tests::guest_file("permits")).unwrap();
    let problem = deployer.request("PUT", "/v1/main/domains/permits").header("actor", "bob").body(wasm()).send();
    problem.problem(403, "not-permitted");
    deployer.request("PUT", "/v1/main/domains/permits").body(wasm()).send().json(200);
    let events = site.client("$host subscribe system.>").get("/v1/system/events").lines();
    let facts: Vec<_> = events
        .iter()
        .filter(|event| event["domain"] == "access" || event["domain"] == "deployments")
        .map(|event| ["domain", "name", "actor"].map(|field| event[field].as_str().unwrap()))
        .collect();
    assert_eq!(facts.first(), Some(&["access", "key-added", "root"]));
    assert_eq!(facts.last(), Some(&["deployments", "revision-activated", "ann"]));
}
