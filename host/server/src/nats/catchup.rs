//! `{tenant}.catchup`: sends a tenant's events to one reader, first the recorded ones and then new ones. What HTTP
//! sends as lines of one response arrives here as messages on a subject of the reader's own. The last message of each
//! page asks the reader to confirm it. The next page is not read before that.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use polder_core::{AggregateId, CorrelationId, DomainName, EventName, Position, TenantName, subject};
use polder_engine::{EventFilter, ReadError};
use polder_nats::service::{Reply, Request};
use polder_nats::{Connection, Delivery, NotSent, ReplyTo, Taken};
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedSemaphorePermit;

use super::metrics::READERS_MAX;
use super::reply;
use super::result_subject::{CORRELATION_ID, accepted, result_for};
use super::served_partition::ServedPartition;
use crate::access::{self, Authenticator, Caller};
use crate::requests::event_feed::{Feed, FeedQuery, Follow};
use crate::wire::http_status;
use crate::wire::problem::Problem;
use crate::wire::request_json::parse;

/// How long a reader may take to confirm a page, in wall time. Then it counts as gone.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(30);
/// Retry hint when there are too many readers, in milliseconds.
const BUSY_RETRY_MS: u64 = 1_000;

/// The header that numbers the messages, from 1 and without gaps, so that a reader notices a lost one.
const NUMBER: &str = "Polder-Number";
/// The header that marks messages which are not events.
const CATCHUP: &str = "Polder-Catchup";
/// No event came for a while. The message checks that the reader is still there.
const QUIET: &str = "quiet";
const END: &str = "end";

/// The payload of a subscription. An empty payload asks for all events and never ends.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct CatchupSubscription {
    /// Only events after this position.
    start_after: u64,
    /// Only events up to this position.
    end_at: Option<u64>,
    /// Only events with this correlation id.
    correlation_id: Option<CorrelationId>,
    /// Only events of the aggregate with this id.
    target_id: Option<AggregateId>,
    domain: Option<DomainName>,
    name: Option<EventName>,
}

/// The last message to a reader.
#[derive(Serialize)]
struct End {
    ended: &'static str,
    /// The reader has all events up to this position, and can continue after it.
    position: Position,
}

struct Reading {
    feed: Feed,
    authenticator: Arc<Authenticator>,
    caller: Caller,
    /// The reader has confirmed all events up to this position.
    taken: Position,
    result: ReplyTo,
    correlation_id: CorrelationId,
    /// Counts this reader among all, until it ends.
    _permit: OwnedSemaphorePermit,
}

pub(super) fn open(
    served: &Arc<ServedPartition>,
    connection: &Connection,
    request: Request,
) -> impl Future<Output = Reply> + use<> {
    let (served, connection) = (Arc::clone(served), connection.clone());
    async move {
        match reading(&served, &request).await {
            Ok(reading) => {
                let ack = accepted(&reading.correlation_id, &reading.result);
                ack.followed_by(reading.result.clone(), deliver(reading, connection))
            }
            Err(problem) => problem.into(),
        }
    }
}

async fn reading(served: &ServedPartition, request: &Request) -> Result<Reading, Problem> {
    let caller = served.authenticator.caller(request)?;
    let tenant = TenantName::new(request.subject().split('.').next().unwrap_or_default())?;
    let subscription: CatchupSubscription = match request.payload().as_ref() {
        b"" => CatchupSubscription::default(),
        payload => parse(payload, "the subscription", "{\"start_after\": 0} would be right")?,
    };
    let filter = EventFilter {
        domain: subscription.domain,
        name: subscription.name,
        correlation_id: subscription.correlation_id,
        aggregate_id: subscription.target_id,
        about: None,
    };
    let visible =
        caller.visible_events(subject::events(&tenant, filter.domain.as_ref(), None, filter.name.as_ref()))?;
    let (correlation_id, result) = result_for(&tenant, request)?;
    let permit = Arc::clone(&served.metrics.readers).try_acquire_owned().map_err(|_| {
        let detail = format!("{READERS_MAX} readers are subscribed, which is the most allowed: try again later");
        Problem::new(&http_status::BUSY, detail)
            .with_limit("readers_max", READERS_MAX)
            .with("retry_after_ms", BUSY_RETRY_MS)
    })?;
    let follow =
        Follow { positions: served.partition.host.queries().positions(&tenant)?, closing: served.closing.clone() };
    let (after, end_at) = (Position(subscription.start_after), subscription.end_at.map(Position));
    let query = FeedQuery { tenant, filter, visible, after, end_at, limit: None };
    let feed = Feed::open(served.partition.host.clone(), query, Some(follow)).await?;
    let authenticator = Arc::clone(&served.authenticator);
    Ok(Reading { feed, authenticator, caller, taken: after, result, correlation_id, _permit: permit })
}

/// Why a delivery ended early.
enum DeliveryError {
    Read(ReadError),
    Sent(NotSent),
}

/// Delivers the events and returns the last message.
async fn deliver(mut reading: Reading, connection: Connection) -> Reply {
    let not_permitted = access::ended(Arc::clone(&reading.authenticator), reading.caller.clone());
    let ended = tokio::select! {
        ended = pages(&mut reading, &connection) => ended,
        () = not_permitted => Ok("the reader is not permitted to read any more"),
    };
    let reply = match ended {
        Ok(ended) => {
            let end = reply::good(&End { ended, position: reading.taken });
            end.with_header(CATCHUP, END)
        }
        Err(DeliveryError::Read(error)) => Problem::from(error).into(),
        Err(DeliveryError::Sent(error)) => {
            let detail = format!("an event could not be sent: {error}; is it larger than the server's max_payload?");
            Problem::new(&http_status::TOO_LARGE, detail).into()
        }
    };
    reply.with_header(CORRELATION_ID, reading.correlation_id.as_str())
}

/// Delivers pages until the end, and returns why it ended.
async fn pages(reading: &mut Reading, connection: &Connection) -> Result<&'static str, DeliveryError> {
    let mut delivery = Delivery::open(connection, reading.result.clone()).await.map_err(DeliveryError::Sent)?;
    while let Some(page) = reading.feed.next().await.map_err(DeliveryError::Read)? {
        let count = page.events.len();
        for (number, event) in page.events.iter().enumerate() {
            let json = serde_json::to_vec(event).expect("an event always serializes");
            let is_last = number + 1 == count;
            delivery.send(NUMBER, None, Bytes::from(json), is_last).await.map_err(DeliveryError::Sent)?;
        }
        if page.events.is_empty() {
            delivery.send(NUMBER, Some((CATCHUP, QUIET)), Bytes::new(), true).await.map_err(DeliveryError::Sent)?;
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
    // The events that were filtered out since the last page also count as delivered.
    reading.taken = reading.feed.position();
    Ok(match reading.feed.is_complete() {
        true => "that was all",
        false => "the host is closing",
    })
}
