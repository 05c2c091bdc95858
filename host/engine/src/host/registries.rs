//! The kinds of facts in the host's own history, each with the registry that folds it. To add a kind, add it to both
//! lists.

use crate::access_keys::Keys;
use crate::control::{Fact, ReadFacts, Registry};
use crate::deployments::Deployments;
use crate::tenants::Tenants;
use crate::translations::Bridges;

/// The domains of the host's own history, each with its aggregate type. Their events can be queried.
pub(super) const FACT_KINDS: &[(&str, &str)] =
    &[kind::<Tenants>(), kind::<Deployments>(), kind::<Keys>(), kind::<Bridges>()];

/// All registries, for reading facts into them.
pub(super) fn all<'a>(
    tenants: &'a mut Tenants,
    deployments: &'a mut Deployments,
    keys: &'a mut Keys,
    bridges: &'a mut Bridges,
) -> [&'a mut dyn ReadFacts; 4] {
    [tenants, deployments, keys, bridges]
}

const fn kind<R: Registry>() -> (&'static str, &'static str) {
    (R::Fact::DOMAIN, R::Fact::AGGREGATE)
}
