//! A store whose lag is known, processes that watch it, and Alertmanagers that are told: all of it in virtual time.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tidegauge::advised::Advised;
use tidegauge::clock::Clock;
use tidegauge::core::alert::{Phase, Rule};
use tidegauge::core::model::{Plan, RegionId};
use tidegauge::core::snapshot::{Seat, StoreSnapshot};
use tidegauge::core::time::{Span, Wall};
use tidegauge::driver;
use tidegauge::judging;
use tidegauge::notify::{self, Known, Manner, Message, Notifications, Receiver, Trouble};
use tidegauge::providers::Nobody;
use tidegauge::settings::{Settings, StoreKind};
use tidegauge::stores::simulated::SimulatedStore;
use tidegauge::view::{Identity, Scene, Sources};
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::gauge::plan;

pub const STARTED: Wall = Wall::from_micros(1_767_225_600_000_000);
pub const REGIONS: [&str; 3] = ["us-east-1", "eu-west-1", "ap-southeast-2"];
pub const RESEND: Duration = Duration::from_secs(10);
/// Of the rule: for so long before it fires, and clear for so long before it is over.
pub const PENDING: Duration = Duration::from_secs(10);
pub const KEEP_FIRING: Duration = Duration::from_secs(30);
/// Until the stall has been noticed, and the rule's patience has passed.
pub const FIRES: Duration = Duration::from_secs(45);
/// One pair is stalled from 20 s to 120 s.
pub const STALL: &str = "{ kind = \"stall\", source_region = \"us-east-1\", target_region = \"eu-west-1\", offset = \"20s\", \
                     lasts = \"100s\", every = \"24h\" }";

/// A store that is measured by whoever may write: what every process that watches it sees.
pub struct World {
    pub clock: Clock,
    rules: Arc<[Rule]>,
    pub snapshots: watch::Receiver<Arc<StoreSnapshot>>,
    _stop: DropGuard,
}

impl World {
    /// Every pair, or those to one region alone.
    pub fn new(event: &str, regions: &[String], local: Option<RegionId>) -> World {
        let list: Vec<String> = regions.iter().map(|region| format!("{{ name = \"{region}\" }}")).collect();
        let text = format!(
            "[cell]\ncentral = true\n[[stores]]\nname = \"orders\"\nregions = [{}]\n[stores.simulated]\n\
             lag = {{ fixed = \"300ms\" }}\nevents = [{event}]\n[alerts]\ndefaults = false\n[[alerts.rules]]\n\
             name = \"Stalled\"\nsignal = \"state\"\nstates = [\"stalled\"]\npage = {{ for = \"10s\" }}\n\
             keep_firing_for = \"30s\"\n",
            list.join(", ")
        );
        let mut settings = Settings::from_toml(&text).unwrap();
        let store = settings.stores.remove(0);
        let StoreKind::Simulated(simulated) = store.kind.clone() else { panic!("it is simulated") };
        let plan = Plan { local, ..plan(&store) };
        let clock = Clock::start_virtual(STARTED);
        let store = SimulatedStore::new(simulated, regions.to_vec(), clock);
        let stop = CancellationToken::new();
        let driver = driver::start(store, Nobody, plan, clock, stop.clone(), Duration::from_secs(1));
        World { clock, rules: settings.alerts.rules, snapshots: driver.snapshots, _stop: stop.drop_guard() }
    }

    pub fn with_a_stall() -> World {
        World::new(STALL, &REGIONS.map(str::to_owned), None)
    }

    pub async fn until(&self, since_start: Duration) {
        let left = STARTED + Span::from(since_start) - self.clock.wall();
        assert!(!left.is_negative(), "that is over");
        sleep(left.to_duration()).await;
    }
}

/// One process that watches a store and tells others.
pub struct Process {
    pub sources: Sources,
    pub is_writer: watch::Sender<bool>,
    stop: CancellationToken,
    tasks: tokio::task::JoinSet<()>,
}

impl Process {
    /// Starts one; whether it has the seats is up to the test.
    pub fn start(world: &World, is_writer: bool, receivers: &[Fake]) -> Process {
        let stop = CancellationToken::new();
        let (is_writer, seat) = watch::channel(is_writer);
        let masked = |snapshot: &StoreSnapshot, is_writer: bool| {
            let mut snapshot = snapshot.clone();
            if !is_writer {
                snapshot.seats.fill(Some(Seat::Held));
            }
            Arc::new(snapshot)
        };
        let (show, snapshots) = watch::channel(masked(&world.snapshots.borrow(), *seat.borrow()));
        let (mut seen, mut seat) = (world.snapshots.clone(), seat);
        let mut tasks = tokio::task::JoinSet::new();
        let relay = async move {
            loop {
                let newest = masked(&seen.borrow_and_update(), *seat.borrow_and_update());
                show.send_replace(newest);
                tokio::select! {
                    Ok(()) = seen.changed() => {}
                    Ok(()) = seat.changed() => {}
                    else => return,
                }
            }
        };
        let stopped = stop.clone();
        tasks.spawn(async move {
            stopped.run_until_cancelled(relay).await;
        });
        let identity = Arc::new(Identity { cell: "a-cell".into(), role: "gauge", runbooks: "https://runbooks".into() });
        let notifications = receivers.iter().map(|receiver| Arc::new(Notifications::to(receiver.name))).collect();
        let scene = Scene {
            snapshots: vec![snapshots],
            policies: Arc::default(),
            rules: world.rules.clone(),
            advised: Arc::new(Advised::of([])),
            identity,
            notifications,
        };
        let (judge, judged) = judging::channels(scene.clone());
        let sources = Sources { judged, clock: world.clock };
        tasks.spawn(judge.run(world.clock, stop.clone()));
        for (receiver, counts) in receivers.iter().zip(scene.notifications.iter()) {
            let labels = BTreeMap::from([("environment".to_owned(), "tests".to_owned())]);
            let manner = Manner { resend: RESEND, labels };
            tasks.spawn(notify::run(receiver.clone(), sources.clone(), counts.clone(), manner, stop.clone()));
        }
        Process { sources, is_writer, stop, tasks }
    }

