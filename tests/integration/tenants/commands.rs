//! `polder tenant`.

use serde_json::json;

use super::Town;

#[test]
fn a_tenants_life_on_the_command_line() {
    let town = Town::with(&[]);
    let polder = |arguments: &[&str]| town.host().polder(&[&["tenant"], arguments].concat());
    assert_eq!(polder(&["list"]).good(), "main  no domains, at position 0");
    assert_eq!(polder(&["add", "acme", "--actor", "ann"]).good(), "acme is here now");
    assert_eq!(polder(&["add", "acme"]).good(), "acme was here before");
    town.deploy("acme");
    assert_eq!(polder(&["list"]).good(), "acme  orders, at position 0\nmain  no domains, at position 0");

    let shown = polder(&["show", "acme"]);
    for wanted in ["by ann", "domain orders, revision", "position 0", "0 commands in flight", "warm_states_max "] {
        assert!(shown.good().contains(wanted), "no {wanted:?}: {shown}");
    }
    let limited = polder(&["limits", "acme", "--set", "warm_states_max=7", "--set", "event_bytes_max=default"]);
    assert!(limited.good().contains("7  default 40000; aggregates"), "{limited}");
    assert_eq!(polder(&["limits", "acme"]).good(), limited.good());
    let json = polder(&["limits", "acme", "--json"]).json();
    assert_eq!((&json["tenant"], json["limits"].as_array().map(Vec::len)), (&json!("acme"), Some(17)));

    assert_eq!(polder(&["suspend", "acme"]).good(), "acme is suspended: its commands are refused, reads go on");
    let send = ["send", "orders/order/o-1", "draft-order", r#"{"customer":"c"}"#, "--tenant", "acme"];
    assert!(town.host().polder(&send).refused().contains("tenant \"acme\" is suspended"));
    assert!(polder(&["show", "acme"]).good().contains("  suspended "));
    assert_eq!(polder(&["resume", "acme"]).good(), "acme takes commands again");
    town.host().polder(&send).good();
    assert_eq!(polder(&["resume", "acme"]).good(), "acme was not suspended");
}

#[test]
fn what_cannot_be_done_is_refused_with_the_reason() {
    let town = Town::with(&["acme"]);
    let polder = |arguments: &[&str]| town.host().polder(&[&["tenant"], arguments].concat());
    for (arguments, wanted) in [
        (&["show", "brook"][..], "error: there is no tenant \"brook\" here"),
        (&["suspend", "brook"], "error: there is no tenant \"brook\" here"),
        (&["add", "system"], "error: \"system\" is reserved: give the tenant another name"),
        (&["limits", "acme", "--set", "fuel=5"], "error: there is no limit \"fuel\"; there are fuel_per_call_max, "),
        (&["limits", "acme", "--set", "warm_states_max=0"], "error: warm_states_max cannot be 0: it goes from 1 to "),
    ] {
        assert!(polder(arguments).refused().starts_with(wanted), "{}", polder(arguments));
    }
    assert!(polder(&["limits", "acme", "--set", "warm_states_max=x"]).misused().contains("is no whole number"));
    assert!(polder(&["add", "Acme"]).misused().contains("a name has 1 to 63 characters"));
}
