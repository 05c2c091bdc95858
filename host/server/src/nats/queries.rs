//! `{tenant}.query.{domain}.{projection}`: a query of a view. The reply is an acknowledgement, and the result follows
//! on a subject of its own. With the header `polder-result: reply` the result itself is the reply.

use std::sync::Arc;

use polder_core::{CorrelationId, DomainName, ProjectionName, TenantName};
use polder_engine::{DocumentQuery, WaitFor};
use polder_nats::ReplyTo;
use polder_nats::service::{Reply, Request};
use serde::{Deserialize, Serialize};

use super::{Term, reply};
use crate::access::{self, Caller, Hints, Wanted};
use crate::headers::{self, bad_header};
use crate::incoming_json::parse;
use crate::problem::Problem;
use crate::problem_kinds;
use crate::views;
use crate::waiting::wait_for;

/// The header that asks for the result as the reply. `reply` is its only value.
const RESULT: &str = "polder-result";
const CORRELATION_ID: &str = "correlation-id";

/// The payload of a query. An empty payload asks for the first page.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Asked {
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

/// The query is valid and is being answered.
#[derive(Serialize)]
pub(super) struct QueryAck<'a> {
    pub(super) status: &'static str,
    pub(super) correlation_id: &'a CorrelationId,
    /// The subject on which the result appears.
    pub(super) result_subject: &'a str,
}

struct Question {
    caller: Caller,
    tenant: TenantName,
    domain: DomainName,
    projection: ProjectionName,
    what: What,
    wait: Option<WaitFor>,
}

enum What {
    Document(String),
    Page(DocumentQuery),
}

pub(super) fn ask(term: &Arc<Term>, request: Request) -> impl Future<Output = Reply> + use<> {
    let understood = understood(term, &request);
    let term = Arc::clone(term);
    async move {
        match understood {
            Ok((question, None)) => answer(&term, question).await,
            Ok((question, Some((correlation_id, result)))) => {
                let status = "accepted";
                let ack = QueryAck { status, correlation_id: &correlation_id, result_subject: result.as_str() };
                let ack = reply::good(&ack);
                let answering = async move {
                    let answer = answer(&term, question).await;
                    answer.with_header(CORRELATION_ID, correlation_id.as_str())
                };
                ack.followed_by(result, answering)
            }
            Err(problem) => problem.into(),
        }
    }
}

/// Reads a query. The second value is the correlation id and subject of its result, unless the result is the reply.
fn understood(term: &Term, request: &Request) -> Result<(Question, Option<(CorrelationId, ReplyTo)>), Problem> {
    let caller = access::caller(&term.app, request)?;
    let wanted = Wanted::Publish(request.subject().to_owned());
    let question = question(caller, request)?;
    question.caller.check(&wanted)?;
    match headers::one(request, RESULT)? {
        Some("reply") => Ok((question, None)),
        None => {
            let result = result_for(&question.tenant, request)?;
            Ok((question, Some(result)))
        }
        Some(other) => Err(bad_header(RESULT, &format!("is {other:?}; \"reply\" would be right, or no such header"))),
    }
}

fn question(caller: Caller, request: &Request) -> Result<Question, Problem> {
    let tokens: Vec<&str> = request.subject().split('.').collect();
    let &[tenant, _, domain, projection] = &tokens[..] else {
        let detail = format!(
            "a query's subject has four tokens, this one has {}: {{tenant}}.query.{{domain}}.{{projection}} would be right",
            tokens.len()
        );
        return Err(Problem::new(&problem_kinds::BAD_SUBJECT, detail).with("subject", request.subject()));
    };
    let asked: Asked = match request.payload().as_ref() {
        b"" => Asked::default(),
        payload => parse(payload, "the query", "{\"key\": \"…\"} or {\"where\": [\"field:value\"]} would be right")?,
    };
    let page = DocumentQuery {
        filters: asked.r#where.iter().map(|text| views::filter(text)).collect::<Result<_, _>>()?,
        order: asked.order.as_deref().map(views::order).transpose()?,
        limit: asked.limit,
        offset: asked.offset,
        count: false,
    };
    let is_page = !page.filters.is_empty() || page.order.is_some() || page.limit.is_some() || page.offset > 0;
    let what = match asked.key {
        Some(_) if is_page => {
            let detail = "\"key\" asks for one document, and the other members for a page: give one or the other";
            return Err(Problem::new(&problem_kinds::BAD_BODY, detail));
        }
        Some(key) => What::Document(key),
        None => What::Page(page),
    };
    Ok(Question {
        caller,
        tenant: TenantName::new(tenant)?,
        domain: DomainName::new(domain)?,
        projection: ProjectionName::new(projection)?,
        what,
        wait: wait_for(asked.after, asked.timeout_ms)?,
    })
}

/// Returns the correlation id, generated if the caller gave none, and the subject that ends with it.
pub(super) fn result_for(tenant: &TenantName, request: &Request) -> Result<(CorrelationId, ReplyTo), Problem> {
    let given = headers::correlation_id(request)?;
    let id =
        given.unwrap_or_else(|| CorrelationId::new(&uuid::Uuid::new_v4().to_string()).expect("a UUID is a good id"));
    match ReplyTo::result(tenant, &id) {
        Some(result) => Ok((id, result)),
        None => {
            let rule = "the answer's subject ends with it, so it can have no '.', '*' or '>'";
            Err(bad_header(CORRELATION_ID, &format!("is {:?}; {rule}", id.as_str())))
        }
    }
}

async fn answer(term: &Term, question: Question) -> Reply {
    let Question { caller, tenant, domain, projection, what, wait } = question;
    let found = match what {
        What::Document(key) => {
            let document = term.part.host.document(&tenant, &domain, &projection, &key, wait).await;
            document.map(|document| reply::good(&document))
        }
        What::Page(query) => {
            let page = term.part.host.documents(&tenant, &domain, &projection, &query, wait).await;
            page.map(|page| reply::good(&page))
        }
    };
    let reply = found.unwrap_or_else(|error| Problem::from(error.for_caller(&caller, &tenant, &domain)).into());
    let bytes_max = term.app.nats.as_ref().map_or(usize::MAX, |counts| counts.reply_bytes_max());
    match reply.payload_bytes() > bytes_max {
        true => too_large(reply.payload_bytes(), bytes_max).into(),
        false => reply,
    }
}

fn too_large(bytes: usize, bytes_max: usize) -> Problem {
    let detail = format!(
        "the answer has {bytes} bytes, and the NATS server takes {bytes_max}: ask for a smaller page, or raise its max_payload"
    );
    Problem::new(&problem_kinds::TOO_LARGE, detail).with("actual", bytes).with_limit("max_payload", bytes_max)
}
