//! `polder send`.

use polder_tests::{polder, polder_with_input};

use super::Desk;

const TEA: &str = r#"{"sku":"TEA","quantity":2,"price":5}"#;

#[test]
fn an_acknowledgement_is_one_line() {
    let desk = Desk::open();
    let output = desk.send("o-1", "draft-order", r#"{"customer":"c-1"}"#);
    assert_eq!(output, "accepted: o-1 is at sequence 1, position 1");
    let keyed = ["send", "orders/order/o-1", "add-line", TEA, "--id", "k-1"];
    assert_eq!(desk.host.polder(&keyed).good(), "accepted: o-1 is at sequence 2, position 2");
    assert_eq!(desk.host.polder(&keyed).good(), "accepted, as before: o-1 is at sequence 2, position 2");

    let json =
        desk.host.polder(&["--json", "send", "orders/order/o-1", "submit-order", "--correlation", "visit-7"]).json();
    assert_eq!((&json["status"], &json["correlation_id"]), (&"accepted".into(), &"visit-7".into()));
}

#[test]
fn a_payload_comes_from_a_file_or_from_stdin() {
    let desk = Desk::open();
    desk.send("o-1", "draft-order", r#"{"customer":"c-1"}"#);
    let file = desk.folder.path().join("tea.json");
    std::fs::write(&file, TEA).unwrap();
    assert!(desk.send("o-1", "add-line", &format!("@{}", file.display())).contains("sequence 2"));
    let jam = TEA.replace("TEA", "JAM");
    let arguments = ["send", "orders/order/o-1", "add-line", "-", "--host", desk.host.address()];
    assert!(polder_with_input(&arguments, jam.as_bytes()).good().contains("sequence 3"));
    let missing = desk.host.polder(&["send", "orders/order/o-1", "add-line", "@none.json"]);
    assert_eq!(
        missing.refused(),
        "error: cannot read the payload from none.json: No such file or directory (os error 2)"
    );
}

#[test]
fn a_rejection_is_shown_as_text() {
    let desk = Desk::open();
    desk.send("o-1", "draft-order", r#"{"customer":"c-1"}"#);
    let fulfil = ["send", "orders/order/o-1", "fulfil-order", "--id", "k-1"];
    let why = "fulfil-order is not possible while the order is draft; \
        possible now: add-line, remove-line, submit-order, cancel-order (not-allowed-in-state)";
    assert_eq!(desk.host.polder(&fulfil).refused(), format!("rejected: {why}"));
    assert_eq!(desk.host.polder(&fulfil).refused(), format!("rejected, as before: {why}"));

    let ran = desk.host.polder(&[&fulfil[..], &["--json"]].concat());
    assert_eq!((ran.code, ran.stderr.as_str()), (3, ""), "{ran}");
    let ack: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&ack["status"], &ack["reason"]["code"]), (&"rejected".into(), &"not-allowed-in-state".into()));
}

#[test]
fn a_refusal_says_what_would_be_right() {
    let desk = Desk::open();
    desk.send("o-1", "draft-order", r#"{"customer":"c-1"}"#);
    let commands = "add-line, cancel-order, draft-order, fulfil-order, remove-line, submit-order, validate-order";
    for (arguments, wanted) in [
        (
            &["orders/order/o-1", "no-such"][..],
            format!("aggregate \"order\" has no command \"no-such\"; it has {commands}"),
        ),
        (&["orders/orde/o-1", "add-line"], "domain \"orders\" has no aggregate \"orde\"; it has order".to_owned()),
        (&["order/order/o-1", "add-line"], "tenant \"main\" has no domain \"order\"; it has orders".to_owned()),
        (&["orders/order/o-1", "add-line", "--tenant", "other"], "there is no tenant \"other\" here".to_owned()),
        (&["orders/order/o-1", "add-line", "{"], "the payload is not JSON: EOF while parsing".to_owned()),
        (
            &["orders/order/o-1", "submit-order", "--if-sequence", "9"],
            "the aggregate is at sequence 1, the command expected 9 (read its state again and decide anew)".to_owned(),
        ),
    ] {
        let ran = desk.host.polder(&[&["send"], arguments].concat());
        assert!(ran.refused().starts_with(&format!("error: {wanted}")), "{ran}");
    }
    let ran = desk.host.polder(&["send", "orders/order/o-1", "no-such", "--json"]);
    let document: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((ran.code, &document["type"]), (3, &"urn:polder:problem:unknown-command".into()), "{ran}");
}

#[test]
fn wrong_use_says_how_it_is_used() {
    for (arguments, wanted) in [
        (
            &["send", "orders/order", "add-line"][..],
            "an aggregate is named DOMAIN/AGGREGATE/ID, as in orders/order/o-1",
        ),
        (&["send", "orders/order/o.1", "add-line"], "an id has 1 to 128 characters"),
        (&["send", "orders/order/o-1", "Add_Line"], "a name has 1 to 63 characters"),
        (&["send", "orders/order/o-1", "add-line", "{}", "--id", "two words"], "visible ASCII characters"),
        (&["send", "orders/order/o-1"], "<COMMAND>"),
        (&["send", "orders/order/o-1", "add-line", "--host", "localhost:7117"], "http://127.0.0.1:7117 would be right"),
        (&["send", "orders/order/o-1", "add-line", "--host", "https://127.0.0.1:7117"], "this program speaks no TLS"),
        (&["view", "orders"], "a view is named DOMAIN/PROJECTION"),
        (&["serve"], "--data <DIR>"),
        (&["serve", "--data", "d", "--listen", "7117"], "invalid socket address"),
        (&["token", "issue", "--actor", "ann", "--data", "d"], "<--tenant <TENANT>|--operator>"),
        (&["token", "issue", "--tenant", "acme", "--actor", "ann"], "--data <DIR>"),
        (&["token", "issue", "--tenant", "acme", "--actor", "ann", "--data", "d", "--expires", "1w"], "30d, 12h"),
        (
            &["token", "issue", "--tenant", "acme", "--actor", "ann", "--data", "d", "--deny", "a..b"],
            "acme.cmd.orders.>",
        ),
        (&["token", "key", "revoke", "main"], "is no id of a key"),
        (&["events", "orders/order/o-1", "--follow"], "cannot be used with"),
        (&["state", "orders/order/o-1", "--at", "1", "--sequence", "1"], "cannot be used with"),
        (&["parked", "retry"], "<POSITION|--domain <DOMAIN>|--projection <PROJECTION>|--key <KEY>|--all>"),
        (&["parked", "discard"], "<POSITION|--domain <DOMAIN>|--projection <PROJECTION>|--key <KEY>|--all>"),
        (&["parked", "retry", "3", "--all"], "cannot be used with"),
        (&["no-such"], "unrecognized subcommand"),
    ] {
        let ran = polder(arguments);
        assert!(ran.misused().contains(wanted), "{ran}");
    }
}
