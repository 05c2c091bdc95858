//! Keeps cases as files, for the sandbox. It does nothing unless an environment variable asks for it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

use serde_json::Value;

use crate::domain::Domain;

/// The environment variable that names the folder for cases.
const CASES_DIR_VARIABLE: &str = "POLDER_CASES_DIR";

/// Writes `case` to the folder that the environment names, if it names one. The same case always gets the same file
/// name.
/// # Panics
/// When the file cannot be written: otherwise the sandbox would silently miss the case.
pub(super) fn keep(domain: &Domain, case: &Value) {
    let Some(folder) = std::env::var_os(CASES_DIR_VARIABLE).map(PathBuf::from) else { return };
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("case").to_owned();
    let mut case = case.clone();
    case["name"] = Value::from(test.as_str());
    case["domain"] = Value::from(domain.name());
    let text = case.to_string();
    // One test may hold several cases; their content distinguishes them.
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    let test = test.replace("::", "-");
    let file = folder.join(format!("{}-{test}-{:016x}.json", domain.name(), hasher.finish()));
    let written = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&file, text));
    if let Err(error) = written {
        panic!("{CASES_DIR_VARIABLE} asks for {}, which cannot be written: {error}", file.display());
    }
}
