//! Keeps what is served over NATS in step with which tenants there are.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;

use polder_bridge::{Connection, NotSent};
use polder_core::TenantName;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::{Endpoints, commands};
use crate::app::App;

pub(super) struct Tenants {
    app: Arc<App>,
    connection: Connection,
    endpoints: Arc<Endpoints>,
    /// Each with what ends it.
    served: BTreeMap<TenantName, watch::Sender<bool>>,
    tasks: JoinSet<()>,
}

impl Tenants {
    /// All that there are now are served when this returns; the task serves those that come.
    pub(super) async fn serve(
        app: &Arc<App>,
        connection: &Connection,
        endpoints: &Arc<Endpoints>,
    ) -> Result<JoinHandle<()>, NotSent> {
        let mut tenants = Self {
            app: Arc::clone(app),
            connection: connection.clone(),
            endpoints: Arc::clone(endpoints),
            served: BTreeMap::new(),
            tasks: JoinSet::new(),
        };
        let changed = app.host.tenants_changed();
        tenants.keep_up().await?;
        Ok(tokio::spawn(tenants.run(changed)))
    }

    async fn run(mut self, mut changed: watch::Receiver<()>) {
        let mut closing = self.app.closing.clone();
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
        for close in self.served.values() {
            close.send_replace(true);
        }
        while self.tasks.join_next().await.is_some() {}
    }

    async fn keep_up(&mut self) -> Result<(), NotSent> {
        let present = self.app.host.tenant_names();
        self.served.retain(|name, close| {
            let stays = present.contains(name);
            if !stays {
                close.send_replace(true);
            }
            stays
        });
        for name in present {
            if !self.served.contains_key(&name) {
                let close = self.take_up(&name).await?;
                self.served.insert(name, close);
            }
        }
        Ok(())
    }

    async fn take_up(&mut self, name: &TenantName) -> Result<watch::Sender<bool>, NotSent> {
        let (close, closing) = watch::channel(false);
        let requests = self.connection.requests(format!("{name}.cmd.>")).await?;
        let (app, endpoints) = (Arc::clone(&self.app), Arc::clone(&self.endpoints));
        self.tasks.spawn(async move {
            requests.serve(&endpoints.commands, |request| commands::submit(&app, request), closing).await;
        });
        Ok(close)
    }
}
