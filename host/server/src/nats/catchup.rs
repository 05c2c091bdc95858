//! `{tenant}.catchup`: a tenant's events to one reader, first what is there and then what comes. What HTTP gives as the lines of one answer
//! comes here as messages on a subject of the reader's own. The last message of each page asks whether the reader has it, and the next page
//! is not read before.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use polder_bridge::service::{Reply, Request};
use polder_bridge::{Connection, Delivery, NotSent, ReplyTo, Taken};
use polder_core::{AggregateId, CorrelationId, DomainName, EventName, Position, TenantName, subject};
use polder_engine::{EventFilter, ReadError};
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedSemaphorePermit;

use super::counts::Counts;
use super::queries::{QueryAck, result_for};
use super::{Term, reply};
use crate::access::{self, Caller};
use crate::app::App;
use crate::feed::{Feed, Follow, Wanted};
use crate::incoming_json::parse;
use crate::kinds;
use crate::problem::Problem;

/// Readers at a time, of all tenants.
pub(super) const READERS_MAX: usize = 1_024;
/// Wall time until a reader that was asked counts as gone.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(30);
/// When a reader who comes when there are too many may come again, in milliseconds.
const BUSY_RETRY_MS: u64 = 1_000;

const CORRELATION_ID: &str = "correlation-id";
/// Of each message, from 1 and without gaps: a reader that misses one knows it.
const NUMBER: &str = "Polder-Number";
/// What is no event says so here.
const CATCHUP: &str = "Polder-Catchup";
/// Nothing came for a while; the reader is asked whether it is there.
const QUIET: &str = "quiet";
const END: &str = "end";

/// What is asked for; nothing at all asks for everything, and goes on for ever.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct CatchupSubscription {
    /// Events after this position.
    start_after: u64,
    /// The last position.
    end_at: Option<u64>,
    /// Only events that belong to this.
    correlation_id: Option<CorrelationId>,
    /// Only events of the aggregate of this id.
    target_id: Option<AggregateId>,
    domain: Option<DomainName>,
    name: Option<EventName>,
}

/// The last message.
#[derive(Serialize)]
struct End {
    ended: &'static str,
    /// The reader has everything up to here: where to go on.
    position: Position,
}

struct Reading {
    feed: Feed,
    app: Arc<App>,
    caller: Caller,
    /// The reader has all up to here.
    taken: Position,
    result: ReplyTo,
    correlation_id: CorrelationId,
    /// Given back at the end.
    _place: OwnedSemaphorePermit,
}

pub(super) fn open(
    term: &Arc<Term>,
    counts: &Arc<Counts>,
    connection: &Connection,
    request: Request,
) -> impl Future<Output = Reply> + use<> {
    let (term, counts, connection) = (Arc::clone(term), Arc::clone(counts), connection.clone());
    async move {
        match reading(&term, &counts, &request).await {
            Ok(reading) => {
                let (correlation_id, result_subject) = (&reading.correlation_id, reading.result.as_str());
                let ack = reply::good(&QueryAck { status: "accepted", correlation_id, result_subject });
                ack.followed_by(reading.result.clone(), deliver(reading, connection))
            }
            Err(problem) => problem.into(),
        }
    }
}

async fn reading(term: &Term, counts: &Counts, request: &Request) -> Result<Reading, Problem> {
    let caller = access::caller(&term.app, request)?;
    let tenant = TenantName::new(request.subject().split('.').next().unwrap_or_default())?;
    let asked: CatchupSubscription = match request.payload().as_ref() {
        b"" => CatchupSubscription::default(),
        payload => parse(payload, "the subscription", "{\"start_after\": 0} would be right")?,
    };
    let filter = EventFilter {
        domain: asked.domain,
        name: asked.name,
        correlation_id: asked.correlation_id,
        aggregate_id: asked.target_id,
        about: None,
    };
    let sight = caller.sight(subject::events(&tenant, filter.domain.as_ref(), None, filter.name.as_ref()))?;
    let (correlation_id, result) = result_for(&tenant, request)?;
    let place = Arc::clone(&counts.readers).try_acquire_owned().map_err(|_| {
        let detail = format!("{READERS_MAX} readers are being told events, and no more are taken: come again later");
        Problem::new(&kinds::BUSY, detail).with("limit", READERS_MAX).with("retry_after_ms", BUSY_RETRY_MS)
    })?;
    let follow = Follow { positions: term.part.host.positions(&tenant)?, closing: term.closing.clone() };
    let (after, end_at) = (Position(asked.start_after), asked.end_at.map(Position));
    let wanted = Wanted { tenant, filter, sight, after, end_at, limit: None };
    let feed = Feed::open(term.part.host.clone(), wanted, Some(follow)).await?;
    Ok(Reading { feed, app: Arc::clone(&term.app), caller, taken: after, result, correlation_id, _place: place })
}

/// Why it ended before its time.
enum Broken {
    Read(ReadError),
    Sent(NotSent),
}

/// Gives what is sent last.
async fn deliver(mut reading: Reading, connection: Connection) -> Reply {
    let not_permitted = access::ended(Arc::clone(&reading.app), reading.caller.clone());
    let ended = tokio::select! {
        ended = pages(&mut reading, &connection) => ended,
        () = not_permitted => Ok("the reader is not permitted to read any more"),
    };
    let reply = match ended {
        Ok(ended) => {
            let end = reply::good(&End { ended, position: reading.taken });
            end.with_header(CATCHUP, END)
        }
        Err(Broken::Read(error)) => Problem::from(error).into(),
        Err(Broken::Sent(error)) => {
            let detail = format!("an event could not be sent: {error}; is it larger than the server's max_payload?");
            Problem::new(&kinds::TOO_LARGE, detail).into()
        }
    };
    reply.with_header(CORRELATION_ID, reading.correlation_id.as_str())
}

/// Gives why it ended.
async fn pages(reading: &mut Reading, connection: &Connection) -> Result<&'static str, Broken> {
    let mut delivery = Delivery::open(connection, reading.result.clone()).await.map_err(Broken::Sent)?;
    while let Some(page) = reading.feed.next().await.map_err(Broken::Read)? {
        let count = page.events.len();
        for (number, event) in page.events.iter().enumerate() {
            let json = serde_json::to_vec(event).expect("an event always serializes");
            let is_last = number + 1 == count;
            delivery.send(NUMBER, None, Bytes::from(json), is_last).await.map_err(Broken::Sent)?;
        }
        if page.events.is_empty() {
            delivery.send(NUMBER, Some((CATCHUP, QUIET)), Bytes::new(), true).await.map_err(Broken::Sent)?;
        }
        drop(page);
        let taken = delivery.taken(ANSWER_WAIT_MAX).await;
        if matches!(taken, Taken::GoOn | Taken::Stop) {
            reading.taken = reading.feed.position();
        }
        match taken {
            Taken::GoOn => {}
            Taken::Stop => return Ok("the reader wants no more"),
            Taken::Gone => return Ok("the reader does not answer"),
            Taken::Lost => return Ok("the connection to the NATS server broke"),
        }
    }
    // What was passed over since the last page is no news to the reader.
    reading.taken = reading.feed.position();
    Ok(match reading.feed.is_complete() {
        true => "that was all",
        false => "the host is closing",
    })
}
