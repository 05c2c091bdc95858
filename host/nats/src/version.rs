//! Versions of nats-server: `2.15.1`, `2.14.4-RC.2`.

use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServerVersion {
    pub major: u32,
    pub minor: u32,
    pub patch: u32,
}

/// The oldest version that Polder is tested with.
pub const SERVER_VERSION_MIN: ServerVersion = ServerVersion { major: 2, minor: 14, patch: 4 };

impl ServerVersion {
    /// Parses a version. Returns `None` if it is not a release's. A release candidate counts as its release.
    pub fn parse(text: &str) -> Option<Self> {
        let release = text.split(['-', '+']).next()?;
        let mut numbers = release.split('.').map(|number| number.parse().ok());
        let version = Self { major: numbers.next()??, minor: numbers.next()??, patch: numbers.next()?? };
        numbers.next().is_none().then_some(version)
    }
}

impl fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_compared_by_number() {
        let version = |text| ServerVersion::parse(text).unwrap();
        assert_eq!(version("2.14.4-RC.2"), SERVER_VERSION_MIN);
        assert!(version("2.9.10") < SERVER_VERSION_MIN && version("2.15.1") > SERVER_VERSION_MIN);
        assert_eq!(version("2.15.1").to_string(), "2.15.1");
        for text in ["", "dev", "2.15", "2.15.1.1", "2.x.1"] {
            assert_eq!(ServerVersion::parse(text), None, "{text}");
        }
    }
}
