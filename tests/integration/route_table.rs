//! The routes, as the host lists them, for tests that apply to every route.

use polder_tests::Client;

/// Pairs of method and path, with names in braces.
pub(crate) fn routes(client: &Client) -> Vec<(String, String)> {
    let problem = client.get("/nowhere").problem(404, "unknown-route");
    let detail = problem["detail"].as_str().expect("a detail");
    let (_, routes) = detail.split_once("there are: ").expect("the routes");
    let route = |route: &str| {
        let (method, path) = route.split_once(' ').expect("a method and a path");
        (method.to_owned(), path.to_owned())
    };
    routes.split(", ").map(route).collect()
}

/// The path with the names that exist in the shop.
pub(crate) fn filled(path: &str) -> String {
    let value = |segment: &str| match segment {
        "{tenant}" => "main".to_owned(),
        "{domain}" => "orders".to_owned(),
        "{aggregate}" => "order".to_owned(),
        "{command}" => "draft-order".to_owned(),
        "{projection}" => "order-summary".to_owned(),
        "{revision}" => "0".repeat(64),
        segment if segment.starts_with('{') => "x-1".to_owned(),
        segment => segment.to_owned(),
    };
    path.split('/').map(value).collect::<Vec<_>>().join("/")
}
