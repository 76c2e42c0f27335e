//! `GET /metrics`.

use std::io::{self, Write};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use super::answer::Kind;
use super::resource::{Answer, Resource};
use super::{Shared, internal};
use crate::metrics;

/// What is sent at a time. The exposition of thousands of pairs has megabytes, and an allocator that was asked for them
/// once keeps them.
const PIECE: usize = 32 * 1_024;
/// Pieces that wait for their reader.
const PIECES: usize = 4;
/// Whoever has not taken the whole answer within this has gone away, or might as well have: others wait for their turn.
const READER_PATIENCE: Duration = Duration::from_secs(8);

pub(super) const RESOURCE: Resource = Resource {
    path: "/metrics",
    summary: "for Prometheus",
    parameters: &[],
    answer: Answer::Text(&[metrics::CONTENT_TYPE]),
    headers: &[],
    also: &[],
    problems: &[Kind::Internal, Kind::Unavailable],
    route: || routing::get(get),
};

/// The exposition. It is encoded on a thread of its own: a scrape of thousands of pairs takes tens of milliseconds,
/// during which no probe could be timed on that thread.
pub async fn get(State(shared): State<Shared>) -> Response {
    let Ok(turn) = shared.scrapes.clone().acquire_owned().await else { return internal() };
    let (send, pieces) = mpsc::channel(PIECES);
    let (view, loaded_at) = (shared.sources.view(), shared.settings.as_ref().ok().copied());
    let ended = CancellationToken::new();
    let (handle, given_up) = (Handle::current(), ended.clone());
    let mut out = Pieces { piece: Vec::with_capacity(PIECE), send: send.clone(), handle, given_up };
    tokio::spawn(async move {
        let rendered = tokio::task::spawn_blocking(move || {
            metrics::render(&view, loaded_at, &mut out)?;
            out.flush()
        });
        let rendered = timeout(READER_PATIENCE, rendered).await.unwrap_or_else(|_| {
            ended.cancel();
            Ok(Err(io::Error::new(io::ErrorKind::TimedOut, "the answer was read too slowly")))
        });
        drop(turn);
        let broken = match rendered {
            Ok(rendered) => rendered.err(),
            Err(error) => {
                tracing::error!(%error, "the metrics could not be rendered");
                Some(io::Error::other("the metrics could not be rendered"))
            }
        };
        if let Some(error) = broken {
            // Ended in good order, what was sent would pass for the whole. If nobody is there any more, nobody minds.
            let _ = timeout(READER_PATIENCE, send.send(Err(error))).await;
        }
    });
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], Body::from_stream(ReceiverStream::new(pieces))).into_response()
}

/// Hands on what is written, a piece at a time, to whoever reads the answer.
struct Pieces {
    piece: Vec<u8>,
    send: mpsc::Sender<io::Result<Bytes>>,
    handle: Handle,
    given_up: CancellationToken,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = PIECE - self.piece.len();
        let taken = &bytes[..bytes.len().min(room)];
        self.piece.extend_from_slice(taken);
        if self.piece.len() == PIECE {
            self.flush()?;
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        if piece.is_empty() {
            return Ok(());
        }
        let sent = self.given_up.run_until_cancelled(self.send.send(Ok(piece.into())));
        match self.handle.block_on(sent) {
            Some(Ok(())) => Ok(()),
            _ => Err(io::Error::new(io::ErrorKind::BrokenPipe, "nobody reads the answer")),
        }
    }
}
