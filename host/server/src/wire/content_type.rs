//! The content types of bodies. A browser lets a page of another origin send text or a form without asking, but asks
//! the host before it sends any of these types. This host permits that to no page.

use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;

use super::http_status;
use super::problem::Problem;

/// Lines of JSON.
pub(crate) const NDJSON: &str = "application/x-ndjson";

/// The content type that a route takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyType {
    Json,
    /// Lines of JSON.
    Ndjson,
    /// A component, or a core module as rustc writes it.
    Wasm,
}

impl BodyType {
    fn name(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Ndjson => NDJSON,
            Self::Wasm => "application/wasm",
        }
    }

    /// Checks the content type of a body that is not empty.
    pub(crate) fn check(self, headers: &HeaderMap) -> Result<(), Problem> {
        let mut values = headers.get_all(CONTENT_TYPE).iter();
        let found = match (values.next(), values.next()) {
            (None, _) => "missing".to_owned(),
            (Some(_), Some(_)) => "given more than once".to_owned(),
            (Some(value), None) => {
                let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
                if essence.eq_ignore_ascii_case(self.name()) {
                    return Ok(());
                }
                format!("{essence:?}")
            }
        };
        let right = self.name();
        let detail = format!("the body's type is {found}; \"content-type: {right}\" would be right");
        Err(Problem::new(&http_status::WRONG_CONTENT_TYPE, detail).with("expected", right))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_good(values: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(CONTENT_TYPE, value.parse().unwrap());
        }
        BodyType::Json.check(&headers).is_ok()
    }

    #[test]
    fn one_type_is_taken_with_any_parameters() {
        for value in ["application/json", "Application/JSON; charset=utf-8", " application/json ;x=y"] {
            assert!(is_good(&[value]), "{value}");
        }
        for value in
            ["text/plain", "", "application/x-www-form-urlencoded", "application/jsonx", "text/plain;application/json"]
        {
            assert!(!is_good(&[value]), "{value}");
        }
        assert!(!is_good(&[]) && !is_good(&["application/json", "application/json"]));
    }
}
