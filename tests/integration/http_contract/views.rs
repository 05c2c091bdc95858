//! Documents, and the effects of projections.

use serde_json::{Value, json};

use super::shop::Shop;

#[test]
fn ones_own_writes_are_read() {
    let shop = Shop::open();
    for number in 1..=20 {
        let ack = shop.draft(&format!("o-{number}"), "c-1", number);
        let path = format!("/v1/main/orders/views/order-summary/o-{number}?after={}&timeout_ms=30000", ack["position"]);
        let document = shop.client.get(&path).json(200);
        assert_eq!(document["key"], format!("o-{number}"));
        assert_eq!((&document["document"]["total"], &document["document"]["lines"]), (&json!(2 * number), &json!(1)));
    }
    let late = shop.client.get("/v1/main/orders/views/order-summary/o-1?after=41&timeout_ms=0");
    let problem = late.problem(503, "view-behind");
    assert_eq!((&problem["asked"], &problem["reached"]), (&json!(41), &json!(40)));
    assert_eq!(late.header("retry-after"), Some("1"));
}

#[test]
fn documents_are_chosen_sorted_and_paged() {
    let shop = Shop::open();
    for (id, customer, price) in [("o-1", "c-1", 5), ("o-2", "c-2", 9), ("o-3", "c-1", 7), ("o-4", "c-2", 20)] {
        shop.draft(id, customer, price);
    }
    let last = shop.fulfil("o-5", "c-1", 1)["position"].as_u64().unwrap();
    let keys = |query: &str| -> Vec<String> {
        let path = format!("/v1/main/orders/views/order-summary?after={last}&timeout_ms=30000{query}");
        let page = shop.client.get(&path).json(200);
        assert_eq!(page["position"], last);
        let documents = page["documents"].as_array().expect("documents").iter();
        documents.map(|document| document["key"].as_str().unwrap().to_owned()).collect()
    };
    for (query, wanted) in [
        ("", &["o-1", "o-2", "o-3", "o-4", "o-5"][..]),
        ("&where=customer:c-1", &["o-1", "o-3", "o-5"]),
        ("&where=customer:c-1&where=status:draft", &["o-1", "o-3"]),
        ("&where=status:cancelled", &[]),
        ("&where=total:18", &["o-2"]),
        ("&order=-total", &["o-4", "o-2", "o-3", "o-1", "o-5"]),
        ("&order=total&limit=2", &["o-5", "o-1"]),
        ("&order=total&limit=2&offset=2", &["o-3", "o-2"]),
        ("&offset=9", &[]),
    ] {
        assert_eq!(keys(query), wanted, "{query}");
    }
    // Each view advances by itself.
    let path = format!("/v1/main/orders/views/customer-totals/c-1?after={last}&timeout_ms=30000");
    let totals = shop.client.get(&path).json(200);
    assert_eq!(totals["document"]["fulfilled"], json!({ "orders": 1, "total": 2 }));
}

#[test]
fn an_effect_is_asked_for_once() {
    let mut shop = Shop::open();
    shop.fulfil("o-1", "c-1", 5);
    let last = shop.fulfil("o-2", "c-2", 7)["position"].as_u64().unwrap();
    for is_reopened in [false, true] {
        if is_reopened {
            shop.reopen();
        }
        // Effects are listed up to the position that every projection of the domain has reached.
        for view in ["order-summary", "customer-totals"] {
            shop.client.get(&format!("/v1/main/orders/views/{view}?after={last}&timeout_ms=30000")).json(200);
        }
        let page = |query: &str| shop.client.get(&format!("/v1/main/orders/effects{query}")).json(200);
        let all = page("");
        let keys: Vec<&Value> = all["effects"].as_array().unwrap().iter().map(|effect| &effect["key"]).collect();
        assert_eq!(keys, ["fulfilled:o-1", "fulfilled:o-2"], "reopened: {is_reopened}");
        let first = &all["effects"][0];
        let members = ["kind", "target", "projection"].map(|name| first[name].as_str().unwrap());
        assert_eq!(members, ["notify", "c-1", "order-summary"]);
        assert_eq!(first["payload"], json!({ "order": "o-1", "total": 10 }));
        let one = page("?limit=1");
        assert_eq!((&one["next"], &one["has_more"], &first["position"]), (&json!("5.1"), &json!(true), &json!(5)));
        let second = page("?after=5.1");
        assert_eq!(second["effects"][0]["key"], "fulfilled:o-2");
        assert_eq!(
            (&second["next"], &second["position"], &second["has_more"]),
            (&json!("10"), &json!(10), &json!(false))
        );
        for beyond in ["10", "9223372036854775808", "18446744073709551615"] {
            assert_eq!(page(&format!("?after={beyond}"))["effects"], json!([]), "{beyond}");
        }
    }
}

/// A page ends after a number of documents, and contains the start of the next page and the total.
#[test]
fn a_page_says_what_it_leaves_out() {
    let shop = Shop::open();
    let mut last = 0;
    for number in 1..=5 {
        last = shop.draft(&format!("o-{number}"), "c-1", number)["position"].as_u64().unwrap();
    }
    let page = |query: &str| {
        let path = format!("/v1/main/orders/views/order-summary?after={last}&timeout_ms=30000{query}");
        shop.client.get(&path).json(200)
    };
    let first = page("&limit=2&count=true");
    assert_eq!((&first["next_offset"], &first["total"]), (&json!(2), &json!(5)));
    let rest = page("&limit=3&offset=2");
    assert_eq!((&rest["next_offset"], &rest["total"]), (&json!(null), &json!(null)));
    let one = shop.client.get(&format!("/v1/main/orders/views/order-summary/o-1?after={last}&timeout_ms=30000"));
    assert_eq!(one.json(200)["position"], json!(last));
    let none = shop.client.get("/v1/main/orders/views/order-summary/o-9");
    assert_eq!(none.problem(404, "no-such-document")["position"], json!(last));
}

/// As after the deletion of all derived data: the places of effects are the same.
#[test]
fn effects_keep_their_places_when_the_views_are_built_anew() {
    let mut shop = Shop::open();
    for number in 1..=9 {
        shop.fulfil(&format!("o-{number}"), "c-1", number);
    }
    let last = shop.client.position();
    let effects = |shop: &Shop| {
        shop.client.get(&format!("/v1/main/orders/views/order-summary?after={last}&timeout_ms=30000")).json(200);
        shop.client.get(&format!("/v1/main/orders/views/customer-totals?after={last}&timeout_ms=30000")).json(200);
        shop.client.get("/v1/main/orders/effects?after=20").json(200)
    };
    let before = effects(&shop);
    assert_eq!(before["effects"].as_array().unwrap().len(), 5);
    shop.reopen_without("views");
    assert_eq!(effects(&shop), before);
}
