//! Wires it all together: stores to drivers, drivers to judge and listeners, and an orderly end.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use rand::RngExt;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::advised::Advised;
use crate::clock::Clock;
use crate::core::advice::{Policy, Remedies};
use crate::core::model::{Plan, RegionId, RegionSet, WriterId};
use crate::core::provider::Polling;
use crate::core::time::Span;
use crate::driver::{self, Driver};
use crate::http::keys::{self, Keys};
use crate::http::{self, Shared, listen};
use crate::judging;
use crate::notify;
use crate::providers::Nobody;
#[cfg(feature = "cosmos")]
use crate::providers::azure_monitor::AzureMonitor;
#[cfg(feature = "dynamodb")]
use crate::providers::cloudwatch::CloudWatch;
use crate::settings::{RegionSettings, Role, Settings, StoreKind, StoreSettings};
#[cfg(feature = "cosmos")]
use crate::stores::cosmos::{Access, CosmosStore};
#[cfg(feature = "dynamodb")]
use crate::stores::dynamodb::DynamoDbStore;
use crate::stores::simulated::SimulatedStore;
#[cfg(feature = "dynamodb")]
use crate::stores::{PATIENT_DEADLINE, Store};
use crate::view::{Identity, Sources};

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
///
/// Where a listener cannot be bound, or a store's task broke down.
///
/// `refused` is what was wrong with the settings, where that is all there is to be served.
pub async fn run(settings: Settings, refused: Option<String>) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let gauge = Gauge::start(settings, refused).await?;
    let broke_down = tokio::select! {
        _ = terminate.recv() => false,
        _ = interrupt.recv() => false,
        () = gauge.broke_down() => true,
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
    stop: CancellationToken,
    broken: CancellationToken,
    tasks: JoinSet<()>,
    grace: Duration,
}

impl Gauge {
    /// Binds the listeners, then starts to measure.
    ///
    /// # Errors
    ///
    /// Where a listener cannot be bound, or a file that it needs is of no use.
    pub async fn start(settings: Settings, refused: Option<String>) -> anyhow::Result<Gauge> {
        let clock = Clock::start();
        let loaded_at = clock.wall();
        let mut server = settings.server.clone();
        let keys = match Keys::load(&server) {
            Err(error) if refused.is_some() => {
                // That the settings were refused is to be served all the same, and nothing else.
                tracing::error!(%error, "listeners are plain, and shut away from loopback");
                server = server.shut();
                Keys::load(&server)?
            }
            loaded => loaded?,
        };
        let listener = bind("server.listen", server.listen).await?;
        let metrics_listener = match server.metrics_listen {
            Some(address) => Some(bind("server.metrics_listen", address).await?),
            None => None,
        };
        let (stop, broken) = (CancellationToken::new(), CancellationToken::new());
        // Half of the grace is for the last heartbeats, so that the other half is there for what hangs.
        let grace = server.shutdown_grace / 2;
        let mut tasks = JoinSet::new();
        let mut snapshots = Vec::new();
        let mut policies = Vec::new();
        let writer = WriterId(rand::rng().random());
        let host = boot_id();
        let count = settings.stores.len();
        for (index, store) in settings.stores.iter().enumerate() {
            let phase = index as f64 / (count * store.regions.len().max(1)) as f64;
            let plan = plan(store, &settings, writer, host.clone(), phase);
            policies.push(Policy { spread: rand::rng().random(), ..store.advice.clone() });
            let driver = start_driver(store, plan, clock, stop.child_token(), grace).await?;
            snapshots.push(driver.snapshots);
            tasks.spawn(watch_over(driver.task, stop.clone(), broken.clone()));
        }
        let (judge, judged) = judging::channels();
        let identity = Identity {
            cell: settings.cell.name.clone().unwrap_or_default(),
            role: settings.role.label(),
            runbooks: settings.alerts.runbooks.clone(),
        };
        let push = settings.alerts.push.as_ref();
        let notifications = push.map(notify::counters).unwrap_or_default();
        let advised = Advised::of(settings.stores.iter().map(|store| store.name.as_str().into()));
        let sources = Sources {
            snapshots,
            judged,
            policies: policies.into(),
            advised: Arc::new(advised),
            clock,
            identity: Arc::new(identity),
            notifications,
        };
        tasks.spawn(judge.run(sources.clone(), settings.alerts.rules.clone(), stop.clone()));
        if let Some(push) = push {
            notify::start(push, &sources, &stop, &mut tasks)?;
        }
        let shared = match refused {
            None => Shared::new(sources, loaded_at),
            Some(refused) => Shared::refused(sources, refused),
        };
        if let Some((listener, address)) = metrics_listener.zip(server.metrics_listen) {
            let router = http::metrics_only(shared.clone());
            tasks.spawn(listen::serve(listener, router, keys.door(&server, address), stop.clone()));
        }
        let door = keys.door(&server, server.listen);
        tasks.spawn(listen::serve(listener, http::full(shared), door, stop.clone()));
        tasks.spawn(keys.renew(keys::LOOK_EVERY, stop.clone()));
        tracing::info!(listen = %server.listen, stores = count, pairs = settings.pair_count(), "measuring");
        Ok(Gauge { stop, broken, tasks, grace: server.shutdown_grace })
    }

