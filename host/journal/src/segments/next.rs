//! The segment after the active one. A thread creates it in advance, so that it is ready before it is needed. If it
//! cannot be created for lack of space or of file descriptors, this is tried again later.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::disk::{Disk, Segment, passes, prepare, unsure};

/// Pause after each part of a segment that is prepared, so that the preparation does not slow down the thread that
/// syncs.
const PREPARATION_REST: Duration = Duration::from_micros(500);
/// Pause before creating the next segment is tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

pub(crate) struct NextSegment {
    disk: Arc<dyn Disk>,
    state: State,
    /// Address of a segment that was created but cannot be used. It has to be removed before another is created,
    /// because an empty segment in the middle would look like one that lost its frames.
    leftover: Option<u64>,
}

enum State {
    /// Not created yet. If `until` is set, creating it failed and is tried again at that time.
    None {
        until: Option<Instant>,
    },
    Creating(Creation),
    Ready(u64, Arc<dyn Segment>),
    /// A sync failed, so it is unknown whether synced data is durable. Never tried again.
    Failed(io::Error),
}

/// A segment that a thread is creating.
struct Creation {
    address: u64,
    /// Set when the segment is needed at once: the thread then stops preparing it.
    is_needed: Arc<AtomicBool>,
    thread: JoinHandle<io::Result<Arc<dyn Segment>>>,
}

impl NextSegment {
    pub(crate) fn new(disk: Arc<dyn Disk>) -> Self {
        Self { disk, state: State::None { until: None }, leftover: None }
    }

    /// Starts to create a segment at `address`, unless one exists or is being created, or creating one failed less than
    /// [`RETRY_PAUSE`] ago.
    pub(crate) fn prepare(&mut self, address: u64, length: u64) {
        if matches!(&self.state, State::Creating(creation) if creation.thread.is_finished()) {
            self.finish();
        }
        let is_due = matches!(self.state, State::None { until } if until.is_none_or(|until| Instant::now() >= until));
        if !is_due || self.remove_leftover().is_err() {
            return;
        }
        let is_needed = Arc::new(AtomicBool::new(false));
        let (disk, needed) = (Arc::clone(&self.disk), Arc::clone(&is_needed));
        let work = move || {
            let segment = create(&*disk, address, length)?;
            prepare(&*segment, || {
                std::thread::sleep(PREPARATION_REST);
                !needed.load(Relaxed)
            })?;
            Ok(segment)
        };
        match std::thread::Builder::new().name("next-segment".to_owned()).spawn(work) {
            Ok(thread) => self.state = State::Creating(Creation { address, is_needed, thread }),
            Err(error) => self.failed(&error),
        }
    }

    /// The segment for this address: the prepared one, or one that is created now.
    ///
    /// # Errors
    /// Fails if the segment cannot be created. If the error [passes], the caller may try again.
    pub(crate) fn take(&mut self, address: u64, length: u64) -> io::Result<Arc<dyn Segment>> {
        if let State::Creating(creation) = &self.state {
            creation.is_needed.store(true, Relaxed);
            self.finish();
        }
        match std::mem::replace(&mut self.state, State::None { until: None }) {
            State::Ready(prepared, segment) if prepared == address => return Ok(segment),
            State::Ready(other, _) => self.leftover = Some(other),
            State::Failed(error) => return Err(error),
            State::None { .. } | State::Creating(_) => {}
        }
        self.remove_leftover()?;
        create(&*self.disk, address, length).inspect_err(|_| self.leftover = Some(address))
    }

    /// Marks a segment that was taken as unusable, so that it is removed.
    pub(crate) fn discard(&mut self, address: u64) {
        self.leftover = Some(address);
    }

    /// Waits for the thread that creates the segment, and stores its result.
    fn finish(&mut self) {
        let State::Creating(Creation { address, thread, .. }) =
            std::mem::replace(&mut self.state, State::None { until: None })
        else {
            return;
        };
        let made = thread.join().unwrap_or_else(|_| Err(io::Error::other("making the next segment panicked")));
        match made {
            Ok(segment) => self.state = State::Ready(address, segment),
            Err(error) => {
                self.leftover = Some(address);
                if passes(&error) {
                    self.failed(&error);
                } else {
                    self.state = State::Failed(error);
                }
            }
        }
    }

    fn failed(&mut self, error: &io::Error) {
        tracing::warn!(%error, "the journal's next file cannot be prepared yet; this is tried again later");
        self.state = State::None { until: Some(Instant::now() + RETRY_PAUSE) };
    }

    fn remove_leftover(&mut self) -> io::Result<()> {
        let Some(address) = self.leftover else { return Ok(()) };
        match self.disk.remove(address) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => {
                self.leftover = None;
                Ok(())
            }
        }
    }
}

impl Drop for NextSegment {
    /// Waits for the thread, because it must not create files in a folder that is about to be unlocked.
    fn drop(&mut self) {
        if let State::Creating(creation) = &self.state {
            creation.is_needed.store(true, Relaxed);
        }
        self.finish();
    }
}

fn create(disk: &dyn Disk, address: u64, length: u64) -> io::Result<Arc<dyn Segment>> {
    let segment = disk.create(address, length)?;
    disk.sync_folder().map_err(unsure)?;
    Ok(segment)
}
