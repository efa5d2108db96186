//! Numbers that only rise.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! counter {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// The number after this one.
            #[must_use]
            pub fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

counter!(
    /// A numbered, immutable version of the key set; 0 before the first.
    Generation
);
counter!(
    /// The leader's term: one higher at each start.
    Epoch
);
counter!(
    /// The place of a record in the audit log, from 0.
    Seq
);
counter!(
    /// A version of the stored state: one higher at each commit.
    Version
);
counter!(
    /// One joining of a node: a name enrolled anew is a new node with a new number.
    Enrolment
);
