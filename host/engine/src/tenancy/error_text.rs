//! Parts of error messages that several errors share.

use polder_core::TenantName;

/// The text for callers. The log and the start name the file.
pub(crate) fn out_of_service(tenant: &TenantName) -> String {
    format!(
        "tenant {tenant:?} is out of service: its key is missing or damaged; it is served again once the operator has restored it"
    )
}

/// Lists the names that exist. Empty if there are none, or none that the caller may know of.
pub(crate) fn others<T: std::fmt::Display>(known: &[T]) -> String {
    if known.is_empty() {
        return String::new();
    }
    format!("; it has {}", known.iter().map(T::to_string).collect::<Vec<_>>().join(", "))
}
