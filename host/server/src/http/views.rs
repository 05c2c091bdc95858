//! `GET /v1/{tenant}/{domain}/views/{projection}[/{key}]`: documents of a read model.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use polder_engine::DocumentQuery;

use crate::access::{Caller, Hints};
use crate::app::App;
use crate::requests::view_query::{filter, order, wait};
use crate::wire::path::PathParameters;
use crate::wire::problem::Problem;
use crate::wire::query::Query;
use crate::wire::response_json::json_held;

pub(super) const DOCUMENT_PARAMETERS: &[&str] = &["after", "timeout_ms"];
pub(super) const PAGE_PARAMETERS: &[&str] = &["where", "order", "limit", "offset", "count", "after", "timeout_ms"];

pub(super) async fn one(
    State(app): State<Arc<App>>,
    caller: Caller,
    path: PathParameters,
    query: Query,
) -> Result<Response, Problem> {
    let (tenant, domain, projection) = (path.tenant()?, path.domain()?, path.projection()?);
    let wait = wait(&query)?;
    let document = app.host(&tenant).views().document(&tenant, &domain, &projection, path.key(), wait).await;
    let mut document = document.map_err(|error| error.for_caller(&caller, &tenant, &domain))?;
    let reserved = document.reserved.take();
    Ok(json_held(StatusCode::OK, &document, reserved))
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    path: PathParameters,
    query: Query,
) -> Result<Response, Problem> {
    let (tenant, domain, projection) = (path.tenant()?, path.domain()?, path.projection()?);
    let page = app
        .host(&tenant)
        .views()
        .documents(&tenant, &domain, &projection, &document_query(&query)?, wait(&query)?)
        .await;
    let mut page = page.map_err(|error| error.for_caller(&caller, &tenant, &domain))?;
    let reserved = page.reserved.take();
    Ok(json_held(StatusCode::OK, &page, reserved))
}

fn document_query(query: &Query) -> Result<DocumentQuery, Problem> {
    Ok(DocumentQuery {
        filters: query.all("where").map(filter).collect::<Result<_, _>>()?,
        order: query.one("order")?.map(order).transpose()?,
        limit: query.number("limit")?,
        offset: query.number("offset")?.unwrap_or(0),
        count: query.flag("count")?,
    })
}

#[cfg(test)]
mod tests {
    use polder_engine::Direction;

    use super::*;

    fn read(raw: &str) -> Option<DocumentQuery> {
        document_query(&Query::parse(Some(raw), PAGE_PARAMETERS).ok().unwrap()).ok()
    }

    #[test]
    fn conditions_order_and_page_are_read() {
        let query = read("where=customer.city:Delft&where=at:12:30&order=-total&limit=5&offset=10").unwrap();
        let pair = |field: &str, value: &str| (field.to_owned(), value.to_owned());
        assert_eq!(query.filters, [pair("customer.city", "Delft"), pair("at", "12:30")]);
        assert_eq!(query.order, Some(("total".to_owned(), Direction::Descending)));
        assert_eq!((query.limit, query.offset), (Some(5), 10));
        assert_eq!(read("order=total").unwrap().order, Some(("total".to_owned(), Direction::Ascending)));
    }

    #[test]
    fn anything_else_is_refused() {
        for raw in
            ["where=status", "where=:x", "where=", "order=", "order=-", "order=a&order=b", "limit=-1", "offset=x"]
        {
            assert!(read(raw).is_none(), "{raw}");
        }
    }
}

#[cfg(test)]
#[path = "views_fuzz_tests.rs"]
mod fuzz_tests;
