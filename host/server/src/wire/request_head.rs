//! Checks the head of every request before anything else:
//! 1. Path, query and headers are within their limits, and the request names one host.
//! 2. While the host has no keys, the request comes from a program on this machine, not from a web page. Browsers send
//!    the page's origin along, and `Host` exposes a foreign name that resolves to 127.0.0.1.

use axum::http::header::{HOST, HeaderName, ORIGIN};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Uri};

use super::headers::bad_header;
use super::http_status;
use super::problem::Problem;
use crate::connections::HEAD_BYTES_MAX;

/// The longest path with query of one request, in bytes. A longer one is refused with status 414.
const URI_BYTES_MAX: usize = 8 * 1024;
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Checks a request's head. `is_open`: the host has no keys, so any caller that reaches it may do everything.
pub(crate) fn check(head: &Parts, is_open: bool) -> Result<(), Problem> {
    let bytes = head.uri.path_and_query().map_or(0, |target| target.as_str().len());
    if bytes > URI_BYTES_MAX {
        let detail = format!("path and query have {bytes} bytes; at most {URI_BYTES_MAX} are allowed");
        return Err(Problem::new(&http_status::URI_TOO_LONG, detail)
            .with("actual", bytes)
            .with_limit("uri_bytes_max", URI_BYTES_MAX));
    }
    // hyper refuses a head that arrives in pieces at the same size.
    let bytes: usize = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if bytes > HEAD_BYTES_MAX {
        let detail = format!("the headers have {bytes} bytes; at most {HEAD_BYTES_MAX} are allowed");
        return Err(Problem::new(&http_status::HEAD_TOO_LARGE, detail)
            .with("actual", bytes)
            .with_limit("head_bytes_max", HEAD_BYTES_MAX));
    }
    let host = host(&head.headers, &head.uri)?;
    if is_open { check_site(&head.headers, &host) } else { Ok(()) }
}

/// Returns the host that the request names. It must be named once, and the path must not name another.
fn host(headers: &HeaderMap, uri: &Uri) -> Result<Authority, Problem> {
    let mut values = headers.get_all(HOST).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        let problem = if headers.contains_key(HOST) { "is there more than once" } else { "is missing" };
        return Err(bad_header("host", &format!("{problem}: name the host once")));
    };
    let bad = || bad_header("host", &format!("is {:?}; a name and a port would be right", shown(value)));
    let host = Authority::try_from(value.as_bytes()).map_err(|_| bad())?;
    if host.host().is_empty() || host.as_str().contains('@') {
        return Err(bad());
    }
    match uri.authority() {
        Some(other) if *other != host => Err(bad_header("host", &format!("is {host}, and the path names {other}"))),
        _ => Ok(host),
    }
}

fn check_site(headers: &HeaderMap, host: &Authority) -> Result<(), Problem> {
    if !is_loopback(host) {
        let detail = format!(
            "this host has no keys, so it answers only requests to 127.0.0.1, [::1] or localhost, and this one names {host}; \
             make a key to let others in"
        );
        return Err(Problem::new(&http_status::FOREIGN_HOST, detail).with("host", host.as_str()));
    }
    let foreign = |what: String| {
        let detail = format!("this host has no keys, so it takes no requests from web pages of other origins: {what}");
        Problem::new(&http_status::FOREIGN_ORIGIN, detail)
    };
    if let Some(origin) = headers.get_all(ORIGIN).iter().find(|origin| !is_own(origin, host)) {
        return Err(foreign(format!("the header origin is {:?}, and the host is {host}", shown(origin))));
    }
    if headers.get_all(SEC_FETCH_SITE).iter().any(|site| site.as_bytes().eq_ignore_ascii_case(b"cross-site")) {
        return Err(foreign("the header sec-fetch-site is cross-site".to_owned()));
    }
    Ok(())
}

fn is_loopback(host: &Authority) -> bool {
    let name = host.host();
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost")
        || address.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

/// Whether the origin is the host's own: its scheme too, and the host speaks no TLS.
fn is_own(origin: &HeaderValue, host: &Authority) -> bool {
    let authority = origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://"));
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host.as_str()))
}

fn shown(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn status(uri: &str, headers: &[(&str, &str)], is_open: bool) -> u16 {
        let mut request = Request::post(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        check(&head, is_open).map_or_else(|problem| problem.status().as_u16(), |()| 200)
    }

    #[test]
    fn a_request_names_one_host() {
        for is_open in [true, false] {
            assert_eq!(status("/", &[("host", "127.0.0.1:7117")], is_open), 200);
            assert_eq!(status("http://127.0.0.1:7117/", &[("host", "127.0.0.1:7117")], is_open), 200);
            for headers in [
                &[][..],
                &[("host", "")],
                &[("host", "127.0.0.1"), ("host", "127.0.0.1")],
                &[("host", "127.0.0.1 evil")],
                &[("host", "me@127.0.0.1")],
                &[("host", "127.0.0.1/x")],
            ] {
                assert_eq!(status("/", headers, is_open), 400, "{headers:?}");
            }
            assert_eq!(status("http://evil.example/", &[("host", "127.0.0.1")], is_open), 400);
        }
    }

    #[test]
    fn without_keys_the_host_is_this_machine() {
        for host in ["127.0.0.1", "127.9.9.9:80", "[::1]:7117", "[::1]", "localhost", "LocalHost:1"] {
            assert_eq!(status("/", &[("host", host)], true), 200, "{host}");
        }
        for host in [
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example:7117",
            "192.168.1.5",
            "0.0.0.0",
            "[::ffff:127.0.0.1]",
            "2130706433",
        ] {
            assert_eq!(status("/", &[("host", host)], true), 421, "{host}");
            assert_eq!(status("/", &[("host", host)], false), 200, "{host}");
        }
    }

    #[test]
    fn without_keys_the_page_is_the_hosts_own() {
        let from = |name: &'static str, value: &'static str, is_open| {
            status("/", &[("host", "127.0.0.1:7117"), (name, value)], is_open)
        };
        assert_eq!(from("origin", "http://127.0.0.1:7117", true), 200);
        for origin in [
            "null",
            "",
            "http://evil.example",
            "http://127.0.0.1:7118",
            "http://127.0.0.1",
            "http://127.0.0.1:7117.evil.example",
            "http://localhost:7117",
            "file://127.0.0.1:7117",
            "https://127.0.0.1:7117",
        ] {
            assert_eq!((from("origin", origin, true), from("origin", origin, false)), (403, 200), "{origin}");
        }
        assert_eq!(from("sec-fetch-site", "cross-site", true), 403);
        for site in ["same-origin", "none", "same-site"] {
            assert_eq!(from("sec-fetch-site", site, true), 200, "{site}");
        }
    }

    #[test]
    fn a_path_is_bounded() {
        let host = &[("host", "127.0.0.1")];
        assert_eq!(status(&format!("/{}", "a".repeat(URI_BYTES_MAX - 1)), host, true), 200);
        assert_eq!(status(&format!("/{}", "a".repeat(URI_BYTES_MAX)), host, true), 414);
    }
}
