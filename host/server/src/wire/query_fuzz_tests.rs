//! Damaged queries of requests: each is refused, or reads the same once it is written again.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use polder_core::DomainName;
use polder_fuzz::{Damage, run};

use super::Query;

const KNOWN: &[&str] = &["after", "follow", "where", "domain"];

#[test]
fn damaged_queries_are_refused_or_read_as_written() {
    let good =
        ["where=city:Den+Haag&where=a%3Ab:%C3%BC&follow=true&after=7&&", "domain=orders&after=18446744073709551615"];
    let damage = Damage::new(good, &["&", "=", "%", "%2", "%00", "%FF", "%C3", "+", "?", "#", "é", "after=1"]);
    let counts = run(1_000, |random| {
        let raw = damage.text(random);
        let Ok(query) = Query::parse(Some(&raw), KNOWN) else { return false };
        // Decoding makes no text longer.
        assert!(query.0.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() <= raw.len());
        let escaped = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let pairs: Vec<String> =
            query.0.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect();
        let again = Query::parse(Some(&pairs.join("&")), KNOWN).ok().unwrap();
        assert_eq!(again.0, query.0);
        // Each value may be asked for in each way.
        for name in KNOWN {
            let _ = (query.number::<u64>(name), query.flag(name), query.named::<DomainName>(name), query.one(name));
        }
        true
    });
    counts.assert_both();
}
