//! A NATS server with its default settings: it syncs its files now and then.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use polder_nats::{ConnectOptions, Connection};

use super::killed_on_drop::KilledOnDrop;

/// Longest wait until the started server answers.
const START_WAIT_MAX: Duration = Duration::from_secs(10);
const CHECK_INTERVAL: Duration = Duration::from_millis(20);

/// One NATS server with its default settings. It is killed when this value is dropped.
pub(crate) struct NatsServer {
    _process: KilledOnDrop,
    port: u16,
}

impl NatsServer {
    pub(crate) fn start(program: &Path, folder: &Path) -> anyhow::Result<Self> {
        // The port is free now. If another program takes it first, the server ends with an error.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = Command::new(program);
        command.args(["--addr", "127.0.0.1", "--port", &port.to_string(), "--jetstream", "--store_dir"]).arg(folder);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.with_context(|| {
            format!(
                "cannot start {}: name one with --nats-server; `cargo xtask setup` puts one into target/tools",
                program.display()
            )
        })?;
        Ok(Self { _process: KilledOnDrop(child), port })
    }

    pub(crate) fn options(&self) -> ConnectOptions {
        ConnectOptions { urls: format!("nats://127.0.0.1:{}", self.port), ..ConnectOptions::default() }
    }

    /// Opens a connection as soon as the server answers.
    pub(crate) async fn connect(&self) -> anyhow::Result<Connection> {
        let began = Instant::now();
        loop {
            match Connection::open(&self.options(), "polder-bench").await {
                Ok(connection) => return Ok(connection),
                Err(error) if began.elapsed() > START_WAIT_MAX => return Err(error.into()),
                Err(_) => tokio::time::sleep(CHECK_INTERVAL).await,
            }
        }
    }
}
