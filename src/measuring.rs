//! All that settings have measured, judged and told, and how that becomes what other settings have.
//!
//! Whatever can fail is made before anything that runs is touched. A store whose settings are what they were does not notice:
//! its driver goes on. Of one whose settings have changed the driver ends, and the next one begins once the seats have been
//! resigned; nobody else waits for that. The start is a change like any other, from nothing.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use rand::RngExt;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::advised::Advised;
use crate::clock::Clock;
use crate::core::advice::{Policy, Remedies};
use crate::core::model::{Plan, RegionId, RegionSet, WriterId};
use crate::core::provider::Polling;
use crate::core::snapshot::StoreSnapshot;
use crate::core::time::Span;
use crate::driver::{self, Driver};
use crate::judging::{self, Change};
use crate::notify;
use crate::providers::Nobody;
#[cfg(feature = "cosmos")]
use crate::providers::azure_monitor::AzureMonitor;
#[cfg(feature = "dynamodb")]
use crate::providers::cloudwatch::CloudWatch;
use crate::settings::{ClockSettings, PushSettings, RegionSettings, Role, Settings, StoreKind, StoreSettings};
#[cfg(feature = "cosmos")]
use crate::stores::cosmos::{Access, CosmosStore};
#[cfg(feature = "dynamodb")]
use crate::stores::dynamodb::DynamoDbStore;
use crate::stores::simulated::SimulatedStore;
#[cfg(feature = "dynamodb")]
use crate::stores::{PATIENT_DEADLINE, Store};
use crate::view::{Identity, Scene, Sources};

/// To set up a store reaches nobody, unless it has to find out in which region it is.
const BUILT_WITHIN: Duration = Duration::from_secs(5);

/// What everything that runs has in common.
#[derive(Clone, Debug)]
pub struct Running {
    /// Ends all of it.
    pub stop: CancellationToken,
    /// Cancelled when a store's task has broken down.
    pub broken: CancellationToken,
    /// All of its tasks.
    pub tasks: TaskTracker,
}

/// What is measured, judged and told.
#[derive(Debug)]
pub struct Measuring {
    sources: Sources,
    running: Running,
    host: Arc<str>,
    /// How long the last heartbeats may take.
    grace: Duration,
    stores: Vec<Measured>,
    told: Option<Told>,
}

/// A store that is measured.
#[derive(Debug)]
struct Measured {
    wanted: Wanted,
    /// Where this process stands among others that follow the same policy.
    spread: f64,
    snapshots: watch::Receiver<Arc<StoreSnapshot>>,
    stop: CancellationToken,
    /// Cancelled once its seats are resigned, or the grace is over.
    ended: CancellationToken,
}

/// All of the settings that a driver goes by.
#[derive(Clone, PartialEq, Debug)]
struct Wanted {
    store: StoreSettings,
    role: Role,
    clock: ClockSettings,
}

/// Alertmanagers that are told, and in whose name.
#[derive(Debug)]
struct Told {
    settings: PushSettings,
    cell: Option<String>,
    stop: CancellationToken,
}

/// What became of the stores, by their names.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Changes {
    /// Those that are measured without a break.
    pub kept: Vec<String>,
    /// Those that are measured anew, as their settings are others.
    pub restarted: Vec<String>,
    /// Those that are new.
    pub added: Vec<String>,
    /// Those that are no longer measured.
    pub removed: Vec<String>,
}

/// What there is to be done for one store.
enum Next {
    /// Nothing: the one in this place goes on.
    Goes(usize),
    /// It begins, in place of the other if there was one.
    Begins(Option<usize>, Begin),
}

/// Begins to measure, once what is handed over is cancelled.
type Begin = Box<dyn FnOnce(CancellationToken, CancellationToken, Duration) -> Driver + Send>;

impl Wanted {
    /// Whether whoever is measured as this says is measured as the other says. What is advised is not the driver's affair.
    fn is_measured_as(&self, other: &Wanted) -> bool {
        let mut same = self.clone();
        same.store.advice = other.store.advice.clone();
        same == *other
    }
}

impl Measuring {
    /// Nothing yet. For their last heartbeats drivers have `grace`.
    pub fn nothing(clock: Clock, grace: Duration, running: Running) -> Measuring {
        let scene = Scene {
            snapshots: Vec::new(),
            policies: Arc::default(),
            rules: Arc::default(),
            advised: Arc::new(Advised::of([])),
            identity: Arc::new(Identity { cell: String::new(), role: Role::Gauge.label(), runbooks: String::new() }),
            notifications: Arc::default(),
        };
        let (judge, judged) = judging::channels(scene);
        running.tasks.spawn(judge.run(clock, running.stop.clone()));
        let sources = Sources { judged, clock };
        Measuring { sources, running, host: boot_id(), grace, stores: Vec::new(), told: None }
    }

