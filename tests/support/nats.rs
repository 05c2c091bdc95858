//! A real nats-server as a child process, on free loopback ports and with a folder of its own. It ends with the test,
//! even if the test fails.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::paths::nats_server_file;
use crate::wire::Wire;

/// The longest wait until a started server is ready, or a stopped one has ended.
const READY_WAIT_MAX: Duration = Duration::from_secs(60);
/// The pause between two checks.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// The configuration besides addresses and folders.
#[derive(Debug, Clone)]
pub struct NatsOptions {
    pub jetstream: bool,
    /// As in the configuration: `always`, `10s`. `None`: the server's default of two minutes.
    pub sync_interval: Option<&'static str>,
    pub payload_bytes_max: Option<u64>,
    /// More of the configuration, verbatim: `authorization { … }`, `accounts { … }`, `tls { … }`.
    pub more: String,
}

impl Default for NatsOptions {
    fn default() -> Self {
        Self { jetstream: true, sync_interval: None, payload_bytes_max: None, more: String::new() }
    }
}

pub struct NatsServer {
    /// `None` while it is stopped.
    child: Option<Child>,
    folder: TempDir,
    name: String,
    ports: Ports,
    options: NatsOptions,
    /// The cluster ports of all members; empty for a single server.
    members: Vec<u16>,
    /// The members reach each other on these ports only, and clients get no addresses of other servers.
    is_wired: bool,
}

#[derive(Debug, Clone, Copy)]
struct Ports {
    clients: u16,
    monitoring: u16,
    cluster: u16,
}

impl NatsServer {
    /// Starts a server with JetStream and the default settings.
    #[track_caller]
    pub fn start() -> Self {
        Self::start_with(NatsOptions::default())
    }

    #[track_caller]
    pub fn start_with(options: NatsOptions) -> Self {
        let mut server = Self::stopped("nats", options);
        server.start_again();
        server
    }

    /// Starts the servers of one cluster, ready for replicated streams.
    #[track_caller]
    pub fn start_cluster(size: usize, options: &NatsOptions) -> Vec<Self> {
        let mut servers: Vec<Self> =
            (1..=size).map(|number| Self::stopped(&format!("nats-{number}"), options.clone())).collect();
        let members: Vec<u16> = servers.iter().map(|server| server.ports.cluster).collect();
        for server in &mut servers {
            server.members.clone_from(&members);
            server.spawn();
        }
        servers.iter_mut().for_each(Self::wait_until_ready);
        servers
    }

    /// Works like [`start_cluster`](Self::start_cluster), but each server reaches each other server through a wire of
    /// its own: `wires[from][to]`. The wire from a server to itself leads to itself.
    #[track_caller]
    pub fn start_wired_cluster(size: usize, options: &NatsOptions) -> (Vec<Self>, Vec<Vec<Wire>>) {
        // The wires take their ports first: one of them could take a port that was chosen for a server.
        let wires: Vec<Vec<Wire>> = (0..size).map(|_| (0..size).map(|_| Wire::loose()).collect()).collect();
        let mut servers: Vec<Self> =
            (1..=size).map(|number| Self::stopped(&format!("nats-{number}"), options.clone())).collect();
        for (number, server) in servers.iter().enumerate() {
            wires.iter().for_each(|from| from[number].lead_to(server.ports.cluster));
        }
        for (number, server) in servers.iter_mut().enumerate() {
            let others = wires[number].iter().enumerate().filter(|(other, _)| *other != number);
            (server.members, server.is_wired) = (others.map(|(_, wire)| wire.port()).collect(), true);
            server.spawn();
        }
        servers.iter_mut().for_each(Self::wait_until_ready);
        (servers, wires)
    }

    /// The port for clients.
    pub fn client_port(&self) -> u16 {
        self.ports.clients
    }

    fn stopped(name: &str, options: NatsOptions) -> Self {
        let folder = tempfile::tempdir().expect("a folder for nats-server");
        Self {
            child: None,
            folder,
            name: name.to_owned(),
            ports: Ports::free(),
            options,
            members: Vec::new(),
            is_wired: false,
        }
    }

