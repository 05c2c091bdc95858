//! The components of guests that measurements run.

use std::path::{Path, PathBuf};

use anyhow::Context;

/// Reads the component of `orders`: the file that was given, or the one that is built beside this program.
pub(crate) fn orders(given: Option<&Path>) -> anyhow::Result<Vec<u8>> {
    read(given, "orders", "--component")
}

/// Reads the file that was given, or the guest `name` that is built beside this program. The error names `option`.
pub(crate) fn read(given: Option<&Path>, name: &str, option: &str) -> anyhow::Result<Vec<u8>> {
    let path = match given {
        Some(path) => path.to_owned(),
        None => beside_this_program(name).context("cannot find the path of this program")?,
    };
    std::fs::read(&path).with_context(|| {
        format!(
            "cannot read the {name} component {}: build it with `cargo xtask guests`, or name one with {option}",
            path.display()
        )
    })
}

/// The same rules with another digest: adds a custom section that no program reads. Each number gives another digest.
pub(crate) fn another_revision(component: &[u8], number: usize) -> Vec<u8> {
    let mark = u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
    // Id 0, then the length of the rest: a name of one letter, and the mark.
    [component, &[0, 6, 1, b'x'], &mark].concat()
}

/// `target/<profile>/polder-bench` and `target/wasm32-unknown-unknown/guest/orders.wasm` share a target folder.
fn beside_this_program(guest: &str) -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let target = program.parent().and_then(Path::parent)?;
    Some(target.join("wasm32-unknown-unknown").join("guest").join(format!("{guest}.wasm")))
}
