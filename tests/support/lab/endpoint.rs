//! A region's port: one address for the lab's lifetime, which can listen, refuse, hang or reset.

use std::convert::Infallible;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::inject::Down;

/// As much as the real service takes.
const BODY_MAX_BYTES: usize = 16 * 1024 * 1024;
const BACKLOG: u32 = 1024;

/// What a region does with a whole request. It is dropped when the client goes away: who must not be, spawns.
pub(super) trait Exchange: Send + Sync + 'static {
    fn exchange(self: Arc<Self>, parts: Parts, body: Bytes) -> impl Future<Output = Response<Body>> + Send;
}

pub(super) struct Port {
    address: SocketAddr,
    /// Bound and never listening: it keeps the port ours while nobody listens, and lets a listener bind beside it.
    _reserved: TcpSocket,
    /// Ends everything on this port, for a change of what it does or the lab's end.
    generation: tokio::sync::Mutex<Generation>,
    lab: CancellationToken,
}

struct Generation {
    ended: CancellationToken,
    tasks: TaskTracker,
}

impl Port {
    /// The port of the lab's region of this index, counting from the base, or any.
    ///
    /// # Panics
    ///
    /// If it cannot be had.
    pub(super) fn of_region(base: Option<u16>, index: usize, region: &str, lab: &CancellationToken) -> Port {
        let wanted = base.map_or(0, |base| base + u16::try_from(index).expect("at most a hundred regions"));
        let port = Port::reserve(wanted, lab.clone());
        port.unwrap_or_else(|error| panic!("cannot bind 127.0.0.1:{wanted} for {region}: {error}"))
    }

    /// Reserves a loopback port (0: any). Nothing listens yet.
    fn reserve(port: u16, lab: CancellationToken) -> std::io::Result<Port> {
        let reserved = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
        let address = reserved.local_addr()?;
        let generation = Generation { ended: lab.child_token(), tasks: TaskTracker::new() };
        Ok(Port { address, _reserved: reserved, generation: tokio::sync::Mutex::new(generation), lab })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes every connection, then serves (`None`) or is down in the given way. When it returns, no answer from
    /// before is on its way any more.
    pub(super) async fn become_<E: Exchange>(&self, down: Option<Down>, region: &Arc<E>) -> std::io::Result<()> {
        let mut generation = self.generation.lock().await;
        generation.end().await;
        let ended = self.lab.child_token();
        *generation = Generation { ended: ended.clone(), tasks: TaskTracker::new() };
        if down == Some(Down::Refuse) {
            return Ok(());
        }
        let listener = bind(self.address)?.listen(BACKLOG)?;
        let (tasks, region) = (generation.tasks.clone(), Arc::clone(region));
        generation.tasks.spawn(async move {
            ended.run_until_cancelled(accept(listener, down, region, &tasks, &ended)).await;
        });
        Ok(())
    }

    /// Waits until nothing of it is left, after the lab's token was cancelled.
    pub(super) async fn ended(&self) {
        self.generation.lock().await.end().await;
    }
}

impl Generation {
    async fn end(&mut self) {
        self.ended.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

fn bind(address: SocketAddr) -> std::io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

async fn accept<E: Exchange>(
    listener: TcpListener,
    down: Option<Down>,
    region: Arc<E>,
    tasks: &TaskTracker,
    ended: &CancellationToken,
) {
    loop {
        // Out of file descriptors, say: nothing to do but to go on.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        match down {
            None => {
                let (region, ended) = (Arc::clone(&region), ended.clone());
                let streams = Streams { tasks: tasks.clone(), ended: ended.clone() };
                tasks.spawn(async move {
                    ended.run_until_cancelled(connection(stream, region, streams)).await;
                });
            }
            Some(Down::Reset) => {
                // With a zero linger, dropping resets instead of closing in good order.
                let _ = stream.set_zero_linger();
                drop(stream);
            }
            Some(Down::Hang | Down::Refuse) => {
                let ended = ended.clone();
                tasks.spawn(async move {
                    ended.cancelled().await;
                    drop(stream);
                });
            }
        }
    }
}

/// Runs the streams of HTTP/2 connections, which hyper spawns: they are to end with their port as everything else does.
#[derive(Clone)]
struct Streams {
    tasks: TaskTracker,
    ended: CancellationToken,
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        let ended = self.ended.clone();
        self.tasks.spawn(async move {
            ended.run_until_cancelled(stream).await;
        });
    }
}

async fn connection<E: Exchange>(stream: TcpStream, region: Arc<E>, streams: Streams) {
    // Small answers must not wait for the acknowledgement of the one before.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: Request<Incoming>| {
        let region = Arc::clone(&region);
        async move {
            let (parts, body) = request.into_parts();
            let answer = match axum::body::to_bytes(Body::new(body), BODY_MAX_BYTES).await {
                Ok(body) => region.exchange(parts, body).await,
                Err(error) => {
                    let mut answer = Response::new(Body::from(error.to_string()));
                    *answer.status_mut() = axum::http::StatusCode::PAYLOAD_TOO_LARGE;
                    answer
                }
            };
            Ok::<_, Infallible>(answer)
        }
    });
    // An error here is a client that went away.
    // HTTP/1.1, or HTTP/2 where the client begins with its preface: Azure's SDK does so on plain ports.
    let _ = auto::Builder::new(streams).serve_connection(TokioIo::new(stream), service).await;
}
