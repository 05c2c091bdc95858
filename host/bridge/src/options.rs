//! Where the servers are, and as whom to come to them.

use std::fmt;
use std::path::PathBuf;

#[derive(Debug, Clone, Default)]
pub struct ConnectOptions {
    /// `nats://host:4222`, `tls://…`; several, parted by commas, are one cluster's.
    pub urls: String,
    pub credentials: Credentials,
    pub tls: Tls,
    /// Prefixes of inboxes that may be answered, beside NATS's own.
    pub inbox_prefixes: Vec<String>,
}

#[derive(Clone, Default)]
pub enum Credentials {
    /// Those in the URL, if there are any.
    #[default]
    None,
    UserPassword {
        user: String,
        password: String,
    },
    /// A file whose one line is a user's seed: `SU…`.
    NKey(PathBuf),
    /// A file with a user's JWT and seed, as `nsc` writes it.
    File(PathBuf),
}

#[derive(Debug, Clone, Default)]
pub struct Tls {
    /// Certificates of those whose word is good, beside the system's.
    pub authorities: Option<PathBuf>,
    /// What this client shows: certificate and private key.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// Without the password: options end up in logs.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::UserPassword { user, .. } => write!(f, "UserPassword({user:?})"),
            Self::NKey(file) => write!(f, "NKey({})", file.display()),
            Self::File(file) => write!(f, "File({})", file.display()),
        }
    }
}
