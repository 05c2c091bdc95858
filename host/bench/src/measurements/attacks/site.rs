//! What an attack finds: a host with hostile tenants, and a connection of the operator that prepares them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use polder_test_components::with_mode;

use super::kept_connection::{Answer, KeptConnection};

pub(super) const WASM_TYPE: (&str, &str) = ("content-type", "application/wasm");
pub(super) const JSON_TYPE: (&str, &str) = ("content-type", "application/json");
/// The same for requests that are written as text.
pub(super) const WASM_HEAD: &str = "content-type: application/wasm\r\n";
/// Time of one query for a view, and of all of them.
const VIEW_WAIT_MS: u64 = 30_000;
const VIEW_WAIT_MAX: Duration = Duration::from_secs(300);
const JSON_HEAD: &str = "content-type: application/json\r\n";

pub(super) struct Site<'a> {
    /// The hostile tenants. They exist, and have no domain yet.
    pub(super) tenants: Vec<String>,
    /// The component of the guest `rogue`.
    rogue: &'a [u8],
    operator: KeptConnection,
}

impl<'a> Site<'a> {
    /// Adds the hostile tenants of an attack.
    pub(super) fn open(address: SocketAddr, rogue: &'a [u8], attack: &str, count: usize) -> anyhow::Result<Self> {
        let tenants = (1..=count).map(|number| format!("{attack}-{number}")).collect();
        let mut site = Self { tenants, rogue, operator: KeptConnection::new(address) };
        for tenant in site.tenants.clone() {
            site.ask("PUT", &format!("/v1/tenants/{tenant}"), "", b"")?;
        }
        Ok(site)
    }

    /// `rogue` in one of its modes.
    pub(super) fn rogue(&self, mode: &str) -> Vec<u8> {
        with_mode(self.rogue, mode)
    }

    /// `rogue` with a second module, which is given as text.
    pub(super) fn with_parasite(&self, module: &str) -> Vec<u8> {
        polder_test_components::with_parasite(self.rogue, module)
    }

    /// Deploys `rogue` in one of its modes to every hostile tenant.
    pub(super) fn deploy(&mut self, mode: &str) -> anyhow::Result<()> {
        let component = self.rogue(mode);
        for tenant in self.tenants.clone() {
            self.ask("PUT", &format!("/v1/{tenant}/domains/rogue"), WASM_HEAD, &component)?;
        }
        Ok(())
    }

    /// Sends a command of the first hostile tenant. Returns its position.
    pub(super) fn send(&mut self, id: &str, command: &str) -> anyhow::Result<u64> {
        self.send_as(0, id, command)
    }

    pub(super) fn send_as(&mut self, tenant: usize, id: &str, command: &str) -> anyhow::Result<u64> {
        let path = format!("/v1/{}/rogue/thing/{id}/{command}", self.tenants[tenant]);
        let answer = self.ask("POST", &path, JSON_HEAD, b"{}")?;
        answer.json()?["position"].as_u64().context("an acknowledgement without a position")
    }

    /// Sends a request that the host must carry out.
    pub(super) fn ask(&mut self, method: &str, path: &str, head: &str, body: &[u8]) -> anyhow::Result<Answer> {
        let answer = self.operator.request(method, path, head, body).with_context(|| format!("{method} {path}"))?;
        let text = || String::from_utf8_lossy(&answer.body).into_owned();
        ensure!((200..300).contains(&answer.status), "{method} {path}: {} {}", answer.status, text());
        Ok(answer)
    }

    /// Waits until a view has seen a position. Documents that take long to make are made on the host's slow lane, which
    /// has only the time that the machine has left.
    pub(super) fn wait_for_view(&mut self, query: &str, position: u64) -> anyhow::Result<()> {
        let (path, began) = (format!("{query}&after={position}&timeout_ms={VIEW_WAIT_MS}"), Instant::now());
        loop {
            let answer = self.operator.request("GET", &path, "", b"")?;
            match answer.status {
                200 => return Ok(()),
                // The view is behind.
                503 | 504 if began.elapsed() < VIEW_WAIT_MAX => {}
                _ => bail!("GET {path}: {}", answer.refusal()),
            }
        }
    }

    pub(super) fn remove(&mut self, tenant: &str) -> anyhow::Result<()> {
        self.ask("DELETE", &format!("/v1/tenants/{tenant}?confirm={tenant}"), "", b"").map(drop)
    }
}
