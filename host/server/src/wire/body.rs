//! The one place where request bodies are read. A body is read up to a limit, and its bytes count against the host's
//! memory budget until the last reader drops them.

use std::error::Error;

use axum::BoxError;
use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt as _;
use polder_core::{MemoryBudget, MemoryExhausted, MemoryPurpose, MemoryReservation};

use super::http_status;
use super::problem::Problem;
use super::refusals::memory_exhausted;
use crate::connections::SentBodyError;

/// The largest step by which a buffer grows, in bytes, unless one piece is larger. Up to this step it doubles.
const GROWTH_BYTES_MAX: usize = 1024 * 1024;

/// Reads a body of at most `bytes_max` bytes. `limit` is the name of that limit, for the refusal.
pub(crate) async fn read<B>(memory: &MemoryBudget, mut body: B, bytes_max: u64, limit: &str) -> Result<Bytes, Problem>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    let announced = body.size_hint().lower();
    if announced > bytes_max {
        return Err(too_large(bytes_max, limit).with("actual", announced));
    }
    let Some(first) = next(&mut body).await? else { return Ok(Bytes::new()) };
    if body.is_end_stream() && first.len() as u64 <= bytes_max {
        // The usual case: one piece, in the connection's buffer, which is already counted.
        return Ok(first);
    }
    let mut whole = CollectedBody::new(memory);
    whole.add(&first)?;
    drop(first);
    while whole.bytes.len() as u64 <= bytes_max {
        match next(&mut body).await? {
            Some(more) => whole.add(&more)?,
            None => return Ok(Bytes::from_owner(whole)),
        }
    }
    Err(too_large(bytes_max, limit))
}

/// A body in one piece, with its reservation of the host's memory.
struct CollectedBody {
    bytes: BytesMut,
    held: MemoryReservation,
}

impl CollectedBody {
    fn new(memory: &MemoryBudget) -> Self {
        Self { bytes: BytesMut::new(), held: memory.reserve_nothing(MemoryPurpose::RequestBodies) }
    }

    fn add(&mut self, more: &[u8]) -> Result<(), Problem> {
        let free = self.bytes.capacity() - self.bytes.len();
        if free < more.len() {
            let growth = more.len().max(self.bytes.len().min(GROWTH_BYTES_MAX));
            self.held.grow(growth as u64).map_err(|error| exhausted(&error))?;
            self.bytes.reserve(growth);
        }
        self.bytes.extend_from_slice(more);
        Ok(())
    }
}

impl AsRef<[u8]> for CollectedBody {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Returns the next piece of the body, or `None` at its end.
pub(crate) async fn next<B>(body: &mut B) -> Result<Option<Bytes>, Problem>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    loop {
        match body.frame().await {
            None => return Ok(None),
            Some(Ok(frame)) => {
                // Trailers are ignored.
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
            Some(Err(error)) => return Err(broken_off(&*error.into())),
        }
    }
}

fn broken_off(error: &(dyn Error + 'static)) -> Problem {
    let mut causes = std::iter::successors(Some(error), |error| (**error).source());
    let is_slow = causes.any(|cause| matches!(cause.downcast_ref(), Some(SentBodyError::TooSlow { .. })));
    let kind = if is_slow { &http_status::TOO_SLOW } else { &http_status::BAD_BODY };
    Problem::new(kind, format!("the body ended too early: {error}"))
}

fn exhausted(error: &MemoryExhausted) -> Problem {
    memory_exhausted(error.to_string(), error)
}

fn too_large(bytes_max: u64, limit: &str) -> Problem {
    let detail = format!("the body has more than {bytes_max} bytes, which is the most allowed here (limit {limit})");
    Problem::new(&http_status::TOO_LARGE, detail).with_limit(limit, bytes_max)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn pieces(sizes: &[usize]) -> Body {
        let pieces: Vec<_> = sizes.iter().map(|size| Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; *size]))).collect();
        Body::from_stream(futures::stream::iter(pieces))
    }

    async fn read(body: Body) -> Result<Bytes, u16> {
        let memory = MemoryBudget::new(1_000);
        super::read(&memory, body, 10, "ten").await.map_err(|problem| problem.status().as_u16())
    }

    #[tokio::test]
    async fn a_body_up_to_the_limit_is_read() {
        assert_eq!(read(Body::empty()).await.unwrap().len(), 0);
        assert_eq!(read(Body::from("0123456789")).await.unwrap(), "0123456789");
        assert_eq!(read(pieces(&[4, 6])).await.unwrap().len(), 10);
        assert_eq!(read(pieces(&[10])).await.unwrap().len(), 10);
    }

    #[tokio::test]
    async fn a_larger_body_is_refused() {
        assert_eq!(read(Body::from("0123456789a")).await, Err(413));
        for sizes in [&[11][..], &[10, 1], &[4, 4, 4]] {
            assert_eq!(read(pieces(sizes)).await, Err(413), "{sizes:?}");
        }
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_refused() {
        let broken = futures::stream::iter([Ok(Bytes::from("{")), Err(std::io::Error::other("gone"))]);
        assert_eq!(read(Body::from_stream(broken)).await, Err(400));
        let slow = SentBodyError::TooSlow { bytes: 1, waited: std::time::Duration::from_secs(9) };
        let slow = futures::stream::iter([Ok(Bytes::from("{")), Err(slow)]);
        assert_eq!(read(Body::from_stream(slow)).await, Err(408));
    }

    #[tokio::test]
    async fn a_body_is_counted_until_its_last_reader_drops_it() {
        let memory = MemoryBudget::new(1_000);
        let body = super::read(&memory, pieces(&[100, 50, 60]), 400, "400").await.ok().unwrap();
        assert!((210..=400).contains(&memory.used()), "{}", memory.used());
        let part = body.slice(3..5);
        drop(body);
        assert!(memory.used() > 0);
        drop(part);
        assert_eq!(memory.used(), 0);
    }

    #[tokio::test]
    async fn bodies_together_get_half_of_the_memory() {
        let memory = MemoryBudget::new(1_000);
        let first = super::read(&memory, pieces(&[200, 200]), 600, "600").await.ok().unwrap();
        let refused = super::read(&memory, pieces(&[100, 100]), 600, "600").await.err().unwrap();
        assert_eq!(refused.status().as_u16(), 503);
        drop(first);
        assert!(super::read(&memory, pieces(&[100, 100]), 600, "600").await.is_ok());
        assert_eq!(memory.used(), 0);
    }
}
