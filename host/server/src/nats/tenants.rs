//! Serves each tenant over NATS from when it is added until it is removed.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use polder_core::{DomainName, TenantName, subject};
use polder_nats::NotSent;
use polder_nats::events::{Publisher, StreamError};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::connections::NatsConnections;
use super::history::TenantHistory;
use super::request_memory::{self, refusal};
use super::served_partition::ServedPartition;
use super::{batches, catchup, commands, queries};

/// The pause before a tenant's publisher is made again.
const PUBLISHER_RETRY_PAUSE: Duration = Duration::from_secs(1);
/// The pause between two attempts to delete the data of a removed tenant at NATS.
const REMOVE_PAUSE: Duration = Duration::from_secs(5);

pub(super) struct Tenants {
    served: Arc<ServedPartition>,
    connections: NatsConnections,
    /// One sender per served tenant. Sending true stops its requests once those that have arrived are answered.
    serving: BTreeMap<TenantName, watch::Sender<bool>>,
    tasks: JoinSet<()>,
}

/// The state of one tenant's task.
struct OneTenant {
    served: Arc<ServedPartition>,
    connections: NatsConnections,
    name: TenantName,
    closing: watch::Receiver<bool>,
}

impl Tenants {
    /// Starts serving all present tenants. When this returns, each is served or has failed once. The returned task goes
    /// on with them and serves tenants that are added.
    pub(super) async fn serve(served: ServedPartition, connections: NatsConnections) -> JoinHandle<()> {
        let mut tenants =
            Self { served: Arc::new(served), connections, serving: BTreeMap::new(), tasks: JoinSet::new() };
        let host = tenants.served.partition.host.clone();
        let changed = host.tenants().changed();
        let begun: Vec<_> = host.tenants().names().into_iter().map(|name| tenants.start_tenant(name)).collect();
        for name in host.tenants().removed() {
            tenants.remove(name);
        }
        for begun in begun {
            // Ends with an error when serving has begun or has failed once: the sender is dropped then.
            drop(begun.await);
        }
        tokio::spawn(tenants.run(changed))
    }

    async fn run(mut self, mut changed: watch::Receiver<()>) {
        let mut closing = self.served.closing.clone();
        let mut closing = pin!(async { drop(closing.wait_for(|closing| *closing).await) });
        loop {
            tokio::select! {
                () = &mut closing => break,
                Ok(()) = changed.changed() => self.apply_changes(),
                Some(_) = self.tasks.join_next() => {}
            }
        }
        for (name, close) in &self.serving {
            close.send_replace(true);
            self.served.metrics.forget(name);
        }
        while self.tasks.join_next().await.is_some() {}
    }

    /// Starts tenants that were added, and stops tenants that were removed.
    fn apply_changes(&mut self) {
        let present = self.served.partition.host.tenants().names();
        let gone: Vec<TenantName> = self.serving.keys().filter(|name| !present.contains(*name)).cloned().collect();
        for name in gone {
            if let Some(close) = self.serving.remove(&name) {
                close.send_replace(true);
            }
            self.served.metrics.forget(&name);
            self.remove(name);
        }
        for name in present {
            if !self.serving.contains_key(&name) {
                self.start_tenant(name);
            }
        }
    }

    /// Starts to serve a tenant. The receiver ends when its requests are answered, or when the first attempt has
    /// failed.
    fn start_tenant(&mut self, name: TenantName) -> oneshot::Receiver<()> {
        let (close, closing) = watch::channel(false);
        let (begun, has_begun) = oneshot::channel();
        let (served, connections) = (Arc::clone(&self.served), self.connections.clone());
        let tenant = OneTenant { served, connections, name: name.clone(), closing };
        self.tasks.spawn(tenant.run(begun));
        self.serving.insert(name, close);
        has_begun
    }

    /// Deletes the data that a removed tenant has at NATS, where it could still be read. Retries until it is gone.
    fn remove(&mut self, name: TenantName) {
        let NatsConnections { events, streams, .. } = self.connections.clone();
        let mut closing = self.served.closing.clone();
        self.tasks.spawn(async move {
            let removing = async {
                while let Err(error) = streams.remove(&events, &name).await {
                    tracing::warn!(tenant = %name, %error, "cannot delete a removed tenant's events at NATS yet; retrying");
                    tokio::time::sleep(REMOVE_PAUSE).await;
                }
            };
            tokio::select! {
                () = removing => {}
                _ = async { drop(closing.wait_for(|closing| *closing).await) } => {}
            }
        });
    }
}

