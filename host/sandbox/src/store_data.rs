//! What the host keeps in the wasmtime store of one guest.

use crate::call_time::CallTime;
use crate::notes::Notes;
use crate::resources::Resources;

/// The host's data in a guest's store.
pub(crate) struct StoreData {
    pub(crate) resources: Resources,
    pub(crate) notes: Notes,
    pub(crate) call_time: CallTime,
}
