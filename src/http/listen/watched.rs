//! What a connection does, noted as it does it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::guest::Guest;

/// A stream whose reads and writes are noted.
pub(super) struct Watched<S> {
    stream: S,
    guest: Arc<Guest>,
}

impl<S> Watched<S> {
    pub fn new(stream: S, guest: Arc<Guest>) -> Watched<S> {
        Watched { stream, guest }
    }

    fn note<T>(&self, sent: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match &sent {
            Poll::Ready(_) => self.guest.told(),
            Poll::Pending => self.guest.is_blocked(),
        }
        sent
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.guest.heard();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.note(sent)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.note(sent)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Under TLS this is where it shows that nothing is taken.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        match flushed {
            // There is often nothing to flush: that says nothing of the client.
            Poll::Ready(_) => self.guest.is_not_blocked(),
            Poll::Pending => self.guest.is_blocked(),
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A request that is under way, for as long as this lives.
pub(super) struct Held(Arc<Guest>);

impl Held {
    /// From now on.
    pub fn by(guest: Arc<Guest>) -> Held {
        guest.begins();
        Held(guest)
    }

    /// Until this body was sent.
    pub fn until_sent(self, body: Body) -> HeldBody {
        HeldBody { body, _held: self }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.ends();
    }
}

/// The body of an answer to a request, which is under way until it has ended.
pub(super) struct HeldBody {
    body: Body,
    _held: Held,
}

impl HttpBody for HeldBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
