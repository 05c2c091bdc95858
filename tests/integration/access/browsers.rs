//! A host without keys serves the programs of its machine. A web page in a browser of this machine can change nothing
//! at any route. The same holds for a page whose host name resolves to 127.0.0.1.

use polder_tests::{Answer, Client, Host};
use serde_json::Value;
use tempfile::TempDir;

use super::site::Site;
use crate::route_table::{filled, routes};

fn open() -> (TempDir, Host, Client) {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start(&folder.path().join("data"));
    let client = host.client();
    client.deploy("orders");
    (folder, host, client)
}

/// Everything that a request could change although it should be refused.
fn histories(client: &Client) -> Vec<Value> {
    ["/v1/main/events", "/v1/system/events"].iter().flat_map(|path| client.get(path).lines()).collect()
}

/// Sends a request to every route of the table, with bodies and without.
fn walk(client: &Client, ask: impl Fn(polder_tests::Request<'_>) -> Answer, check: impl Fn(&Answer, &str)) {
    let before = histories(client);
    let routes = routes(client);
    assert!(routes.len() > 25, "{routes:?}");
    for (method, path) in &routes {
        for body in ["", r#"{"customer":"c-1"}"#] {
            if method == "GET" && !body.is_empty() {
                continue;
            }
            let path = filled(path).replace("/v1/tenants/main", "/v1/tenants/new");
            let confirmed = if method == "DELETE" { "?confirm=new" } else { "" };
            let request = client.request(method, &format!("{path}{confirmed}")).body(body);
            check(&ask(request), &format!("{method} {path} {body}"));
        }
    }
    assert_eq!(histories(client), before, "nothing was done");
}

#[test]
fn a_foreign_host_is_refused_at_every_route() {
    let (_folder, host, client) = open();
    let port = host.address().rsplit(':').next().unwrap();
    for foreign in ["evil.example".to_owned(), format!("evil.example:{port}"), format!("127.0.0.1.evil.example:{port}")]
    {
        walk(
            &client,
            |request| request.header("host", &foreign).send(),
            |answer, what| assert_eq!(answer.problem(421, "foreign-host")["host"], foreign, "{what}"),
        );
    }
    // The names of this machine are not foreign.
    for own in [format!("localhost:{port}"), format!("[::1]:{port}"), "127.0.0.1".to_owned()] {
        client.request("GET", "/readyz").header("host", &own).send().json(200);
    }
}

#[test]
fn a_foreign_page_is_refused_at_every_route() {
    let (_folder, host, client) = open();
    let other_scheme = host.address().replace("http://", "https://");
    for (name, value) in [
        ("origin", other_scheme.as_str()),
        ("origin", "http://evil.example"),
        ("origin", "null"),
        ("origin", "http://127.0.0.1:1"),
        ("sec-fetch-site", "cross-site"),
    ] {
        walk(
            &client,
            |request| request.header(name, value).send(),
            |answer, what| {
                let problem = answer.problem(403, "foreign-origin");
                assert!(problem["detail"].as_str().unwrap().contains(name), "{what}: {problem}");
            },
        );
    }
    // A page from the host itself is not foreign.
    let own = client
        .request("GET", "/v1/main/domains")
        .header("origin", host.address())
        .header("sec-fetch-site", "same-origin");
    own.send().json(200);
}

/// Without a preflight request a page can send text or a form. Both are refused, even if the browser does not name the
/// page.
#[test]
fn a_body_of_another_type_is_refused_at_every_route() {
    let (_folder, _host, client) = open();
    for content_type in
        [Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("multipart/form-data; boundary=x"), None]
    {
        let before = histories(&client);
        for (method, path) in routes(&client).iter().filter(|(method, _)| method != "GET") {
            let mut request =
                client.request(method, &filled(path)).body(r#"{"customer":"c-1"}"#).without_content_type();
            if let Some(content_type) = content_type {
                request = request.header("content-type", content_type);
            }
            let problem = request.send().problem(415, "wrong-content-type");
            let expected = problem["expected"].as_str().unwrap();
            assert!(
                problem["detail"].as_str().unwrap().contains(&format!("content-type: {expected}")),
                "{method} {path}"
            );
        }
        assert_eq!(histories(&client), before, "nothing was done");
    }
}

/// With keys every request needs a token, which no browser adds by itself. Therefore the host then accepts every name.
#[test]
fn a_host_with_keys_has_any_name() {
    let site = Site::open();
    let client = site.operator();
    let ask = |name: &str, value: &str| client.request("GET", "/v1/main/domains").header(name, value).send();
    for (name, value) in
        [("host", "polder.example"), ("origin", "https://desk.example"), ("sec-fetch-site", "cross-site")]
    {
        ask(name, value).json(200);
        site.anonymous()
            .request("GET", "/v1/main/domains")
            .header(name, value)
            .send()
            .problem(401, "not-authenticated");
    }
    let text =
        client.request("POST", "/v1/main/orders/order/o-1/draft-order").header("content-type", "text/plain").body("{}");
    text.send().problem(415, "wrong-content-type");
}
