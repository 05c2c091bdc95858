//! One connection to NATS. It is opened or refused at once, and then kept up. Reconnects are silent, but counted.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_nats::jetstream::context::AccountErrorKind;
use async_nats::{Client, ConnectErrorKind, Event, HeaderMap, ServerAddr, Subject};
use bytes::Bytes;
use futures::StreamExt as _;
use percent_encoding::percent_decode_str;

use crate::connect_error::ConnectError;
use crate::options::{ConnectOptions, Credentials};
use crate::reply_to::{self, Inboxes, ReplyTo};
use crate::steering::{self, Steered, Steering};
use crate::version::{SERVER_VERSION_MIN, ServerVersion};

/// Wall time until a server has answered. It is short because another server may be there.
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(2);
/// Wall time until the server has processed what was sent.
const SETTLE_WAIT_MAX: Duration = Duration::from_secs(5);
/// Longest pause between two reconnect attempts; the first attempt is made at once.
const RECONNECT_PAUSE_MAX: Duration = Duration::from_secs(1);
/// Time without traffic after which the server is pinged. After two pings without an answer the client reconnects.
const PING_INTERVAL: Duration = Duration::from_secs(10);
/// Pause between two checks whether a server that was away is back.
const READY_CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// A handle; clones share one connection.
#[derive(Clone)]
pub struct Connection {
    client: Client,
    urls: Arc<str>,
    counts: Arc<Counts>,
    inboxes: Arc<Inboxes>,
    _steered: Arc<Steered>,
}

#[derive(Debug, Default)]
struct Counts {
    connects: AtomicU64,
    slow_consumers: AtomicU64,
}

impl Connection {
    /// Connects and checks the server's version. The server's operator sees this client under `name`.
    ///
    /// # Errors
    /// Fails within seconds; the error includes what to do. After success, a broken connection is reopened for as long
    /// as it takes.
    pub async fn open(options: &ConnectOptions, name: &str) -> Result<Self, ConnectError> {
        let connection = Self::connect(options, name, false).await?;
        connection.check_version()?;
        Ok(connection)
    }

    /// Like [`open`](Self::open), but if no server answers, it returns and keeps trying in the background.
    /// [`ready`](Self::ready) waits for the server.
    ///
    /// # Errors
    /// Like [`open`](Self::open), unless no server answers.
    pub async fn open_or_wait(options: &ConnectOptions, name: &str) -> Result<Self, ConnectError> {
        match Self::open(options, name).await {
            Err(error @ ConnectError::NoServer { .. }) => {
                tracing::warn!(%error, "NATS is away; the host continues without it, and tries again");
                Self::connect(options, name, true).await
            }
            opened => opened,
        }
    }

    async fn connect(options: &ConnectOptions, name: &str, waits: bool) -> Result<Self, ConnectError> {
        let (servers, inboxes) = (servers(&options.urls)?, Inboxes::new(&options.inbox_prefixes)?);
        let (urls, counts, steering) = (shown(&servers), Arc::<Counts>::default(), Steering::default());
        let mut left = if waits { 1 } else { servers.len() };
        let client = loop {
            let mut connect = prepared(options, &servers, &counts, &steering)?.name(name);
            if waits {
                connect = connect.retry_on_initial_connect();
            }
            left -= 1;
            match connect.connect(servers.clone()).await.map_err(|error| refused(&urls, &error)) {
                Ok(client) => break client,
                Err(ConnectError::NoServer { .. }) if left > 0 => {}
                Err(error) => return Err(error),
            }
        };
        let steered = Arc::new(Steered(tokio::spawn(steering::leave_silent_servers(client.clone())).abort_handle()));
        Ok(Self { client, urls: urls.into(), counts, inboxes, _steered: steered })
    }

    /// Connects to another server of the cluster, if there is one.
    pub(crate) async fn leave_server(&self) {
        steering::leave_server(&self.client).await;
    }

    fn check_version(&self) -> Result<(), ConnectError> {
        let found = self.client.server_info().version;
        match ServerVersion::parse(&found) {
            Some(version) if version >= SERVER_VERSION_MIN => Ok(()),
            _ => Err(ConnectError::TooOld { urls: self.urls.to_string(), found }),
        }
    }

    /// Waits until a server is connected, for as long as it takes, and checks that it can be used.
    ///
    /// # Errors
    /// Fails if the server is too old, or JetStream does not answer.
    pub async fn ready(&self) -> Result<(), ConnectError> {
        while !self.is_up() {
            tokio::time::sleep(READY_CHECK_INTERVAL).await;
        }
        self.check_version()?;
        self.require_jetstream().await
    }

    /// Checks that JetStream answers.
    pub async fn require_jetstream(&self) -> Result<(), ConnectError> {
        let urls = self.urls.to_string();
        let account = async_nats::jetstream::new(self.client.clone()).query_account().await;
        account.map(drop).map_err(|error| match error.kind() {
            AccountErrorKind::TimedOut => ConnectError::NoJetStreamAnswer { urls },
            _ => ConnectError::NoJetStream { urls, problem: error.to_string() },
        })
    }

