//! Reads the dependencies with an inverted `cargo tree`: for each watched package, all packages that reach it.

use anyhow::{Context, Result};

use super::arrows::Edges;
use super::rules::{ABSENCES, EDGES};
use crate::run;
use crate::workspace::Workspace;

/// Every dependency on a member, or on a package that a rule names, with the paths to it.
pub(crate) fn edges(workspace: &Workspace) -> Result<Edges> {
    let members = workspace.members.iter().map(|member| member.name.as_str());
    let named = ABSENCES.iter().flat_map(|absence| absence.unseen.iter().copied());
    let watched: Vec<&str> = members.chain(named).chain(EDGES.iter().map(|edge| edge.package)).collect();
    let mut edges = Edges::new();
    // A package without dependants is not in the lock file, and cargo tree would report an error for it.
    for (name, version) in workspace.packages.iter().filter(|(name, _)| watched.contains(&name.as_str())) {
        let mut cargo = run::cargo();
        cargo.current_dir(&workspace.root).args(["tree", "--workspace", "--edges", "normal,build", "--target", "all"]);
        cargo.args(["--prefix", "depth", "--format", " {p}", "--invert", &format!("{name}@{version}")]);
        // A package in the lock file that no member builds (a dependency of tests only) has no dependants to list.
        let text = run::output(&mut cargo)?;
        read_inverted(&text, &mut edges)
            .with_context(|| format!("cargo tree --invert {name} printed something else"))?;
    }
    Ok(edges)
}

/// Each line is `<depth> <name> v<version> …`. It depends on the nearest line above it whose depth is smaller by one.
fn read_inverted(text: &str, edges: &mut Edges) -> Result<()> {
    let mut above: Vec<String> = Vec::new();
    for line in text.lines().filter(|line| line.starts_with(|first: char| first.is_ascii_digit())) {
        let mut words = line.split_whitespace();
        let depth: usize = words.next().unwrap_or_default().parse().with_context(|| line.to_owned())?;
        let name = words.next().with_context(|| line.to_owned())?;
        above.truncate(depth);
        if let Some(dependency) = above.last() {
            edges.insert((name.to_owned(), dependency.clone()));
        }
        above.push(name.to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inverted_tree_becomes_edges() {
        let text = "0 tokio v1.54.0\n1 axum v0.8.0\n2 server v0.1.0 (/x/host/server)\n3 cli v0.1.0 (/x)\n1 server v0.1.0 (/x) (*)\n";
        let mut edges = Edges::new();
        read_inverted(text, &mut edges).unwrap();
        let shown: Vec<String> = edges.iter().map(|(from, to)| format!("{from}->{to}")).collect();
        assert_eq!(shown, ["axum->tokio", "cli->server", "server->axum", "server->tokio"]);
    }

    #[test]
    fn other_output_is_an_error() {
        assert!(read_inverted("0x tokio v1\n", &mut Edges::new()).is_err());
        assert!(read_inverted("0\n", &mut Edges::new()).is_err());
    }

    #[test]
    fn this_workspace_can_be_read() {
        let workspace = Workspace::read().unwrap();
        let edges = edges(&workspace).unwrap();
        assert!(edges.iter().any(|(dependant, _)| dependant.starts_with("polder-")), "{edges:?}");
    }
}
