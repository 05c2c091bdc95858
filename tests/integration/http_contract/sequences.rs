//! Optimistic concurrency: a command may require a sequence of its aggregate.

use serde_json::json;

use super::shop::Shop;

#[test]
fn a_command_for_another_sequence_is_refused_with_both() {
    let shop = Shop::open();
    shop.draft("o-1", "c-1", 5);
    let line = json!({ "sku": "JAM", "quantity": 1, "price": 1 });
    for wrong in ["\"0\"", "\"1\"", "3", "\"18446744073709551615\""] {
        let problem = shop.command("o-1", "add-line", &line).header("if-match", wrong).send();
        let problem = problem.problem(409, "sequence-conflict");
        assert_eq!(problem["actual"], 2, "{problem}");
        assert_eq!(problem["expected"].to_string(), wrong.trim_matches('"'), "{problem}");
        assert_eq!(shop.client.position(), 2);
    }
    let state = shop.client.get("/v1/main/orders/order/o-1");
    let tag = state.header("etag").expect("a tag");
    assert_eq!(tag, "\"2\"");
    let ack = shop.command("o-1", "add-line", &line).header("if-match", tag).send().json(200);
    assert_eq!(ack["sequence"], 3);
}

#[test]
fn sequence_0_asks_for_a_new_aggregate() {
    let shop = Shop::open();
    let draft =
        |id: &str| shop.command(id, "draft-order", &json!({ "customer": "c-1" })).header("if-match", "\"0\"").send();
    draft("o-1").json(200);
    assert_eq!(draft("o-1").problem(409, "sequence-conflict")["actual"], 1);
    draft("o-2").json(200);
}

#[test]
fn a_repeat_is_known_before_its_sequence_is_looked_at() {
    let shop = Shop::open();
    let draft = || {
        let command = shop.command("o-1", "draft-order", &json!({ "customer": "c-1" }));
        command.header("if-match", "0").header("idempotency-key", "k-1").send().json(200)
    };
    draft();
    shop.send("o-1", "add-line", &json!({ "sku": "TEA", "quantity": 1, "price": 5 })).json(200);
    // A client that missed the first answer repeats the command, and must not get a conflict with itself.
    assert_eq!((&draft()["repeated"], shop.client.position()), (&json!(true), 2));
}
