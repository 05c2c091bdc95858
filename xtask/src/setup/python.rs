//! Puts a Python with the NATS client at `tools/python` in the target folder: a virtual environment, with the client
//! from the registry that pip uses on this machine.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::run;
use crate::workspace::Workspace;

/// Pinned, so that a new version of the client cannot break a test.
const CLIENT: &str = "nats-py==2.16.0";

pub(crate) fn setup() -> Result<()> {
    let tools = Workspace::read()?.target.join("tools");
    fs::create_dir_all(&tools).with_context(|| format!("cannot create {}", tools.display()))?;
    let lock = File::open(&tools).with_context(|| format!("cannot open {}", tools.display()))?;
    lock.lock().with_context(|| format!("cannot lock {}", tools.display()))?;
    let place = tools.join("python");
    if works(&place).is_ok() {
        return Ok(());
    }
    eprintln!("setting up Python with {CLIENT} in {}", place.display());
    let made = run::output(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&place));
    made.context(
        "there is no Python that can make virtual environments: install Debian's python3-venv or an equivalent",
    )?;
    let mut pip = Command::new(place.join("bin/python"));
    run::output(pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", CLIENT]))?;
    works(&place)
}

fn works(place: &Path) -> Result<()> {
    let wanted = CLIENT.rsplit("==").next().unwrap_or_default();
    let check = format!("import nats, importlib.metadata as m; assert m.version('nats-py') == '{wanted}'");
    run::output(Command::new(place.join("bin/python")).args(["-c", &check])).map(drop)
}
