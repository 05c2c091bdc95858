//! The subject of a replay, and the reasons why a replay ends early.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use polder_core::{DomainName, Limits, Position, TenantName};
use polder_journal::{ReadError, Reader};

use super::check_error::CheckError;
use super::verdict::CheckRefusal;
use crate::tenancy::Rules;

/// The history that is replayed, and the revisions that fold it.
pub(super) struct Subject {
    pub(super) reader: Reader,
    pub(super) tenant: TenantName,
    pub(super) domain: DomainName,
    pub(super) limits: Limits,
    pub(super) old: Option<Arc<dyn Rules>>,
    pub(super) new: Arc<dyn Rules>,
    pub(super) is_stopping: Arc<AtomicBool>,
}

/// The reason why a replay ends early.
#[derive(Debug)]
pub(super) enum Stop {
    Refused(CheckRefusal),
    Check(CheckError),
}

impl From<ReadError> for Stop {
    fn from(error: ReadError) -> Self {
        Self::Check(error.into())
    }
}

impl From<CheckError> for Stop {
    fn from(error: CheckError) -> Self {
        Self::Check(error)
    }
}

impl Stop {
    /// Chooses the reason to report when several parts stop: an error of the revision check, otherwise the fault that
    /// is first in the history.
    pub(super) fn first(stops: impl Iterator<Item = Self>) -> Option<Self> {
        stops.min_by_key(|stop| match stop {
            Self::Refused(CheckRefusal::Fault { place, .. }) => place.position,
            Self::Refused(_) | Self::Check(_) => Position::ZERO,
        })
    }
}
