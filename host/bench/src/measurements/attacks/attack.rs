//! An attack as a value, and the list of all attacks.

use super::clients::Clients;
use super::site::Site;
use super::{compilers, loops, notes, silent_clients, wide_reads, wide_views};

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

/// All attacks, in the order in which they run.
pub(super) fn all() -> Vec<Attack> {
    let mut attacks = loops::all();
    attacks.extend([
        wide_reads::states(),
        wide_reads::pages(),
        wide_reads::filters(),
        compilers::many_bombs(),
        compilers::one_bomb(),
        silent_clients::followers(),
        silent_clients::heads(),
        silent_clients::bodies(),
        notes::flood(),
        wide_views::keys(),
        wide_views::projections(),
    ]);
    attacks
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_different_and_tenants_can_be_named_after_them() {
        let attacks = all();
        let names: BTreeSet<_> = attacks.iter().map(|attack| &attack.name).collect();
        assert_eq!(names.len(), attacks.len());
        for attack in &attacks {
            polder_core::TenantName::new(&format!("{}-{}", attack.name, attack.tenants)).expect("a tenant's name");
        }
    }
}
