//! A nats-server, a host that serves over it, and a plain NATS client.

use std::time::Duration;

use async_nats::{Client, HeaderMap, Message};
use polder_tests::{Host, NatsOptions, NatsServer};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Nothing here takes longer, so a test that hangs fails.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(20);

pub(super) struct Site {
    // Fields are dropped in this order: the host before its server.
    host: Option<Host>,
    pub(super) server: NatsServer,
    pub(super) client: Client,
    pub(super) runtime: Runtime,
    pub(super) data: TempDir,
    /// The options with which its hosts are started.
    options: Vec<String>,
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
        let server = NatsServer::start_with(options);
        let options = vec!["--nats".to_owned(), server.url()];
        Self::over(server, options)
    }

    /// Starts the host with these options too.
    #[track_caller]
    pub(super) fn open_serving(more: &[&str]) -> Self {
        let server = NatsServer::start_with(NatsOptions::default());
        let options = ["--nats", &server.url()].into_iter().chain(more.iter().copied()).map(str::to_owned).collect();
        Self::over(server, options)
    }

    /// Three servers that each hold a copy of the events; returns the two others as well.
    #[track_caller]
    pub(super) fn open_cluster() -> (Self, Vec<NatsServer>) {
        let mut servers = NatsServer::start_cluster(3, &NatsOptions::default());
        let urls: Vec<String> = servers.iter().map(NatsServer::url).collect();
        let options = ["--nats", &urls.join(","), "--nats-replicas", "3"].map(str::to_owned).to_vec();
        let server = servers.remove(0);
        (Self::over(server, options), servers)
    }

    fn over(server: NatsServer, options: Vec<String>) -> Self {
        let (data, runtime) = (tempfile::tempdir().unwrap(), runtime());
        let client = runtime.block_on(async_nats::connect(server.url())).unwrap();
        let mut site = Self { host: None, server, client, runtime, data, options };
        site.start_host();
        site
    }

    /// Opens a site with the domain that most tests use.
    #[track_caller]
    pub(super) fn open_shop() -> Self {
        let site = Self::open();
        site.host().client().deploy("orders");
        site
    }

    pub(super) fn host(&self) -> &Host {
        self.host.as_ref().expect("the host runs")
    }

    /// Kills the host with SIGKILL.
    pub(super) fn kill_host(&mut self) {
        self.host.take().expect("the host runs").kill();
    }

    /// Stops the host with SIGTERM; returns its log.
    pub(super) fn stop_host(&mut self) -> String {
        self.host.take().expect("the host runs").stop()
    }

    #[track_caller]
    pub(super) fn start_host(&mut self) {
        let options: Vec<&str> = self.options.iter().map(String::as_str).collect();
        self.host = Some(Host::start_with(self.data.path(), &options));
    }

    /// A host that lost its server, or has just started, needs a moment until it answers.
    #[track_caller]
    pub(super) fn await_host(&self) {
        let began = std::time::Instant::now();
        while self.try_request("$SRV.PING.polder", &[], "").is_err() {
            assert!(began.elapsed() < WAIT_MAX, "{}", self.host().log());
        }
    }

    /// Sends a request; returns the answer, or the reason why there is none.
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

    /// Sends a command to aggregate `order` of domain `orders`; returns the acknowledgement.
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

/// Checks that the message is a problem of this kind, with the headers that clients of services read.
#[track_caller]
pub(super) fn problem(message: &Message, status: u16, kind: &str) -> Value {
    let document = json(message);
    assert_eq!(document["type"], format!("urn:polder:problem:{kind}"), "{document}");
    assert_eq!(document["status"], status, "{document}");
    assert_eq!(header(message, "Nats-Service-Error-Code"), Some(&*status.to_string()), "{message:?}");
    assert_eq!(header(message, "Nats-Service-Error"), document["title"].as_str(), "{message:?}");
    document
}
