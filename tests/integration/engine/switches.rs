//! The moment of a switch, held on a disk that waits: events that are recorded between the verdict and the switch.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use polder_core::CommandStatus;
use polder_engine::{AsOf, CheckRefusal, DeployError, DeployOptions, Host, RevisionStatus};
use polder_journal::disk::{Disk, FaultyDisk, Segment};
use serde_json::json;

use super::door::{Door, component, options, tenant};
use super::takeovers::{active, administered, next, statuses};

/// Once the disk is armed, the write of a frame with these bytes waits until it is released. Facts of the host's own
/// history are readable in frames, because they are not sealed with a tenant's key.
const HELD: &[u8] = b"revision-activated";

/// Passes everything on to the disk below, except for one write that it holds.
#[derive(Clone)]
struct HoldingDisk {
    below: FaultyDisk,
    hold: Arc<Hold>,
}

struct Hold {
    is_armed: AtomicBool,
    reached: Sender<()>,
    let_go: Mutex<Receiver<()>>,
}

struct HoldingSegment {
    below: Arc<dyn Segment>,
    hold: Arc<Hold>,
}

impl HoldingDisk {
    /// Also returns a receiver that reports the held write, and a sender that releases it.
    fn new() -> (Self, Receiver<()>, Sender<()>) {
        let ((reached, is_reached), (go, let_go)) = (channel(), channel());
        let hold = Hold { is_armed: AtomicBool::new(false), reached, let_go: Mutex::new(let_go) };
        (Self { below: FaultyDisk::new(1), hold: Arc::new(hold) }, is_reached, go)
    }

    fn holding(&self, below: Arc<dyn Segment>) -> Arc<dyn Segment> {
        Arc::new(HoldingSegment { below, hold: Arc::clone(&self.hold) })
    }
}

impl Disk for HoldingDisk {
    fn segments(&self) -> io::Result<Vec<u64>> {
        self.below.segments()
    }

    fn create(&self, address: u64, length: u64) -> io::Result<Arc<dyn Segment>> {
        Ok(self.holding(self.below.create(address, length)?))
    }

    fn open(&self, address: u64) -> io::Result<Arc<dyn Segment>> {
        Ok(self.holding(self.below.open(address)?))
    }

    fn remove(&self, address: u64) -> io::Result<()> {
        self.below.remove(address)
    }

    fn free_bytes(&self) -> io::Result<u64> {
        Ok(u64::MAX)
    }

    fn sync_folder(&self) -> io::Result<()> {
        self.below.sync_folder()
    }

    fn path(&self, address: u64) -> PathBuf {
        self.below.path(address)
    }
}

impl Segment for HoldingSegment {
    fn length(&self) -> io::Result<u64> {
        self.below.length()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.below.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let is_wanted = || bytes.windows(HELD.len()).any(|words| words == HELD);
        if is_wanted() && self.hold.is_armed.swap(false, Ordering::SeqCst) {
            self.hold.reached.send(()).unwrap();
            self.hold.let_go.lock().unwrap().recv().unwrap();
        }
        self.below.write_at(offset, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.below.sync()
    }

    fn cut(&self, length: u64) -> io::Result<()> {
        self.below.cut(length)
    }

    fn extend(&self, length: u64) -> io::Result<()> {
        self.below.extend(length)
    }

    fn prepare(&self, offset: u64) -> io::Result<u64> {
        self.below.prepare(offset)
    }

    fn sync_length(&self) -> io::Result<()> {
        self.below.sync_length()
    }
}

/// The CPU time of main's commands: it grows once a command is decided, and before it is durable.
fn cpu_time(door: &Door) -> String {
    let metrics = door.host.metrics();
    let line = metrics.lines().find(|line| line.starts_with("polder_tenant_cpu_microseconds_total{tenant=\"main\"}"));
    line.expect("the metric exists").to_owned()
}

/// The old revision decides while the activation is being recorded; the new revision cannot apply the result.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_recorded_during_a_switch_can_turn_it_back() {
    const LIT: u64 = 5;
    let folder = tempfile::tempdir().unwrap();
    let (disk, reached, go) = HoldingDisk::new();
    let host = Host::open_on(Arc::new(disk.clone()), options(folder.path())).unwrap();
    let door = Arc::new(Door::at(host, "lamps", "lamp"));
    door.deploy(component("lamps")).await;
    let old = active(&door).await;
    for _ in 0..LIT {
        door.accept("l-1", "light-lamp", json!({})).await;
        door.accept("l-1", "darken-lamp", json!({})).await;
    }

    disk.hold.is_armed.store(true, Ordering::SeqCst);
    let deploying = tokio::spawn({
        let host = door.host.clone();
        async move { host.deployments().deploy(&tenant(), next("panics ").into(), DeployOptions::default()).await }
    });
    tokio::task::spawn_blocking(move || reached.recv().unwrap()).await.unwrap();
    let before = cpu_time(&door);
    let lighting = tokio::spawn({
        let door = Arc::clone(&door);
        async move { door.send("l-1", "light-lamp", json!({})).await }
    });
    while cpu_time(&door) == before {
        tokio::task::yield_now().await;
    }
    go.send(()).unwrap();

    let lit = lighting.await.unwrap().unwrap();
    assert_eq!((lit.status, lit.sequence.0), (CommandStatus::Accepted, 2 * LIT + 1));
    let refused = match deploying.await.unwrap() {
        Err(DeployError::Check(verdict)) => *verdict,
        other => panic!("{other:?}"),
    };
    let [CheckRefusal::Fault { place, problem, .. }] = refused.refusals.as_slice() else { panic!("{refused:?}") };
    assert_eq!((place.id.as_str(), place.sequence.0), ("l-1", 2 * LIT + 1));
    assert!(problem.contains("lit too often"), "{problem}");
    use RevisionStatus::{Active, RolledBack, WasActive};
    let new = polder_core::Revision::of(&next("panics "));
    let expected_statuses = [(old, WasActive), (new, RolledBack), (old, Active)];
    assert_eq!((active(&door).await, statuses(&door).await), (old, expected_statuses.to_vec()));
    assert_eq!(administered(&door).await.last().map(String::as_str), Some("revision-rolled-back"));
    // It continues in its old state, also after a restart.
    door.accept("l-1", "darken-lamp", json!({})).await;
    let expected = json!({ "mode": "dark", "turns": LIT + 1 });
    assert_eq!(door.state("l-1", AsOf::Now).await.unwrap().1, expected);
    Arc::into_inner(door).expect("no other owner is left").close().await;
    let host = Host::open_on(Arc::new(disk.below.after_restart()), options(folder.path())).unwrap();
    let door = Door::at(host, "lamps", "lamp");
    assert_eq!((active(&door).await, statuses(&door).await), (old, expected_statuses.to_vec()));
    assert_eq!(door.state("l-1", AsOf::Now).await.unwrap().1, expected);
    door.close().await;
}
