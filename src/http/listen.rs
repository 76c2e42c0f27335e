//! Listeners that nobody can shut others out of: each serves at most so many connections at once, and where more come, those
//! give way that have no request under way.
//!
//! Whoever opens connections by the thousand, or drips a header a byte at a time, takes places from itself: the one that gives
//! way is the oldest of the peer that has most of them. What is accepted was given a place, so the memory that connections
//! take is bounded, and so is the work of handshakes, which are done by the connections' own tasks.

use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{Id, JoinSet, yield_now};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::guard::{Caller, Guard};
use crate::clock::Clock;
use guest::Guest;
use watched::{Held, Watched};

mod guest;
mod watched;

/// Connections that are open at once, per listener.
pub const CONNECTIONS_MAX: usize = 256;
/// Connections that were told to give way and are not gone yet. Where they are more, nobody is let in for the moment.
const LEAVING_MAX: usize = 64;
/// How often it is looked for those that overstay.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How soon it is looked again where there is no place and nobody who could give way.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// How long nobody is accepted after the operating system refused to: it is out of file descriptors, most likely.
const BREATHER: Duration = Duration::from_millis(500);
/// Bytes of a request's headers, its first line included. What is buffered for a connection is no more than this either way.
const HEADERS_MAX: usize = 16 * 1_024;
/// Headers of a request.
const HEADERS_COUNT_MAX: usize = 64;
/// Connections that wait to be accepted. Where there are more, the operating system has clients try again after a second.
const WAITING_MAX: u32 = 4_096;
/// How long what is left of a request is read that was answered already. Without that the client's side would throw away the
/// answer, at the sight of a connection that was closed on what it sent.
const LINGER: Duration = Duration::from_secs(1);
/// As many are read from so at once; the others are closed without.
static LINGERING: Semaphore = Semaphore::const_new(16);
/// How much of that at a time, and how long after each: whoever sends on and on is to cost little.
const LINGER_PIECE: (usize, Duration) = (64 * 1_024, Duration::from_millis(4));

/// What a listener shows, and whom it lets do what.
#[derive(Clone, Debug)]
pub struct Door {
    /// The newest certificate, where the listener speaks TLS.
    pub tls: Option<watch::Receiver<Arc<ServerConfig>>>,
    /// Who may do what.
    pub guard: Arc<Guard>,
}

/// Binds an address.
///
/// # Errors
///
/// Where the operating system refuses: the address is in use, or not ours.
pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restart must not have to wait for what is left of connections that were open.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(WAITING_MAX)
}

/// Serves until it is to stop, and then what is under way until that has ended.
pub async fn serve(listener: TcpListener, router: Router, door: Door, stop: CancellationToken) {
    let mut places = Places { clock: Clock::start(), tasks: JoinSet::new(), guests: HashMap::new() };
    let mut look = interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let is_open = places.is_there_one();
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            _ = look.tick() => {
                places.tell_who_overstays();
                continue;
            }
            Some(ended) = places.tasks.join_next_with_id(), if !places.tasks.is_empty() => {
                places.left(ended.map(|(id, ())| id).unwrap_or_else(|error| error.id()));
                continue;
            }
            () = sleep(LOOK_AGAIN), if !is_open => continue,
            accepted = listener.accept(), if is_open => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                places.give_one(stream, peer.ip(), &router, &door, &stop);
                // Of a crowd one at a time: a probe's timer may be waiting for this thread.
                yield_now().await;
            }
            Err(error) if is_the_clients(&error) => {}
            Err(error) => {
                tracing::error!(%error, "a connection could not be accepted");
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = sleep(BREATHER) => {}
                }
            }
        }
    }
    drop(listener);
    places.tell_who_has_no_request();
    while places.tasks.join_next().await.is_some() {}
}

/// Whether the client thought better of it, which is no trouble of ours.
fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Who is there.
struct Places {
    clock: Clock,
    tasks: JoinSet<()>,
    guests: HashMap<Id, Arc<Guest>>,
}

impl Places {
    /// Whether somebody can be let in.
    fn is_there_one(&self) -> bool {
        let now = self.clock.mono();
        let count = self.guests.len();
        count < CONNECTIONS_MAX
            || (count < CONNECTIONS_MAX + LEAVING_MAX && guest::who_gives_way(self.guests.values(), now).is_some())
    }

