//! A nats-server, a host that serves over it, and a client of NATS's own.

use std::time::Duration;

use async_nats::{Client, HeaderMap, Message};
use polder_tests::{Host, NatsOptions, NatsServer};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Nothing here takes longer; what hangs fails.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(20);

pub(super) struct Site {
    // Fields end in this order: the host before its server.
    host: Option<Host>,
    pub(super) server: NatsServer,
    pub(super) client: Client,
    pub(super) runtime: Runtime,
    pub(super) data: TempDir,
}

pub(super) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

impl Site {
    #[track_caller]
    pub(super) fn open() -> Self {
        Self::open_with(NatsOptions::default())
    }

    #[track_caller]
    pub(super) fn open_with(options: NatsOptions) -> Self {
        let (server, data, runtime) = (NatsServer::start_with(options), tempfile::tempdir().unwrap(), runtime());
        let client = runtime.block_on(async_nats::connect(server.url())).unwrap();
        let host = Some(Host::start_with(data.path(), &["--nats", &server.url()]));
        Self { host, server, client, runtime, data }
    }

    /// With the domain that most tests use.
    #[track_caller]
    pub(super) fn open_shop() -> Self {
        let site = Self::open();
        site.host().client().deploy("orders");
        site
    }

    pub(super) fn host(&self) -> &Host {
        self.host.as_ref().expect("the host runs")
    }

    /// SIGKILL.
    pub(super) fn kill_host(&mut self) {
        self.host.take().expect("the host runs").kill();
    }

    /// SIGTERM; gives the log.
    pub(super) fn stop_host(&mut self) -> String {
        self.host.take().expect("the host runs").stop()
    }

    #[track_caller]
    pub(super) fn start_host(&mut self) {
        self.host = Some(Host::start_with(self.data.path(), &["--nats", &self.server.url()]));
    }

    /// What comes back, or why nothing did.
    pub(super) fn try_request(
        &self,
        subject: &str,
        headers: &[(&str, &str)],
        payload: &str,
    ) -> Result<Message, async_nats::RequestError> {
        let request = async_nats::Request::new().payload(payload.to_owned().into()).headers(map(headers));
        self.runtime.block_on(self.client.send_request(subject.to_owned(), request))
    }

    #[track_caller]
    pub(super) fn request(&self, subject: &str, headers: &[(&str, &str)], payload: &str) -> Message {
        self.try_request(subject, headers, payload).unwrap_or_else(|error| panic!("{subject}: {error}"))
    }

    /// To aggregate `order` of domain `orders`; the acknowledgement.
    #[track_caller]
    pub(super) fn order(&self, id: &str, command: &str, payload: &str) -> Value {
        let answer = self.request(&format!("main.cmd.orders.order.{id}.{command}"), &[], payload);
        assert_eq!(header(&answer, "Nats-Service-Error"), None, "{answer:?}");
        json(&answer)
    }
}

pub(super) fn map(headers: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, *value);
    }
    map
}

pub(super) fn json(message: &Message) -> Value {
    serde_json::from_slice(&message.payload).unwrap_or_else(|error| panic!("{error}: {message:?}"))
}

pub(super) fn header<'a>(message: &'a Message, name: &str) -> Option<&'a str> {
    message.headers.as_ref()?.get(name).map(async_nats::HeaderValue::as_str)
}

/// A problem of this kind, with the headers that clients of services look at.
#[track_caller]
pub(super) fn problem(message: &Message, status: u16, kind: &str) -> Value {
    let document = json(message);
    assert_eq!(document["type"], format!("urn:polder:problem:{kind}"), "{document}");
    assert_eq!(document["status"], status, "{document}");
    assert_eq!(header(message, "Nats-Service-Error-Code"), Some(&*status.to_string()), "{message:?}");
    assert_eq!(header(message, "Nats-Service-Error"), document["title"].as_str(), "{message:?}");
    document
}
