//! Floors: the same work without a part of Polder, in the same run.

pub(crate) mod bare_wasmtime;
pub(crate) mod http_echo;
pub(crate) mod native_rules;
