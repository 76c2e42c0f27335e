//! Listeners as clients meet them, over loopback: who may do what, what is shown by TLS, and that nobody can shut others out.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tidegauge::http::keys::Keys;
use tidegauge::http::listen;
use tidegauge::settings::Settings;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use client::{Answer, get};

mod access;
mod client;
mod crowd;
mod limits;
mod tls;

/// Addresses that settings take a listener to be bound to; it is bound to loopback all the same.
const LOOPBACK: &str = "127.0.0.1:9746";
const ANYWHERE: &str = "10.0.0.1:9746";

/// A listener that serves.
struct Served {
    address: SocketAddr,
    keys: Arc<Keys>,
    stop: CancellationToken,
    serving: JoinHandle<()>,
    _stopped: DropGuard,
}

impl Served {
    /// By these settings of the server, as if it were bound to `address`.
    async fn at(address: &str, server: &str, router: Router) -> Served {
        let store = "[cell]\ncentral = true\n[[stores]]\nname = \"orders\"\nregions = [{ name = \"a\" }, { name = \"b\" }]\n\
                     [stores.simulated]\n";
        let settings = Settings::from_toml(&format!("{server}\n{store}")).unwrap();
        let keys = Keys::load(&settings.server).unwrap();
        let listener = listen::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let bound = listener.local_addr().unwrap();
        let door = keys.door(&settings.server, address.parse().unwrap());
        let stop = CancellationToken::new();
        let serving = tokio::spawn(listen::serve(listener, router, door, stop.clone()));
        Served { address: bound, keys, stop: stop.clone(), serving, _stopped: stop.drop_guard() }
    }

    /// Looks for new files time and again from now on.
    fn renewing(self) -> Served {
        tokio::spawn(self.keys.clone().renew(Duration::from_millis(20), self.stop.clone()));
        self
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Asks with these headers, on a connection of its own.
    async fn get(&self, path: &str, headers: &[&str]) -> Answer {
        get(&mut self.connect().await, path, headers).await.unwrap()
    }
}

/// Looks until it is so.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..500 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("not within ten seconds: {what}");
}
