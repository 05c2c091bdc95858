//! Conditions on a row: which command it becomes, and whether it is skipped.

use serde::Deserialize;

use crate::field::is_nothing;
use crate::refusal::shown;
use crate::rows::Row;

/// Holds if all of its conditions do.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "WrittenWhen")]
pub(crate) struct When(Vec<Condition>);

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "{ column = \"…\", equals = … }, with not = … or empty = true in place of equals, or a list of such"
)]
enum WrittenWhen {
    One(Condition),
    All(Vec<Condition>),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "WrittenCondition")]
struct Condition {
    column: String,
    test: Test,
}

#[derive(Debug, Clone)]
enum Test {
    Equals(Vec<String>),
    Not(Vec<String>),
    Empty(bool),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenCondition {
    column: String,
    equals: Option<OneOrMore>,
    not: Option<OneOrMore>,
    empty: Option<bool>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "a text, or a list of them")]
pub(crate) enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl From<OneOrMore> for Vec<String> {
    fn from(written: OneOrMore) -> Self {
        match written {
            OneOrMore::One(text) => vec![text],
            OneOrMore::More(texts) => texts,
        }
    }
}

impl From<WrittenWhen> for When {
    fn from(written: WrittenWhen) -> Self {
        match written {
            WrittenWhen::One(condition) => Self(vec![condition]),
            WrittenWhen::All(conditions) => Self(conditions),
        }
    }
}

impl TryFrom<WrittenCondition> for Condition {
    type Error = String;

    fn try_from(written: WrittenCondition) -> Result<Self, String> {
        let WrittenCondition { column, equals, not, empty } = written;
        let test = match (equals, not, empty) {
            (Some(texts), None, None) => Test::Equals(texts.into()),
            (None, Some(texts), None) => Test::Not(texts.into()),
            (None, None, Some(is_empty)) => Test::Empty(is_empty),
            _ => return Err(format!("the condition on {column:?} needs one of equals, not and empty")),
        };
        Ok(Self { column, test })
    }
}

impl When {
    /// Whether the conditions hold. `nothing` are words that mean an empty cell.
    pub(crate) fn holds(&self, row: &Row, nothing: &[String]) -> bool {
        self.0.iter().all(|Condition { column, test }| {
            let cell = row.cell(column);
            let is_among = |texts: &[String]| cell.is_some_and(|cell| texts.iter().any(|text| text == cell));
            match test {
                Test::Equals(texts) => is_among(texts),
                Test::Not(texts) => !is_among(texts),
                Test::Empty(wanted) => cell.is_none_or(|cell| is_nothing(cell, nothing)) == *wanted,
            }
        })
    }

    pub(crate) fn columns(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|condition| condition.column.as_str())
    }

    /// The values that the conditions test in this row, for a message.
    pub(crate) fn seen<'a>(&'a self, row: &'a Row) -> impl Iterator<Item = String> + 'a {
        self.columns().map(|column| format!("{column} = {}", shown(row.cell(column).unwrap_or_default())))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn when(text: &str) -> Result<When, String> {
        #[derive(Deserialize)]
        struct Holder {
            when: When,
        }
        toml::from_str::<Holder>(&format!("when = {text}")).map(|holder| holder.when).map_err(|error| error.to_string())
    }

    #[test]
    fn all_conditions_must_hold() {
        let row = |cells: &[(&str, &str)]| Row {
            line: 2,
            number: 2,
            cells: cells.iter().map(|(name, value)| ((*name).into(), (*value).to_owned())).collect(),
        };
        let nothing = [String::from("NULL")];
        for (written, cells, wanted) in [
            ("{ column = \"a\", equals = \"x\" }", &[("a", "x")][..], true),
            ("{ column = \"a\", equals = [\"x\", \"y\"] }", &[("a", "y")], true),
            ("{ column = \"a\", equals = \"x\" }", &[("b", "x")], false),
            ("{ column = \"a\", not = [\"x\", \"y\"] }", &[("a", "y")], false),
            ("{ column = \"a\", not = \"x\" }", &[], true),
            ("{ column = \"a\", empty = true }", &[("a", " NULL ")], true),
            ("{ column = \"a\", empty = true }", &[], true),
            ("{ column = \"a\", empty = false }", &[("a", "x")], true),
            (
                "[{ column = \"a\", equals = \"x\" }, { column = \"b\", empty = true }]",
                &[("a", "x"), ("b", "1")],
                false,
            ),
            (
                "[{ column = \"a\", equals = \"x\" }, { column = \"b\", empty = false }]",
                &[("a", "x"), ("b", "1")],
                true,
            ),
        ] {
            assert_eq!(when(written).unwrap().holds(&row(cells), &nothing), wanted, "{written} {cells:?}");
        }
    }

    #[test]
    fn a_condition_without_a_test_is_refused() {
        for text in ["{ column = \"a\" }", "{ column = \"a\", equals = \"x\", empty = true }", "7"] {
            assert!(when(text).unwrap_err().contains("{ column = \"…\", equals = … }"), "{text}");
        }
    }
}