impl OneTenant {
    async fn run(self, begun: oneshot::Sender<()>) {
        let mut closing = self.closing.clone();
        let mut begun = Some(begun);
        let claimed = tokio::select! {
            claimed = self.claimed(&mut begun) => claimed,
            _ = closing.wait_for(|closing| *closing) => return,
        };
        let Some(publisher) = claimed else { return };
        // The publisher ends when this set is dropped, or earlier when the tenant is removed: it must not create the
        // stream again.
        let mut publishing = JoinSet::new();
        let published = async move {
            tokio::select! {
                () = publisher.run() => {}
                _ = closing.wait_for(|closing| *closing) => {}
            }
        };
        publishing.spawn_on(published, self.connections.background.handle());
        if let Err(error) = self.answer(begun).await {
            tracing::error!(tenant = %self.name, %error, "a tenant's requests over NATS cannot be answered");
        }
    }

    /// Waits until no other history can have the tenant's name at these servers. Before that its requests are not
    /// taken, since they may be for another host. `None`: the tenant is gone.
    async fn claimed(&self, begun: &mut Option<oneshot::Sender<()>>) -> Option<Publisher<TenantHistory>> {
        let host = &self.served.partition.host;
        let history = TenantHistory::open(host, &self.name).ok()?;
        let mut publisher = loop {
            match Publisher::new(&self.connections.events, &self.name, history.clone(), &self.connections.streams).await
            {
                Ok(publisher) => break publisher,
                Err(error) => {
                    tracing::warn!(tenant = %self.name, %error, "a tenant's events cannot be published yet");
                    drop(begun.take());
                    tokio::time::sleep(PUBLISHER_RETRY_PAUSE).await;
                }
            }
        };
        self.served.metrics.watch(&self.name, publisher.progress());
        loop {
            let error = match publisher.claim(self.domains()).await {
                Ok(()) => return Some(publisher),
                Err(error) => error,
            };
            let pause = publisher.troubled(&error);
            if matches!(error, StreamError::Unusable { .. }) {
                // Only the tenant's own stream is unusable: publishing waits, and requests need not.
                return Some(publisher);
            }
            drop(begun.take());
            tokio::time::sleep(pause).await;
        }
    }

    /// Answers the tenant's requests until it is closed.
    async fn answer(&self, begun: Option<oneshot::Sender<()>>) -> Result<(), NotSent> {
        let (connection, name) = (&self.connections.requests, &self.name);
        let memory = request_memory::of_tenant(self.served.partition.host.memory());
        let to_commands = connection.requests(format!("{name}.cmd.>"), &memory, refusal).await?;
        let to_batches = connection.requests(subject::batches(name), &memory, refusal).await?;
        let to_queries = connection.requests(format!("{name}.query.>"), &memory, refusal).await?;
        let to_readers = connection.requests(format!("{name}.catchup"), &memory, refusal).await?;
        drop(begun);
        let mut answering = JoinSet::new();
        let (served, closing) = (Arc::clone(&self.served), self.closing.clone());
        answering.spawn(async move {
            to_commands.serve(&served.metrics.commands, |request| commands::submit(&served, request), closing).await;
        });
        let (served, closing) = (Arc::clone(&self.served), self.closing.clone());
        answering.spawn(async move {
            let bytes_max = served.metrics.reply_bytes_max();
            to_batches
                .serve(&served.metrics.batches, |request| batches::submit(&served, bytes_max, request), closing)
                .await;
        });
        let (served, closing) = (Arc::clone(&self.served), self.closing.clone());
        answering.spawn(async move {
            to_queries.serve(&served.metrics.queries, |request| queries::ask(&served, request), closing).await;
        });
        let (served, closing) = (Arc::clone(&self.served), self.closing.clone());
        let connection = connection.clone();
        answering.spawn(async move {
            to_readers
                .serve(&served.metrics.catchups, |request| catchup::open(&served, &connection, request), closing)
                .await;
        });
        while answering.join_next().await.is_some() {}
        Ok(())
    }

    fn domains(&self) -> Vec<DomainName> {
        let info = self.served.partition.host.tenants().get(&self.name);
        info.map(|info| info.domains.into_iter().map(|domain| domain.domain).collect()).unwrap_or_default()
    }
}
