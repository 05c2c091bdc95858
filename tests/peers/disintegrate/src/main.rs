//! disintegrate on PostgreSQL: a decision loads the events of its order, runs the rules and appends the new events in a
//! serialisable transaction. The transaction fails when another one came first; then the decision is repeated, as its
//! documentation advises.
// Its macros for identifiers write `unsafe`, so this crate cannot forbid it.

mod decision;
mod recorded;
mod schema;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, bail};
use clap::Parser;
use decision::{OrderState, Placed};
use disintegrate::serde::json::Json;
use disintegrate::{BoxDynError, DecisionError, NoSnapshot};
use disintegrate_postgres::{Error, PgDecisionMaker, PgEventStore, decision_maker};
use peers_common::orders::OrderCommand;
use peers_common::{Kind, Load, Options, Report, Span, Step, by_tasks, end, locked_version};
use peers_postgres::Server;
use recorded::Recorded;

type Maker = PgDecisionMaker<Recorded, Json<Recorded>, NoSnapshot>;

/// PostgreSQL's code for a transaction that could not be serialised with the others.
const SERIALIZATION_FAILURE: &str = "40001";
/// The number of callers that draft the orders before the clock starts.
const PREPARING: usize = 16;

/// Orders with disintegrate on PostgreSQL.
#[derive(Parser)]
struct Peer {
    #[command(flatten)]
    options: Options,
}

#[tokio::main]
async fn main() -> ExitCode {
    end(run_all().await)
}

async fn run_all() -> Result<()> {
    let options = Peer::parse().options;
    let server = Server::start(options.folder()?).await?;
    let pool = server.pool(PREPARING).await?;
    let store = PgEventStore::<Recorded, _>::new_uninitialized(pool.clone(), Json::default());
    let made_by = schema::make(&pool, &store).await?;
    let load = Arc::new(Load::new(options.aggregates));
    by_tasks(&load, PREPARING, Span::Round, work(decision_maker(store, NoSnapshot))).await?;
    pool.close().await;
    let mut runs = Vec::new();
    for &in_flight in &options.in_flight {
        let pool = server.pool(in_flight).await?;
        let store = PgEventStore::new_uninitialized(pool.clone(), Json::<Recorded>::default());
        let end = Span::Until(Instant::now() + options.run_time());
        runs.push(by_tasks(&load, in_flight, end, work(decision_maker(store, NoSnapshot))).await?);
        pool.close().await;
    }
    let mut settings = server.settings().await?;
    settings.insert(String::from("isolation"), "serializable, a decision that came too late is made again".into());
    settings.insert(String::from("snapshots"), "none".into());
    settings.insert(String::from("schema"), made_by.into());
    settings.insert(String::from("disintegrate-postgres"), locked_version("disintegrate-postgres").into());
    Report {
        system: "disintegrate on PostgreSQL",
        version: locked_version("disintegrate"),
        kind: Kind::Command,
        settings: settings.into(),
        runs,
    }
    .print()
}

fn work(
    maker: Maker,
) -> impl Fn(Step) -> std::pin::Pin<Box<dyn Future<Output = Result<usize>> + Send>> + Clone + Send + 'static {
    move |step| {
        let maker = maker.clone();
        Box::pin(async move { make(&maker, &step).await })
    }
}

async fn make(maker: &Maker, step: &Step) -> Result<usize> {
    let (name, payload) = step.command();
    let command = OrderCommand::read(name, payload)?;
    let mut retries = 0;
    loop {
        match maker.make(Placed { order: OrderState::new(&step.id), command: command.clone() }).await {
            Ok(_) => return Ok(retries),
            Err(DecisionError::EventStore(error) | DecisionError::StateStore(error)) if came_too_late(&error) => {
                retries += 1;
            }
            Err(DecisionError::Domain(refused)) => bail!("{} refused step {}: {refused}", step.id, step.number),
            Err(DecisionError::EventStore(error) | DecisionError::StateStore(error)) => {
                return Err(anyhow::Error::from_boxed(error).context("the store failed"));
            }
        }
    }
}

fn came_too_late(error: &BoxDynError) -> bool {
    match error.downcast_ref::<Error>() {
        Some(Error::Concurrency) => true,
        Some(Error::Database(error)) => {
            error.as_database_error().and_then(|error| error.code()).as_deref() == Some(SERIALIZATION_FAILURE)
        }
        _ => false,
    }
}
