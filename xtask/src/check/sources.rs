//! Reads the files that are checked: Rust, WIT and Markdown.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

pub(crate) const PAGE: &str = ".md";
const ENDINGS: [&str; 3] = [".rs", ".wit", PAGE];

/// A checked file; its path is relative to the root of the repository, with `/`.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Reads the Rust, WIT and Markdown files below `root`, sorted by path. Hidden folders and folders with the name
/// `target` are skipped.
pub(crate) fn sources(root: &Path) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
            let entry = entry?;
            let (path, name, kind) = (entry.path(), entry.file_name(), entry.file_type()?);
            let name = name.to_string_lossy();
            if kind.is_dir() && !name.starts_with('.') && name != "target" {
                folders.push(path);
            } else if kind.is_file() && ENDINGS.iter().any(|ending| name.ends_with(ending)) {
                let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
                let path = path.strip_prefix(root)?.to_string_lossy().replace('\\', "/");
                sources.push(Source { path, text });
            }
        }
    }
    sources.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(sources)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_found_in_all_folders_except_hidden_ones_and_build_output() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["b/c.wit", "a.rs", "b/d.md", "b/e.txt", ".hidden/f.rs", "b/target/g.rs"] {
            let file = folder.path().join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "text").unwrap();
        }
        let found: Vec<String> = sources(folder.path()).unwrap().into_iter().map(|source| source.path).collect();
        assert_eq!(found, ["a.rs", "b/c.wit", "b/d.md"]);
    }
}
