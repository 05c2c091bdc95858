//! Finds out at the start whether an older copy of the journal was put in place.

use std::panic::resume_unwind;
use std::sync::Arc;

use polder_journal::Reader;

use super::open_error::OpenError;
use crate::tenancy::{Tenant, TenantDirectory};
use crate::views::Projections;

/// Threads that check the tenants' views at the start.
const EVIDENCE_THREADS: usize = 4;

/// Checks that no view is ahead of the journal. If one is, an older copy of the journal was put in place. This
/// check does not apply to a journal that is kept elsewhere: its local copy may be behind and catches up.
pub(super) fn check_views(
    directory: &TenantDirectory,
    projections: &Projections,
    reader: &Reader,
) -> Result<(), OpenError> {
    let mut tenants = directory.all();
    tenants.retain(|tenant| tenant.unavailable().is_none());
    let ahead = |tenant: &Arc<Tenant>| {
        let journal = reader.last_position(&tenant.name);
        let views = projections.seen(&tenant.name).filter(|views| *views > journal)?;
        let folder = projections.folder().to_owned();
        Some(OpenError::OlderJournal { tenant: tenant.name.clone(), journal, views, folder })
    };
    let per_thread = tenants.len().div_ceil(EVIDENCE_THREADS).max(1);
    let problem = std::thread::scope(|scope| {
        let looking: Vec<_> =
            tenants.chunks(per_thread).map(|some| scope.spawn(|| some.iter().find_map(ahead))).collect();
        let ended = looking.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        ended.flatten().next()
    });
    problem.map_or(Ok(()), Err)
}
