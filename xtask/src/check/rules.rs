//! The architecture's rules for dependencies, as tables. No other file decides which crate may depend on which, and
//! which folder or file of a crate may import from which.
//!
//! Only dependencies that are compiled into a crate count; those of its tests do not.

/// The members in `folder` (a member, or a folder of members when it ends in `/`) may depend on the members in
/// `may_use`.
#[derive(Debug)]
pub(crate) struct Arrow {
    pub(crate) folder: &'static str,
    pub(crate) may_use: &'static [&'static str],
}

/// No member below `folders` may reach a package of `unseen`, not even through other packages.
#[derive(Debug)]
pub(crate) struct Absence {
    pub(crate) folders: &'static [&'static str],
    pub(crate) unseen: &'static [&'static str],
}

/// Of all members, only `only` may depend on `package` directly.
#[derive(Debug)]
pub(crate) struct Edge {
    pub(crate) package: &'static str,
    pub(crate) only: &'static str,
}

/// `{cli, bench} -> {server, import, cases} -> {engine, nats, access} -> {sandbox, journal} -> core`, and
/// `guests -> sdk`.
pub(crate) const ARROWS: &[Arrow] = &[
    Arrow { folder: "host/core", may_use: &[] },
    Arrow { folder: "host/access", may_use: &["host/core"] },
    Arrow { folder: "host/journal", may_use: &["host/core"] },
    Arrow { folder: "host/memory", may_use: &[] },
    Arrow { folder: "host/sandbox", may_use: &["host/core"] },
    Arrow { folder: "host/import", may_use: &["host/core"] },
    Arrow { folder: "host/cases", may_use: &["host/core", "host/sandbox"] },
    Arrow { folder: "host/nats", may_use: &["host/core", "host/journal"] },
    Arrow { folder: "host/engine", may_use: &["host/core", "host/journal", "host/sandbox"] },
    Arrow { folder: "host/compiler", may_use: &["host/core", "host/sandbox", "host/engine"] },
    Arrow {
        folder: "host/server",
        may_use: &["host/core", "host/journal", "host/sandbox", "host/engine", "host/nats", "host/access"],
    },
    Arrow {
        folder: "host/cli",
        may_use: &[
            "host/core",
            "host/access",
            "host/journal",
            "host/memory",
            "host/sandbox",
            "host/import",
            "host/cases",
            "host/nats",
            "host/engine",
            "host/compiler",
            "host/server",
        ],
    },
    // The measurements also run native rules, as the floor of the sandbox. Therefore they may use the guest `orders`,
    // and the SDK to run it. The attacks use the hostile components of the tests.
    Arrow {
        folder: "host/bench",
        may_use: &[
            "host/core",
            "host/journal",
            "host/memory",
            "host/sandbox",
            "host/nats",
            "host/engine",
            "host/server",
            "guests/orders",
            "sdk/polder-sdk",
            "tests/components",
        ],
    },
    Arrow { folder: "sdk/", may_use: &["sdk/", "host/core"] },
    Arrow { folder: "guests/", may_use: &["sdk/"] },
    Arrow { folder: "tests", may_use: &["host/", "sdk/", "guests/"] },
    Arrow { folder: "tests/components", may_use: &[] },
    Arrow { folder: "tests/fuzz", may_use: &[] },
    Arrow { folder: "tests/journal-contract", may_use: &["host/core", "host/journal"] },
    Arrow { folder: "tests/guests/", may_use: &["sdk/"] },
    Arrow { folder: "tests/hostile", may_use: &["sdk/"] },
    Arrow { folder: "tests/hostile/", may_use: &["sdk/"] },
    Arrow { folder: "xtask", may_use: &[] },
];

pub(crate) const ABSENCES: &[Absence] = &[
    Absence {
        folders: &["guests/", "sdk/", "tests/guests/", "tests/hostile"],
        unseen: &["tokio", "wasmtime", "async-nats"],
    },
    Absence { folders: &["host/core"], unseen: &["tokio", "wasmtime", "async-nats"] },
    Absence { folders: &["host/access", "host/journal", "host/import"], unseen: &["tokio", "wasmtime", "async-nats"] },
    Absence { folders: &["host/sandbox"], unseen: &["tokio", "async-nats"] },
    Absence { folders: &["host/engine"], unseen: &["async-nats"] },
];

pub(crate) const EDGES: &[Edge] = &[
    Edge { package: "wasmtime", only: "host/sandbox" },
    Edge { package: "async-nats", only: "host/nats" },
    Edge { package: "rusqlite", only: "host/engine" },
    Edge { package: "fjall", only: "host/journal" },
    Edge { package: "jsonwebtoken", only: "host/access" },
    Edge { package: "ed25519-dalek", only: "host/access" },
];

/// The folders of `source` in which files import from each other in one direction. A floor is `folder.rs` and the files
/// below `folder/`. All other files of `source` are the ground: every floor may import from the ground, and the ground
/// imports from no floor. The root of the crate may import from every floor.
#[derive(Debug)]
pub(crate) struct Floors {
    pub(crate) source: &'static str,
    pub(crate) floors: &'static [Floor],
}

/// The files of `folder` may import from the folders `may_use`. A folder inside another floor can be a floor, too.
#[derive(Debug)]
pub(crate) struct Floor {
    pub(crate) folder: &'static str,
    pub(crate) may_use: &'static [&'static str],
}

/// Of all files below `source`, only those below `only_below` may use the crate `package`.
#[derive(Debug)]
pub(crate) struct Keeper {
    pub(crate) source: &'static str,
    pub(crate) package: &'static str,
    pub(crate) only_below: &'static str,
}

/// Files that import each other, because they describe one thing from several sides.
#[derive(Debug)]
pub(crate) struct NaturalCircle {
    pub(crate) files: &'static [&'static str],
}

/// The floors of the engine from the ground up, as the table in its `lib.rs` has them.
pub(crate) const FLOORS: &[Floors] = &[Floors {
    source: "host/engine/src",
    floors: &[
        Floor { folder: "tenancy", may_use: &[] },
        Floor { folder: "folding", may_use: &["tenancy"] },
        Floor { folder: "read", may_use: &["tenancy", "folding"] },
        Floor { folder: "write", may_use: &["tenancy", "folding", "read"] },
        Floor { folder: "views", may_use: &["tenancy", "folding", "read"] },
        Floor { folder: "control", may_use: &["tenancy", "write"] },
        Floor { folder: "deployments", may_use: &["tenancy", "folding", "read", "write", "views", "control"] },
        Floor { folder: "tenants", may_use: &["tenancy", "read", "views", "control", "deployments"] },
        Floor { folder: "access_keys", may_use: &["tenancy", "control"] },
        Floor { folder: "translations", may_use: &["tenancy", "read", "control"] },
        Floor {
            folder: "host",
            may_use: &[
                "tenancy",
                "folding",
                "read",
                "write",
                "views",
                "control",
                "deployments",
                "tenants",
                "access_keys",
                "translations",
            ],
        },
    ],
}];

pub(crate) const KEEPERS: &[Keeper] =
    &[Keeper { source: "host/engine/src", package: "rusqlite", only_below: "host/engine/src/views" }];

pub(crate) const NATURAL_CIRCLES: &[NaturalCircle] = &[
    // An aggregate has a chart and a description, and both are generic over the aggregate.
    NaturalCircle {
        files: &["sdk/polder-sdk/src/aggregate.rs", "sdk/polder-sdk/src/chart.rs", "sdk/polder-sdk/src/describe.rs"],
    },
];
