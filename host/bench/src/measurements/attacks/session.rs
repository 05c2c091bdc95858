//! A host in its own process with the neighbour's domain, and the steps of which a run of attacks consists.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::processes::host_process::{HostProcess, verify};

use super::attack::{Attack, Begin};
use super::clients::Clients;
use super::judge::MEMORY_BYTES_MAX;
use super::kept_connection::KeptConnection;
use super::neighbour::{Neighbour, Round};
use super::site::{Site, WASM_HEAD};
use super::watcher::{Peak, Watcher};

/// Time in which the neighbour finds what the host can do.
const CALIBRATION: Duration = Duration::from_secs(1);
/// A host that has not ended this long after SIGTERM is killed.
const END_WAIT_MAX: Duration = Duration::from_secs(60);

/// The components that the tenants run.
pub(super) struct Guests {
    pub(super) orders: Vec<u8>,
    pub(super) rogue: Vec<u8>,
}

pub(super) struct Session<'a> {
    guests: &'a Guests,
    data: PathBuf,
    host: HostProcess,
    address: SocketAddr,
    watcher: Watcher,
    pub(super) neighbour: Neighbour,
}

/// What happened while the clients of an attack were there.
pub(super) struct Attacked {
    pub(super) beside: Round,
    /// Requests and connections of the attack, by their outcome.
    pub(super) outcomes: BTreeMap<String, usize>,
}

/// How the host ended.
pub(super) struct Ended {
    pub(super) sigterm_s: f64,
    pub(super) wrong: Vec<String>,
}

impl<'a> Session<'a> {
    /// Starts a host in a new folder below `folder`, and the neighbour.
    pub(super) fn open(guests: &'a Guests, folder: PathBuf, descriptors_max: Option<u64>) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&folder)?;
        let (data, log) = (folder.join("data"), Stdio::from(File::create(folder.join("log"))?));
        let options = ["--memory-bytes-max".into(), MEMORY_BYTES_MAX.to_string().into()];
        let host = match descriptors_max {
            Some(descriptors_max) => HostProcess::start_with_descriptors(&data, &options, log, descriptors_max)?,
            None => HostProcess::start_with(&data, &options, log)?,
        };
        let address: SocketAddr = host.address.trim_start_matches("http://").parse().context("its address")?;
        let mut operator = KeptConnection::new(address);
        let answer = operator.request("PUT", "/v1/main/domains/orders", WASM_HEAD, &guests.orders)?;
        ensure!(answer.status == 200, "the deployment of orders: {}", answer.refusal());
        let neighbour = Neighbour::start(address, CALIBRATION)?;
        Ok(Self { guests, data, watcher: Watcher::start(host.id()), host, address, neighbour })
    }

    /// Adds the hostile tenants of an attack, and sets them up.
    pub(super) fn prepare(&mut self, attack: &Attack) -> anyhow::Result<(Site<'a>, Begin)> {
        let mut site = Site::open(self.address, &self.guests.rogue, &attack.name, attack.tenants)?;
        let begin = (attack.prepare)(&mut site)?;
        // Otherwise the system writes the documents of the preparation half a minute later, and every sync of the host
        // waits for that.
        rustix::fs::sync();
        Ok((site, begin))
    }

    /// Starts the clients of the attack, measures the neighbour beside them, and ends them.
    pub(super) fn attack(&mut self, begin: Begin, length: Duration, nice: u8) -> anyhow::Result<Attacked> {
        let mut clients = Clients::new(self.address, nice)?;
        begin(&mut clients);
        clients.wait_until_begun();
        let beside = self.neighbour.round(length);
        let outcomes = clients.end();
        Ok(Attacked { beside: beside?, outcomes })
    }

    /// The most that the host has held since the last call.
    pub(super) fn take_peak(&self) -> Peak {
        self.watcher.take()
    }

    pub(super) fn resident_bytes(&self) -> anyhow::Result<u64> {
        self.host.resident_bytes()
    }

    /// Ends the host with SIGTERM, and checks its journal.
    pub(super) fn end(self) -> anyhow::Result<Ended> {
        drop(self.watcher);
        let (took, status) = self.host.end_within(END_WAIT_MAX)?;
        let mut wrong = match status {
            None => vec![format!("the host had not ended {END_WAIT_MAX:?} after SIGTERM")],
            Some(status) if !status.success() => vec![format!("the host ended with {status}")],
            Some(_) => Vec::new(),
        };
        if let Err(text) = verify(&self.data)? {
            wrong.push(format!("`polder verify` failed: {}", text.trim()));
        }
        Ok(Ended { sigterm_s: took.as_secs_f64(), wrong })
    }
}

/// Removes hostile tenants. Returns the time of the slowest removal in seconds, and what went wrong.
pub(super) fn remove(site: &mut Site<'_>, tenants: &[String]) -> (f64, Vec<String>) {
    let (mut slowest_s, mut wrong) = (0.0_f64, Vec::new());
    for tenant in tenants {
        let began = Instant::now();
        wrong.extend(site.remove(tenant).err().map(|error| format!("the removal of {tenant}: {error:#}")));
        slowest_s = slowest_s.max(began.elapsed().as_secs_f64());
    }
    (slowest_s, wrong)
}
