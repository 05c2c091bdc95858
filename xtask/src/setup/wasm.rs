//! Makes sure that guests can be built. It tests whether the standard library for the wasm target works. If not, it
//! gets the library from rustup if possible, or else builds it from source. Quiet when nothing is missing, safe to
//! interrupt, and safe to run twice at once.

use std::fs::File;

use anyhow::{Context, Result, bail};

use super::{build_std, probe};
use crate::run;
use crate::workspace::WASM_TARGET;

pub(crate) fn setup() -> Result<()> {
    if probe::wasm_works().is_ok() {
        return Ok(());
    }
    let sysroot = run::sysroot()?;
    // All checkouts on the machine share the compiler's folder, and therefore this lock on it.
    let libraries = sysroot.join("lib/rustlib");
    let lock = File::open(&libraries).with_context(|| format!("cannot open {}", libraries.display()))?;
    lock.lock().with_context(|| format!("cannot lock {}", libraries.display()))?;
    let Err(missing) = probe::wasm_works() else { return Ok(()) };

    eprintln!("the target {WASM_TARGET} does not work yet; setting it up in {}", sysroot.display());
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
    // rustup's backtraces would hide its error message.
    run::output(rustup.args(["target", "add", WASM_TARGET]).env("RUST_BACKTRACE", "0")).map(drop)
}
