//! The query of a request, read strictly: a misspelt parameter is refused, not ignored.

use std::str::FromStr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use percent_encoding::percent_decode_str;

use super::http_status;
use super::problem::Problem;

/// The parameters of a query, decoded.
#[derive(Debug, Clone)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Parses a query. `known` are the parameters that the route takes; others are refused.
    pub(crate) fn parse(raw: Option<&str>, known: &[&str]) -> Result<Self, Problem> {
        let mut parameters = Vec::new();
        for pair in raw.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decode(name)?, decode(value)?);
            if !known.contains(&name.as_str()) {
                let detail = format!("there is no parameter {name:?} here; there are: {}", list(known));
                return Err(Problem::new(&http_status::BAD_QUERY, detail).with("parameter", name).with_known(known));
            }
            parameters.push((name, value));
        }
        Ok(Self(parameters))
    }

    /// The values of a parameter that may be there more than once.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The value of a parameter that may be there once.
    pub(crate) fn one(&self, name: &str) -> Result<Option<&str>, Problem> {
        let mut found = None;
        for (_, value) in self.0.iter().filter(|(given, _)| given == name) {
            if found.replace(value.as_str()).is_some() {
                return Err(bad_parameter(name, "is there more than once: give it once"));
            }
        }
        Ok(found)
    }

    pub(crate) fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>, Problem> {
        let number = |text: &str| {
            text.parse().map_err(|_| bad_parameter(name, &format!("is {text:?}; a whole number from 0 would be right")))
        };
        self.one(name)?.map(number).transpose()
    }

    pub(crate) fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.one(name)? {
            None | Some("false") => Ok(false),
            Some("true" | "") => Ok(true),
            Some(other) => Err(bad_parameter(name, &format!("is {other:?}; true or false would be right"))),
        }
    }

    /// A name or id that is checked by its own rule.
    pub(crate) fn named<T>(&self, name: &str) -> Result<Option<T>, Problem>
    where
        T: FromStr<Err = polder_core::NameError>,
    {
        Ok(self.one(name)?.map(str::parse).transpose()?)
    }
}

/// Refuses a parameter. `problem` continues the text "parameter x …".
pub(crate) fn bad_parameter(name: &str, problem: &str) -> Problem {
    Problem::new(&http_status::BAD_QUERY, format!("parameter {name:?} {problem}")).with("parameter", name)
}

/// Taken from the request, where `permitted` puts it.
impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.extensions.get::<Self>().cloned();
        query.ok_or_else(|| Problem::new(&http_status::NOT_PERMITTED, "this route takes no parameters"))
    }
}

fn decode(text: &str) -> Result<String, Problem> {
    // A plus sign means a space in a query, as HTML forms encode it.
    let spaced = text.replace('+', " ");
    match percent_decode_str(&spaced).decode_utf8() {
        Ok(decoded) => Ok(decoded.into_owned()),
        Err(_) => Err(Problem::new(
            &http_status::BAD_QUERY,
            format!("{text:?} is not UTF-8 once its %-escapes are decoded: escape UTF-8 bytes only"),
        )),
    }
}

fn list(known: &[&str]) -> String {
    if known.is_empty() { "none".to_owned() } else { known.join(", ") }
}

#[cfg(test)]
#[path = "query_fuzz_tests.rs"]
mod fuzz_tests;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(raw: &str) -> Query {
        Query::parse(Some(raw), &["after", "follow", "where"]).ok().unwrap()
    }

    #[test]
    fn values_are_decoded() {
        let query = parse("where=city:Den+Haag&where=a%3Ab:%C3%BC&follow=true&after=7&&");
        assert_eq!(query.all("where").collect::<Vec<_>>(), ["city:Den Haag", "a:b:ü"]);
        assert!(query.flag("follow").ok().unwrap());
        assert_eq!(query.number::<u64>("after").ok().unwrap(), Some(7));
        assert_eq!(parse("").number::<u64>("after").ok().unwrap(), None);
    }

    #[test]
    fn what_cannot_be_used_is_refused() {
        for raw in ["afer=1", "after=%FF", "%C3=1"] {
            assert!(Query::parse(Some(raw), &["after"]).is_err(), "{raw}");
        }
        for raw in ["after=-1", "after=x", "after=", "after=1&after=1", "after=99999999999999999999"] {
            assert!(parse(raw).number::<u64>("after").is_err(), "{raw}");
        }
        assert!(parse("follow=yes").flag("follow").is_err());
    }
}
