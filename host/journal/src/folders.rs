//! The names of the journal's folders, below the data folder.

/// Name of the folder that holds the journal's segments.
pub const SEGMENTS_FOLDER: &str = "journal";
/// Name of the folder that holds the tenants' keys.
pub const TENANT_KEYS_FOLDER: &str = "tenant-keys";
/// Name of the folder that holds the index.
pub(crate) const INDEX_FOLDER: &str = "index";
