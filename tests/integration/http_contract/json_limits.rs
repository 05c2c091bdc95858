//! JSON beyond a limit is not called "not JSON": the refusal names the limit, over HTTP and for every other source of
//! JSON, and nothing counts against the revision.

use polder_core::{JSON_DEPTH_MAX, RESERVED_NAMES};
use serde_json::{Value, json};

use super::shop::Shop;

fn nested(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

/// Values that are JSON, each with the name of the limit that an object with this value as a member is beyond.
pub(crate) fn beyond_limits() -> Vec<(String, &'static str)> {
    let numbers = ["1e400", "-1e400", "1.8e308", &"9".repeat(400)].map(str::to_owned);
    let deep = [JSON_DEPTH_MAX + 1, 110, 127, 128, 130, 100_000].map(|depth| nested(depth - 1));
    let numbers = numbers.into_iter().map(|number| (number, "json_number_max"));
    numbers.chain(deep.into_iter().map(|value| (value, "json_depth_max"))).collect()
}

#[test]
fn json_beyond_a_limit_is_refused_with_its_name() {
    let shop = Shop::open();
    shop.send("o-1", "draft-order", &json!({ "customer": "c-1" })).json(200);
    let proof = std::fs::read_to_string(shop.data("first-key-proof")).unwrap();
    for (value, limit) in beyond_limits() {
        for (method, path, bytes_max) in [
            ("POST", "/v1/main/orders/order/o-1/add-line", usize::MAX),
            ("PUT", "/v1/main/bridge", usize::MAX),
            ("PATCH", "/v1/tenants/main/limits", 60_000),
            ("POST", "/v1/keys", 1_000),
        ] {
            let body = format!("{{\"quantity\": {value}}}");
            if body.len() > bytes_max {
                continue;
            }
            let request = shop.client.request(method, path).header("first-key-proof", proof.trim());
            let problem = request.body(body).send().problem(422, "json-limit");
            assert_eq!(problem["limit_name"], limit, "{method} {path}: {problem}");
        }
    }
    // The domain judges values at the limits, and its refusal is not a fault.
    for value in [nested(JSON_DEPTH_MAX - 1), "1.7976931348623157e308".to_owned(), "1e-400".to_owned()] {
        let answer = shop.client.post("/v1/main/orders/order/o-1/add-line", format!("{{\"quantity\": {value}}}"));
        assert_eq!(answer.json(422)["reason"]["code"], "invalid-payload", "{}", answer.text());
    }
    let revisions = shop.client.get("/v1/main/domains/orders/revisions").json(200);
    assert_eq!(revisions["revisions"][0]["status"], "active");
    let metrics = shop.client.get("/metrics");
    let faults = metrics.text().lines().filter(|line| line.starts_with("polder_guest_faults"));
    assert!(faults.clone().all(|line| line.ends_with(" 0")), "{:?}", faults.collect::<Vec<_>>());
    assert_eq!(shop.client.position(), 1);
}

/// The refusal of one line is as that of the command alone, and the other lines of the batch go on.
#[test]
fn a_line_of_a_batch_beyond_a_limit_is_refused_with_its_name() {
    let shop = Shop::open();
    let draft = |order: usize, payload: &str| {
        format!("{{\"address\":\"orders/order/o-{order}/draft-order\",\"payload\":{payload}}}\n")
    };
    let values = beyond_limits();
    let lines: Vec<String> = values.iter().map(|(value, _)| draft(0, &format!("{{\"customer\":{value}}}"))).collect();
    let body = lines.concat() + &draft(1, "{\"customer\":\"c-1\"}");
    let request = shop.client.request("POST", "/v1/main/commands").header("content-type", "application/x-ndjson");
    let mut answers = request.body(body).send().lines();
    answers.sort_by_key(|answer| answer["line"].as_u64());
    let last = answers.pop().expect("an answer to the good line");
    assert_eq!((answers.len(), &last["status"]), (values.len(), &json!("accepted")), "{last}");
    for (answer, (_, limit)) in answers.iter().zip(values) {
        let found = (&answer["type"], &answer["status"], &answer["limit_name"]);
        assert_eq!(found, (&json!("urn:polder:problem:json-limit"), &json!(422), &json!(limit)), "{answer}");
    }
    assert_eq!(shop.client.position(), 1);
}

/// These words are refused in a description, so no path hides another.
#[test]
fn no_command_has_the_name_of_a_path() {
    let shop = Shop::open();
    let described: Value = shop.client.get("/v1/main/domains/orders").json(200)["descriptor"].clone();
    for word in RESERVED_NAMES {
        let mut descriptor = described.clone();
        descriptor["aggregates"]["order"]["commands"][word] = json!({ "schema": {} });
        let refused = polder_core::Descriptor::parse(&descriptor.to_string()).unwrap_err().to_string();
        assert!(refused.contains(&format!("a command may not be named {word:?}")), "{refused}");
    }
}
