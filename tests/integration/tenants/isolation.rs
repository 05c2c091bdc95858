//! The same names in two tenants never meet; a suspended tenant accepts no commands; and all of it survives a kill.

use serde_json::{Value, json};

use super::{Town, assert_detail_contains};

#[test]
fn the_same_names_in_two_tenants_never_meet() {
    let mut town = Town::with(&["acme", "brook"]);
    for (tenant, customer) in [("acme", "a"), ("brook", "b")] {
        let ack = town.draft(tenant, "o-1", customer).json(200);
        assert_eq!((&ack["sequence"], &ack["position"]), (&json!(1), &json!(1)), "{tenant}");
        assert_eq!(ack["stream_subject"], format!("{tenant}.orders.order.>"));
    }
    town.line("brook", "o-1").json(200);
    for reopened in [false, true] {
        if reopened {
            town.reopen();
        }
        for (tenant, customer, events) in [("acme", "a", 1), ("brook", "b", 2)] {
            let state = town.client.get(&format!("/v1/{tenant}/orders/order/o-1")).json(200);
            assert_eq!((&state["state"]["customer"], &state["sequence"]), (&json!(customer), &json!(events)));
            let all = town.client.get(&format!("/v1/{tenant}/events")).lines();
            let own = town.client.get(&format!("/v1/{tenant}/orders/order/o-1/events")).lines();
            assert_eq!((all.len(), &all), (events, &own), "{tenant}");
            assert!(all.iter().all(|event| event["position"] == event["sequence"]), "{all:?}");
            let views = format!("/v1/{tenant}/orders/views/order-summary?after={events}&timeout_ms=60000");
            let documents = town.client.get(&views).json(200)["documents"].clone();
            assert_eq!(documents.as_array().map(Vec::len), Some(1), "{documents}");
            assert_eq!(documents[0]["document"]["customer"], customer);
        }
    }
}

#[test]
fn a_command_id_belongs_to_its_tenant() {
    let town = Town::with(&["acme", "brook"]);
    for tenant in ["acme", "brook"] {
        let path = format!("/v1/{tenant}/orders/order/o-1/draft-order");
        let body = json!({ "customer": tenant }).to_string();
        let ack = town.client.request("POST", &path).header("idempotency-key", "k-1").body(body).send().json(200);
        assert_eq!(ack["repeated"], Value::Null, "{ack}");
    }
}

#[test]
fn a_tenant_without_the_domain_does_not_find_anothers() {
    let town = Town::with(&["acme"]);
    town.client.put("/v1/tenants/brook", "").json(201);
    town.draft("acme", "o-1", "a").json(200);
    assert_eq!(town.draft("brook", "o-1", "b").problem(404, "unknown-domain")["known"], json!([]));
    town.client.get("/v1/brook/orders/order/o-1").problem(404, "unknown-domain");
    town.client.get("/v1/missing/orders/order/o-1").problem(404, "unknown-tenant");
    assert!(town.client.get("/v1/brook/events").lines().is_empty());
}

#[test]
fn a_suspended_tenant_is_read_and_takes_no_commands() {
    let mut town = Town::with(&["acme", "brook"]);
    town.draft("acme", "o-1", "a").json(200);
    let suspend = |town: &Town| {
        let request = town.client.request("POST", "/v1/tenants/acme/suspend").header("actor", "ann");
        request.send().json(200)["changed"] == true
    };
    assert!(suspend(&town));
    assert!(!suspend(&town), "once is enough");
    for reopened in [false, true] {
        if reopened {
            town.reopen();
        }
        assert_detail_contains(&town.line("acme", "o-1").problem(403, "tenant-suspended"), "suspended");
        assert_eq!(town.client.get("/v1/acme/orders/order/o-1").json(200)["sequence"], 1);
        assert_eq!(town.client.get("/v1/acme/events").lines().len(), 1);
        town.draft("brook", &format!("o-{reopened}"), "b").json(200);
    }
    assert_eq!(town.client.get("/v1/tenants/acme").json(200)["suspended"]["actor"], "ann");
    town.client.post("/v1/tenants/acme/resume", "").json(200);
    assert_eq!(town.line("acme", "o-1").json(200)["sequence"], 2);
    let facts = town.facts("acme");
    let names: Vec<_> = facts.iter().map(|fact| fact["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["tenant-added", "tenant-suspended", "tenant-resumed"]);
    assert_eq!((&facts[1]["actor"], &facts[1]["payload"]), (&json!("ann"), &json!({ "tenant": "acme" })));
}

#[test]
fn tenants_are_listed_and_a_name_is_taken_once() {
    let mut town = Town::with(&["acme"]);
    town.client.put("/v1/tenants/acme", "").json(200);
    assert_eq!(town.facts("acme").len(), 1, "nothing changed, so nothing is recorded");
    for name in ["system", "tenants"] {
        assert_detail_contains(
            &town.client.put(&format!("/v1/tenants/{name}"), "").problem(400, "reserved-name"),
            "reserved",
        );
    }
    town.client.put("/v1/tenants/Acme", "").problem(400, "bad-name");
    town.client.get("/v1/tenants/brook").problem(404, "unknown-tenant");
    for path in ["suspend", "resume"] {
        town.client.post(&format!("/v1/tenants/brook/{path}"), "").problem(404, "unknown-tenant");
    }
    // SQLite's file may grow by a page at a start.
    let list = |town: &Town| {
        let mut tenants = town.client.get("/v1/tenants").json(200)["tenants"].clone();
        for tenant in tenants.as_array_mut().unwrap() {
            assert!(tenant.as_object_mut().unwrap().remove("view_bytes").is_some());
        }
        tenants
    };
    let before = list(&town);
    assert_eq!((&before[0]["tenant"], &before[1]["tenant"]), (&json!("acme"), &json!("main")));
    assert_eq!(before[0]["domains"][0]["domain"], "orders");
    town.reopen();
    assert_eq!(list(&town), before);
}
