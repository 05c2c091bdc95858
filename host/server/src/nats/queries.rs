//! `{tenant}.query.{domain}.{projection}`: a query of a view. The reply is an acknowledgement, and the result follows
//! on a subject of its own. With the header `polder-result: reply` the result itself is the reply.

use std::sync::Arc;

use polder_core::{CorrelationId, DomainName, ProjectionName, TenantName};
use polder_engine::{DocumentQuery, WaitFor};
use polder_nats::ReplyTo;
use polder_nats::service::{Reply, Request};
use serde::Deserialize;

use super::reply;
use super::result_subject::{CORRELATION_ID, accepted, result_for};
use super::served_partition::ServedPartition;
use crate::access::{Caller, Hints, Permission};
use crate::requests::view_query::{filter, order, wait_for};
use crate::wire::headers::{self, bad_header};
use crate::wire::http_status;
use crate::wire::problem::Problem;
use crate::wire::request_json::parse;

/// The header that asks for the result as the reply. `reply` is its only value.
const RESULT: &str = "polder-result";

/// The payload of a query. An empty payload asks for the first page.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct QueryPayload {
    /// The key of one document. The members below are for pages.
    key: Option<String>,
    /// `field:value`, as over HTTP.
    r#where: Vec<String>,
    order: Option<String>,
    limit: Option<u32>,
    offset: u32,
    after: Option<u64>,
    timeout_ms: Option<u64>,
}

struct Query {
    caller: Caller,
    tenant: TenantName,
    domain: DomainName,
    projection: ProjectionName,
    target: Target,
    wait: Option<WaitFor>,
}

/// What is asked for.
enum Target {
    Document(String),
    Page(DocumentQuery),
}

pub(super) fn ask(served: &Arc<ServedPartition>, request: Request) -> impl Future<Output = Reply> + use<> {
    let query = read(served, &request);
    let served = Arc::clone(served);
    async move {
        match query {
            Ok((query, None)) => answer(&served, query).await,
            Ok((query, Some((correlation_id, result)))) => {
                let ack = accepted(&correlation_id, &result);
                let answering = async move {
                    let answer = answer(&served, query).await;
                    answer.with_header(CORRELATION_ID, correlation_id.as_str())
                };
                ack.followed_by(result, answering)
            }
            Err(problem) => problem.into(),
        }
    }
}

/// Reads a query. The second value is the correlation id and subject of its result, unless the result is the reply.
fn read(served: &ServedPartition, request: &Request) -> Result<(Query, Option<(CorrelationId, ReplyTo)>), Problem> {
    let caller = served.authenticator.caller(request)?;
    let permission = Permission::Publish(request.subject().to_owned());
    let query = query(caller, request)?;
    query.caller.check(&permission)?;
    match headers::one(request, RESULT)? {
        Some("reply") => Ok((query, None)),
        None => {
            let result = result_for(&query.tenant, request)?;
            Ok((query, Some(result)))
        }
        Some(other) => Err(bad_header(RESULT, &format!("is {other:?}; \"reply\" would be right, or no such header"))),
    }
}

fn query(caller: Caller, request: &Request) -> Result<Query, Problem> {
    let tokens: Vec<&str> = request.subject().split('.').collect();
    let &[tenant, _, domain, projection] = &tokens[..] else {
        let detail = format!(
            "a query's subject has four tokens, this one has {}: {{tenant}}.query.{{domain}}.{{projection}} would be right",
            tokens.len()
        );
        return Err(Problem::new(&http_status::BAD_SUBJECT, detail).with("subject", request.subject()));
    };
    let payload: QueryPayload = match request.payload().as_ref() {
        b"" => QueryPayload::default(),
        bytes => parse(bytes, "the query", "{\"key\": \"…\"} or {\"where\": [\"field:value\"]} would be right")?,
    };
    let page = DocumentQuery {
        filters: payload.r#where.iter().map(|text| filter(text)).collect::<Result<_, _>>()?,
        order: payload.order.as_deref().map(order).transpose()?,
        limit: payload.limit,
        offset: payload.offset,
        count: false,
    };
    let is_page = !page.filters.is_empty() || page.order.is_some() || page.limit.is_some() || page.offset > 0;
    let target = match payload.key {
        Some(_) if is_page => {
            let detail = "\"key\" asks for one document, and the other members for a page: give one or the other";
            return Err(Problem::new(&http_status::BAD_BODY, detail));
        }
        Some(key) => Target::Document(key),
        None => Target::Page(page),
    };
    Ok(Query {
        caller,
        tenant: TenantName::new(tenant)?,
        domain: DomainName::new(domain)?,
        projection: ProjectionName::new(projection)?,
        target,
        wait: wait_for(payload.after, payload.timeout_ms)?,
    })
}

async fn answer(served: &ServedPartition, query: Query) -> Reply {
    let Query { caller, tenant, domain, projection, target, wait } = query;
    let found = match target {
        Target::Document(key) => {
            let document = served.partition.host.views().document(&tenant, &domain, &projection, &key, wait).await;
            document.map(|document| reply::good(&document))
        }
        Target::Page(page) => {
            let page = served.partition.host.views().documents(&tenant, &domain, &projection, &page, wait).await;
            page.map(|page| reply::good(&page))
        }
    };
    let reply = found.unwrap_or_else(|error| Problem::from(error.for_caller(&caller, &tenant, &domain)).into());
    let bytes_max = served.metrics.reply_bytes_max();
    match reply.payload_bytes() > bytes_max {
        true => too_large(reply.payload_bytes(), bytes_max).into(),
        false => reply,
    }
}

fn too_large(bytes: usize, bytes_max: usize) -> Problem {
    let detail = format!(
        "the answer has {bytes} bytes, and the NATS server takes at most {bytes_max}: ask for a smaller page, or raise its max_payload"
    );
    Problem::new(&http_status::TOO_LARGE, detail).with("actual", bytes).with_limit("max_payload", bytes_max)
}

#[cfg(test)]
#[path = "queries_fuzz_tests.rs"]
mod fuzz_tests;
