//! Keeps what is served over NATS in step with which tenants there are.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use polder_bridge::NotSent;
use polder_bridge::events::Publisher;
use polder_core::{DomainName, TenantName, subject};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle, JoinSet};

use super::counts::Counts;
use super::history::TenantHistory;
use super::{Links, StartError, Term, batches, catchup, commands, queries};

/// Until NATS is asked again to delete what a removed tenant has left there.
const REMOVE_PAUSE: Duration = Duration::from_secs(5);

pub(super) struct Tenants {
    term: Arc<Term>,
    links: Links,
    counts: Arc<Counts>,
    served: BTreeMap<TenantName, Served>,
    tasks: JoinSet<()>,
}

struct Served {
    /// Ends taking commands once those that have come are answered.
    close: watch::Sender<bool>,
    publishing: AbortHandle,
}

impl Tenants {
    /// All that there are now are served when this returns; the task serves those that come.
    pub(super) async fn serve(term: Term, links: Links, counts: &Arc<Counts>) -> Result<JoinHandle<()>, StartError> {
        let mut tenants = Self {
            term: Arc::new(term),
            links,
            counts: Arc::clone(counts),
            served: BTreeMap::new(),
            tasks: JoinSet::new(),
        };
        let host = tenants.term.part.host.clone();
        let changed = host.tenants_changed();
        for name in host.tenant_names() {
            let mut publisher = tenants.publisher(&name).await?;
            publisher.check(tenants.domains(&name)).await?;
            tenants.take_up(name, publisher).await?;
        }
        for name in host.removed_tenants() {
            tenants.remove(name);
        }
        Ok(tokio::spawn(tenants.run(changed)))
    }

    async fn run(mut self, mut changed: watch::Receiver<()>) {
        let mut closing = self.term.closing.clone();
        let mut closing = pin!(async { drop(closing.wait_for(|closing| *closing).await) });
        loop {
            tokio::select! {
                () = &mut closing => break,
                Ok(()) = changed.changed() => if let Err(error) = self.keep_up().await {
                    tracing::error!(%error, "a new tenant is not served over NATS");
                },
                Some(_) = self.tasks.join_next() => {}
            }
        }
        for (name, served) in &self.served {
            served.close.send_replace(true);
            served.publishing.abort();
            self.counts.forget(name);
        }
        while self.tasks.join_next().await.is_some() {}
    }

    async fn keep_up(&mut self) -> Result<(), StartError> {
        let present = self.term.part.host.tenant_names();
        let gone: Vec<TenantName> = self.served.keys().filter(|name| !present.contains(*name)).cloned().collect();
        for name in gone {
            if let Some(served) = self.served.remove(&name) {
                served.close.send_replace(true);
                served.publishing.abort();
            }
            self.counts.forget(&name);
            self.remove(name);
        }
        for name in present {
            if !self.served.contains_key(&name) {
                let publisher = self.publisher(&name).await?;
                self.take_up(name, publisher).await?;
            }
        }
        Ok(())
    }

    async fn publisher(&self, name: &TenantName) -> Result<Publisher<TenantHistory>, StartError> {
        let history = TenantHistory::open(&self.term.part.host, name)?;
        Ok(Publisher::new(&self.links.events, name, history, &self.links.streams).await?)
    }

    async fn take_up(&mut self, name: TenantName, publisher: Publisher<TenantHistory>) -> Result<(), NotSent> {
        let (close, closing) = watch::channel(false);
        let requests = self.links.requests.requests(format!("{name}.cmd.>")).await?;
        let (term, counts) = (Arc::clone(&self.term), Arc::clone(&self.counts));
        self.tasks.spawn(async move {
            requests.serve(&counts.commands, |request| commands::submit(&term, request), closing).await;
        });
        let batches = self.links.requests.requests(subject::batches(&name)).await?;
        let (term, counts, closing) = (Arc::clone(&self.term), Arc::clone(&self.counts), close.subscribe());
        self.tasks.spawn(async move {
            let reply_bytes_max = counts.reply_bytes_max();
            batches.serve(&counts.batches, |request| batches::submit(&term, reply_bytes_max, request), closing).await;
        });
        let questions = self.links.requests.requests(format!("{name}.query.>")).await?;
        let (term, counts, closing) = (Arc::clone(&self.term), Arc::clone(&self.counts), close.subscribe());
        self.tasks.spawn(async move {
            questions.serve(&counts.queries, |request| queries::ask(&term, request), closing).await;
        });
        let readers = self.links.requests.requests(format!("{name}.catchup")).await?;
        let (term, counts, closing) = (Arc::clone(&self.term), Arc::clone(&self.counts), close.subscribe());
        let connection = self.links.requests.clone();
        self.tasks.spawn(async move {
            readers
                .serve(&counts.catchups, |request| catchup::open(&term, &counts, &connection, request), closing)
                .await;
        });
        self.counts.watch(&name, publisher.progress());
        let publishing = self.tasks.spawn_on(publisher.run(), self.links.background.handle());
        self.served.insert(name, Served { close, publishing });
        Ok(())
    }

    fn domains(&self, name: &TenantName) -> Vec<DomainName> {
        let info = self.term.part.host.tenant(name);
        info.map(|info| info.domains.into_iter().map(|domain| domain.domain).collect()).unwrap_or_default()
    }

    /// What a removed tenant has left at NATS can be read there: it goes, however long it takes.
    fn remove(&mut self, name: TenantName) {
        let Links { events, streams, .. } = self.links.clone();
        let mut closing = self.term.closing.clone();
        self.tasks.spawn(async move {
            let removing = async {
                while let Err(error) = streams.remove(&events, &name).await {
                    tracing::warn!(tenant = %name, %error, "a removed tenant's events are still at NATS");
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
