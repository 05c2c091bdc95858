//! One kind of request that this host answers, and its counters.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[derive(Debug)]
pub struct Endpoint {
    pub name: &'static str,
    /// Subject of all such requests, which may have wildcards.
    pub subject: &'static str,
    requests: AtomicU64,
    errors: AtomicU64,
    processing_ns: AtomicU64,
    last_error: Mutex<String>,
}

/// Counts since the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts {
    pub requests: u64,
    pub errors: u64,
    pub processing: Duration,
    pub last_error: String,
}

impl Endpoint {
    pub fn new(name: &'static str, subject: &'static str) -> Self {
        Self {
            name,
            subject,
            requests: AtomicU64::default(),
            errors: AtomicU64::default(),
            processing_ns: AtomicU64::default(),
            last_error: Mutex::default(),
        }
    }

    pub(super) fn answered(&self, after: Duration) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.processing_ns.fetch_add(u64::try_from(after.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Counts a request that was refused before it was processed.
    pub(super) fn refused(&self, (code, message): (u16, &str)) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.failed(code, message);
    }

    pub(super) fn failed(&self, code: u16, message: &str) {
        self.errors.fetch_add(1, Ordering::Relaxed);
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = format!("{code}:{message}");
    }

    pub fn counts(&self) -> Counts {
        Counts {
            requests: self.requests.load(Ordering::Relaxed),
            errors: self.errors.load(Ordering::Relaxed),
            processing: Duration::from_nanos(self.processing_ns.load(Ordering::Relaxed)),
            last_error: self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}
