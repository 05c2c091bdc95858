//! Positions in a tenant's history, in an aggregate's history, and in time.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// The value before the first.
            pub const ZERO: Self = Self(0);

            #[must_use]
            pub fn plus(self, count: u64) -> Self { Self(self.0 + count) }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { self.0.fmt(f) }
        }
    )*};
}

counters! {
    /// The position of an event in its tenant's history: from 1, without gaps, visible only once durable.
    Position;
    /// The position of an event in its aggregate's history: from 1, without gaps. Optimistic concurrency compares it.
    Sequence;
    /// Milliseconds since 1970-01-01T00:00:00Z.
    TimestampMs;
}