    /// Where what is measured is to be seen.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// Has measured, judged and told what these settings say, from now on. Once this is over everybody sees it.
    ///
    /// # Errors
    ///
    /// Where something of it cannot be set up. Then nothing has changed.
    pub async fn change(&mut self, settings: &Settings) -> anyhow::Result<Changes> {
        let wanted = settings.stores.iter().map(|store| Wanted {
            store: store.clone(),
            role: settings.role,
            clock: settings.clock.clone(),
        });
        let wanted: Vec<Wanted> = wanted.collect();
        let nexts = self.prepare(&wanted).await?;
        let goes_on = self.told.as_ref().is_some_and(|told| told.goes_on_with(settings));
        let push = settings.alerts.push.as_ref().filter(|_| !goes_on);
        let receivers = push.map(notify::receivers).transpose().context("alerts.push")?;

        // Nothing fails from here on.
        let changes = self.measure(wanted, nexts);
        let before = self.sources.seen().scene;
        let counters = settings.alerts.push.as_ref().map(|push| notify::counters(push, &before.notifications));
        let notifications = counters.unwrap_or_default();
        let scene = Scene {
            snapshots: self.stores.iter().map(|store| store.snapshots.clone()).collect(),
            policies: self.stores.iter().map(Measured::policy).collect(),
            rules: settings.alerts.rules.clone(),
            advised: Arc::new(
                before.advised.on(self.stores.iter().map(|store| store.wanted.store.name.as_str().into())),
            ),
            identity: Arc::new(Identity {
                cell: settings.cell.name.clone().unwrap_or_default(),
                role: settings.role.label(),
                runbooks: settings.alerts.runbooks.clone(),
            }),
            notifications: notifications.clone(),
        };
        if let Some(told) = self.told.take_if(|_| !goes_on) {
            told.stop.cancel();
        }
        let (done, seen) = oneshot::channel();
        // Without a judge all of this is about to end.
        if self.sources.judged.changes.send(Change { scene, done }).await.is_ok() {
            let _ = seen.await;
        }
        if let Some((receivers, push)) = receivers.zip(push) {
            let told = Told {
                settings: push.clone(),
                cell: settings.cell.name.clone(),
                stop: self.running.stop.child_token(),
            };
            notify::start(receivers, push, &notifications, &self.sources, &told.stop, &self.running.tasks);
            self.told = Some(told);
        }
        Ok(changes)
    }

    /// Sets up what is to begin, and reaches nobody.
    async fn prepare(&self, wanted: &[Wanted]) -> anyhow::Result<Vec<Next>> {
        let mut nexts = Vec::with_capacity(wanted.len());
        for (index, one) in wanted.iter().enumerate() {
            let place = self.stores.iter().position(|known| known.wanted.store.name == one.store.name);
            let before = place.map(|place| &self.stores[place]);
            nexts.push(match place {
                Some(place) if self.stores[place].wanted.is_measured_as(one) => Next::Goes(place),
                _ => {
                    // Moves its ticks within the interval.
                    let phase = index as f64 / (wanted.len() * one.store.regions.len().max(1)) as f64;
                    let plan = plan(one, self.host.clone(), phase);
                    let known = before.map(|before| before.snapshots.borrow().plan.clone());
                    let building = timeout(BUILT_WITHIN, build(&one.store, plan, known, self.sources.clock));
                    let built = building.await.map_err(|_| {
                        let hint = "where AWS is to say in which region this is, set AWS_REGION";
                        anyhow::anyhow!(
                            "store {:?} could not be set up within {BUILT_WITHIN:?}; {hint}",
                            one.store.name
                        )
                    })?;
                    Next::Begins(place, built?)
                }
            });
        }
        Ok(nexts)
    }

    /// Ends and begins.
    fn measure(&mut self, wanted: Vec<Wanted>, nexts: Vec<Next>) -> Changes {
        let mut changes = Changes::default();
        let mut before: Vec<Option<Measured>> = std::mem::take(&mut self.stores).into_iter().map(Some).collect();
        for (wanted, next) in wanted.into_iter().zip(nexts) {
            let name = wanted.store.name.clone();
            let measured = match next {
                Next::Goes(place) => {
                    changes.kept.push(name);
                    before[place].take().map(|measured| Measured { wanted, ..measured })
                }
                Next::Begins(place, begin) => {
                    let earlier = place.and_then(|place| before[place].take());
                    if earlier.is_some() {
                        changes.restarted.push(name)
                    } else {
                        changes.added.push(name)
                    }
                    Some(self.begin(wanted, earlier, begin))
                }
            };
            self.stores.extend(measured);
        }
        for gone in before.into_iter().flatten() {
            gone.stop.cancel();
            changes.removed.push(gone.wanted.store.name);
        }
        changes
    }

    fn begin(&self, wanted: Wanted, earlier: Option<Measured>, begin: Begin) -> Measured {
        let (stop, ended) = (self.running.stop.child_token(), CancellationToken::new());
        let resigned = earlier.as_ref().map(|earlier| {
            earlier.stop.cancel();
            earlier.ended.clone()
        });
        let resigned = resigned.unwrap_or_else(|| {
            let nobody = CancellationToken::new();
            nobody.cancel();
            nobody
        });
        let driver = begin(resigned, stop.clone(), self.grace);
        let broken = self.running.broken.clone();
        self.running.tasks.spawn(watch_over(driver.task, stop.clone(), ended.clone(), broken));
        let spread = earlier.map_or_else(|| rand::rng().random(), |earlier| earlier.spread);
        Measured { wanted, spread, snapshots: driver.snapshots, stop, ended }
    }
}

