//! Lists come in pages, and a path without parameters accepts none.

use std::collections::BTreeSet;

use serde_json::Value;

use super::shop::Shop;
use crate::route_table::{filled, routes};

/// All pages of a list, each of two items.
fn pages(shop: &Shop, path: &str, member: &str) -> Vec<Vec<Value>> {
    let (mut pages, mut after) = (Vec::new(), String::new());
    loop {
        let page = shop.client.get(&format!("{path}?limit=2{after}")).json(200);
        pages.push(page[member].as_array().expect("a list").clone());
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return pages,
        }
    }
}

#[test]
fn every_list_comes_in_pages() {
    let shop = Shop::open();
    for tenant in ["e", "b", "d", "a"] {
        shop.client.put(&format!("/v1/tenants/{tenant}"), "").json(201);
    }
    shop.client.deploy("permits");
    shop.client.deploy("saboteur");
    let names = |path: &str, member: &str, name: &str| {
        let pages = pages(&shop, path, member);
        pages.iter().map(|page| page.iter().map(|item| item[name].to_string()).collect()).collect::<Vec<Vec<_>>>()
    };
    let quoted = |names: &[&[&str]]| -> Vec<Vec<String>> {
        names.iter().map(|page| page.iter().map(|name| format!("{name:?}")).collect()).collect()
    };
    assert_eq!(names("/v1/tenants", "tenants", "tenant"), quoted(&[&["a", "b"], &["d", "e"], &["main"]]));
    assert_eq!(names("/v1/main/domains", "domains", "domain"), quoted(&[&["orders", "permits"], &["saboteur"]]));
    assert_eq!(names("/v1/keys", "keys", "id"), [[""; 0]]);
    for _ in 0..2 {
        shop.client.deploy("orders");
    }
    let revisions = shop.client.get("/v1/main/domains/orders/revisions").json(200)["revisions"].clone();
    let whole = pages(&shop, "/v1/main/domains/orders/revisions", "revisions").concat();
    assert_eq!(&whole, revisions.as_array().unwrap());
    for path in ["/v1/tenants", "/v1/main/domains", "/v1/keys", "/v1/main/domains/orders/revisions"] {
        for parameters in ["limit=0", "limit=1001", "limit=x"] {
            shop.client.get(&format!("{path}?{parameters}")).problem(400, "bad-query");
        }
    }
}

#[test]
fn a_parameter_that_a_path_does_not_know_is_refused_everywhere() {
    let shop = Shop::open();
    let mut walked = BTreeSet::new();
    for (method, path) in routes(&shop.client) {
        let problem = shop.client.request(&method, &format!("{}?unheard_of=1", filled(&path))).send();
        assert_eq!(problem.problem(400, "bad-query")["parameter"], "unheard_of", "{method} {path}");
        walked.insert(path);
    }
    assert!(walked.len() > 20, "{walked:?}");
    assert_eq!(shop.client.position(), 0);
}
