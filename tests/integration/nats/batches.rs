//! Several commands in one message: one line for each, answered with one line for each.

use serde_json::{Value, json};

use super::site::{Site, problem};

fn lines(answer: &async_nats::Message) -> Vec<Value> {
    let text = str::from_utf8(&answer.payload).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

fn draft(order: usize) -> String {
    let address = format!("orders/order/o-{order}/draft-order");
    json!({ "address": address, "command_id": format!("c-{order}"), "payload": { "customer": "ann" } }).to_string()
        + "\n"
}

#[test]
fn each_line_is_answered_in_its_order() {
    let site = Site::open_shop();
    let body = [draft(1), "{}\n".to_owned(), draft(1), "\n".to_owned(), draft(2).replace("draft", "drop")].concat();
    let answers = lines(&site.request("main.cmds", &[], &body));
    let numbers: Vec<_> = answers.iter().map(|answer| answer["line"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [1, 2, 3, 5], "{answers:?}");
    assert_eq!((&answers[0]["status"], &answers[0]["position"]), (&json!("accepted"), &json!(1)));
    assert_eq!(answers[1]["type"], "urn:polder:problem:bad-line");
    assert_eq!((&answers[2]["status"], &answers[2]["repeated"]), (&json!("accepted"), &json!(true)));
    assert_eq!(answers[3]["type"], "urn:polder:problem:unknown-command");
    let many: String = (10..1_034).map(draft).collect();
    let answers = lines(&site.request("main.cmds", &[], &many));
    assert_eq!(answers.iter().filter(|answer| answer["status"] == "accepted").count(), 1_024);
    assert_eq!(site.host().client().position(), 1_025);
    site.assert_stream_is_history();
}

#[test]
fn a_message_of_too_many_lines_is_refused_whole() {
    let site = Site::open_shop();
    let many: String = (0..1_025).map(draft).collect();
    let refused = problem(&site.request("main.cmds", &[], &many), 413, "too-large");
    assert_eq!((&refused["limit"], &refused["actual"]), (&json!(1_024), &json!(1_025)));
    assert_eq!(refused["limit_name"], "lines_max");
    assert_eq!(site.host().client().position(), 0);
}
