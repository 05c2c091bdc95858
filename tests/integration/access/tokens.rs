//! Without a valid token only the probes answer, and a refusal reveals nothing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use polder_access::{CLOCK_SKEW_S_MAX, Claims, SigningKey};
use polder_tests::Client;
use serde_json::Value;

use super::site::{REQUESTS, Site, claims, now_s};

/// Checks that every request of `client` gets 401, always with the same document.
#[track_caller]
fn refused(client: &Client) -> Value {
    let mut problems = Vec::new();
    let others = [
        ("GET", "/"),
        ("GET", "/v1/none/events"),
        ("PATCH", "/v1/main/events"),
        ("GET", "/v1/main/no/such/path/at/all"),
    ];
    let routes = REQUESTS.iter().map(|(method, path, ..)| (*method, *path));
    for (method, path) in routes.chain(others) {
        let answer = client.request(method, path).send();
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{method} {path}");
        problems.push(answer.problem(401, "not-authenticated"));
    }
    problems.dedup();
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems.remove(0)
}

#[test]
fn every_request_needs_a_token_but_the_probes() {
    let site = Site::open();
    let anonymous = site.anonymous();
    let problem = refused(&anonymous);
    assert!(problem["detail"].as_str().unwrap().contains("Authorization: Bearer TOKEN"), "{problem}");
    anonymous.get("/healthz").json(200);
    anonymous.get("/readyz").json(200);
    // None of the requests changed anything.
    assert_eq!(site.operator().get("/v1/main/events").lines().len(), 1);
}

#[test]
fn a_token_that_is_not_good_is_refused() {
    let site = Site::open();
    let stranger = SigningKey::generate().unwrap();
    let all = || claims("$host publish > subscribe >");
    let good = all().sign(&site.key).unwrap();
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
    let base64 = |text: String| URL_SAFE_NO_PAD.encode(text);
    let header_of =
        |algorithm: &str| base64(format!(r#"{{"typ":"JWT","alg":"{algorithm}","kid":"{}"}}"#, site.key.id()));
    let more = base64(serde_json::to_string(&Claims { actor: "root".into(), ..all() }).unwrap());
    for (what, token) in [
        ("nonsense", "nonsense".to_owned()),
        ("another key", all().sign(&stranger).unwrap()),
        ("claims that were changed", format!("{header}.{more}.{signature}")),
        ("alg none", format!("{}.{payload}.", header_of("none"))),
        ("alg HS256", format!("{}.{payload}.{signature}", header_of("HS256"))),
        ("no signature", format!("{header}.{payload}.")),
    ] {
        let problem = refused(&site.anonymous().with_token(&token));
        assert_eq!(problem["detail"], "the token is not valid here", "{what}");
    }

    let (now_s, skew_s) = (now_s(), CLOCK_SKEW_S_MAX);
    let at = |issued_at_s, expires_at_s| Claims { issued_at_s, expires_at_s, ..all() }.sign(&site.key).unwrap();
    let expired = refused(&site.anonymous().with_token(&at(now_s - 3_600, now_s - skew_s)));
    assert!(expired["detail"].as_str().unwrap().contains("has expired"), "{expired}");
    let early = refused(&site.anonymous().with_token(&at(now_s + skew_s + 100, now_s + 3_600)));
    assert!(early["detail"].as_str().unwrap().contains("not valid yet"), "{early}");
    // Within the allowed difference of clocks both are valid.
    site.anonymous().with_token(&at(now_s - 3_600, now_s - 1)).get("/v1/main/events").lines();
    site.anonymous().with_token(&at(now_s + skew_s - 1, now_s + 3_600)).get("/v1/main/events").lines();

    let with = |value: &str| site.anonymous().request("GET", "/v1/main/events").header("authorization", value).send();
    for value in [&good, &format!("Basic {good}"), "Bearer", "Bearer "] {
        with(value).problem(401, "not-authenticated");
    }
    let bearer = format!("Bearer {good}");
    with(&bearer).lines();
    let anonymous = site.anonymous();
    let once = anonymous.request("GET", "/v1/main/events").header("authorization", &bearer);
    once.header("authorization", &bearer).send().problem(401, "not-authenticated");
}

#[test]
fn the_command_takes_a_token_and_shows_what_it_says() {
    let site = Site::open();
    let data = site.data();
    let data = data.to_str().unwrap();
    let issue = |more: &[&str]| {
        let common = ["token", "issue", "--data", data, "--actor", "ann"];
        polder_tests::polder(&[&common, more].concat())
    };
    let token = issue(&[
        "--tenant",
        "main",
        "--allow-publish",
        "main.state.>",
        "--deny",
        "main.state.secret.>",
        "--expires",
        "2h",
    ]);
    let token = token.good();
    let state = ["state", "orders/order/o-1", "--token", token, "--json"];
    assert_eq!(site.host().polder(&state).json()["sequence"], 1);
    let without = site.host().polder(&["state", "orders/order/o-1"]);
    assert!(without.refused().contains("a token is needed here"), "{without}");
    assert!(without.refused().contains("set POLDER_TOKEN or --token"), "{without}");
    let events = site.host().polder(&["events", "--token", token]);
    assert!(events.refused().contains("subscribe on main.*.*.*.*"), "{events}");
    let bad = site.host().polder(&["events", "--token", "two\nlines"]);
    assert!(bad.refused().contains("is not a token"), "{bad}");

    let shown = polder_tests::polder(&["token", "show", token]);
    assert!(shown.good().starts_with(&format!("ann for main, says {}\n", site.key.id())), "{shown}");
    assert!(shown.good().contains("never             main.state.secret.>"), "{shown}");
    let shown =
        polder_tests::polder_with_input(&["token", "show", "-", "--json"], format!("{token}\n").as_bytes()).json();
    let (issued, expires) = (&shown["claims"]["iat"], &shown["claims"]["exp"]);
    assert_eq!(expires.as_u64().unwrap() - issued.as_u64().unwrap(), 7_200);
    assert!(polder_tests::polder(&["token", "show", "nonsense"]).refused().contains("that is not a Polder token"));

    for (more, wanted) in [
        (&["--tenant", "main"][..], "allows nothing"),
        (&["--tenant", "main", "--allow-publish", "other.>"], "whose subjects begin with main"),
        (&["--tenant", "main", "--allow-publish", "main.>", "--deny", "main.cmd.pay*.>"], "is no wildcard"),
        (&["--operator", "--allow-publish", ">", "--expires", "99999d"], "at most ten years"),
    ] {
        let ran = issue(more);
        assert!(ran.refused().contains(wanted), "{ran}");
    }
}
