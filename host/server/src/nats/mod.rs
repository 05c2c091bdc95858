//! The NATS face: commands by request-reply. What is asked and answered is what HTTP asks and answers, with the same checks, headers and
//! problem documents; only how it travels is another.

mod commands;
mod reply;
mod tenants;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use polder_bridge::service::{Description, Endpoint, Service};
use polder_bridge::{ConnectError, ConnectOptions, Connection, NotSent};
use tokio::task::JoinHandle;

use crate::app::App;

/// What is under way at shutdown may take this long.
const DRAIN_WAIT_MAX: Duration = Duration::from_secs(10);

/// Connections to NATS that nothing is done with yet.
pub struct Nats {
    /// Callers can break it with messages that are none, so nothing else goes over it.
    requests: Connection,
}

/// The face at work.
pub(crate) struct Serving {
    tenants: JoinHandle<()>,
    _service: Service,
}

/// What `/metrics` tells of it.
pub(crate) struct Counts {
    requests: Connection,
    endpoints: Arc<Endpoints>,
}

/// What is asked for, whatever the tenant.
pub(crate) struct Endpoints {
    commands: Arc<Endpoint>,
}

impl Nats {
    /// # Errors
    /// Within seconds, with what to do about it.
    pub async fn connect(options: &ConnectOptions) -> Result<Self, ConnectError> {
        let requests = Connection::open(options, "polder requests").await?;
        requests.require_jetstream().await?;
        Ok(Self { requests })
    }

    /// Answers when it returns.
    pub(crate) async fn serve(self, app: &Arc<App>) -> Result<Serving, NotSent> {
        let endpoints = Arc::new(Endpoints { commands: Arc::new(Endpoint::new("commands", "*.cmd.>")) });
        let description = Description {
            name: "polder",
            version: env!("CARGO_PKG_VERSION"),
            text: "A host for business rules: commands in, events out",
            metadata: BTreeMap::new(),
        };
        let service = Service::start(&self.requests, description, vec![Arc::clone(&endpoints.commands)]).await?;
        let tenants = tenants::Tenants::serve(app, &self.requests, &endpoints).await?;
        self.requests.flush().await?;
        // Only one face is served by an app.
        let _ = app.nats.set(Counts { requests: self.requests, endpoints });
        Ok(Serving { tenants, _service: service })
    }
}

impl Serving {
    /// After the app has turned to closing: what is under way is answered.
    pub(crate) async fn end(self) {
        if tokio::time::timeout(DRAIN_WAIT_MAX, self.tenants).await.is_err() {
            tracing::warn!("some requests over NATS took longer than {} s and were cut off", DRAIN_WAIT_MAX.as_secs());
        }
    }
}

impl Counts {
    /// In Prometheus's text format.
    pub(crate) fn metrics(&self) -> String {
        let counts = self.endpoints.commands.counts();
        let mut text = String::new();
        let mut metric = |name: &str, kind: &str, help: &str, value: u64| {
            text += &format!("# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
        };
        let is_up = u64::from(self.requests.is_up());
        metric("polder_nats_connected", "gauge", "Whether the NATS server answers.", is_up);
        metric("polder_nats_reconnects_total", "counter", "Connections made anew.", self.requests.reconnects());
        metric(
            "polder_nats_dropped_total",
            "counter",
            "Requests that came faster than they were taken.",
            self.requests.slow_consumers(),
        );
        metric("polder_nats_commands_total", "counter", "Commands that came over NATS.", counts.requests);
        metric("polder_nats_command_errors_total", "counter", "Of these, answered with an error.", counts.errors);
        text
    }
}
