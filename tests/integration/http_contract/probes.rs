//! The probes of monitoring programs.

use serde_json::json;

use super::shop::Shop;

#[test]
fn a_host_says_that_it_is_up_and_takes_commands() {
    let shop = Shop::open();
    assert_eq!(shop.client.get("/healthz").json(200), json!({ "up": true }));
    assert_eq!(shop.client.get("/readyz").json(200)["writable"], true);
}

#[test]
fn what_happens_is_counted() {
    let shop = Shop::open();
    shop.draft("o-1", "c-1", 5);
    shop.send("o-1", "fulfil-order", &json!({})).json(422);
    shop.send("o-1", "no-such", &json!({})).problem(404, "unknown-command");
    let answer = shop.client.get("/metrics");
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
    let is_figure = |line: &&str| {
        line.rsplit_once(' ').is_some_and(|(name, value)| name.starts_with("polder_") && value.parse::<f64>().is_ok())
    };
    for line in answer.text().lines() {
        assert!(line.starts_with("# HELP ") || line.starts_with("# TYPE ") || is_figure(&line), "{line}");
    }
    for (name, figure) in [
        ("polder_commands_total{status=\"accepted\"}", 2),
        ("polder_commands_total{status=\"rejected\"}", 1),
        ("polder_commands_total{status=\"refused\"}", 1),
        ("polder_guest_faults_total", 0),
        ("polder_writable", 1),
        // Two events of the order, two of the deployment, one of the tenant's key.
        ("polder_journal_events_total", 5),
    ] {
        assert!(answer.text().contains(&format!("\n{name} {figure}\n")), "{name} is not {figure}: {}", answer.text());
    }
}
