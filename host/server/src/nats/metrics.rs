//! The metrics of the NATS interface, and what they count: endpoints, readers, and publishers.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use polder_core::TenantName;
use polder_nats::Connection;
use polder_nats::events::Progress;
use polder_nats::service::Endpoint;
use tokio::sync::Semaphore;

use crate::partitions::Partitions;

/// The most readers of events at a time, of all tenants together.
pub(super) const READERS_MAX: usize = 1_024;
/// The room for a reply's headers, in bytes: an id and two lines of error.
const REPLY_HEADERS_BYTES_MAX: usize = 1_024;

pub(crate) struct NatsMetrics {
    requests: Connection,
    events: Connection,
    pub(super) commands: Arc<Endpoint>,
    pub(super) batches: Arc<Endpoint>,
    pub(super) queries: Arc<Endpoint>,
    pub(super) catchups: Arc<Endpoint>,
    /// One permit per reader of events.
    pub(super) readers: Arc<Semaphore>,
    publishing: Mutex<BTreeMap<TenantName, Arc<Progress>>>,
}

impl NatsMetrics {
    pub(super) fn new(requests: &Connection, events: &Connection) -> Self {
        Self {
            requests: requests.clone(),
            events: events.clone(),
            commands: Arc::new(Endpoint::new("commands", "*.cmd.>")),
            batches: Arc::new(Endpoint::new("batches", "*.cmds")),
            queries: Arc::new(Endpoint::new("queries", "*.query.>")),
            catchups: Arc::new(Endpoint::new("catchups", "*.catchup")),
            readers: Arc::new(Semaphore::new(READERS_MAX)),
            publishing: Mutex::default(),
        }
    }

    pub(super) fn endpoints(&self) -> Vec<Arc<Endpoint>> {
        vec![
            Arc::clone(&self.commands),
            Arc::clone(&self.batches),
            Arc::clone(&self.queries),
            Arc::clone(&self.catchups),
        ]
    }

    /// The longest reply that can be sent, in bytes.
    pub(super) fn reply_bytes_max(&self) -> usize {
        self.requests.payload_bytes_max().saturating_sub(REPLY_HEADERS_BYTES_MAX)
    }

    pub(super) fn watch(&self, tenant: &TenantName, progress: Arc<Progress>) {
        self.publishing.lock().unwrap_or_else(PoisonError::into_inner).insert(tenant.clone(), progress);
    }

    pub(super) fn forget(&self, tenant: &TenantName) {
        self.publishing.lock().unwrap_or_else(PoisonError::into_inner).remove(tenant);
    }

    /// The metrics in Prometheus's text format.
    pub(crate) fn text(&self, partitions: &Partitions) -> String {
        let mut text = String::new();
        let up = self.requests.is_up() && self.events.is_up();
        one(&mut text, "polder_nats_connected", "gauge", "Whether the NATS server answers.", u64::from(up));
        let reconnects = self.requests.reconnects() + self.events.reconnects();
        one(&mut text, "polder_nats_reconnects_total", "counter", "Reconnections to the NATS server.", reconnects);
        let dropped = self.requests.slow_consumers() + self.events.slow_consumers();
        one(
            &mut text,
            "polder_nats_dropped_total",
            "counter",
            "Messages dropped because they arrived faster than they were processed.",
            dropped,
        );
        one(
            &mut text,
            "polder_nats_refused_replies_total",
            "counter",
            "Requests that were not carried out, because their reply subject is not an inbox.",
            self.requests.refused_replies(),
        );
        let commands = self.commands.counts();
        one(&mut text, "polder_nats_commands_total", "counter", "Commands that came over NATS.", commands.requests);
        one(
            &mut text,
            "polder_nats_command_errors_total",
            "counter",
            "Of these, answered with an error.",
            commands.errors,
        );
        let batches = self.batches.counts();
        let help = "Messages with several commands that came over NATS.";
        one(&mut text, "polder_nats_batches_total", "counter", help, batches.requests);
        let queries = self.queries.counts();
        one(&mut text, "polder_nats_queries_total", "counter", "Queries that came over NATS.", queries.requests);
        one(
            &mut text,
            "polder_nats_query_errors_total",
            "counter",
            "Of these, answered with an error.",
            queries.errors,
        );
        let readers = (READERS_MAX - self.readers.available_permits()) as u64;
        one(&mut text, "polder_nats_readers", "gauge", "Readers that are subscribed to events over NATS.", readers);
        let publishing = self.publishing.lock().unwrap_or_else(PoisonError::into_inner);
        let lag = |tenant: &TenantName, progress: &Progress| {
            let newest =
                partitions.host(tenant).queries().positions(tenant).map_or(0, |positions| positions.borrow().0);
            newest.saturating_sub(progress.confirmed().0)
        };
        each(&mut text, "polder_nats_lag_events", "gauge", "Events that wait to be published.", &publishing, lag);
        let stalled = |_: &TenantName, progress: &Progress| u64::from(progress.is_stalled());
        let help = "Whether publishing waits for the operator to repair the stream.";
        each(&mut text, "polder_nats_stalled", "gauge", help, &publishing, stalled);
        let restarts = |_: &TenantName, progress: &Progress| progress.restarts();
        let help = "How many times the end of the stream was searched.";
        each(&mut text, "polder_nats_publishing_restarts_total", "counter", help, &publishing, restarts);
        text
    }
}

fn one(text: &mut String, name: &str, kind: &str, help: &str, value: u64) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
}

fn each(
    text: &mut String,
    name: &str,
    kind: &str,
    help: &str,
    publishing: &BTreeMap<TenantName, Arc<Progress>>,
    value: impl Fn(&TenantName, &Progress) -> u64,
) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    for (tenant, progress) in publishing {
        let _ = writeln!(text, "{name}{{tenant=\"{tenant}\"}} {}", value(tenant, progress));
    }
}
