//! Damaged subjects and payloads of queries: each is refused, or asks for what is written in it.

use polder_fuzz::{Damage, run};

use super::*;

const SUBJECT: &str = "main.query.orders.order-summary";
const PAGE: &str =
    r#"{"where":["status:sent","at:12:30"],"order":"-total","limit":5,"offset":10,"after":7,"timeout_ms":50}"#;
const DOCUMENT: &str = r#"{"key":"o-1 \u00e9","after":7}"#;
const WORDS: [&str; 14] =
    ["\"", "{", "}", "[", "]", ",", ":", "null", "-", "1e400", "\\ud800", "60001", "\"key\":\"\",", "[[[[[[[["];

#[test]
fn damaged_queries_are_refused_or_ask_for_what_they_say() {
    let subjects = Damage::new([SUBJECT], &[".", "*", ">", "..", " ", "catalog", "\0", "é"]);
    let payloads = Damage::new([PAGE, DOCUMENT, ""], &WORDS);
    let counts = run(1_000, |random| {
        let subject = String::from_utf8_lossy(&subjects.some_undamaged(random)).into_owned();
        let subject = if random.bool() { SUBJECT.to_owned() } else { subject };
        let payload = payloads.some_undamaged(random);
        let request = Request::new(subject.as_str().into(), None, payload.clone().into());
        let Ok(query) = query(Caller::Anyone, &request) else { return false };
        let tokens: Vec<&str> = subject.split('.').collect();
        let names = [query.tenant.as_str(), query.domain.as_str(), query.projection.as_str()];
        assert_eq!(names, [tokens[0], tokens[2], tokens[3]]);
        let bytes = match query.target {
            Target::Document(key) => key.len(),
            Target::Page(page) => page.filters.iter().map(|(field, value)| field.len() + value.len()).sum(),
        };
        assert!(bytes <= payload.len());
        assert!(query.wait.is_none_or(|wait| wait.timeout_ms <= 60_000));
        true
    });
    counts.assert_both();
}
