//! Reads a request's body up to a limit, and no further.

use std::fmt::Display;

use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt as _;

use crate::kinds;
use crate::problem::Problem;

/// `limit` names what `bytes_max` is.
pub(crate) async fn read<B>(mut body: B, bytes_max: u64, limit: &str) -> Result<Bytes, Problem>
where
    B: Body<Data = Bytes, Error: Display> + Unpin,
{
    let announced = body.size_hint().lower();
    if announced > bytes_max {
        return Err(too_large(bytes_max, limit).with("actual", announced));
    }
    let Some(first) = next(&mut body).await? else { return Ok(Bytes::new()) };
    if body.is_end_stream() && first.len() as u64 <= bytes_max {
        // The usual case: all in one piece, which need not be copied.
        return Ok(first);
    }
    let mut whole = BytesMut::from(first);
    while whole.len() as u64 <= bytes_max {
        match next(&mut body).await? {
            Some(more) => whole.extend_from_slice(&more),
            None => return Ok(whole.freeze()),
        }
    }
    Err(too_large(bytes_max, limit))
}

async fn next<B>(body: &mut B) -> Result<Option<Bytes>, Problem>
where
    B: Body<Data = Bytes, Error: Display> + Unpin,
{
    loop {
        match body.frame().await {
            None => return Ok(None),
            Some(Ok(frame)) => {
                // Trailers mean nothing here.
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
            Some(Err(error)) => {
                return Err(Problem::new(&kinds::BAD_BODY, format!("the body broke off: {error}")));
            }
        }
    }
}

fn too_large(bytes_max: u64, limit: &str) -> Problem {
    let detail = format!("the body has more than {bytes_max} bytes, which is the most allowed here (limit {limit})");
    Problem::new(&kinds::TOO_LARGE, detail).with("limit", bytes_max).with("limit_name", limit)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn pieces(sizes: &[usize]) -> Body {
        let pieces: Vec<_> = sizes.iter().map(|size| Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; *size]))).collect();
        Body::from_stream(futures::stream::iter(pieces))
    }

    #[tokio::test]
    async fn a_body_up_to_the_limit_is_read() {
        assert_eq!(read(Body::empty(), 10, "ten").await.ok().unwrap().len(), 0);
        assert_eq!(read(Body::from("0123456789"), 10, "ten").await.ok().unwrap(), "0123456789");
        assert_eq!(read(pieces(&[4, 6]), 10, "ten").await.ok().unwrap().len(), 10);
        assert_eq!(read(pieces(&[10]), 10, "ten").await.ok().unwrap().len(), 10);
    }

    #[tokio::test]
    async fn a_larger_one_is_refused() {
        assert!(read(Body::from("0123456789a"), 10, "ten").await.is_err());
        for sizes in [&[11][..], &[10, 1], &[4, 4, 4]] {
            assert!(read(pieces(sizes), 10, "ten").await.is_err(), "{sizes:?}");
        }
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_refused() {
        let broken = futures::stream::iter([Ok(Bytes::from("{")), Err(std::io::Error::other("gone"))]);
        assert!(read(Body::from_stream(broken), 10, "ten").await.is_err());
    }
}
