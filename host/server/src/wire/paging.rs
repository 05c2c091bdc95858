//! Lists in pages: in a stable order, each page after the last item of the page before.

use std::str::FromStr;

use axum::http::StatusCode;
use axum::response::Response;
use polder_core::MemoryReservation;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::problem::Problem;
use super::query::{Query, bad_parameter};
use super::response_json::json_held;

/// The most items of one page, and the default.
pub(crate) const ITEMS_PER_PAGE_MAX: usize = 1_000;
pub(crate) const PARAMETERS: &[&str] = &["after", "limit"];

/// One page of a list.
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    /// The `after` of the next page; `None` if there is none.
    pub(crate) next: Option<String>,
}

/// Answers with one page of `items` under `name`. The items are sorted by their keys. `next` is there if more follow,
/// and is the `after` of the next page.
pub(crate) fn page<T, K>(name: &str, items: Vec<T>, query: &Query, key: impl Fn(&T) -> K) -> Result<Response, Problem>
where
    T: Serialize,
    K: Ord + FromStr + ToString,
{
    Ok(cut(items, query, key)?.answer(name, None))
}

/// Cuts a list to the page that the query asks for.
pub(crate) fn cut<T, K>(items: Vec<T>, query: &Query, key: impl Fn(&T) -> K) -> Result<Page<T>, Problem>
where
    K: Ord + FromStr + ToString,
{
    let limit = query.number("limit")?.unwrap_or(ITEMS_PER_PAGE_MAX);
    if !(1..=ITEMS_PER_PAGE_MAX).contains(&limit) {
        let problem = bad_parameter("limit", &format!("is {limit}; 1 to {ITEMS_PER_PAGE_MAX} would be right"));
        return Err(problem.with_limit("items_per_page_max", ITEMS_PER_PAGE_MAX));
    }
    let after: Option<K> = match query.one("after")? {
        None => None,
        Some(text) => Some(text.parse().map_err(|_| {
            bad_parameter("after", &format!("is {text:?}; the \"next\" of the page before would be right"))
        })?),
    };
    let mut rest = items.into_iter().filter(|item| after.as_ref().is_none_or(|after| key(item) > *after)).peekable();
    let items: Vec<T> = rest.by_ref().take(limit).collect();
    let next = rest.peek().and(items.last()).map(|last| key(last).to_string());
    Ok(Page { items, next })
}

impl<T: Serialize> Page<T> {
    /// The answer, with its items under `name`. `reserved` is the memory of the items and their text.
    pub(crate) fn answer(&self, name: &str, reserved: Option<MemoryReservation>) -> Response {
        json_held(StatusCode::OK, &NamedPage { name, page: self }, reserved)
    }
}

struct NamedPage<'a, T> {
    name: &'a str,
    page: &'a Page<T>,
}

impl<T: Serialize> Serialize for NamedPage<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut answer = serializer.serialize_map(None)?;
        answer.serialize_entry(self.name, &self.page.items)?;
        if let Some(next) = &self.page.next {
            answer.serialize_entry("next", next)?;
        }
        answer.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn shown(count: u64, raw: &str) -> String {
        let query = Query::parse(Some(raw), PARAMETERS).ok().unwrap();
        match page("items", (1..=count).collect(), &query, |item| *item) {
            Ok(response) => {
                let body = axum::body::to_bytes(response.into_body(), 100_000).await.unwrap();
                String::from_utf8(body.to_vec()).unwrap()
            }
            Err(problem) => problem.status().as_str().to_owned(),
        }
    }

    #[tokio::test]
    async fn pages_follow_each_other_without_gap() {
        assert_eq!(shown(3, "").await, r#"{"items":[1,2,3]}"#);
        assert_eq!(shown(3, "limit=2").await, r#"{"items":[1,2],"next":"2"}"#);
        assert_eq!(shown(3, "limit=2&after=2").await, r#"{"items":[3]}"#);
        assert_eq!(shown(3, "limit=3").await, r#"{"items":[1,2,3]}"#);
        assert_eq!(shown(3, "after=7").await, r#"{"items":[]}"#);
        assert!(shown(1_001, "").await.ends_with(r#"1000],"next":"1000"}"#));
        for raw in ["limit=0", "limit=1001", "limit=x", "after=x"] {
            assert_eq!(shown(3, raw).await, "400", "{raw}");
        }
    }
}
