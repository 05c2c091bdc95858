//! The limits of a tenant: each refuses with its name, applies to that tenant alone, and can be changed while the
//! tenant works.

use polder_tests::guest_file;
use serde_json::json;

use super::{Town, assert_detail_contains};

#[test]
fn a_limit_can_be_set_looked_at_and_taken_back() {
    let mut town = Town::with(&["acme"]);
    let answer = town.limit("acme", "command_bytes_max", Some(40)).json(200);
    assert_eq!(answer["changed"], true);
    for reopened in [false, true] {
        if reopened {
            town.reopen();
        }
        let tenant = town.client.get("/v1/tenants/acme").json(200);
        let limits = tenant["limits"].as_array().unwrap();
        let own: Vec<_> = limits.iter().filter(|limit| limit["is_own"] == true).collect();
        assert_eq!(own.len(), 1, "{own:?}");
        assert_eq!((&own[0]["name"], &own[0]["value"]), (&json!("command_bytes_max"), &json!(40)));
        assert_eq!(limits.len(), 17);
        let problem = town.draft("acme", "o-1", &"x".repeat(60)).problem(413, "too-large");
        assert_detail_contains(&problem, "limit command_bytes_max");
        assert_eq!(problem["limit"], 40);
    }
    assert_eq!(town.limit("acme", "command_bytes_max", Some(40)).json(200)["changed"], false);
    town.limit("acme", "command_bytes_max", None).json(200);
    town.draft("acme", "o-1", &"x".repeat(60)).json(200);
}

#[test]
fn what_cannot_be_set_says_what_can() {
    let town = Town::with(&["acme"]);
    let unknown = town.limit("acme", "fuel", Some(1)).problem(422, "bad-limit");
    assert_detail_contains(&unknown, "there is no limit \"fuel\"");
    assert!(unknown["known"].as_array().unwrap().contains(&json!("fuel_per_call_max")));
    assert_detail_contains(
        &town.limit("acme", "call_wall_ms_max", Some(0)).problem(422, "bad-limit"),
        "goes from 10 to 60000",
    );
    let patch = |body: &str| town.client.request("PATCH", "/v1/tenants/acme/limits").body(body.to_owned()).send();
    assert_detail_contains(&patch("").problem(400, "not-json"), "is not JSON");
    for body in ["{}", "[]", "{\"warm_states_max\":-1}", "{\"warm_states_max\":\"7\"}", "{\"warm_states_max\":1.5}"] {
        assert_detail_contains(&patch(body).problem(400, "bad-body"), "would be right");
    }
    town.limit("brook", "warm_states_max", Some(7)).problem(404, "unknown-tenant");
    assert_eq!(town.facts("acme").len(), 1, "nothing was changed");
}

/// Other tenants may share the running instance: only the tenant with the new limit is restricted, from its next
/// command on.
#[test]
fn a_new_limit_holds_for_a_domain_that_runs_already() {
    let town = Town::with(&["acme", "brook"]);
    for tenant in ["acme", "brook"] {
        town.draft(tenant, "o-1", "c").json(200);
    }
    town.limit("acme", "fuel_per_call_max", Some(1_000)).json(200);
    let problem = town.line("acme", "o-1").problem(500, "guest-fault");
    assert_detail_contains(&problem, "fuel_per_call_max");
    town.line("brook", "o-1").json(200);
    town.limit("acme", "fuel_per_call_max", None).json(200);
    assert_eq!(town.line("acme", "o-1").json(200)["sequence"], 2);
}

#[test]
fn too_many_a_second_are_refused_with_the_time_to_wait() {
    let town = Town::with(&["acme", "brook"]);
    town.limit("acme", "commands_per_second_max", Some(1)).json(200);
    town.draft("acme", "o-1", "c").json(200);
    let answer = town.line("acme", "o-1");
    assert_eq!(answer.header("retry-after"), Some("1"));
    let problem = answer.problem(429, "busy");
    assert_detail_contains(&problem, "commands_per_second_max, 1");
    let wait_ms = problem["retry_after_ms"].as_u64().unwrap();
    assert!((1..=1_000).contains(&wait_ms), "{problem}");
    town.draft("brook", "o-1", "c").json(200);
    // Exactly the time in the answer.
    std::thread::sleep(std::time::Duration::from_millis(wait_ms));
    town.line("acme", "o-1").json(200);
}

