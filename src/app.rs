//! Wires it all together: settings to what is measured, that to listeners, signals to a reload and to an orderly end.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::http::keys::{self, Keys};
use crate::http::{self, Shared, listen};
use crate::measuring::{Changes, Measuring, Running};
use crate::reload::{Asked, Loaded, Origin, Reloads};
use crate::settings::{LogSettings, ServerSettings, Settings};
use crate::telemetry;

/// Settings that cannot be read within this are refused: they may be on a file system that hangs.
const READ_WITHIN: Duration = Duration::from_secs(5);

/// What this process is told from outside. Until this listens each of these ends the process.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Listens, on a runtime that is there already.
    ///
    /// # Errors
    ///
    /// Where the operating system refuses.
    pub fn listen() -> anyhow::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?,
            hangup: signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?,
        })
    }
}

/// Runs until SIGTERM or SIGINT, and reads the settings anew at SIGHUP or when it is asked to.
///
/// # Errors
///
/// Where a listener cannot be bound, or a store's task broke down.
///
/// `refused` is what was wrong with the settings, where that is all there is to be served.
pub async fn run(origin: Origin, settings: Settings, refused: Option<String>, signals: Signals) -> anyhow::Result<()> {
    let Signals { mut terminate, mut interrupt, mut hangup } = signals;
    let mut gauge = tokio::select! {
        started = Gauge::start(settings, refused) => started?,
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    };
    let broken = gauge.running.broken.clone();
    let broke_down = tokio::select! {
        _ = terminate.recv() => false,
        _ = interrupt.recv() => false,
        () = broken.cancelled() => true,
        // What is half done then ends with the rest.
        () = gauge.reload_whenever(&origin, &mut hangup) => false,
    };
    tracing::info!("stopping");
    gauge.stop().await;
    if broke_down {
        bail!("a store's task broke down; the log says why");
    }
    Ok(())
}

/// A running gauge.
#[derive(Debug)]
pub struct Gauge {
    clock: Clock,
    running: Running,
    grace: Duration,
    server: ServerSettings,
    /// Whether the listeners are not as those say, as a file was of no use.
    is_shut: bool,
    log: LogSettings,
    measuring: Measuring,
    loaded: watch::Sender<Loaded>,
    asked: mpsc::Receiver<Asked>,
    /// A look at the settings that was given up, as it took too long.
    hanging: Option<JoinHandle<Result<Settings, String>>>,
}

impl Gauge {
    /// Binds the listeners, then starts to measure.
    ///
    /// # Errors
    ///
    /// Where a listener cannot be bound, a file that it needs is of no use, or a store cannot be set up.
    pub async fn start(settings: Settings, refused: Option<String>) -> anyhow::Result<Gauge> {
        let clock = Clock::start();
        let read_at = clock.wall();
        let mut server = settings.server.clone();
        let mut is_shut = false;
        let keys = match Keys::load(&server) {
            Err(error) if refused.is_some() => {
                // That the settings were refused is to be served all the same, and nothing else.
                tracing::error!(%error, "listeners are plain, and shut away from loopback");
                (server, is_shut) = (server.shut(), true);
                Keys::load(&server)?
            }
            loaded => loaded?,
        };
        let listener = bind("server.listen", server.listen).await?;
        let metrics_listener = match server.metrics_listen {
            Some(address) => Some(bind("server.metrics_listen", address).await?),
            None => None,
        };
        let running =
            Running { stop: CancellationToken::new(), broken: CancellationToken::new(), tasks: TaskTracker::new() };
        // Half of the grace is for the last heartbeats, so that the other half is there for what hangs.
        let mut measuring = Measuring::nothing(clock, server.shutdown_grace / 2, running.clone());
        measuring.change(&settings).await?;
        let loaded = match refused {
            None => Loaded::at(read_at),
            Some(refused) => Loaded::refused(refused),
        };
        let ((loaded, is_loaded), (reloads, asked)) = (watch::channel(loaded), Reloads::channel());
        let shared = Shared::new(measuring.sources().clone(), is_loaded, reloads);
        let (tasks, stop) = (&running.tasks, &running.stop);
        if let Some((listener, address)) = metrics_listener.zip(server.metrics_listen) {
            let router = http::metrics_only(shared.clone());
            tasks.spawn(listen::serve(listener, router, keys.door(&server, address), stop.clone()));
        }
        let door = keys.door(&server, server.listen);
        tasks.spawn(listen::serve(listener, http::full(shared), door, stop.clone()));
        tasks.spawn(keys.renew(keys::LOOK_EVERY, stop.clone()));
        let (stores, pairs) = (settings.stores.len(), settings.pair_count());
        tracing::info!(listen = %server.listen, stores, pairs, "measuring");
        let (grace, log) = (server.shutdown_grace, settings.log);
        Ok(Gauge { clock, running, grace, server, is_shut, log, measuring, loaded, asked, hanging: None })
    }