impl Measured {
    fn policy(&self) -> Policy {
        Policy { spread: self.spread, ..self.wanted.store.advice.clone() }
    }
}

impl Told {
    /// Whether these settings have the same told in the same way.
    fn goes_on_with(&self, settings: &Settings) -> bool {
        settings.alerts.push.as_ref() == Some(&self.settings) && settings.cell.name == self.cell
    }
}

/// A driver that ends without having been asked to is not to be passed over: its numbers would be frozen.
async fn watch_over(
    task: JoinHandle<()>,
    stop: CancellationToken,
    ended: CancellationToken,
    broken: CancellationToken,
) {
    let result = task.await;
    if result.is_err() || !stop.is_cancelled() {
        broken.cancel();
    }
    ended.cancel();
}

/// What the ledger of a store is to measure. `phase` moves its ticks within the interval.
fn plan(wanted: &Wanted, host: Arc<str>, phase: f64) -> Plan {
    let Wanted { store, role, clock } = wanted;
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
        observer: *role == Role::Observer,
        clock_max_error: clock.max_error.map(Span::from),
        provider_clock_error: clock.provider_dates.then(|| Span::from(clock.provider_error)),
        polling: store.provider.as_ref().map(|provider| Polling {
            every: Span::from(provider.every),
            period: Span::from(provider.period),
            delay: Span::from(provider.delay),
        }),
        inspect_every: store.kind.says_what_it_is().then(|| Span::from(store.inspect_every)),
        follows_replicas: store.follows_replicas,
        warn_lag: Span::from(store.warn_lag),
        remedies: |_| Remedies::NONE,
        // Whoever takes over from a driver of this process is somebody else.
        writer: WriterId(rand::rng().random()),
        host,
        phase,
        patience: rand::rng().random(),
    }
}

/// Sets up a store. `known` is how it was measured before.
#[cfg_attr(not(feature = "dynamodb"), expect(unused_variables, reason = "no other store names its replicas itself"))]
async fn build(settings: &StoreSettings, plan: Plan, known: Option<Arc<Plan>>, clock: Clock) -> anyhow::Result<Begin> {
    Ok(match &settings.kind {
        StoreKind::Simulated(simulated) => {
            let regions = settings.regions.iter().map(|region| region.name.clone()).collect();
            let store = SimulatedStore::new(simulated.clone(), regions, clock);
            Box::new(move |resigned, stop, grace| {
                driver::start_after(resigned.cancelled_owned(), store, Nobody, plan, clock, stop, grace)
            })
        }
        #[cfg(feature = "cosmos")]
        StoreKind::Cosmos(cosmos) => {
            let deadline = plan.deadline().to_duration();
            let access = Access::from_settings(cosmos, clock, deadline);
            let asks = plan.polling.is_some();
            let provider = AzureMonitor::from_settings(cosmos, access.rest.clone(), &plan.regions).filter(|_| asks);
            let store = CosmosStore::from_settings(settings, cosmos, access, deadline);
            Box::new(move |resigned, stop, grace| {
                driver::start_after(resigned.cancelled_owned(), store, provider, plan, clock, stop, grace)
            })
        }
        #[cfg(not(feature = "cosmos"))]
        StoreKind::Cosmos(_) => unreachable!("the settings refuse a store that this build leaves out"),
        #[cfg(feature = "dynamodb")]
        StoreKind::Dynamodb(dynamodb) => {
            let store = DynamoDbStore::from_settings(settings, dynamodb, plan.deadline().to_duration()).await;
            let plan = Plan { regions: store.known_regions(), ..plan };
            if plan.regions.is_empty() {
                anyhow::bail!(
                    "store {:?} is to be asked for its regions, and there is no region to ask in; set AWS_REGION, or \
                     list the regions",
                    settings.name
                );
            }
            let plan = with_replicas(plan, known.as_deref());
            let provider = match plan.polling {
                Some(_) => Some(CloudWatch::from_settings(settings, dynamodb, &plan.regions, PATIENT_DEADLINE).await),
                None => None,
            };
            Box::new(move |resigned, stop, grace| {
                driver::start_after(resigned.cancelled_owned(), store, provider, plan, clock, stop, grace)
            })
        }
        #[cfg(not(feature = "dynamodb"))]
        StoreKind::Dynamodb(_) => unreachable!("the settings refuse a store that this build leaves out"),
    })
}

/// With the replicas that the store was last seen to have, where it is the one that says so: until it is asked again nobody is
/// to believe that they are gone.
#[cfg(feature = "dynamodb")]
fn with_replicas(plan: Plan, known: Option<&Plan>) -> Plan {
    let follows =
        |known: &&Plan| plan.follows_replicas && known.follows_replicas && known.regions.starts_with(&plan.regions);
    match known.filter(follows) {
        Some(known) => Plan { regions: known.regions.clone(), retired: known.retired, ..plan },
        None => plan,
    }
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
