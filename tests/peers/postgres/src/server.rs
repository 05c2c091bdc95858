//! Makes a database, starts a server on it, waits until it answers, and stops it at the end.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, Row};

use crate::account::Account;
use crate::programs;

/// The settings that differ from the defaults. Everything that makes a commit durable stays on; the rest is the
/// manual's advice for a machine with little other work.
const SETTINGS: [(&str, &str); 9] = [
    ("fsync", "on"),
    ("synchronous_commit", "on"),
    ("full_page_writes", "on"),
    ("shared_buffers", "1GB"),
    ("max_wal_size", "8GB"),
    ("checkpoint_timeout", "15min"),
    ("random_page_cost", "1.1"),
    ("max_connections", "200"),
    ("listen_addresses", ""),
];

/// Further server settings that the report shows.
const SHOWN: [&str; 4] = ["server_version", "wal_sync_method", "wal_level", "commit_delay"];

/// More connections than this make PostgreSQL slower, not faster, on a machine with few processors.
const CONNECTIONS_MAX: u32 = 64;
const DATABASE: &str = "postgres";
const ROLE: &str = "bench";
const START_MAX: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub struct Server {
    process: Child,
    programs: PathBuf,
    account: Account,
    /// Contains the database and the socket.
    folder: tempfile::TempDir,
}

impl Server {
    /// Starts a server in `folder`, which is given to its user, and removed at the end.
    pub async fn start(folder: tempfile::TempDir) -> Result<Self> {
        let (programs, account) = (programs::folder()?, Account::find()?);
        account.take(folder.path())?;
        let data = folder.path().join("data");
        let mut initdb = account.command(&programs.join("initdb"));
        initdb.current_dir(folder.path()).arg("-D").arg(&data);
        run(initdb.args(["-U", ROLE, "--auth=trust", "--encoding=UTF8", "--locale=C"]))?;
        let mut postgres = account.command(&programs.join("postgres"));
        postgres.current_dir(folder.path()).arg("-D").arg(&data).arg("-k").arg(folder.path());
        for (name, value) in SETTINGS {
            postgres.arg("-c").arg(format!("{name}={value}"));
        }
        let log = std::fs::File::create(folder.path().join("log"))?;
        let process = postgres.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
        let mut server = Self { process, programs, account, folder };
        server.until_it_answers().await?;
        Ok(server)
    }

    async fn until_it_answers(&mut self) -> Result<()> {
        let began = Instant::now();
        loop {
            let answer = self.options().connect().await;
            let failure = match answer {
                Ok(connection) => return Ok(connection.close().await?),
                Err(failure) => failure,
            };
            if let Some(status) = self.process.try_wait()? {
                let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
                bail!("PostgreSQL ended with {status} at its start: {}", log.trim());
            }
            ensure!(began.elapsed() < START_MAX, "PostgreSQL does not answer: {failure}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn options(&self) -> PgConnectOptions {
        PgConnectOptions::new().socket(self.folder.path()).username(ROLE).database(DATABASE)
    }

    /// One connection per caller, up to the number that helps PostgreSQL. All are open before this returns.
    pub async fn pool(&self, callers: usize) -> Result<PgPool> {
        let connections = u32::try_from(callers)?.min(CONNECTIONS_MAX);
        let options = PgPoolOptions::new().max_connections(connections).min_connections(connections);
        // Further callers wait for a connection.
        Ok(options.acquire_timeout(START_MAX).connect_with(self.options()).await?)
    }

    /// The settings, as the server reports them.
    pub async fn settings(&self) -> Result<Map<String, Value>> {
        let mut connection = self.options().connect().await?;
        let mut settings = Map::new();
        for name in SHOWN.into_iter().chain(SETTINGS.into_iter().map(|(name, _)| name)) {
            let row = sqlx::query(&format!("SHOW {name}")).fetch_one(&mut connection).await?;
            settings.insert(name.to_owned(), Value::String(row.try_get(0)?));
        }
        connection.close().await?;
        settings.insert(String::from("connections_max"), CONNECTIONS_MAX.into());
        Ok(settings)
    }

    /// The user as which the system runs its processes.
    pub fn runs_as(&self) -> &str {
        match &self.account {
            Account::Own => "the current user",
            Account::StandIn { name, .. } => name,
        }
    }

    fn stop(&mut self) -> Result<()> {
        let mut stop = self.account.command(&self.programs.join("pg_ctl"));
        stop.current_dir(self.folder.path()).args(["stop", "--mode=fast", "--silent", "-D"]);
        run(stop.arg(self.folder.path().join("data")))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.stop().is_err() {
            // Its helpers end by themselves afterwards. Fails only when the process has already ended.
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}

fn run(command: &mut Command) -> Result<()> {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default().to_owned();
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {}", program.display()))?;
    ensure!(
        output.status.success(),
        "{} ended with {}: {}",
        program.display(),
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}
