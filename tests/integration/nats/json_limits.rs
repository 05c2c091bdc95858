//! JSON beyond a limit is refused over NATS with the limit's name, as over HTTP: in commands, in lines of a batch, in
//! queries and in subscriptions.

use serde_json::{Value, json};

use super::site::{Site, problem};
use crate::http_contract::json_limits::beyond_limits;

#[test]
fn json_beyond_a_limit_is_refused_with_its_name() {
    let site = Site::open_shop();
    for (value, limit) in beyond_limits() {
        let payload = format!("{{\"customer\": {value}}}");
        for (subject, headers) in [
            ("main.cmd.orders.order.o-1.draft-order", &[][..]),
            ("main.query.orders.order-summary", &[("Polder-Result", "reply")]),
            ("main.query.orders.order-summary", &[("Correlation-Id", "mine")]),
            ("main.catchup", &[("Correlation-Id", "mine")]),
        ] {
            let refused = problem(&site.request(subject, headers, &payload), 422, "json-limit");
            assert_eq!(refused["limit_name"], limit, "{subject} {headers:?}: {refused}");
        }
        let line = format!("{{\"address\":\"orders/order/o-1/draft-order\",\"payload\":{payload}}}\n");
        let answer = site.request("main.cmds", &[], &line);
        let answer: Value = serde_json::from_slice(&answer.payload).unwrap();
        let found = (&answer["line"], &answer["type"], &answer["limit_name"]);
        assert_eq!(found, (&json!(1), &json!("urn:polder:problem:json-limit"), &json!(limit)), "{answer}");
    }
    assert_eq!(site.host().client().position(), 0);
    assert_eq!(site.order("o-1", "draft-order", r#"{"customer": "ann"}"#)["sequence"], 1);
}