    pub fn firing(&self) -> usize {
        let verdicts = self.sources.seen().verdicts;
        verdicts.alerts.iter().filter(|(_, alert)| alert.phase() == Phase::Firing).count()
    }

    pub fn failed(&self, place: usize) -> u64 {
        self.sources.seen().scene.notifications[place].results()[1].1
    }

    /// Ends it, as a signal would. Returns how long that took.
    pub async fn end(mut self, world: &World) -> Duration {
        let began = world.clock.wall();
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
        (world.clock.wall() - began).to_duration()
    }
}

/// Messages, and when each came.
pub type Told = Vec<(Wall, Message)>;

/// What an Alertmanager does with a request.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Mode {
    Answers,
    Slow(Duration),
    Hangs,
    Gone,
    Refuses,
    /// It takes alerts, and does not say what it remembers.
    Forgets,
}

/// An Alertmanager that keeps what it is told, as far as it matters here.
#[derive(Clone)]
pub struct Fake {
    pub name: &'static str,
    clock: Clock,
    pub state: Arc<Mutex<State>>,
}

pub struct State {
    mode: Mode,
    questions: usize,
    /// Each request: when, and what was in it.
    requests: Vec<(Wall, Vec<Message>)>,
    pub known: BTreeMap<BTreeMap<String, String>, (Wall, Wall)>,
}

impl Fake {
    pub fn new(name: &'static str, world: &World) -> Fake {
        let state = State { mode: Mode::Answers, questions: 0, requests: Vec::new(), known: BTreeMap::new() };
        Fake { name, clock: world.clock, state: Arc::new(Mutex::new(state)) }
    }

    pub fn in_mode(self, mode: Mode) -> Fake {
        self.be(mode);
        self
    }

    pub fn be(&self, mode: Mode) {
        self.state.lock().unwrap().mode = mode;
    }

    /// It remembers the alert of the stalled pair, with these labels beside its own, from so many seconds before the start
    /// to so many after it.
    pub fn remembering(self, extra: &[(&str, &str)], before: i64, after: i64) -> Fake {
        let own = [
            ("alertname", "Stalled"),
            ("severity", "page"),
            ("store", "orders"),
            ("source_region", REGIONS[0]),
            ("target_region", REGIONS[1]),
            ("cell", "a-cell"),
            ("environment", "tests"),
        ];
        let labels = own.iter().chain(extra).map(|(name, value)| (name.to_string(), value.to_string())).collect();
        self.state.lock().unwrap().known.insert(labels, (ago(before), ago(-after)));
        self
    }

    pub async fn obey(&self) -> Result<(), Trouble> {
        let mode = self.state.lock().unwrap().mode;
        match mode {
            Mode::Answers | Mode::Forgets => Ok(()),
            Mode::Slow(delay) => {
                sleep(delay).await;
                Ok(())
            }
            Mode::Hangs => pending().await,
            Mode::Gone => Err(Trouble::NoAnswer("nobody is there".to_owned())),
            Mode::Refuses => Err(Trouble::Refused("it answers 500".to_owned())),
        }
    }

    pub fn questions(&self) -> usize {
        self.state.lock().unwrap().questions
    }

    pub fn requests(&self) -> Vec<(Wall, Vec<Message>)> {
        self.state.lock().unwrap().requests.clone()
    }

    /// Every message, and when it came.
    pub fn messages(&self) -> Told {
        let requests = self.requests().into_iter();
        requests.flat_map(|(at, messages)| messages.into_iter().map(move |message| (at, message))).collect()
    }

    /// Those that say that it fires, and those that say that it is over.
    pub fn firing_and_resolved(&self) -> (Told, Told) {
        self.messages().into_iter().partition(|(at, message)| message.ends_at > *at)
    }
}

impl Receiver for Fake {
    async fn tell(&self, messages: &[Message]) -> Result<(), Trouble> {
        self.obey().await?;
        let mut state = self.state.lock().unwrap();
        for message in messages {
            let labels = message.labels.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
            state.known.insert(labels, (message.starts_at, message.ends_at));
        }
        state.requests.push((self.clock.wall(), messages.to_vec()));
        Ok(())
    }

    async fn remembered(&self, cell: &str) -> Result<Vec<Known>, Trouble> {
        self.obey().await?;
        let mut state = self.state.lock().unwrap();
        assert_eq!(cell, "a-cell");
        state.questions += 1;
        if state.mode == Mode::Forgets {
            return Err(Trouble::Refused("it answers 403".to_owned()));
        }
        let known = state.known.iter();
        Ok(known
            .map(|(labels, (starts_at, ends_at))| Known {
                labels: labels.clone(),
                starts_at: *starts_at,
                ends_at: *ends_at,
            })
            .collect())
    }
}

/// So many seconds before the start.
pub fn ago(seconds: i64) -> Wall {
    STARTED - Span::from_millis(seconds * 1_000)
}

pub fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}
