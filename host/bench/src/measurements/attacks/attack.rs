//! An attack as a value.

use super::clients::Clients;
use super::site::Site;

/// Starts the clients of an attack that has been prepared.
pub(super) type Begin = Box<dyn FnOnce(&mut Clients)>;

pub(super) type Prepare = dyn Fn(&mut Site<'_>) -> anyhow::Result<Begin>;

pub(super) struct Attack {
    pub(super) name: String,
    /// What the hostile clients or guests do, as a phrase.
    pub(super) about: String,
    /// Number of hostile tenants.
    pub(super) tenants: usize,
    /// Limit of open files of the host.
    pub(super) descriptors_max: Option<u64>,
    /// Sets the hostile tenants up, without an effect on others.
    pub(super) prepare: Box<Prepare>,
}

impl Attack {
    pub(super) fn new(
        name: impl Into<String>,
        about: impl Into<String>,
        prepare: impl Fn(&mut Site<'_>) -> anyhow::Result<Begin> + 'static,
    ) -> Self {
        let (name, about) = (name.into(), about.into());
        Self { name, about, tenants: 1, descriptors_max: None, prepare: Box::new(prepare) }
    }

    pub(super) fn of_tenants(self, tenants: usize) -> Self {
        Self { tenants, ..self }
    }

    pub(super) fn with_descriptors(self, descriptors_max: u64) -> Self {
        Self { descriptors_max: Some(descriptors_max), ..self }
    }
}
