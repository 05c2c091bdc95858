//! A token permits what it lists, and nothing else.

use super::site::{REQUESTS, Site, without_subject};

/// Every route can be used with its own permission alone, and cannot be used with every permission but its own. (A
/// permission may cover a part of the events: see `events`.)
#[test]
fn each_route_needs_its_own_permission() {
    let site = Site::open();
    for (_, _, _, own, _) in REQUESTS.iter().filter(|(_, _, _, own, _)| own.starts_with("publish ")) {
        let only = site.client(&format!("$host {own}"));
        let all_but = site.client(&format!("$host publish > subscribe > deny {}", own.trim_start_matches("publish ")));
        for (method, path, body, needed, status) in REQUESTS {
            let send = |client: &polder_tests::Client| client.request(method, path).body(*body).send();
            let (few, many) = (send(&only), send(&all_but));
            let (permitted, refused) = if needed == own { (few, many) } else { (many, few) };
            assert_eq!(permitted.status, *status, "{method} {path} with {own}: {}", permitted.text());
            let problem = refused.problem(403, "not-permitted");
            assert_eq!(problem["verb"], needed.split_once(' ').unwrap().0, "{problem}");
        }
    }
}

/// Routes that answer with the permitted part, and are therefore not in the table.
const IN_PARTS: [&str; 3] = ["GET /v1/{tenant}/domains", "PUT /v1/{tenant}/domains", "POST /v1/{tenant}/commands"];

/// A batch with one line for each of these orders.
fn batch(orders: &[&str]) -> String {
    let line = |order: &&str| {
        format!("{{\"address\":\"orders/order/{order}/draft-order\",\"payload\":{{\"customer\":\"c\"}}}}\n")
    };
    orders.iter().map(line).collect()
}

#[test]
fn each_line_of_a_batch_needs_its_own_permission() {
    let site = Site::open();
    let send = |permissions: &str| {
        let client = site.client(permissions);
        let request = client.request("POST", "/v1/main/commands").header("content-type", "application/x-ndjson");
        request.body(batch(&["b-1", "b-2", "b-3"])).send()
    };
    send("main publish main.query.> subscribe >").problem(403, "not-permitted");
    let answers = send("main publish main.cmd.orders.order.b-1.* main.cmd.orders.order.b-3.draft-order").lines();
    let mut results: Vec<_> =
        answers.iter().map(|answer| (answer["line"].as_u64(), answer["status"].to_string())).collect();
    results.sort();
    let (accepted, forbidden) = (String::from("\"accepted\""), String::from("403"));
    assert_eq!(results, [(Some(1), accepted.clone()), (Some(2), forbidden), (Some(3), accepted)]);
    // The token determines the actor, also in a batch.
    let other = batch(&["b-4"]).replace("\"payload\"", "\"actor\":\"bob\",\"payload\"");
    let client = site.client("main publish main.cmd.>");
    let request = client.request("POST", "/v1/main/commands").header("content-type", "application/x-ndjson");
    assert_eq!(request.body(other).send().lines()[0]["type"], "urn:polder:problem:not-permitted");
}

/// A new route must be added to the table.
#[test]
fn the_table_has_every_route() {
    let site = Site::open();
    let detail = site.operator().get("/nowhere").problem(404, "unknown-route")["detail"].to_string();
    let (_, routes) = detail.trim_matches('"').split_once("there are: ").unwrap();
    for route in routes.split(", ").filter(|route| !route.ends_with("z") && !IN_PARTS.contains(route)) {
        let (method, pattern) = route.split_once(' ').unwrap();
        let fits = |path: &str| {
            let (path, pattern) = (path.split('?').next().unwrap().split('/'), pattern.split('/'));
            path.clone().count() == pattern.clone().count()
                && path.zip(pattern).all(|(part, wanted)| wanted.starts_with('{') || part == wanted)
        };
        assert!(REQUESTS.iter().any(|(asked, path, ..)| *asked == method && fits(path)), "{route}");
    }
}