    /// Reads the settings anew whenever that is asked for, once at a time. Ends when nobody can ask any more.
    async fn reload_whenever(&mut self, origin: &Origin, hangup: &mut Signal) {
        loop {
            let asked = tokio::select! {
                Some(()) = hangup.recv() => None,
                Some(asked) = self.asked.recv() => Some(asked),
                else => return,
            };
            let reloaded = self.reload(origin).await;
            // Whoever asked may be gone.
            let _ = asked.map(|asked| asked.send(reloaded));
        }
    }

    /// Reads the settings anew. With those that are refused nothing changes, but that it is told.
    async fn reload(&mut self, origin: &Origin) -> Result<Changes, Arc<str>> {
        let read_at = self.clock.wall();
        let reloaded = match self.read(origin).await {
            Ok(settings) => self.take(&settings).await,
            Err(problems) => Err(problems),
        };
        match reloaded {
            Ok(changes) => {
                self.loaded.send_replace(Loaded::at(read_at));
                let Changes { kept, restarted, added, removed } = &changes;
                tracing::info!(kept = kept.len(), ?restarted, ?added, ?removed, "settings were read anew");
                Ok(changes)
            }
            Err(problems) => {
                tracing::error!(%problems, "settings were read anew and refused; all goes on as before");
                let problems: Arc<str> = problems.into();
                self.loaded.send_modify(|loaded| loaded.refused = Some(problems.clone()));
                Err(problems)
            }
        }
    }

    /// On a thread of its own, as files are not always where they can be read at once; and one such thread is enough.
    async fn read(&mut self, origin: &Origin) -> Result<Settings, String> {
        if self.hanging.as_ref().is_some_and(|hanging| !hanging.is_finished()) {
            return Err("the settings are still being read, as before; does their file system hang?".to_owned());
        }
        let origin = origin.clone();
        let mut reading = tokio::task::spawn_blocking(move || origin.read());
        match timeout(READ_WITHIN, &mut reading).await {
            Ok(Ok(read)) => read,
            Ok(Err(error)) => Err(format!("the settings could not be read ({error}); this is a mistake in tidegauge")),
            Err(_) => {
                self.hanging = Some(reading);
                Err(format!("the settings could not be read within {READ_WITHIN:?}; does their file system hang?"))
            }
        }
    }

    async fn take(&mut self, settings: &Settings) -> Result<Changes, String> {
        if self.is_shut {
            return Err(
                "the listeners were started without what [server] says, as a file was of no use; restart the process"
                    .to_owned(),
            );
        }
        let mut fixed = self.server.differences(&settings.server);
        if settings.log.format != self.log.format {
            fixed.push("log.format");
        }
        if !fixed.is_empty() {
            let keys = fixed.join(", ");
            return Err(format!("{keys}: cannot change while the process runs; restart it"));
        }
        let changes = self.measuring.change(settings).await.map_err(|error| format!("{error:#}"))?;
        if settings.log != self.log {
            telemetry::set_filter(&settings.log.filter);
            self.log = settings.log.clone();
        }
        Ok(changes)
    }

    /// Resigns every seat and ends everything, within the grace, whatever hangs.
    pub async fn stop(self) {
        let Gauge { running, grace, asked, .. } = self;
        // Whoever asks for a reload now is not to wait for it: their request would be waited for.
        drop(asked);
        running.stop.cancel();
        running.tasks.close();
        // A little of the grace is left for the process itself to end.
        if timeout(grace.mul_f64(0.8), running.tasks.wait()).await.is_err() {
            tracing::warn!("not everything ended in time; what is left is cut off");
        }
    }
}

async fn bind(key: &str, address: std::net::SocketAddr) -> anyhow::Result<TcpListener> {
    listen::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}; free the address, or set {key} to another"))
}
