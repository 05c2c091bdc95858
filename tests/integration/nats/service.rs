//! The service protocol: the running services, their endpoints and their statistics.

use serde_json::json;

use super::site::{Site, json, problem};

#[test]
fn the_service_describes_itself() {
    let site = Site::open_shop();
    let ping = json(&site.request("$SRV.PING", &[], ""));
    assert_eq!((&ping["type"], &ping["name"]), (&json!("io.nats.micro.v1.ping_response"), &json!("polder")), "{ping}");
    let id = ping["id"].as_str().unwrap();
    let info = json(&site.request(&format!("$SRV.INFO.polder.{id}"), &[], ""));
    assert_eq!(info["type"], "io.nats.micro.v1.info_response", "{info}");
    let endpoint = &info["endpoints"][0];
    assert_eq!((&endpoint["name"], &endpoint["subject"]), (&json!("commands"), &json!("*.cmd.>")), "{info}");
    assert_eq!(endpoint["queue_group"], "polder", "{info}");

    site.order("o-1", "draft-order", r#"{"customer": "ann"}"#);
    problem(&site.request("main.cmd.orders.order.o-1.drop-order", &[], ""), 404, "unknown-command");
    let stats = json(&site.request("$SRV.STATS.polder", &[], ""));
    assert_eq!(stats["type"], "io.nats.micro.v1.stats_response", "{stats}");
    let endpoint = &stats["endpoints"][0];
    assert_eq!((&endpoint["num_requests"], &endpoint["num_errors"]), (&json!(2), &json!(1)), "{stats}");
    assert_eq!(endpoint["last_error"], "404:Unknown command", "{stats}");
    assert!(endpoint["average_processing_time"].as_u64() > Some(0), "{stats}");
}

#[test]
fn tenants_are_served_as_they_come_and_go() {
    let site = Site::open();
    let command = "acme.cmd.orders.order.o-1.draft-order";
    assert!(site.try_request(command, &[], "{}").is_err());
    site.host().polder(&["tenant", "add", "acme"]).good();
    // The subscription follows the answer; until then NATS reports at once that there is none.
    let start = std::time::Instant::now();
    let answer = loop {
        match site.try_request(command, &[], "{}") {
            Ok(answer) => break answer,
            Err(error) => assert!(start.elapsed() < super::site::WAIT_MAX, "{error}"),
        }
    };
    problem(&answer, 404, "unknown-domain");
    site.host().polder(&["tenant", "remove", "acme", "--confirm", "acme"]).good();
    while let Ok(answer) = site.try_request(command, &[], "{}") {
        problem(&answer, 404, "unknown-tenant");
        assert!(start.elapsed() < super::site::WAIT_MAX);
    }
}
