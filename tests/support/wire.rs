//! A TCP connection between two programs that a test can cut, in one direction or in both. Bytes that are in flight
//! when the wire is cut arrive after the repair, like lost packets that TCP sends again.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// The directions in which bytes pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    /// From the connecting program to the target.
    pub to_target: bool,
    /// From the target to the connecting program.
    pub from_target: bool,
}

impl Flow {
    pub const WHOLE: Self = Self { to_target: true, from_target: true };
    pub const CUT: Self = Self { to_target: false, from_target: false };
    pub const TO_TARGET_ONLY: Self = Self { to_target: true, from_target: false };
    pub const FROM_TARGET_ONLY: Self = Self { to_target: false, from_target: true };
}

/// Listens on a loopback port and passes bytes on to another port. Ends when it is dropped.
pub struct Wire {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    /// 0 until it is known.
    target: AtomicU16,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    flow: Flow,
    is_ended: bool,
}

impl Wire {
    /// Creates a wire that leads to a port of this machine.
    pub fn to(target: u16) -> Self {
        let wire = Self::loose();
        wire.lead_to(target);
        wire
    }

    /// Creates a wire that holds a port of its own, and leads nowhere yet.
    pub fn loose() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let state = Mutex::new(State { flow: Flow::WHOLE, is_ended: false });
        let shared = Arc::new(Shared { target: AtomicU16::new(0), state, changed: Condvar::new() });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || accepting.accept(&listener));
        Self { address, shared }
    }

    pub fn lead_to(&self, target: u16) {
        self.shared.target.store(target, Ordering::SeqCst);
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn set(&self, flow: Flow) {
        self.shared.lock().flow = flow;
        self.shared.changed.notify_all();
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.shared.lock().is_ended = true;
        self.shared.changed.notify_all();
        // Wakes the accepting thread. It fails only when that thread has already ended.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns false once the wire has ended.
    fn wait_until(&self, passes: impl Fn(Flow) -> bool) -> bool {
        let state = self.changed.wait_while(self.lock(), |state| !state.is_ended && !passes(state.flow));
        !state.unwrap_or_else(PoisonError::into_inner).is_ended
    }

    fn accept(self: Arc<Self>, listener: &TcpListener) {
        for source in listener.incoming() {
            if self.lock().is_ended {
                return;
            }
            let Ok(source) = source else { continue };
            let wire = Arc::clone(&self);
            thread::spawn(move || wire.connect(source));
        }
    }

    /// A new connection needs both directions.
    fn connect(self: Arc<Self>, source: TcpStream) {
        if !self.wait_until(|flow| flow == Flow::WHOLE) {
            return;
        }
        // A missing target refuses the connection; the source sees its connection end.
        let Ok(target) = TcpStream::connect(("127.0.0.1", self.target.load(Ordering::SeqCst))) else { return };
        let (Ok(back_from), Ok(back_to)) = (target.try_clone(), source.try_clone()) else { return };
        let back = Arc::clone(&self);
        thread::spawn(move || back.pass(back_from, back_to, |flow| flow.from_target));
        self.pass(source, target, |flow| flow.to_target);
    }

    fn pass(&self, mut from: TcpStream, mut to: TcpStream, passes: fn(Flow) -> bool) {
        let mut piece = vec![0; 64 * 1024];
        loop {
            let count = match from.read(&mut piece) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => break,
            };
            if !self.wait_until(passes) || to.write_all(&piece[..count]).is_err() {
                break;
            }
        }
        // The end of a connection is a packet too. Both calls fail only when the connection has already ended.
        if self.wait_until(passes) {
            let _ = to.shutdown(Shutdown::Write);
        } else {
            let _ = to.shutdown(Shutdown::Both);
            let _ = from.shutdown(Shutdown::Both);
        }
    }
}