/// The domain of an upload is known only after the host has read it.
#[test]
fn an_upload_for_whatever_domain_needs_the_permission_for_that_one() {
    let site = Site::open();
    let upload = |permissions: &str, guest: &str| {
        let component = std::fs::read(polder_tests::guest_file(guest)).unwrap();
        site.client(permissions).request("PUT", "/v1/main/domains").body(component).send()
    };
    for permissions in ["main publish main.admin.rollback.>", "main subscribe >", "other publish >"] {
        upload(permissions, "permits").problem(403, "not-permitted");
    }
    let only = "main publish main.admin.deploy.permits";
    let refused = upload(only, "orders").problem(403, "not-permitted");
    assert_eq!(refused["subject"], "main.admin.deploy.orders");
    upload("main publish > deny main.admin.deploy.permits", "permits").problem(403, "not-permitted");
    assert_eq!(upload(only, "permits").json(200)["status"], "activated");
    let facts = site.operator().get("/v1/system/events?domain=deployments").lines();
    let of_permits = facts.iter().filter(|fact| fact["aggregate_id"] == "main:permits").count();
    assert_eq!(of_permits, 2, "an upload and an activation, and nothing of those refused: {facts:?}");
}

#[test]
fn the_list_of_domains_holds_what_may_be_asked_about() {
    let site = Site::open();
    let names = |permissions: &str| {
        let domains = site.client(permissions).get("/v1/main/domains").json(200);
        domains["domains"].as_array().unwrap().iter().map(|info| info["domain"].to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names("main publish main.query.>"), ["\"orders\""]);
    assert_eq!(names("main publish main.query.permits.catalog"), [""; 0]);
    site.client("main publish main.cmd.>").get("/v1/main/domains").problem(403, "not-permitted");
}

/// A refusal for an unknown name lists the known names, but only for callers who may use them.
#[test]
fn a_refusal_lists_known_names_for_callers_who_may_use_them() {
    const COMMAND: &str = "/v1/main/none/order/o-1/draft-order";
    const OTHER_AGGREGATE: &str = "/v1/main/orders/none/o-1/draft-order";
    const OTHER_COMMAND: &str = "/v1/main/orders/order/o-1/none";
    const DRAFT: &[&str] = &["draft-order"];
    let site = Site::open();
    let both = "publish main.admin.deploy.orders main.cmd.none.order.o-1.draft-order";
    for (method, path, permissions, kind, known) in [
        ("POST", COMMAND, "publish main.cmd.none.>", "unknown-domain", &[][..]),
        ("POST", COMMAND, "publish main.cmd.*.*.*.draft-order", "unknown-domain", &["orders"]),
        ("POST", COMMAND, both, "unknown-domain", &["orders"]),
        ("POST", COMMAND, "publish main.cmd.none.> subscribe main.orders.>", "unknown-domain", &["orders"]),
        ("POST", COMMAND, "publish main.cmd.> deny *.*.orders.>", "unknown-domain", &[]),
        ("GET", "/v1/main/none/order/o-1", "publish main.state.none.>", "unknown-domain", &[]),
        ("GET", "/v1/main/none/order/o-1/events", "subscribe main.none.>", "unknown-domain", &[]),
        ("GET", "/v1/main/none/views/order-summary", "publish main.query.none.>", "unknown-domain", &[]),
        ("GET", "/v1/main/none/views/order-summary/o-1", "publish main.query.none.>", "unknown-domain", &[]),
        ("GET", "/v1/main/none/effects", "publish main.query.none.>", "unknown-domain", &[]),
        ("GET", "/v1/main/domains/none", "publish main.query.none.>", "unknown-domain", &[]),
        ("GET", "/v1/main/domains/none", "publish main.query.>", "unknown-domain", &["orders"]),
        ("GET", "/v1/main/domains/none/revisions", "publish main.query.none.>", "unknown-domain", &[]),
        ("POST", "/v1/main/domains/none/rollback", "publish main.admin.rollback.none", "unknown-domain", &[]),
        ("POST", "/v1/main/domains/none/rollback", "publish main.admin.rollback.*", "unknown-domain", &["orders"]),
        ("POST", OTHER_AGGREGATE, "publish main.cmd.orders.none.>", "unknown-aggregate", &[]),
        ("POST", OTHER_AGGREGATE, "publish main.cmd.orders.>", "unknown-aggregate", &["order"]),
        ("GET", "/v1/main/orders/none/o-1", "publish main.state.orders.none.*", "unknown-aggregate", &[]),
        ("GET", "/v1/main/orders/none/o-1/events", "subscribe main.orders.none.>", "unknown-aggregate", &[]),
        ("POST", OTHER_COMMAND, "publish main.cmd.orders.order.*.none", "unknown-command", &[]),
        (
            "POST",
            OTHER_COMMAND,
            "publish main.cmd.*.*.*.none main.cmd.orders.order.o-2.draft-order",
            "unknown-command",
            DRAFT,
        ),
        ("GET", "/v1/main/orders/views/none", "publish main.query.orders.none", "unknown-projection", &[]),
        (
            "GET",
            "/v1/main/orders/views/none",
            "publish main.query.orders.catalog main.query.orders.none",
            "unknown-projection",
            &["customer-totals", "order-summary"],
        ),
    ] {
        let answer = site.client(&format!("main {permissions}")).request(method, path).send();
        let problem = answer.problem(404, kind);
        assert_eq!(problem["known"], serde_json::json!(known), "{method} {path} with {permissions}");
        let detail = problem["detail"].as_str().unwrap();
        let named = detail.split_once("; it has ").map_or("", |(_, named)| named);
        assert_eq!(named, known.join(", "), "{detail}");
    }
}

/// The refusal is the same whether or not the target exists, except for the subject, which the path itself names.
#[test]
fn a_refusal_reveals_nothing_about_what_exists() {
    let site = Site::open();
    let few = site.client("main publish main.query.none.>");
    let stranger = site.client("other publish > subscribe >");
    let send = |client: &polder_tests::Client, path: &str| {
        let method = if path.ends_with("-order") { "POST" } else { "GET" };
        without_subject(client.request(method, path).send().problem(403, "not-permitted"))
    };
    for (there, others) in [
        (
            "/v1/main/orders/order/o-1/draft-order",
            &["/v1/none/orders/order/o-1/draft-order", "/v1/main/orders/order/o-1/no-order"][..],
        ),
        (
            "/v1/main/orders/order/o-1",
            &["/v1/main/orders/order/o-9", "/v1/main/none/order/o-1", "/v1/none/x/y/z", "/v1/system/a/b/c"],
        ),
        ("/v1/main/orders/order/o-1/events", &["/v1/main/orders/order/o-9/events", "/v1/none/orders/order/o-1/events"]),
        ("/v1/main/events", &["/v1/none/events", "/v1/system/events"]),
        ("/v1/main/orders/views/order-summary", &["/v1/main/orders/views/none", "/v1/none/orders/views/none"]),
        ("/v1/main/domains/orders", &["/v1/main/domains/shop", "/v1/none/domains/orders"]),
        ("/v1/main/orders/effects", &["/v1/main/shop/effects", "/v1/none/orders/effects"]),
    ] {
        for client in [&few, &stranger] {
            let expected = send(client, there);
            for path in others {
                assert_eq!(send(client, path), expected, "{path}");
            }
        }
    }
    // For the caller's own tenant, a caller with permission gets the answer that it does not exist.
    stranger.get("/v1/other/events").problem(404, "unknown-tenant");
}

#[test]
fn a_tenants_token_is_good_for_that_tenant_only() {
    let site = Site::open();
    let main = site.client("main publish > subscribe >");
    for (method, path, body, needed, status) in REQUESTS {
        let answer = main.request(method, path).body(*body).send();
        if needed.contains("$host") {
            answer.problem(403, "not-permitted");
        } else {
            assert_eq!(answer.status, *status, "{method} {path}: {}", answer.text());
        }
    }
    main.get("/v1/system/events").problem(403, "not-permitted");
}

#[test]
fn names_cannot_smuggle_wildcards_or_tokens() {
    let site = Site::open();
    let client = site.client("main publish main.state.orders.order.o-1");
    for path in
        ["/v1/main/orders/order/o-1.x", "/v1/main/orders/order/*", "/v1/main/orders/*/o-1", "/v1/main/orders/order/%3E"]
    {
        client.get(path).problem(400, "bad-name");
    }
}