    /// Returns when a store's task has broken down.
    pub async fn broke_down(&self) {
        self.broken.cancelled().await;
    }

    /// Resigns every seat and ends everything, within the grace, whatever hangs.
    pub async fn stop(mut self) {
        self.stop.cancel();
        // A little of the grace is left for the process itself to end.
        let grace = self.grace.mul_f64(0.8);
        if timeout(grace, async { while self.tasks.join_next().await.is_some() {} }).await.is_err() {
            tracing::warn!("not everything ended in time; what is left is cut off");
        }
    }
}

async fn bind(key: &str, address: std::net::SocketAddr) -> anyhow::Result<TcpListener> {
    listen::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}; free the address, or set {key} to another"))
}

/// A driver that ends without having been asked to is not to be passed over: its numbers would be frozen.
async fn watch_over(task: JoinHandle<()>, stop: CancellationToken, broken: CancellationToken) {
    let ended = task.await;
    if ended.is_err() || !stop.is_cancelled() {
        broken.cancel();
    }
}

/// What the ledger of a store is to measure. `phase` moves its ticks within the interval.
fn plan(store: &StoreSettings, settings: &Settings, writer: WriterId, host: Arc<str>, phase: f64) -> Plan {
    let local = store.local_region.as_ref();
    let is_local = |region: &RegionSettings| Some(&region.name) == local;
    Plan {
        store: store.name.as_str().into(),
        kind: store.kind.label(),
        regions: store.regions.iter().map(|region| region.name.as_str().into()).collect(),
        retired: RegionSet::default(),
        interval: Span::from(store.heartbeat.interval),
        slots: store.heartbeat.slots,
        reads_per_interval: store.reads_per_interval,
        read_schedule: store.read_schedule,
        consistency: store.read,
        asks_for_strong: store.asks_for_strong,
        placement: store.heartbeat.placement,
        local: store.regions.iter().position(is_local).map(|index| RegionId(index as u16)),
        remote_reads: store.remote_reads,
        observer: settings.role == Role::Observer,
        clock_max_error: settings.clock.max_error.map(Span::from),
        provider_clock_error: settings.clock.provider_dates.then(|| Span::from(settings.clock.provider_error)),
        polling: store.provider.as_ref().map(|provider| Polling {
            every: Span::from(provider.every),
            period: Span::from(provider.period),
            delay: Span::from(provider.delay),
        }),
        inspect_every: store.kind.says_what_it_is().then(|| Span::from(store.inspect_every)),
        follows_replicas: store.follows_replicas,
        warn_lag: Span::from(store.warn_lag),
        remedies: |_| Remedies::NONE,
        writer,
        host,
        phase,
        patience: rand::rng().random(),
    }
}

async fn start_driver(
    settings: &StoreSettings,
    plan: Plan,
    clock: Clock,
    stop: CancellationToken,
    grace: Duration,
) -> anyhow::Result<Driver> {
    let driver = match &settings.kind {
        StoreKind::Simulated(simulated) => {
            let regions = settings.regions.iter().map(|region| region.name.clone()).collect();
            let store = SimulatedStore::new(simulated.clone(), regions, clock);
            driver::start(store, Nobody, plan, clock, stop, grace)
        }
        #[cfg(feature = "cosmos")]
        StoreKind::Cosmos(cosmos) => {
            let deadline = plan.deadline().to_duration();
            let access = Access::from_settings(cosmos, clock, deadline);
            let asks = plan.polling.is_some();
            let provider = AzureMonitor::from_settings(cosmos, access.rest.clone(), &plan.regions).filter(|_| asks);
            let store = CosmosStore::from_settings(settings, cosmos, access, deadline);
            driver::start(store, provider, plan, clock, stop, grace)
        }
        #[cfg(not(feature = "cosmos"))]
        StoreKind::Cosmos(_) => unreachable!("the settings refuse a store that this build leaves out"),
        #[cfg(feature = "dynamodb")]
        StoreKind::Dynamodb(dynamodb) => {
            let store = DynamoDbStore::from_settings(settings, dynamodb, plan.deadline().to_duration()).await;
            let plan = Plan { regions: store.known_regions(), ..plan };
            if plan.regions.is_empty() {
                bail!(
                    "store {:?} is to be asked for its regions, and there is no region to ask in; set AWS_REGION, or \
                     list the regions",
                    settings.name
                );
            }
            let provider = match plan.polling {
                Some(_) => Some(CloudWatch::from_settings(settings, dynamodb, &plan.regions, PATIENT_DEADLINE).await),
                None => None,
            };
            driver::start(store, provider, plan, clock, stop, grace)
        }
        #[cfg(not(feature = "dynamodb"))]
        StoreKind::Dynamodb(_) => unreachable!("the settings refuse a store that this build leaves out"),
    };
    Ok(driver)
}

/// The host's boot id: two processes that read the same one share a wall clock.
///
/// Tests give processes of one host clocks of their own, and have to say so.
fn boot_id() -> Arc<str> {
    if let Ok(host) = std::env::var("TIDEGAUGE_TEST_HOST") {
        return host.into();
    }
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    match id.trim() {
        // Without one nobody else's heartbeat may pass for having been timed by our clock.
        "" => format!("unknown-{:016x}", rand::rng().random::<u64>()).into(),
        id => id.into(),
    }
}
