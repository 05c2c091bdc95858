//! A full or failing disk, as callers see it over HTTP. The server runs in this process, on a disk that fails on
//! purpose.

use std::sync::Arc;

use polder_engine::Host;
use polder_journal::disk::{Fault, FaultyDisk};
use polder_server::{Partitions, Server};
use polder_tests::Client;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::engine::door::options;

const DRAFT: &str = r#"{"customer":"c-1"}"#;

#[test]
fn a_host_whose_disk_fails_says_so_and_goes_on_answering() {
    for (fault, call, reason_expected) in
        [(Fault::NoSpace, 2, "no storage space"), (Fault::Error, 1, "write a frame"), (Fault::Error, 2, "sync a frame")]
    {
        let served = Served::start();
        let (client, disk) = (&served.client, &served.disk);
        disk.fail_at(disk.calls() + call, fault);
        // The outcome of the first command is unknown; the second one was certainly not recorded.
        let unknown = client.post("/v1/main/orders/order/o-2/draft-order", DRAFT).problem(504, "outcome-unknown");
        assert!(unknown["detail"].to_string().contains(reason_expected), "{unknown}");
        let refused = client.post("/v1/main/orders/order/o-3/draft-order", DRAFT);
        let reason = refused.problem(503, "read-only")["reason"].to_string();
        assert!(reason.contains(reason_expected), "{reason}");
        let reason = client.get("/readyz").problem(503, "not-ready")["reason"].to_string();
        assert!(reason.contains(reason_expected), "{reason}");
        client.get("/healthz").json(200);
        assert!(client.get("/metrics").text().contains("\npolder_writable 0\n"));
        client.request("PUT", "/v1/tenants/acme").send().problem(503, "read-only");
        // Acknowledged events can still be read, and nothing else is there.
        assert_eq!(client.get("/v1/main/orders/order/o-1").json(200)["sequence"], 1);
        assert_eq!(client.get("/v1/main/events").lines().len(), 1);
        client.get("/v1/main/orders/views/order-summary/o-1?after=1&timeout_ms=60000").json(200);
        client.get("/v1/main/orders/order/o-2").problem(404, "no-such-aggregate");

        served.stop();
    }
}

#[test]
fn a_full_disk_is_reported_and_commands_are_accepted_again_once_there_is_space() {
    let served = Served::start();
    let (client, disk) = (&served.client, &served.disk);
    disk.fail_at(disk.calls() + 1, Fault::NoSpace);
    let refused = client.post("/v1/main/orders/order/o-2/draft-order", DRAFT);
    let reason = refused.problem(507, "disk-full")["reason"].to_string();
    assert!(reason.contains("write a frame") && reason.contains("no storage space"), "{reason}");
    client.get("/v1/main/orders/order/o-2").problem(404, "no-such-aggregate");
    while client.get("/readyz").status != 200 {
        std::thread::yield_now();
    }
    assert_eq!(client.post("/v1/main/orders/order/o-2/draft-order", DRAFT).json(200)["position"], 2);
    served.stop();
}

/// A host on a disk that fails on purpose, with one order.
struct Served {
    client: Client,
    disk: FaultyDisk,
    host: Host,
    runtime: tokio::runtime::Runtime,
    stop: oneshot::Sender<()>,
    serving: tokio::task::JoinHandle<std::io::Result<()>>,
    _folder: tempfile::TempDir,
}

impl Served {
    fn start() -> Self {
        let (disk, folder) = (FaultyDisk::new(1), tempfile::tempdir().unwrap());
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let host = Host::open_on(Arc::new(disk.clone()), options(folder.path())).unwrap();
        let (server, listener) = runtime.block_on(async {
            (
                Server::start(Partitions::alone(host.clone()), None).await.unwrap(),
                TcpListener::bind("127.0.0.1:0").await.unwrap(),
            )
        });
        let client = Client::new(&format!("http://{}", listener.local_addr().unwrap()));
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = runtime.spawn(server.serve(listener, async move { drop(stopped.await) }));
        client.deploy("orders");
        client.post("/v1/main/orders/order/o-1/draft-order", DRAFT).json(200);
        Self { client, disk, host, runtime, stop, serving, _folder: folder }
    }

    fn stop(self) {
        drop(self.stop);
        self.runtime.block_on(self.serving).unwrap().unwrap();
        self.runtime.block_on(self.host.shutdown());
    }
}
