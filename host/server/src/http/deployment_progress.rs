//! The response of a deployment or rollback, which may take a while: one document, or, if the caller accepts it, lines
//! of JSON with the progress. The last line is the result.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream;
use polder_engine::{CheckProgress, Deployed};
use serde::Serialize;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::wire::content_type::NDJSON;
use crate::wire::problem::Problem;
use crate::wire::response_json::json;

/// One line of the response.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum Line<P> {
    Progress(CheckProgress),
    Deployed(Box<Deployed>),
    Problem(P),
}

/// The shortest pause between two lines of progress.
const LINE_EVERY: Duration = Duration::from_millis(100);

/// Does the work, and sends lines of progress if `Accept` asks for them. Such a response has status 200 whatever its
/// result.
pub(super) async fn respond<W>(
    headers: &HeaderMap,
    work: impl FnOnce(Option<watch::Sender<CheckProgress>>) -> W,
) -> Result<Response, Problem>
where
    W: Future<Output = Result<Deployed, Problem>> + Send + 'static,
{
    let accepts = |value: &axum::http::HeaderValue| value.to_str().is_ok_and(|text| text.contains(NDJSON));
    if !headers.get_all(ACCEPT).iter().any(accepts) {
        return Ok(json(StatusCode::OK, &work(None).await?));
    }
    let (sender, progress) = watch::channel(CheckProgress::default());
    let lines = Lines { progress, work: Some(AbortOnDrop(tokio::spawn(work(Some(sender))))) };
    let lines = stream::unfold(lines, |mut lines| async move { Some((lines.next().await?, lines)) });
    let headers = [(CONTENT_TYPE, NDJSON), (CACHE_CONTROL, "no-store")];
    Ok((headers, Body::from_stream(lines)).into_response())
}

/// Work that is aborted, as far as possible, when its client disconnects.
struct AbortOnDrop(JoinHandle<Result<Deployed, Problem>>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Lines {
    progress: watch::Receiver<CheckProgress>,
    /// `None` once the result was sent.
    work: Option<AbortOnDrop>,
}

impl Lines {
    async fn next(&mut self) -> Option<Result<Bytes, std::io::Error>> {
        let work = self.work.as_mut()?;
        let progress = async {
            tokio::time::sleep(LINE_EVERY).await;
            if self.progress.changed().await.is_err() {
                // The work is done, and its result follows.
                std::future::pending::<()>().await;
            }
            *self.progress.borrow_and_update()
        };
        let line = tokio::select! {
            biased;
            done = &mut work.0 => {
                self.work = None;
                match done {
                    Ok(Ok(deployed)) => line(&Line::<()>::Deployed(Box::new(deployed))),
                    Ok(Err(problem)) => line(&Line::Problem(problem.document())),
                    Err(error) => return Some(Err(std::io::Error::other(error))),
                }
            }
            now = progress => line(&Line::<()>::Progress(now)),
        };
        Some(Ok(line))
    }
}

fn line<P: Serialize>(value: &Line<P>) -> Bytes {
    let mut line = serde_json::to_vec(value).expect("names, numbers and texts always serialize");
    line.push(b'\n');
    Bytes::from(line)
}
