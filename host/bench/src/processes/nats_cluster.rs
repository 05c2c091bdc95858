//! NATS servers that sync every message before they confirm it: what a journal on JetStream needs.

use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context;
use polder_nats::ConnectOptions;

use super::killed_on_drop::KilledOnDrop;
use super::wait::wait_until;

/// NATS servers that sync every message; several of them form one cluster. They are killed when this value is dropped.
pub(crate) struct NatsCluster {
    clients: Vec<u16>,
    monitoring: Vec<u16>,
    _processes: Vec<KilledOnDrop>,
}

impl NatsCluster {
    pub(crate) fn start(program: &Path, folder: &Path, count: usize) -> anyhow::Result<Self> {
        let (clients, monitoring, cluster) = (free_ports(count)?, free_ports(count)?, free_ports(count)?);
        let routes: Vec<_> = cluster.iter().map(|port| format!("\"nats-route://127.0.0.1:{port}\"")).collect();
        let mut processes = Vec::new();
        for number in 0..count {
            let own = folder.join(format!("nats-{number}"));
            std::fs::create_dir_all(&own)?;
            let mut text = format!(
                "server_name: bench-{number}\nlisten: \"127.0.0.1:{}\"\nhttp: \"127.0.0.1:{}\"\n\
                 jetstream {{ store_dir: \"{}\"\nsync_interval: always }}\n",
                clients[number],
                monitoring[number],
                own.display()
            );
            if count > 1 {
                let (port, routes) = (cluster[number], routes.join(", "));
                text.push_str(&format!(
                    "cluster {{ name: bench, listen: \"127.0.0.1:{port}\", routes: [{routes}] }}\n"
                ));
            }
            let configuration = own.join("nats-server.conf");
            std::fs::write(&configuration, text)?;
            let log = File::create(own.join("log"))?;
            let child = Command::new(program)
                .arg("--config")
                .arg(&configuration)
                .stdin(Stdio::null())
                .stdout(log.try_clone()?)
                .stderr(log)
                .spawn();
            processes.push(KilledOnDrop(child.with_context(|| format!("cannot start {}", program.display()))?));
        }
        for port in &monitoring {
            wait_until("nats-server is ready", || Ok(is_healthy(*port).unwrap_or(false)))?;
        }
        Ok(Self { clients, monitoring, _processes: processes })
    }

    pub(crate) fn urls(&self) -> String {
        self.clients.iter().map(|port| format!("nats://127.0.0.1:{port}")).collect::<Vec<_>>().join(",")
    }

    pub(crate) fn connect_options(&self) -> ConnectOptions {
        ConnectOptions { urls: self.urls(), ..ConnectOptions::default() }
    }

    pub(crate) fn monitoring(&self) -> String {
        format!("http://127.0.0.1:{}", self.monitoring[0])
    }
}

fn free_ports(count: usize) -> anyhow::Result<Vec<u16>> {
    let held = (0..count).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<Vec<_>, _>>()?;
    held.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}

fn is_healthy(port: u16) -> std::io::Result<bool> {
    use std::io::{Read as _, Write as _};
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.write_all(b"GET /healthz HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.starts_with("HTTP/1.0 200 "))
}
