//! The host's part of a guest's store.

use crate::call_time::CallTime;
use crate::notes::Notes;
use crate::resources::Resources;

/// The host's data in a guest's store.
pub(crate) struct Inside {
    pub(crate) resources: Resources,
    pub(crate) notes: Notes,
    pub(crate) call_time: CallTime,
}
