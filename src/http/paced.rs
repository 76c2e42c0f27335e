//! Large answers: made on a thread of their own, and handed on as fast as they are read, or given up.

use std::io::{self, Write};
use std::time::Duration;

use axum::body::{Body, Bytes};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

/// What is sent at a time. The exposition of thousands of pairs has megabytes, and an allocator that was asked for them
/// once keeps them.
const PIECE: usize = 32 * 1_024;
/// Pieces that wait for their reader.
const PIECES: usize = 4;
/// Whoever has not taken the whole answer within this has gone away, or might as well have: others wait for their turn.
const READER_PATIENCE: Duration = Duration::from_secs(8);

/// The body that `write` writes. It has its turn until all of it is sent.
pub(super) fn body(
    turn: OwnedSemaphorePermit,
    what: &'static str,
    write: impl FnOnce(&mut Pieces) -> io::Result<()> + Send + 'static,
) -> Body {
    let (send, pieces) = mpsc::channel(PIECES);
    let ended = CancellationToken::new();
    let (handle, given_up) = (Handle::current(), ended.clone());
    let mut out = Pieces { piece: Vec::with_capacity(PIECE), send: send.clone(), handle, given_up };
    tokio::spawn(async move {
        let written = tokio::task::spawn_blocking(move || {
            write(&mut out)?;
            out.flush()
        });
        let written = timeout(READER_PATIENCE, written).await.unwrap_or_else(|_| {
            ended.cancel();
            Ok(Err(io::Error::new(io::ErrorKind::TimedOut, "the answer was read too slowly")))
        });
        drop(turn);
        let broken = match written {
            Ok(written) => written.err(),
            Err(error) => {
                tracing::error!(%error, "{what} could not be made");
                Some(io::Error::other(format!("{what} could not be made")))
            }
        };
        if let Some(error) = broken {
            // Ended in good order, what was sent would pass for the whole. If nobody is there any more, nobody minds.
            let _ = timeout(READER_PATIENCE, send.send(Err(error))).await;
        }
    });
    Body::from_stream(ReceiverStream::new(pieces))
}

/// Hands on what is written, a piece at a time, to whoever reads the answer.
pub(super) struct Pieces {
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
