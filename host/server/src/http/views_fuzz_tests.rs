//! Damaged conditions and orders of queries to views: each is refused, or is what the caller wrote.

use polder_engine::Direction;
use polder_fuzz::{Damage, run};

use super::{PAGE_PARAMETERS, document_query};
use crate::wire::query::Query;

#[test]
fn damaged_conditions_are_refused_or_read_as_written() {
    let good = [
        "where=customer.city:Delft&where=at:12:30&order=-total&limit=5&offset=10&count=true",
        "where=a%3Ab:%C3%BC&order=a",
    ];
    let damage = Damage::new(good, &["&where=", "&order=", ":", "-", "%3A", "%FF", "+", "=", "4294967296", "é"]);
    let counts = run(1_000, |random| {
        let Ok(query) = Query::parse(Some(&damage.text(random)), PAGE_PARAMETERS) else { return false };
        let Ok(read) = document_query(&query) else { return false };
        let conditions: Vec<String> = read.filters.iter().map(|(field, value)| format!("{field}:{value}")).collect();
        assert_eq!(conditions, query.all("where").collect::<Vec<_>>());
        let order = read.order.map(|(field, direction)| match direction {
            Direction::Ascending => field,
            Direction::Descending => format!("-{field}"),
        });
        assert_eq!(order.as_deref(), query.all("order").next());
        true
    });
    counts.assert_both();
}
