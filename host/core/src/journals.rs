//! Maps each tenant to one of several journals. The mapping must never change: with another rule, or another number of
//! journals, the host would search for a history in the wrong journal.

use std::fmt;
use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};

use crate::TenantName;

/// Maximum number of journals. Each takes threads and a connection on every host.
pub const JOURNALS_MAX: u16 = 64;

/// The number of journals that the tenants are divided among.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Journals(NonZeroU16);

/// The number of one journal, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JournalNumber(NonZeroU16);

impl Journals {
    pub const ONE: Self = Self(NonZeroU16::MIN);

    /// `None` if `count` is 0 or more than [`JOURNALS_MAX`].
    pub fn new(count: u16) -> Option<Self> {
        NonZeroU16::new(count).filter(|count| count.get() <= JOURNALS_MAX).map(Self)
    }

    pub fn count(self) -> usize {
        usize::from(self.0.get())
    }

    pub fn numbers(self) -> impl Iterator<Item = JournalNumber> {
        (1..=self.0.get()).filter_map(NonZeroU16::new).map(JournalNumber)
    }

    /// The journal that holds the tenant's history.
    pub fn of(self, tenant: &TenantName) -> JournalNumber {
        let digest = blake3::hash(tenant.as_str().as_bytes());
        let first = digest.as_bytes().first_chunk().expect("a digest has 32 bytes");
        JournalNumber::at((u64::from_be_bytes(*first) % u64::from(self.0.get())) as usize)
    }
}

impl fmt::Display for Journals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl JournalNumber {
    /// The first journal. It also holds the host's own history, such as access keys.
    pub const FIRST: Self = Self(NonZeroU16::MIN);

    /// The index in a list of all journals.
    pub fn index(self) -> usize {
        usize::from(self.0.get()) - 1
    }

    fn at(index: usize) -> Self {
        let number = u16::try_from(index + 1).ok().and_then(NonZeroU16::new);
        Self(number.expect("there are few journals"))
    }
}

impl fmt::Display for JournalNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(count: u16, tenant: &str) -> String {
        Journals::new(count).unwrap().of(&TenantName::new(tenant).unwrap()).to_string()
    }

    /// Existing histories depend on these values, in every future version.
    #[test]
    fn tenants_stay_where_they_are() {
        let cases: [(&str, [&str; 4]); 5] = [
            ("main", ["1", "1", "3", "27"]),
            ("acme", ["1", "2", "3", "52"]),
            ("tenant-1", ["1", "1", "2", "57"]),
            ("tenant-2", ["1", "1", "3", "57"]),
            ("a", ["1", "2", "1", "20"]),
        ];
        for (tenant, expected) in cases {
            assert_eq!([1, 2, 3, JOURNALS_MAX].map(|count| of(count, tenant)), expected, "{tenant}");
        }
    }

    #[test]
    fn tenants_are_spread_over_all_journals() {
        let journals = Journals::new(8).unwrap();
        let mut tenants = vec![0_u32; journals.count()];
        for number in 0..8_000 {
            tenants[journals.of(&TenantName::new(&format!("tenant-{number}")).unwrap()).index()] += 1;
        }
        assert!(tenants.iter().all(|count| (900..1_100).contains(count)), "{tenants:?}");
    }

    #[test]
    fn the_number_of_journals_is_bounded() {
        assert_eq!((Journals::new(0), Journals::new(JOURNALS_MAX + 1)), (None, None));
        let numbers: Vec<_> =
            Journals::new(3).unwrap().numbers().map(|number| (number.index(), number.to_string())).collect();
        assert_eq!(numbers, [(0, "1".to_owned()), (1, "2".to_owned()), (2, "3".to_owned())]);
        assert_eq!(Journals::ONE.numbers().collect::<Vec<_>>(), [JournalNumber::FIRST]);
    }
}
