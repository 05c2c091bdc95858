//! cqrs-es with postgres-es: a command loads the events of its order, runs the rules and commits the new events in one
//! transaction. Without queries, because `polder-bench commands` has no projections.
#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Parser;
use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, AggregateError, DomainEvent};
use peers_common::orders::{self, OrderCommand, OrderEvent, Refused};
use peers_common::{Kind, Load, Options, Report, Span, Step, by_tasks, end, locked_version};
use peers_postgres::Server;
use postgres_es::{PostgresCqrs, postgres_cqrs};
use serde::{Deserialize, Serialize};

/// The table from its documentation.
const TABLE: &str = "CREATE TABLE events (
    aggregate_type text                         NOT NULL,
    aggregate_id   text                         NOT NULL,
    sequence       bigint CHECK (sequence >= 0) NOT NULL,
    event_type     text                         NOT NULL,
    event_version  text                         NOT NULL,
    payload        json                         NOT NULL,
    metadata       json                         NOT NULL,
    PRIMARY KEY (aggregate_type, aggregate_id, sequence)
)";
/// The number of callers that draft the orders before the clock starts.
const PREPARING: usize = 64;

/// Orders with cqrs-es on PostgreSQL.
#[derive(Parser)]
struct Peer {
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
struct Order(orders::Order);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
struct Event(OrderEvent);

impl DomainEvent for Event {
    fn event_type(&self) -> String {
        self.0.name().to_owned()
    }

    fn event_version(&self) -> String {
        String::from("1")
    }
}

impl Aggregate for Order {
    const TYPE: &'static str = "order";
    type Command = OrderCommand;
    type Event = Event;
    type Error = Refused;
    type Services = ();

    async fn handle(&mut self, command: OrderCommand, _: &(), sink: &EventSink<Self>) -> Result<(), Refused> {
        let event = self.0.decide(&command)?;
        sink.write(Event(event), self).await;
        Ok(())
    }

    fn apply(&mut self, event: Event) {
        self.0.apply(event.0);
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    end(run_all().await)
}

async fn run_all() -> Result<()> {
    let options = Peer::parse().options;
    let server = Server::start(options.folder()?).await?;
    let pool = server.pool(PREPARING).await?;
    sqlx::query(TABLE).execute(&pool).await?;
    let load = Arc::new(Load::new(options.aggregates));
    by_tasks(&load, PREPARING, Span::Round, work(postgres_cqrs(pool.clone(), Vec::new(), ()))).await?;
    pool.close().await;
    let mut runs = Vec::new();
    for &in_flight in &options.in_flight {
        let pool = server.pool(in_flight).await?;
        let work = work(postgres_cqrs(pool.clone(), Vec::new(), ()));
        let end = Span::Until(Instant::now() + options.run_time());
        runs.push(by_tasks(&load, in_flight, end, work).await?);
        pool.close().await;
    }
    let mut settings = server.settings().await?;
    settings.insert(String::from("store"), "postgres_cqrs: events, no snapshots".into());
    settings.insert(String::from("postgres-es"), locked_version("postgres-es").into());
    Report {
        system: "cqrs-es on PostgreSQL",
        version: locked_version("cqrs-es"),
        kind: Kind::Command,
        settings: settings.into(),
        runs,
    }
    .print()
}

fn work(
    framework: PostgresCqrs<Order>,
) -> impl Fn(Step) -> std::pin::Pin<Box<dyn Future<Output = Result<usize>> + Send>> + Clone + Send + 'static {
    let framework = Arc::new(framework);
    move |step| {
        let framework = Arc::clone(&framework);
        Box::pin(async move { send(&framework, &step).await })
    }
}

/// Retries when another command of the same order came first, as its documentation advises.
async fn send(framework: &PostgresCqrs<Order>, step: &Step) -> Result<usize> {
    let (name, payload) = step.command();
    let command = OrderCommand::read(name, payload)?;
    let mut retries = 0;
    loop {
        match framework.execute(&step.id, command.clone()).await {
            Ok(()) => return Ok(retries),
            Err(AggregateError::AggregateConflict) => retries += 1,
            Err(AggregateError::UserError(refused)) => bail!("{} refused step {}: {refused}", step.id, step.number),
            Err(other) => return Err(other).context("the store failed"),
        }
    }
}
