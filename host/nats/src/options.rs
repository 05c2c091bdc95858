//! The addresses of the NATS servers, and the credentials for them.

use std::fmt;
use std::path::PathBuf;

#[derive(Debug, Clone, Default)]
pub struct ConnectOptions {
    /// `nats://host:4222` or `tls://…`; several comma-separated URLs belong to one cluster.
    pub urls: String,
    pub credentials: Credentials,
    pub tls: Tls,
    /// Prefixes of inboxes that may be answered, in addition to `_INBOX`.
    pub inbox_prefixes: Vec<String>,
    /// Messages of one subscription that wait until they are received; more are dropped and counted. `None`: 65,536,
    /// which is the client library's number.
    pub subscription_messages_max: Option<usize>,
}

#[derive(Clone, Default)]
pub enum Credentials {
    /// The credentials in the URL, if there are any.
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
    /// Certificates of authorities to trust, in addition to the system's.
    pub authorities: Option<PathBuf>,
    /// Certificate and private key that this client presents.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// Omits the password, because options end up in logs.
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
