//! An HTTP client for tests that wait for each answer. It depends only on HTTP, not on the host's routes.

use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Body, Method, RequestBuilder, Response};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::paths::guest_file;

pub struct Client {
    http: reqwest::Client,
    address: String,
    token: Option<String>,
    runtime: Runtime,
}

/// A request that is not sent yet.
pub struct Request<'a> {
    builder: RequestBuilder,
    /// `None`: the test has set another one.
    content_type: Option<&'static str>,
    runtime: &'a Runtime,
    /// Method and path, for the messages of failed tests.
    what: String,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    headers: HeaderMap,
    body: Bytes,
    what: String,
}

/// The lines of an answer that may never end.
pub struct Lines<'a> {
    response: Response,
    runtime: &'a Runtime,
    buffer: Vec<u8>,
}

impl Client {
    pub fn new(address: &str) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().expect("a client can be made");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { http, address: address.to_owned(), token: None, runtime }
    }

    /// A client for hosts that may be running without answering.
    pub fn with_timeout(address: &str, wait_max: std::time::Duration) -> Self {
        let http = reqwest::Client::builder().no_proxy().timeout(wait_max).build().expect("a client can be made");
        Self { http, ..Self::new(address) }
    }

    /// Sends this token with every request.
    pub fn with_token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    pub fn get(&self, path: &str) -> Answer {
        self.request("GET", path).send()
    }

    pub fn post(&self, path: &str, body: impl Into<Body>) -> Answer {
        self.request("POST", path).body(body).send()
    }

    pub fn put(&self, path: &str, body: impl Into<Body>) -> Answer {
        self.request("PUT", path).body(body).send()
    }

    pub fn request(&self, method: &str, path: &str) -> Request<'_> {
        let what = format!("{method} {path}");
        let method: Method = method.parse().expect("a method");
        // The default types: components for the routes of domains, JSON for all others.
        let is_component = method == Method::PUT && path.split(['/', '?']).nth(3) == Some("domains");
        let content_type = if is_component { "application/wasm" } else { "application/json" };
        let mut builder = self.http.request(method, format!("{}{path}", self.address));
        if let Some(token) = &self.token {
            builder = builder.bearer_auth(token);
        }
        Request { builder, content_type: Some(content_type), runtime: &self.runtime, what }
    }

    /// Deploys a built guest.
    #[track_caller]
    pub fn deploy(&self, guest: &str) -> Value {
        let wasm = std::fs::read(guest_file(guest)).expect("a guest can be read");
        self.put(&format!("/v1/main/domains/{guest}"), wasm).json(200)
    }

    /// The newest position of the tenant's history.
    #[track_caller]
    pub fn position(&self) -> u64 {
        let mut position = 0;
        loop {
            let page = self.get(&format!("/v1/main/events?after={position}&limit=1000"));
            let events = page.lines();
            match events.last() {
                Some(last) => position = last["position"].as_u64().expect("an event has a position"),
                None => return position,
            }
        }
    }
}

impl<'a> Request<'a> {
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.content_type = self.content_type.filter(|_| !name.eq_ignore_ascii_case("content-type"));
        self.builder = self.builder.header(name, value);
        self
    }

    /// Adds a header whose value may be other bytes than text.
    pub fn header_bytes(mut self, name: &str, value: &[u8]) -> Self {
        self.builder = self.builder.header(name, value);
        self
    }

    /// Removes the content type, for requests that the host must refuse.
    pub fn without_content_type(mut self) -> Self {
        self.content_type = None;
        self
    }

    pub fn body(mut self, body: impl Into<Body>) -> Self {
        self.builder = self.builder.body(body);
        self
    }

    /// The request with the type of its body.
    fn ready(self) -> RequestBuilder {
        match self.content_type {
            Some(content_type) => self.builder.header("content-type", content_type),
            None => self.builder,
        }
    }

    #[track_caller]
    pub fn send(self) -> Answer {
        self.try_send().unwrap_or_else(|error| panic!("{error:?}"))
    }

    /// Sends to a host that may be gone.
    pub fn try_send(self) -> Result<Answer, reqwest::Error> {
        let (runtime, what) = (self.runtime, self.what.clone());
        runtime.block_on(async {
            let response = self.ready().send().await?;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            Ok(Answer { status, headers, body: response.bytes().await?, what })
        })
    }

    /// Reads the answer as it arrives.
    #[track_caller]
    pub fn lines(self) -> Lines<'a> {
        let (runtime, what) = (self.runtime, self.what.clone());
        let response = runtime.block_on(self.ready().send()).expect("an answer");
        assert_eq!(response.status().as_u16(), 200, "{what}");
        Lines { response, runtime, buffer: Vec::new() }
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("headers of answers are text"))
    }

    pub fn text(&self) -> &str {
        str::from_utf8(&self.body).expect("answers are UTF-8")
    }

    /// Checks that this is a JSON answer with this status; returns it.
    #[track_caller]
    pub fn json(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}: {}", self.what, self.text());
        assert_eq!(self.header("content-type"), Some("application/json"), "{}", self.what);
        self.parsed()
    }

    /// Checks that this is a problem document of this kind, with all members that RFC 9457 requires; returns it.
    #[track_caller]
    pub fn problem(&self, status: u16, kind: &str) -> Value {
        assert_eq!(self.status, status, "{}: {}", self.what, self.text());
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}", self.what);
        let document = self.parsed();
        assert_eq!(document["type"], format!("urn:polder:problem:{kind}"), "{}: {document}", self.what);
        assert_eq!(document["status"], status, "{document}");
        for member in ["title", "detail"] {
            assert!(document[member].as_str().is_some_and(|text| !text.is_empty()), "{document}");
        }
        document
    }

    /// Checks that this is newline-delimited JSON; returns its lines.
    #[track_caller]
    pub fn lines(&self) -> Vec<Value> {
        assert_eq!(self.status, 200, "{}: {}", self.what, self.text());
        assert_eq!(self.header("content-type"), Some("application/x-ndjson"), "{}", self.what);
        let line = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{}: {error}: {line}", self.what));
        self.text().lines().map(line).collect()
    }

    #[track_caller]
    fn parsed(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{}: {error}: {}", self.what, self.text()))
    }
}

impl Lines<'_> {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name).map(|value| value.to_str().expect("headers of answers are text"))
    }
}

/// `None`: the answer has ended properly.
impl Iterator for Lines<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return Some(String::from_utf8(line).expect("answers are UTF-8").trim_end().to_owned());
            }
            let chunk = self.runtime.block_on(self.response.chunk()).expect("the answer does not break off");
            self.buffer.extend_from_slice(&chunk?);
        }
    }
}