    /// The URL for clients: `nats://127.0.0.1:…`.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.ports.clients)
    }

    /// The URL of its monitoring endpoints: `http://127.0.0.1:…`.
    pub fn monitoring_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.monitoring)
    }

    /// The folder with all its data.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn id(&self) -> u32 {
        self.child.as_ref().expect("the server runs").id()
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).expect("the log can be read")
    }

    /// Kills the server with SIGKILL, so that it cannot clean up. Its folder stays.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("the server runs");
        child.kill().expect("the server can be killed");
        child.wait().expect("the server ends");
    }

    /// Stops the server with SIGTERM, and waits for the end. Its folder stays.
    #[track_caller]
    pub fn stop(&mut self) {
        self.signal("TERM");
        let mut child = self.child.take().expect("the server runs");
        let status = child.wait().expect("the server ends");
        // The exit code depends on whether the server was idle.
        assert!(matches!(status.code(), Some(0 | 1) | None), "nats-server ended with {status}: {}", self.log());
    }

    /// Starts the server again on the same ports, with the same folder.
    #[track_caller]
    pub fn start_again(&mut self) {
        self.spawn();
        self.wait_until_ready();
    }

    /// Works like [`start_again`](Self::start_again), with another configuration.
    #[track_caller]
    pub fn start_again_with(&mut self, options: NatsOptions) {
        self.options = options;
        self.start_again();
    }

    /// Stops the process with SIGSTOP: it exists, but does nothing.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    /// Continues the process with SIGCONT.
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        // The standard library sends SIGKILL only; every shell can send others.
        let sent = Command::new("sh").args(["-c", "kill -\"$0\" \"$1\"", name, &self.id().to_string()]).status();
        assert!(sent.expect("a shell").success(), "the server had ended before: {}", self.log());
    }

    fn spawn(&mut self) {
        assert!(self.child.is_none(), "the server runs already");
        let configuration = self.folder.path().join("nats-server.conf");
        std::fs::write(&configuration, self.configuration()).expect("the configuration can be written");
        let log = File::options().create(true).append(true).open(self.log_file()).expect("the log can be written");
        let child = Command::new(nats_server_file())
            .arg("--config")
            .arg(&configuration)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("nats-server starts");
        self.child = Some(child);
    }

    fn configuration(&self) -> String {
        let Self { name, ports: Ports { clients, monitoring, cluster }, options, .. } = self;
        let mut text =
            format!("server_name: {name}\nlisten: \"127.0.0.1:{clients}\"\nhttp: \"127.0.0.1:{monitoring}\"\n");
        if options.jetstream {
            let store = self.folder.path().join("jetstream");
            let sync = options.sync_interval.map_or(String::new(), |interval| format!("sync_interval: {interval}"));
            let _ = writeln!(text, "jetstream {{ store_dir: \"{}\"\n{sync} }}", store.display());
        }
        if let Some(bytes_max) = options.payload_bytes_max {
            let _ = writeln!(text, "max_payload: {bytes_max}");
        }
        if !self.members.is_empty() {
            let routes: Vec<String> =
                self.members.iter().map(|port| format!("\"nats-route://127.0.0.1:{port}\"")).collect();
            let routes = routes.join(", ");
            // Connections to port 1 fail, so no server bypasses a wire.
            let wired = if self.is_wired { "no_advertise: true, advertise: \"127.0.0.1:1\", " } else { "" };
            let listen = format!("listen: \"127.0.0.1:{cluster}\"");
            let _ = writeln!(text, "cluster {{ name: tests, {wired}{listen}, routes: [{routes}] }}");
        }
        text + &options.more
    }

    #[track_caller]
    fn wait_until_ready(&mut self) {
        let start = Instant::now();
        loop {
            if self.is_healthy().unwrap_or(false) {
                return;
            }
            let child = self.child.as_mut().expect("the server was started");
            if let Some(status) = child.try_wait().expect("a child can be asked for") {
                panic!("nats-server ended with {status}: {}", self.log());
            }
            assert!(start.elapsed() < READY_WAIT_MAX, "nats-server is not ready: {}", self.log());
            std::thread::sleep(LOOK_INTERVAL);
        }
    }

    /// For a single server the check skips the streams: a stream that was being made when the server was killed stays
    /// unhealthy until it is made again. A member of a cluster must catch up with the others before the next one may be
    /// killed. Before it has searched for the others, it considers itself a single, healthy server.
    fn is_healthy(&self) -> std::io::Result<bool> {
        let is_alone = self.members.is_empty() || !self.options.jetstream;
        let asked = if is_alone { "/healthz?js-server-only=true" } else { "/healthz" };
        let is_healthy = self.monitored(asked)?.starts_with("HTTP/1.0 200 ");
        Ok(is_healthy && (is_alone || self.monitored("/jsz")?.contains("\"leader\":")))
    }

    /// Reads a monitoring endpoint without an HTTP client, because asynchronous code calls this, too.
    fn monitored(&self, path: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.ports.monitoring))?;
        stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// The number of messages and the last sequence of a stream in this server's own copy. `None`: it has none, or does
    /// not answer.
    pub fn copy_of(&self, stream: &str) -> Option<(u64, u64)> {
        let answer = self.monitored("/jsz?accounts=true&streams=true").ok()?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        let found: serde_json::Value = serde_json::from_str(body).ok()?;
        let accounts = found["account_details"].as_array()?;
        let mut streams = accounts.iter().filter_map(|account| account["stream_detail"].as_array()).flatten();
        let state = &streams.find(|detail| detail["name"] == stream)?["state"];
        Some((state["messages"].as_u64()?, state["last_seq"].as_u64()?))
    }

    fn log_file(&self) -> PathBuf {
        Path::new(self.folder.path()).join("log")
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // Both fail only when the process has already ended.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Ports {
    /// Holds all three ports until all are known, so that they differ. Another program may still take one before the
    /// server does; then the server reports it, and the test fails with its log.
    fn free() -> Self {
        let held: Vec<TcpListener> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
        let port = |number: usize| held[number].local_addr().expect("a bound address").port();
        Self { clients: port(0), monitoring: port(1), cluster: port(2) }
    }
}
