//! Plain JetStream with one server and `sync_interval: always`: each event is published, and the next one of the same
//! caller follows its acknowledgement. The server runs on a free port of this machine.
#![forbid(unsafe_code)]

mod server;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use async_nats::jetstream;
use clap::Parser;
use peers_common::{Kind, Load, Options, Report, Span, Step, by_tasks, end};
use serde_json::json;
use server::Server;

const STREAM: &str = "orders";
/// The number of callers that draft the orders before the clock starts.
const PREPARING: usize = 256;

/// Append events to a JetStream stream.
#[derive(Parser)]
struct Peer {
    #[command(flatten)]
    options: Options,
    /// The server to start.
    #[arg(long, value_name = "FILE", default_value = "nats-server")]
    nats_server: OsString,
}

#[tokio::main]
async fn main() -> ExitCode {
    end(run_all().await)
}

async fn run_all() -> Result<()> {
    let Peer { options, nats_server } = Peer::parse();
    let server = Server::start(&nats_server, options.folder()?).await?;
    let client = async_nats::connect(&server.url).await.context("cannot connect to the server")?;
    let version = client.server_info().version;
    let context = jetstream::new(client);
    let stream = jetstream::stream::Config {
        name: STREAM.into(),
        subjects: vec![format!("{STREAM}.>")],
        storage: jetstream::stream::StorageType::File,
        ..Default::default()
    };
    context.create_stream(stream).await?;
    let work = move |step| append(context.clone(), step);
    let load = Arc::new(Load::new(options.aggregates));
    by_tasks(&load, PREPARING, Span::Round, work.clone()).await?;
    let mut runs = Vec::new();
    for &in_flight in &options.in_flight {
        let end = Span::Until(Instant::now() + options.run_time());
        runs.push(by_tasks(&load, in_flight, end, work.clone()).await?);
    }
    let settings = json!({ "sync_interval": "always", "replicas": 1, "storage": "file", "callers": "tasks" });
    Report { system: "JetStream", version, kind: Kind::Append, settings, runs }.print()
}

async fn append(context: jetstream::Context, step: Step) -> Result<usize> {
    let (name, payload) = step.event();
    let subject = format!("{STREAM}.{}.{name}", step.id);
    context.publish(subject, payload.into()).await?.await?;
    Ok(0)
}
