//! The headers of a NATS message, which have the names and the meaning of HTTP's.

use polder_nats::service::Request;

use crate::wire::headers::Headers;

impl Headers for Request {
    fn values<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
        self.header_values(name).map(str::as_bytes)
    }
}
