//! What the integration tests share: the built binary and guests, a running host, folders of their own.
#![forbid(unsafe_code)]