    /// Host name of the server that is connected now.
    pub(crate) fn host(&self) -> Option<String> {
        let host = self.client.server_info().host;
        // A wildcard address, on which a server listens everywhere, cannot be connected to.
        if host.is_empty() || host == "0.0.0.0" || host == "::" {
            return self.urls.split(", ").next()?.rsplit_once(':').map(|(host, _)| host.to_owned());
        }
        Some(host)
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Returns the reply subject of a request if it may be answered. Otherwise it returns `None`, counts the request
    /// and logs it.
    pub(crate) fn reply_to(&self, request: &str, reply: &Subject) -> Option<ReplyTo> {
        self.inboxes.check(request, reply)
    }

    /// Like [`reply_to`](Self::reply_to), for a request that only another host may send.
    pub(crate) fn host_reply_to(&self, request: &str, reply: &Subject) -> Option<ReplyTo> {
        self.inboxes.check_host(request, reply)
    }

    /// Number of requests that were neither carried out nor answered, because their reply subject was no inbox.
    pub fn refused_replies(&self) -> u64 {
        self.inboxes.refused()
    }

    /// Queues an answer. Nothing else in this crate publishes on a subject that another client chose.
    pub(crate) async fn answer(&self, to: ReplyTo, headers: Option<HeaderMap>, payload: Bytes) -> Result<(), NotSent> {
        self.send(to.subject(), headers, payload).await
    }

    /// Like [`answer`](Self::answer), with a reply subject of this host, if there is one.
    pub(crate) async fn answer_and_ask(
        &self,
        to: ReplyTo,
        reply: Option<String>,
        headers: HeaderMap,
        payload: Bytes,
    ) -> Result<(), NotSent> {
        let Some(reply) = reply else { return self.answer(to, Some(headers), payload).await };
        let sent = self.client.publish_with_reply_and_headers(to.subject(), reply, headers, payload).await;
        sent.map_err(NotSent::new)
    }

    /// Queues a message for the server. Waits while the queue is full, for example because the server is away.
    pub(crate) async fn send(
        &self,
        subject: Subject,
        headers: Option<HeaderMap>,
        payload: Bytes,
    ) -> Result<(), NotSent> {
        let sent = match headers {
            Some(headers) => self.client.publish_with_headers(subject, headers, payload).await,
            None => self.client.publish(subject, payload).await,
        };
        sent.map_err(NotSent::new)
    }

    /// Waits until the server has processed all that was sent. async-nats completes a flush when the bytes are written;
    /// then a subscription may still be unknown to other clients. The server processes what one client sends in order,
    /// so a message that comes back proves that all before it is processed.
    pub async fn settle(&self) -> Result<(), NotSent> {
        let inbox = self.client.new_inbox();
        let mut back = self.client.subscribe(inbox.clone()).await.map_err(NotSent::new)?;
        self.client.publish(inbox, Bytes::new()).await.map_err(NotSent::new)?;
        match tokio::time::timeout(SETTLE_WAIT_MAX, back.next()).await {
            Ok(Some(_)) => Ok(()),
            _ => Err(NotSent::new(format!("no answer within {} s", SETTLE_WAIT_MAX.as_secs()))),
        }
    }

    /// Version of the server that is connected now.
    pub fn server_version(&self) -> String {
        self.client.server_info().version
    }

    /// The server addresses that were given, without passwords.
    pub fn urls(&self) -> &str {
        &self.urls
    }

    /// Largest message in bytes, headers included, that the connected server accepts.
    pub fn payload_bytes_max(&self) -> usize {
        self.client.max_payload()
    }

    pub fn is_up(&self) -> bool {
        self.client.connection_state() == async_nats::connection::State::Connected
    }

    /// Number of reconnects since the start.
    pub fn reconnects(&self) -> u64 {
        self.counts.connects.load(Ordering::Relaxed).saturating_sub(1)
    }

    /// Number of messages that were dropped because they arrived faster than they were processed.
    pub fn slow_consumers(&self) -> u64 {
        self.counts.slow_consumers.load(Ordering::Relaxed)
    }
}

/// A message, a subscription or a request that NATS did not get.
#[derive(Debug, thiserror::Error)]
#[error("NATS did not accept the message, subscription or request: {0}")]
pub struct NotSent(String);

impl NotSent {
    pub(crate) fn new(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

impl Counts {
    fn note(&self, event: &Event) {
        match event {
            Event::Connected => drop(self.connects.fetch_add(1, Ordering::Relaxed)),
            Event::SlowConsumer(_) => drop(self.slow_consumers.fetch_add(1, Ordering::Relaxed)),
            Event::ServerError(error) => tracing::warn!(%error, "the NATS server reported an error"),
            _ => tracing::debug!(%event, "nats"),
        }
    }
}

fn servers(urls: &str) -> Result<Vec<ServerAddr>, ConnectError> {
    let bad = |problem: String| ConnectError::BadUrl { urls: urls.to_owned(), problem };
    let server = |url: &str| match url.trim().parse::<ServerAddr>() {
        Ok(server) if server.host().is_empty() => Err(bad("a host is missing".to_owned())),
        Ok(server) => Ok(server),
        Err(error) => Err(bad(error.to_string())),
    };
    urls.split(',').map(server).collect()
}

/// The servers' addresses, without the passwords that their URLs may hold.
fn shown(servers: &[ServerAddr]) -> String {
    let addresses: Vec<_> = servers.iter().map(|server| format!("{}:{}", server.host(), server.port())).collect();
    addresses.join(", ")
}

fn prepared(
    options: &ConnectOptions,
    servers: &[ServerAddr],
    counts: &Arc<Counts>,
    steering: &Steering,
) -> Result<async_nats::ConnectOptions, ConnectError> {
    let (counted, steering) = (Arc::clone(counts), steering.clone());
    let mut connect = with_credentials(options, servers)?;
    if let Some(messages_max) = options.subscription_messages_max {
        connect = connect.subscription_capacity(messages_max);
    }
    Ok(connect
        .connection_timeout(CONNECT_WAIT_MAX)
        .ping_interval(PING_INTERVAL)
        .custom_inbox_prefix(reply_to::host_prefix())
        .reconnect_delay_callback(reconnect_pause)
        .reconnect_to_server_callback(move |servers, _| std::future::ready(steering.choose(&servers)))
        .event_callback(move |event| {
            counted.note(&event);
            std::future::ready(())
        }))
}

fn with_credentials(
    options: &ConnectOptions,
    servers: &[ServerAddr],
) -> Result<async_nats::ConnectOptions, ConnectError> {
    let mut connect = match &options.credentials {
        // async-nats parses the credentials in a URL, but does not use them.
        Credentials::None => match servers.iter().find_map(in_address) {
            Some((user, password)) => async_nats::ConnectOptions::with_user_and_password(user, password),
            None => async_nats::ConnectOptions::new(),
        },
        Credentials::UserPassword { user, password } => {
            async_nats::ConnectOptions::with_user_and_password(user.clone(), password.clone())
        }
        Credentials::NKey(file) => async_nats::ConnectOptions::with_nkey(read(file)?.trim().to_owned()),
        Credentials::File(file) => {
            async_nats::ConnectOptions::with_credentials(&read(file)?).map_err(|error| bad_file(file, &error))?
        }
    };
    if let Some(file) = &options.tls.authorities {
        read(file)?;
        connect = connect.add_root_certificates(file.clone());
    }
    if let Some((certificate, key)) = &options.tls.certificate {
        read(certificate)?;
        read(key)?;
        connect = connect.add_client_certificate(certificate.clone(), key.clone());
    }
    Ok(connect)
}

fn in_address(server: &ServerAddr) -> Option<(String, String)> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    Some((decoded(server.username()?), decoded(server.password()?)))
}

fn read(file: &Path) -> Result<String, ConnectError> {
    std::fs::read_to_string(file).map_err(|error| bad_file(file, &error))
}

fn bad_file(file: &Path, error: &std::io::Error) -> ConnectError {
    ConnectError::BadFile { file: file.to_owned(), problem: error.to_string() }
}

fn refused(urls: &str, error: &async_nats::ConnectError) -> ConnectError {
    let (urls, problem) = (urls.to_owned(), error.to_string());
    match error.kind() {
        ConnectErrorKind::ServerParse => ConnectError::BadUrl { urls, problem },
        ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
            ConnectError::NotLetIn { urls, problem }
        }
        ConnectErrorKind::Tls => ConnectError::NotTrusted { urls, problem },
        // rustls reports a bad certificate as an I/O error.
        ConnectErrorKind::Io if problem.contains("certificate") => ConnectError::NotTrusted { urls, problem },
        _ => ConnectError::NoServer { urls, problem },
    }
}

fn reconnect_pause(attempts: usize) -> Duration {
    match attempts {
        0 | 1 => Duration::ZERO,
        _ => Duration::from_millis(1 << attempts.min(10)).min(RECONNECT_PAUSE_MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        let servers = servers("nats://ann:secret@one:4222, tls://two:4333").unwrap();
        assert_eq!(shown(&servers), "one:4222, two:4333");
        assert!(matches!(super::servers("nats://a b"), Err(ConnectError::BadUrl { .. })));
    }

    #[test]
    fn reconnect_attempts_get_slower_up_to_a_bound() {
        assert_eq!(reconnect_pause(1), Duration::ZERO);
        assert!(reconnect_pause(3) < reconnect_pause(6));
        assert_eq!(reconnect_pause(usize::MAX), RECONNECT_PAUSE_MAX);
    }
}
