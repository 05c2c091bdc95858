//! A nats-server with its own folder and a free port of this machine, which it writes to a file.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

const START_MAX: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub(crate) struct Server {
    process: Child,
    pub(crate) url: String,
    _folder: tempfile::TempDir,
}

impl Server {
    /// Starts a server in `folder`, which is removed at the end.
    pub(crate) async fn start(program: &OsStr, folder: tempfile::TempDir) -> Result<Self> {
        let (store, ports) = (folder.path().join("store"), folder.path().join("ports"));
        std::fs::create_dir_all(&ports)?;
        let settings = folder.path().join("server.conf");
        let text = format!(
            "listen: \"127.0.0.1:-1\"\nports_file_dir: {ports:?}\njetstream {{ store_dir: {store:?}, sync_interval: always }}\n"
        );
        std::fs::write(&settings, text)?;
        let log = std::fs::File::create(folder.path().join("log"))?;
        let mut command = Command::new(program);
        command.arg("--config").arg(&settings).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let process = command.spawn().with_context(|| {
            format!("cannot start {}: is nats-server 2.14.4 or newer installed?", program.display())
        })?;
        let mut server = Self { process, url: String::new(), _folder: folder };
        server.url = server.until_it_listens(&ports).await?;
        Ok(server)
    }

    async fn until_it_listens(&mut self, ports: &Path) -> Result<String> {
        let began = Instant::now();
        loop {
            if let Some(url) = written_down(ports)? {
                return Ok(url);
            }
            if let Some(status) = self.process.try_wait()? {
                let log = std::fs::read_to_string(ports.with_file_name("log")).unwrap_or_default();
                bail!("nats-server ended with {status} at its start: {}", log.trim());
            }
            ensure!(began.elapsed() < START_MAX, "nats-server does not come up");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when the process has already ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The URL from `{"nats": ["nats://127.0.0.1:…"], …}`, once the file is complete.
fn written_down(ports: &Path) -> Result<Option<String>> {
    for entry in std::fs::read_dir(ports)? {
        let Ok(text) = std::fs::read_to_string(entry?.path()) else { continue };
        let Ok(listed) = serde_json::from_str::<Value>(&text) else { continue };
        if let Some(url) = listed["nats"][0].as_str() {
            return Ok(Some(url.to_owned()));
        }
    }
    Ok(None)
}