    /// Lets somebody in, in the place of another if need be.
    fn give_one(&mut self, stream: TcpStream, peer: IpAddr, router: &Router, door: &Door, stop: &CancellationToken) {
        if self.guests.len() >= CONNECTIONS_MAX {
            let now = self.clock.mono();
            if let Some(guest) = guest::who_gives_way(self.guests.values(), now) {
                guest.leave.cancel();
            }
        }
        let guest = Arc::new(Guest::arriving(peer, self.clock));
        let attended = attend(stream, guest.clone(), router.clone(), door.clone(), stop.clone());
        let leave = guest.leave.clone();
        let task = self.tasks.spawn(async move {
            leave.run_until_cancelled(attended).await;
        });
        self.guests.insert(task.id(), guest);
    }

    fn left(&mut self, id: Id) {
        self.guests.remove(&id);
    }

    fn tell_who_overstays(&self) {
        let now = self.clock.mono();
        self.guests.values().filter(|guest| guest.overstays(now)).for_each(|guest| guest.leave.cancel());
    }

    /// Whoever is served may stay until that has ended.
    fn tell_who_has_no_request(&self) {
        self.guests.values().filter(|guest| !guest.is_served()).for_each(|guest| guest.leave.cancel());
    }
}

/// Serves one connection.
async fn attend(stream: TcpStream, guest: Arc<Guest>, router: Router, door: Door, stop: CancellationToken) {
    // Small answers must not wait for more to send.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection could not be set to send at once");
    }
    let Some(mut tls) = door.tls else {
        return converse(stream, Caller::default(), guest, router, door.guard, stop, std::future::pending()).await;
    };
    let config = tls.borrow_and_update().clone();
    let stream = match TlsAcceptor::from(config).accept(stream).await {
        Ok(stream) => stream,
        Err(error) => {
            tracing::debug!(%error, peer = %guest.peer, "no TLS was agreed on");
            return;
        }
    };
    guest.arrived();
    let caller = Caller::of(stream.get_ref().1.peer_certificates());
    // What was known of the caller is known by the old files: who asks again has to come again.
    let renewed = async move {
        if tls.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    converse(stream, caller, guest, router, door.guard, stop, renewed).await;
}

/// Answers requests until the client has no more, or it is to stop, or the files of TLS are others.
async fn converse<S>(
    stream: S,
    caller: Caller,
    guest: Arc<Guest>,
    router: Router,
    guard: Arc<Guard>,
    stop: CancellationToken,
    renewed: impl Future<Output = ()>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let stopped = stop.clone();
    let mut last = pin!(async move {
        tokio::select! {
            () = stopped.cancelled() => {}
            () = renewed => {}
        }
    });
    let io = TokioIo::new(Watched::new(stream, guest.clone()));
    let service = service_fn(move |request: Request<Incoming>| {
        let held = Held::by(guest.clone());
        let allowed = guard.check(&caller, &request);
        let router = router.clone();
        Box::pin(async move {
            let response = match allowed {
                Ok(()) => router.oneshot(request.map(Body::new)).await?,
                Err(problem) => axum::response::IntoResponse::into_response(problem),
            };
            Ok::<_, std::convert::Infallible>(response.map(|body| held.until_sent(body)))
        })
    });
    // How long headers may take is looked after above: hyper's own limit holds for a connection that is kept open, too.
    let mut connection = http1::Builder::new()
        .header_read_timeout(None)
        .max_headers(HEADERS_COUNT_MAX)
        .max_buf_size(HEADERS_MAX)
        .serve_connection(io, service);
    let mut is_last = false;
    let ended = poll_fn(|context| {
        if !is_last && last.as_mut().poll(context).is_ready() {
            is_last = true;
            Pin::new(&mut connection).graceful_shutdown();
        }
        connection.poll_without_shutdown(context)
    });
    if let Err(error) = ended.await {
        tracing::debug!(%error, "a connection ended badly");
    }
    let mut stream = connection.into_parts().io.into_inner();
    let farewell = async {
        stream.shutdown().await?;
        let Ok(_place) = LINGERING.try_acquire() else { return Ok(()) };
        let (piece, pause) = LINGER_PIECE;
        let mut rest = vec![0; piece];
        while stream.read(&mut rest).await? > 0 {
            sleep(pause).await;
        }
        Ok::<_, io::Error>(())
    };
    // What comes of it is nobody's concern any more; and where it is to stop, nobody is waited for.
    let longest = if stop.is_cancelled() { Duration::ZERO } else { LINGER };
    let _ = timeout(longest, farewell).await;
}
