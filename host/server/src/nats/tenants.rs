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

use super::counts::Counts;
use super::history::TenantHistory;
use super::{Links, Term, batches, catchup, commands, queries};

/// The pause before a tenant's publisher is made again.
const PUBLISHER_RETRY_PAUSE: Duration = Duration::from_secs(1);
/// The pause between two attempts to delete the data of a removed tenant at NATS.
const REMOVE_PAUSE: Duration = Duration::from_secs(5);

pub(super) struct Tenants {
    term: Arc<Term>,
    links: Links,
    counts: Arc<Counts>,
    /// One sender per served tenant. Sending true stops its requests once those that have arrived are answered.
    served: BTreeMap<TenantName, watch::Sender<bool>>,
    tasks: JoinSet<()>,
}

/// The state of one tenant's task.
struct OneTenant {
    term: Arc<Term>,
    links: Links,
    counts: Arc<Counts>,
    name: TenantName,
    closing: watch::Receiver<bool>,
}

impl Tenants {
    /// Starts serving all present tenants. When this returns, each is served or has failed once. The returned task goes
    /// on with them and serves tenants that are added.
    pub(super) async fn serve(term: Term, links: Links, counts: &Arc<Counts>) -> JoinHandle<()> {
        let mut tenants = Self {
            term: Arc::new(term),
            links,
            counts: Arc::clone(counts),
            served: BTreeMap::new(),
            tasks: JoinSet::new(),
        };
        let host = tenants.term.part.host.clone();
        let changed = host.tenants().changed();
        let begun: Vec<_> = host.tenants().names().into_iter().map(|name| tenants.take_up(name)).collect();
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
        let mut closing = self.term.closing.clone();
        let mut closing = pin!(async { drop(closing.wait_for(|closing| *closing).await) });
        loop {
            tokio::select! {
                () = &mut closing => break,
                Ok(()) = changed.changed() => self.keep_up(),
                Some(_) = self.tasks.join_next() => {}
            }
        }
        for (name, close) in &self.served {
            close.send_replace(true);
            self.counts.forget(name);
        }
        while self.tasks.join_next().await.is_some() {}
    }

    fn keep_up(&mut self) {
        let present = self.term.part.host.tenants().names();
        let gone: Vec<TenantName> = self.served.keys().filter(|name| !present.contains(*name)).cloned().collect();
        for name in gone {
            if let Some(close) = self.served.remove(&name) {
                close.send_replace(true);
            }
            self.counts.forget(&name);
            self.remove(name);
        }
        for name in present {
            if !self.served.contains_key(&name) {
                self.take_up(name);
            }
        }
    }

    /// Starts to serve a tenant. The receiver ends when its requests are answered, or when the first attempt has
    /// failed.
    fn take_up(&mut self, name: TenantName) -> oneshot::Receiver<()> {
        let (close, closing) = watch::channel(false);
        let (begun, has_begun) = oneshot::channel();
        let (term, links, counts) = (Arc::clone(&self.term), self.links.clone(), Arc::clone(&self.counts));
        let tenant = OneTenant { term, links, counts, name: name.clone(), closing };
        self.tasks.spawn(tenant.run(begun));
        self.served.insert(name, close);
        has_begun
    }

    /// Deletes the data that a removed tenant has at NATS, where it could still be read. Retries until it is gone.
    fn remove(&mut self, name: TenantName) {
        let Links { events, streams, .. } = self.links.clone();
        let mut closing = self.term.closing.clone();
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
        publishing.spawn_on(published, self.links.background.handle());
        if let Err(error) = self.answer(begun).await {
            tracing::error!(tenant = %self.name, %error, "a tenant's requests over NATS cannot be answered");
        }
    }

    /// Waits until no other history can have the tenant's name at these servers. Before that its requests are not
    /// taken, since they may be for another host. `None`: the tenant is gone.
    async fn claimed(&self, begun: &mut Option<oneshot::Sender<()>>) -> Option<Publisher<TenantHistory>> {
        let host = &self.term.part.host;
        let history = TenantHistory::open(host, &self.name).ok()?;
        let mut publisher = loop {
            match Publisher::new(&self.links.events, &self.name, history.clone(), &self.links.streams).await {
                Ok(publisher) => break publisher,
                Err(error) => {
                    tracing::warn!(tenant = %self.name, %error, "a tenant's events cannot be published yet");
                    drop(begun.take());
                    tokio::time::sleep(PUBLISHER_RETRY_PAUSE).await;
                }
            }
        };
        self.counts.watch(&self.name, publisher.progress());
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
        let (connection, name) = (&self.links.requests, &self.name);
        let to_commands = connection.requests(format!("{name}.cmd.>")).await?;
        let to_batches = connection.requests(subject::batches(name)).await?;
        let to_queries = connection.requests(format!("{name}.query.>")).await?;
        let to_readers = connection.requests(format!("{name}.catchup")).await?;
        drop(begun);
        let mut answering = JoinSet::new();
        let (term, counts, closing) = (Arc::clone(&self.term), Arc::clone(&self.counts), self.closing.clone());
        answering.spawn(async move {
            to_commands.serve(&counts.commands, |request| commands::submit(&term, request), closing).await;
        });
        let (term, counts, closing) = (Arc::clone(&self.term), Arc::clone(&self.counts), self.closing.clone());
        answering.spawn(async move {
            let bytes_max = counts.reply_bytes_max();
            to_batches.serve(&counts.batches, |request| batches::submit(&term, bytes_max, request), closing).await;
        });
        let (term, counts, closing) = (Arc::clone(&self.term), Arc::clone(&self.counts), self.closing.clone());
        answering.spawn(async move {
            to_queries.serve(&counts.queries, |request| queries::ask(&term, request), closing).await;
        });
        let (term, counts, closing) = (Arc::clone(&self.term), Arc::clone(&self.counts), self.closing.clone());
        let connection = connection.clone();
        answering.spawn(async move {
            to_readers
                .serve(&counts.catchups, |request| catchup::open(&term, &counts, &connection, request), closing)
                .await;
        });
        while answering.join_next().await.is_some() {}
        Ok(())
    }

    fn domains(&self) -> Vec<DomainName> {
        let info = self.term.part.host.tenants().get(&self.name);
        info.map(|info| info.domains.into_iter().map(|domain| domain.domain).collect()).unwrap_or_default()
    }
}