#[test]
fn a_full_tenant_is_read_and_takes_no_commands() {
    let mut town = Town::with(&["acme", "brook"]);
    // Views count too, and grow by pages of 4 KiB.
    let usage = town.client.get("/v1/tenants/acme").json(200);
    let used = ["record_bytes", "view_bytes"].map(|name| usage[name].as_u64().unwrap());
    let bytes_max = used[0] + used[1] + 64 * 1_024;
    town.limit("acme", "storage_bytes_max", Some(bytes_max)).json(200);
    let refused = (0..1_000).find(|number| town.draft("acme", &format!("o-{number}"), "c").status != 200);
    let accepted = refused.expect("64 KiB are full at some time");
    assert!((20..500).contains(&accepted), "{accepted} commands were accepted");
    for reopened in [false, true] {
        if reopened {
            town.reopen();
        }
        let problem = town.draft("acme", "o-x", "c").problem(507, "storage-full");
        assert_detail_contains(&problem, &format!("storage_bytes_max is {bytes_max}"));
        assert!(problem["actual"].as_u64() >= Some(bytes_max), "{problem}");
        assert_eq!(town.client.get("/v1/acme/events").lines().len(), accepted as usize);
        let usage = town.client.get("/v1/tenants/acme").json(200);
        let used = ["record_bytes", "view_bytes"].map(|name| usage[name].as_u64().unwrap());
        assert_eq!(problem["actual"], used[0] + used[1]);
    }
    town.draft("brook", "o-1", "c").json(200);
    town.limit("acme", "storage_bytes_max", None).json(200);
    town.draft("acme", "o-x", "c").json(200);
}

#[test]
fn a_tenant_with_all_its_domains_is_refused_a_further_one_before_it_is_compiled() {
    let town = Town::with(&["acme", "brook"]);
    let permits = std::fs::read(guest_file("permits")).unwrap();
    let deploy = |tenant: &str, domain: &str, component: Vec<u8>| {
        town.client.put(&format!("/v1/{tenant}/domains/{domain}"), component)
    };
    town.limit("acme", "domains_max", Some(1)).json(200);
    let problem = deploy("acme", "permits", permits.clone()).problem(422, "over-limit");
    assert_eq!(
        (&problem["limit_name"], &problem["limit"], &problem["actual"]),
        (&json!("domains_max"), &json!(1), &json!(1))
    );
    assert_detail_contains(&problem, "limit domains_max");
    // What is not WebAssembly is refused when it is compiled.
    deploy("acme", "permits", b"none".to_vec()).problem(422, "over-limit");
    town.client.get("/v1/acme/domains/permits").problem(404, "unknown-domain");
    // The limit concerns no domain that the tenant has, and no other tenant.
    town.deploy("acme");
    deploy("brook", "permits", permits.clone()).json(200);
    town.limit("acme", "domains_max", None).json(200);
    deploy("acme", "permits", permits).json(200);
}

#[test]
fn a_tenant_whose_code_is_at_its_limit_keeps_it_and_gets_no_further_code() {
    let mut town = Town::with(&["acme", "brook"]);
    let deploy = |town: &Town, tenant: &str, guest: &str| {
        let component = std::fs::read(guest_file(guest)).unwrap();
        town.client.put(&format!("/v1/{tenant}/domains/{guest}"), component)
    };
    town.limit("acme", "code_bytes_max", Some(1_024)).json(200);
    let problem = deploy(&town, "acme", "permits").problem(422, "over-limit");
    assert_eq!((&problem["limit_name"], &problem["limit"]), (&json!("code_bytes_max"), &json!(1_024)));
    assert_detail_contains(&problem, "limit code_bytes_max");
    town.client.get("/v1/acme/domains/permits").problem(404, "unknown-domain");
    deploy(&town, "brook", "permits").json(200);

    // The code of two domains fits exactly, and that of a third one does not fit beside it.
    town.limit("acme", "code_bytes_max", problem["actual"].as_u64()).json(200);
    deploy(&town, "acme", "permits").json(200);
    let refused = deploy(&town, "acme", "lamps").problem(422, "over-limit");
    assert!(refused["actual"].as_u64() > problem["actual"].as_u64(), "{refused}");

    // Domains that are active stay so at a start, even if their code has become too much.
    town.limit("acme", "code_bytes_max", Some(1_024)).json(200);
    town.reopen();
    town.draft("acme", "o-1", "c").json(200);
    assert_eq!(deploy(&town, "acme", "permits").json(200)["status"], "already-active");
    town.limit("acme", "code_bytes_max", None).json(200);
    deploy(&town, "acme", "lamps").json(200);
}
