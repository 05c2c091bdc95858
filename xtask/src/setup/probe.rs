//! Tests whether a guest can be compiled, by compiling one. Checking folders would not detect a half-copied or unusable
//! library.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::run;
use crate::workspace::WASM_TARGET;

/// Compiles an empty guest with link-time optimisation, as for real guests: without the library's bitcode this fails.
pub(crate) fn wasm_works() -> Result<()> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let mut rustc: Command = run::rustc();
    rustc.args(["--crate-name", "probe", "--crate-type", "cdylib", "--edition", "2024", "--target", WASM_TARGET]);
    rustc.args(["-C", "lto=fat", "-C", "panic=abort", "--out-dir"]).arg(folder.path()).arg("-");
    let output = rustc.stdin(Stdio::null()).output().context("cannot start rustc")?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("{}", stderr.lines().find(|line| line.starts_with("error")).unwrap_or("rustc failed without a word"));
    }
    Ok(())
}
