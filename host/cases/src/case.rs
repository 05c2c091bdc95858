//! A recorded case as data, in the format of the SDK's test kit. Runs nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Case {
    Aggregate(AggregateCase),
    Projection(ProjectionCase),
}

#[derive(Debug, Deserialize)]
pub struct AggregateCase {
    name: String,
    domain: String,
    pub(crate) aggregate: String,
    pub(crate) id: String,
    pub(crate) given: Vec<Fact>,
    pub(crate) when: When,
    pub(crate) then: Then,
    /// The state after the case, as `inspect` shows it.
    pub(crate) state: Value,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Fact {
    pub(crate) name: String,
    pub(crate) version: u32,
    pub(crate) payload: Value,
}

#[derive(Debug, Deserialize)]
pub(crate) struct When {
    pub(crate) name: String,
    pub(crate) payload: Value,
    pub(crate) id: String,
    pub(crate) at_ms: u64,
    pub(crate) actor: Option<String>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Then {
    Events(Vec<Fact>),
    Rejected { code: String, message: String },
}

#[derive(Debug, Deserialize)]
pub struct ProjectionCase {
    name: String,
    domain: String,
    pub(crate) projection: String,
    pub(crate) given: Vec<Recorded>,
    /// The expected documents by key. Null means that the document is gone.
    pub(crate) documents: BTreeMap<String, Value>,
    pub(crate) effects: Vec<RecordedEffect>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Recorded {
    pub(crate) aggregate: String,
    pub(crate) aggregate_id: String,
    pub(crate) sequence: u64,
    pub(crate) position: u64,
    pub(crate) at_ms: u64,
    #[serde(flatten)]
    pub(crate) fact: Fact,
}

#[derive(Debug, PartialEq, Deserialize)]
pub(crate) struct RecordedEffect {
    pub(crate) kind: String,
    pub(crate) target: String,
    pub(crate) key: String,
    pub(crate) payload: Value,
}

/// A recorded case that cannot be used. Remedy: run the domain's tests again, which write it anew.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    #[error("cannot read {}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{} is no recorded case: {source}", path.display())]
    NoCase { path: PathBuf, source: serde_json::Error },
}

impl Case {
    /// Name of the test that ran the case.
    pub fn name(&self) -> &str {
        match self {
            Self::Aggregate(case) => &case.name,
            Self::Projection(case) => &case.name,
        }
    }

    pub fn domain(&self) -> &str {
        match self {
            Self::Aggregate(case) => &case.domain,
            Self::Projection(case) => &case.domain,
        }
    }
}

/// Reads every case of a folder, in the order of the file names.
pub fn read_folder(folder: &Path) -> Result<Vec<Case>, CaseError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |source| CaseError::Unreadable { path, source }
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable(folder))? {
        let path = entry.map_err(unreadable(folder))?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    files.sort();
    let read = |path: PathBuf| {
        let text = std::fs::read(&path).map_err(unreadable(&path))?;
        serde_json::from_slice(&text).map_err(|source| CaseError::NoCase { path, source })
    };
    files.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    #[test]
    fn both_kinds_are_read_in_order() {
        let aggregate = r#"{"kind":"aggregate","name":"t","domain":"d","aggregate":"a","id":"i","given":[],
            "when":{"name":"w","payload":{},"id":"c","at_ms":1,"actor":null},"then":{"rejected":{"code":"x","message":"m"}},"state":{}}"#;
        let projection = r#"{"kind":"projection","name":"u","domain":"d","projection":"p","given":[{"aggregate":"a","aggregate_id":"i",
            "sequence":1,"position":1,"name":"e","version":1,"payload":{},"at_ms":5}],"documents":{"k":null},"effects":[]}"#;
        let folder = folder(&[("2.json", projection), ("1.json", aggregate), ("notes.txt", "no case")]);
        let cases = read_folder(folder.path()).unwrap();
        assert_eq!(cases.iter().map(Case::name).collect::<Vec<_>>(), ["t", "u"]);
        let Case::Projection(case) = &cases[1] else { panic!("{cases:?}") };
        assert_eq!((case.given[0].fact.name.as_str(), case.documents["k"].is_null()), ("e", true));
    }

    #[test]
    fn a_broken_file_is_named() {
        let error = read_folder(folder(&[("x.json", "{")]).path()).unwrap_err().to_string();
        assert!(error.contains("x.json is no recorded case"), "{error}");
    }
}
