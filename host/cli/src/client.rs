//! Sends HTTP requests to a host. Knows paths and problem documents, but not what the answers mean.

use std::time::Duration;

use anyhow::anyhow;
use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::arguments::target::{Connection, Target};
use crate::failure::Failure;
use crate::failure::problem::Problem;

const CONNECT_WAIT_MAX: Duration = Duration::from_secs(10);
/// Characters that are escaped in a path segment: all but the unreserved ones of RFC 3986.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

pub(crate) struct Client {
    http: reqwest::Client,
    host: String,
    /// First part of every path below `/v1`: a tenant's name, or a word such as `tenants` or `keys`.
    scope: String,
}

/// An answer whose body was read to its end.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
    retry_after_s: Option<u64>,
}

impl Client {
    pub(crate) fn new(target: &Target) -> Result<Self, Failure> {
        Self::scoped(&target.connection, target.tenant.as_str())
    }

    /// A client for the routes about tenants.
    pub(crate) fn for_tenants(connection: &Connection) -> Result<Self, Failure> {
        Self::scoped(connection, "tenants")
    }

    /// A client for the routes about the host itself, such as `drain`.
    pub(crate) fn for_host(connection: &Connection, what: &str) -> Result<Self, Failure> {
        Self::scoped(connection, what)
    }

    /// A client for the routes about the keys that sign tokens.
    pub(crate) fn for_keys(connection: &Connection) -> Result<Self, Failure> {
        Self::scoped(connection, "keys")
    }

    fn scoped(connection: &Connection, scope: &str) -> Result<Self, Failure> {
        // A proxy that the environment names is meant for the internet. Hosts are reached without one.
        let http = reqwest::Client::builder()
            .no_proxy()
            .connect_timeout(CONNECT_WAIT_MAX)
            .tcp_nodelay(true)
            .default_headers(default_headers(connection.token.as_deref())?)
            .build()?;
        Ok(Self { http, host: connection.host.clone(), scope: scope.to_owned() })
    }

    /// The address below `/v1/{scope}` with these segments.
    pub(crate) fn address(&self, segments: &[&str]) -> String {
        let mut address = format!("{}/v1/{}", self.host, self.scope);
        for segment in segments {
            address.push('/');
            address.extend(utf8_percent_encode(segment, ESCAPED));
        }
        address
    }

    pub(crate) fn request(&self, method: Method, segments: &[&str]) -> RequestBuilder {
        self.http.request(method, self.address(segments))
    }

    /// A GET request with those parameters that have a value.
    pub(crate) fn get(&self, segments: &[&str], parameters: &[(&str, Option<String>)]) -> RequestBuilder {
        self.request_with(Method::GET, segments, parameters)
    }

    pub(crate) fn request_with(
        &self,
        method: Method,
        segments: &[&str],
        parameters: &[(&str, Option<String>)],
    ) -> RequestBuilder {
        let mut address = self.address(segments);
        let mut mark = '?';
        for (name, value) in parameters {
            if let Some(value) = value {
                address.extend([mark.to_string().as_str(), *name, "="]);
                address.extend(utf8_percent_encode(value, ESCAPED));
                mark = '&';
            }
        }
        self.http.request(method, address)
    }

    /// A GET request for a path outside of `/v1`, such as `/readyz`.
    pub(crate) fn probe(&self, path: &str) -> RequestBuilder {
        self.http.get(format!("{}{path}", self.host))
    }

    /// Sends the request and reads the whole answer, whatever its status is.
    pub(crate) async fn answer(&self, request: RequestBuilder) -> Result<Answer, Failure> {
        let response = request.send().await.map_err(|error| self.unreachable(error))?;
        let (status, retry_after_s) = (response.status(), retry_after_s(response.headers()));
        let body = response.bytes().await.map_err(|error| self.unreachable(error))?;
        Ok(Answer { status, body, retry_after_s })
    }

    /// Sends the request and turns any refusal into a failure.
    pub(crate) async fn read<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Failure> {
        self.answer(request).await?.success()?.json()
    }

    /// Reads a whole list, page by page. The items are under `member`, in each page and in the result.
    pub(crate) async fn read_list(&self, segments: &[&str], member: &str) -> Result<Value, Failure> {
        let (mut items, mut after) = (Vec::new(), None);
        loop {
            let mut page: Value = self.read(self.get(segments, &[("after", after)])).await?;
            if let Some(page) = page[member].as_array_mut() {
                items.append(page);
            }
            after = page["next"].as_str().map(str::to_owned);
            if after.is_none() {
                return Ok(serde_json::json!({ member: items }));
            }
        }
    }

    /// Sends the request. The caller reads the body as it arrives.
    pub(crate) async fn stream(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let response = request.send().await.map_err(|error| self.unreachable(error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let (status, retry_after_s) = (response.status(), retry_after_s(response.headers()));
        let body = response.bytes().await.map_err(|error| self.unreachable(error))?;
        Err(Answer { status, body, retry_after_s }.refusal())
    }

    pub(crate) fn unreachable(&self, error: reqwest::Error) -> Failure {
        let cause = innermost(&error);
        let host = &self.host;
        Failure::NoHost(if error.is_connect() {
            anyhow!(
                "no host answers at {host} ({cause}): start one with `polder serve --data DIR`, or name another with --host"
            )
        } else if error.is_timeout() {
            anyhow!("{host} took the request but did not answer in time: is the host busy, or stopped?")
        } else {
            anyhow!("the connection to {host} broke off ({cause})")
        })
    }
}

impl Answer {
    pub(crate) fn success(self) -> Result<Self, Failure> {
        if self.status.is_success() { Ok(self) } else { Err(self.refusal()) }
    }

    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.body).map_err(|error| {
            anyhow!("the host's answer cannot be understood ({error}): is it a polder host of this version?").into()
        })
    }

    pub(crate) fn refusal(&self) -> Failure {
        Failure::Problem(Box::new(self.problem()))
    }

    pub(crate) fn problem(&self) -> Problem {
        Problem::new(self.status.as_u16(), &self.body, self.retry_after_s)
    }
}

/// Runs one exchange with a host, on a runtime of its own.
pub(crate) fn block_on<T>(conversation: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(conversation)
}

fn default_headers(token: Option<&str>) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    // The type of nearly all bodies. A request with another type sets its own header.
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    // In a shell, an empty variable means that there is no token.
    if let Some(token) = token.filter(|token| !token.is_empty()) {
        let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| {
            anyhow!("the value of --token or POLDER_TOKEN is not a token: it has characters that no token has")
        })?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(headers)
}

fn retry_after_s(headers: &HeaderMap) -> Option<u64> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_escaped() {
        let connection = Connection { host: "http://h".into(), token: None };
        let client = Client::scoped(&connection, "main").ok().unwrap();
        assert_eq!(
            client.address(&["orders", "views", "v", "a/b c?ü"]),
            "http://h/v1/main/orders/views/v/a%2Fb%20c%3F%C3%BC"
        );
    }
}
