//! Makes sure that guests can be built: finds out whether the standard library for the wasm target works, and if not gets
//! it, from rustup if possible, else built from source. Quiet when nothing is missing; safe to interrupt and to run twice at once.

use std::fs::File;

use anyhow::{Context, Result, bail};

use super::{build_std, probe};
use crate::guests::WASM_TARGET;
use crate::run;

pub(crate) fn setup() -> Result<()> {
    if probe::wasm_works().is_ok() {
        return Ok(());
    }
    let sysroot = run::sysroot()?;
    // The compiler's folder is shared by every checkout on the machine, and so is this lock on it.
    let libraries = sysroot.join("lib/rustlib");
    let lock = File::open(&libraries).with_context(|| format!("cannot open {}", libraries.display()))?;
    lock.lock().with_context(|| format!("cannot lock {}", libraries.display()))?;
    let Err(missing) = probe::wasm_works() else { return Ok(()) };

    eprintln!("{WASM_TARGET} cannot be compiled for yet; setting it up in {}", sysroot.display());
    let mut tried = vec![format!("compiling for it: {missing:#}")];
    for (way, get) in [("rustup", by_rustup as fn() -> Result<()>), ("building it from source", build_std::install)] {
        eprintln!("trying {way}");
        match get().and_then(|()| probe::wasm_works()) {
            Ok(()) => {
                eprintln!("{WASM_TARGET} works now, by {way}");
                return Ok(());
            }
            Err(error) => tried.push(format!("{way}: {error:#}")),
        }
    }
    bail!(
        "there is no standard library for {WASM_TARGET}, which guests need.\n  tried {}\n\
         Do one of these, then run this again:\n  \
         rustup target add {WASM_TARGET}\n  \
         rustup component add rust-src   (it is then built here from source)\n  \
         use a toolchain from your distribution that has the target, such as Debian's package libstd-rust-dev-wasm32",
        tried.join("\n  tried ")
    )
}

fn by_rustup() -> Result<()> {
    let mut rustup = std::process::Command::new("rustup");
    // Its backtraces would bury the sentence that tells what went wrong.
    run::output(rustup.args(["target", "add", WASM_TARGET]).env("RUST_BACKTRACE", "0")).map(drop)
}
