//! The list of all attacks.

use super::attack::Attack;
use super::{compilers, loops, notes, silent_clients, wide_reads, wide_views};

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
