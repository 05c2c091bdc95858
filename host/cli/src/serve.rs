//! `polder serve`: opens a data folder and answers over HTTP until told to stop.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use polder_engine::{Host, HostOptions};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::failure::Outcome;
use crate::logs;
use crate::output::Output;

/// Run a host.
#[derive(Args)]
pub(crate) struct Serve {
    /// The folder that holds everything; made when missing, used by one host at a time.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:7117", value_name = "ADDRESS", value_parser = loopback)]
    listen: SocketAddr,
    /// Threads that run guests; as many as processors by default.
    #[arg(long, value_name = "N")]
    workers: Option<NonZeroUsize>,
}

impl Serve {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        logs::start()?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(self.serve(output))
    }

    async fn serve(self, output: &Output) -> Outcome {
        let mut options = HostOptions::new(&self.data);
        if let Some(workers) = self.workers {
            options.workers = workers.get();
        }
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let host = Host::open(options).with_context(|| format!("cannot serve {}", self.data.display()))?;
        let listened = TcpListener::bind(self.listen)
            .await
            .with_context(|| format!("cannot listen on {}: choose another address with --listen", self.listen));
        let served = match listened {
            Ok(listener) => {
                let address = format!("http://{}", listener.local_addr()?);
                output.answer(&serde_json::json!({ "listening": address }), || format!("listening on {address}"))?;
                let stop = async {
                    tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
                    tracing::info!("stopping");
                };
                polder_server::serve(host.clone(), listener, stop).await.context("cannot serve")
            }
            Err(error) => Err(error),
        };
        // Also after a failure: a journal closed cleanly opens faster.
        host.shutdown().await;
        Ok(served?)
    }
}

/// Nobody proves who they are yet, so only this machine may ask.
fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr =
        text.parse().map_err(|_| "an address and a port would be right, as in 127.0.0.1:7117".to_owned())?;
    if address.ip().is_loopback() {
        return Ok(address);
    }
    Err("without authentication a host listens on loopback only, where no other machine reaches it: 127.0.0.1:7117 would be \
         right, behind a proxy that knows who asks"
        .to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_listened_on() {
        for text in ["127.0.0.1:7117", "127.0.0.2:0", "[::1]:80"] {
            assert!(loopback(text).is_ok(), "{text}");
        }
        for text in ["0.0.0.0:7117", "[::]:7117", "192.168.1.5:7117"] {
            assert!(loopback(text).unwrap_err().contains("loopback only"), "{text}");
        }
        for text in ["7117", "localhost", ""] {
            assert!(loopback(text).unwrap_err().contains("127.0.0.1:7117"), "{text}");
        }
    }
}
