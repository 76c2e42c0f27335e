//! A gauge of one simulated store in virtual time, and how its routers are asked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use serde_json::Value as Json;
use tidegauge::advised::Advised;
use tidegauge::clock::Clock;
use tidegauge::core::advice::Remedies;
use tidegauge::core::judge::{self, Verdicts};
use tidegauge::core::model::{
    Consistency, Failure, Placement, Plan, ReadSchedule, RegionId, RegionSet, Slot, SlotRead, Write, WriteOutcome,
    WriterId,
};
use tidegauge::core::provider::Polling;
use tidegauge::core::time::{Span, Wall};
use tidegauge::driver;
use tidegauge::http::{self, Shared};
use tidegauge::judging;
use tidegauge::measuring::Changes;
use tidegauge::providers::{Nobody, Provider};
use tidegauge::reload::{Loaded, Reloads};
use tidegauge::settings::{Settings, StoreKind, StoreSettings};
use tidegauge::stores::simulated::SimulatedStore;
use tidegauge::stores::{self, Store};
use tidegauge::view::{Identity, Scene, Sources};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};
use tower::ServiceExt;

pub const STARTED: Wall = Wall::from_micros(1_767_225_600_000_000);
pub const REGIONS: [&str; 3] = ["us-east-1", "eu-west-1", "ap-southeast-2"];
pub const LAG_SECONDS: f64 = 0.8;

/// A gauge of one simulated store, its lag the same always.
pub struct Gauge {
    pub shared: Shared,
    stop: DropGuard,
}

impl Gauge {
    /// Of a lag that is the same always, after a while in which nothing happened.
    pub async fn after(elapsed: Duration, slots: u16) -> Gauge {
        Gauge::asking(elapsed, slots, None, Nobody).await
    }

    /// One that asks a provider, too.
    pub async fn asking(elapsed: Duration, slots: u16, polling: Option<Polling>, provider: impl Provider) -> Gauge {
        Gauge::planned(elapsed, |plan| Plan { slots, polling, ..plan }, provider).await
    }

    /// One of the first of these regions alone, where nobody writes in the others.
    pub async fn local(elapsed: Duration) -> Gauge {
        Gauge::planned(elapsed, |plan| Plan { local: Some(RegionId(0)), ..plan }, Nobody).await
    }

    /// One of a changed plan.
    pub async fn planned(elapsed: Duration, change: impl FnOnce(Plan) -> Plan, provider: impl Provider) -> Gauge {
        let settings = settings("");
        let clock = Clock::start_virtual(STARTED);
        let stop = CancellationToken::new();
        let plan = change(plan(&settings.stores[0]));
        let driver = start(&settings.stores[0], plan, provider, clock, &stop);
        Gauge::running(&settings, driver, clock, stop, elapsed).await
    }

    /// One of the first of these regions alone, while another process on another host writes in the second.
    pub async fn of_two(elapsed: Duration) -> Gauge {
        let settings = settings("");
        let clock = Clock::start_virtual(STARTED);
        let stop = CancellationToken::new();
        let store = Common(Arc::new(simulated(&settings.stores[0], clock)));
        let drivers = [RegionId(0), RegionId(1)].map(|local| {
            let (writer, host) = (WriterId(u128::from(local.0) + 1), format!("host {}", local.0).into());
            let plan = Plan { local: Some(local), writer, host, ..plan(&settings.stores[0]) };
            driver::start(store.clone(), Nobody, plan, clock, stop.clone(), Duration::from_secs(1))
        });
        let [driver, _] = drivers;
        Gauge::running(&settings, driver, clock, stop, elapsed).await
    }

    /// After a while of that.
    pub async fn running(
        settings: &Settings,
        driver: driver::Driver,
        clock: Clock,
        stop: CancellationToken,
        elapsed: Duration,
    ) -> Gauge {
        if !elapsed.is_zero() {
            tokio::time::sleep(elapsed).await;
        }
        let mut verdicts = Verdicts::default();
        let snapshot = driver.snapshots.borrow().clone();
        let scene = scene(settings, driver);
        judge::step(&mut verdicts, &[], &scene.policies, std::iter::once(&*snapshot), clock.now());
        let (judge, judged) = judging::channels(scene);
        judge.publish(verdicts);
        Gauge { shared: shared(Sources { judged, clock }), stop: stop.drop_guard() }
    }

    /// One whose judge judges by the rules of the settings from now on; `more` is more settings of its store.
    pub fn judging(more: &str) -> Gauge {
        let settings = settings(more);
        let clock = Clock::start_virtual(STARTED);
        let stop = CancellationToken::new();
        let driver = start(&settings.stores[0], plan(&settings.stores[0]), Nobody, clock, &stop);
        let (judge, judged) = judging::channels(scene(&settings, driver));
        tokio::spawn(judge.run(clock, stop.clone()));
        Gauge { shared: shared(Sources { judged, clock }), stop: stop.drop_guard() }
    }

    /// Tells its tasks to stop; what it serves is served on.
    pub fn stop(self) -> Shared {
        drop(self.stop);
        self.shared
    }

    pub fn full(&self) -> Router {
        http::full(self.shared.clone())
    }

    pub async fn get(&self, uri: &str) -> Answer {
        ask(self.full(), Method::GET, uri).await
    }

    pub async fn pairs(&self, query: &str) -> Vec<Json> {
        let answer = self.get(&format!("/api/v1/pairs{query}")).await;
        assert_eq!((answer.status, answer.kind.as_str()), (StatusCode::OK, "application/json"));
        let body = answer.json();
        assert_eq!(body["status"], "success");
        body["data"]["pairs"].as_array().unwrap().clone()
    }

    pub async fn metrics(&self) -> String {
        self.get("/metrics").await.body
    }
}

/// One store; `more` is more of its settings.
pub fn settings(more: &str) -> Settings {
    let regions = REGIONS.map(|region| format!("{{ name = \"{region}\" }}")).join(", ");
    let settings = format!(
        "[cell]\ncentral = true\n[[stores]]\nname = \"orders\"\nregions = [{regions}]\n\
         [stores.simulated]\nlag = {{ fixed = \"800ms\" }}\n{more}"
    );
    Settings::from_toml(&settings).unwrap()
}

/// What is measured of a simulated store, by a central prober.
pub fn plan(settings: &StoreSettings) -> Plan {
    Plan {
        store: "orders".into(),
        kind: "simulated",
        regions: settings.regions.iter().map(|region| region.name.as_str().into()).collect(),
        retired: RegionSet::default(),
        interval: Span::from_millis(1_000),
        slots: 1,
        reads_per_interval: 5,
        read_schedule: ReadSchedule::Adaptive,
        consistency: settings.read,
        asks_for_strong: false,
        placement: Placement::Inline,
        local: None,
        remote_reads: false,
        observer: false,
        clock_max_error: None,
        provider_clock_error: None,
        polling: None,
        inspect_every: None,
        follows_replicas: false,
        warn_lag: Span::from_millis(5_000),
        remedies: |_| Remedies::NONE,
        writer: WriterId(1),
        host: "a-host".into(),
        phase: 0.0,
        patience: 0.0,
    }
}

fn start(
    settings: &StoreSettings,
    plan: Plan,
    provider: impl Provider,
    clock: Clock,
    stop: &CancellationToken,
) -> driver::Driver {
    driver::start(simulated(settings, clock), provider, plan, clock, stop.clone(), Duration::from_secs(1))
}

pub fn simulated(settings: &StoreSettings, clock: Clock) -> SimulatedStore {
    let StoreKind::Simulated(simulated) = settings.kind.clone() else { panic!("it is simulated") };
    SimulatedStore::new(simulated, REGIONS.map(str::to_owned).to_vec(), clock)
}

/// A simulated store that more than one process has to do with.
#[derive(Clone)]
pub struct Common(pub Arc<SimulatedStore>);

impl Store for Common {
    async fn write(&self, write: Write) -> stores::Answer<WriteOutcome> {
        self.0.write(write).await
    }

    async fn read(
        &self,
        target: RegionId,
        slot: Slot,
        consistency: Consistency,
    ) -> stores::Answer<Result<SlotRead, Failure>> {
        self.0.read(target, slot, consistency).await
    }

    fn known_regions(&self) -> Vec<Arc<str>> {
        self.0.known_regions()
    }
}

/// What is measured of one store.
pub fn scene(settings: &Settings, driver: driver::Driver) -> Scene {
    let identity = Identity { cell: "a-cell".into(), role: "gauge", runbooks: "docs/runbooks".into() };
    Scene {
        snapshots: vec![driver.snapshots],
        policies: [settings.stores[0].advice.clone()].into(),
        rules: settings.alerts.rules.clone(),
        advised: Arc::new(Advised::of(["orders".into()])),
        identity: Arc::new(identity),
        notifications: Arc::default(),
    }
}

/// Of settings that are right, and in which nothing ever changes.
pub fn shared(sources: Sources) -> Shared {
    let (reloads, mut asked) = Reloads::channel();
    tokio::spawn(async move {
        while let Some(asked) = asked.recv().await {
            let _ = asked.send(Ok(Changes { kept: vec!["orders".to_owned()], ..Changes::default() }));
        }
    });
    Shared::new(sources, watch::channel(Loaded::at(STARTED)).1, reloads)
}

/// Of settings that were refused.
pub fn refused(shared: &Shared) -> Shared {
    let loaded = watch::channel(Loaded::refused("colour is not known")).1;
    Shared::new(shared.sources.clone(), loaded, shared.reloads.clone())
}

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub kind: String,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// It must be a problem of this kind; what it says.
    pub fn problem(&self, status: StatusCode, kind: &str) -> String {
        assert_eq!((self.status, self.kind.as_str()), (status, "application/json"), "{self:?}");
        let body = self.json();
        let fields: BTreeSet<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(fields, BTreeSet::from(["status", "errorType", "error"]));
        assert_eq!((&body["status"], &body["errorType"]), (&Json::from("error"), &Json::from(kind)));
        body["error"].as_str().unwrap().to_owned()
    }

    /// What a header says, if it is there.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

pub async fn ask(router: Router, method: Method, uri: &str) -> Answer {
    let request = Request::builder().method(method).uri(uri).body(Body::empty()).unwrap();
    let response = router.oneshot(request).await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let kind = headers.get(CONTENT_TYPE).map_or("", |kind| kind.to_str().unwrap()).to_owned();
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    Answer { status, kind, headers, body: String::from_utf8(body.to_vec()).unwrap() }
}

/// A line of an exposition that is a value: its name, its labels, its value.
pub fn series(exposition: &str) -> Vec<(&str, &str, f64)> {
    let lines = exposition.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            (name, labels.trim_end_matches('}'), value.parse().unwrap())
        })
        .collect()
}

/// The metric that a series belongs to: histograms have three kinds of series.
pub fn family<'a>(name: &'a str, types: &BTreeMap<&str, &str>) -> &'a str {
    let stripped = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
    stripped.filter(|stripped| types.get(stripped) == Some(&"histogram")).unwrap_or(name)
}

/// What `# TYPE` or `# HELP` say, by metric.
pub fn comments<'a>(exposition: &'a str, word: &str) -> BTreeMap<&'a str, &'a str> {
    let lines = exposition.lines().filter_map(|line| line.strip_prefix(&format!("# {word} ")));
    lines.filter_map(|line| line.split_once(' ')).collect()
}

pub fn pair_names() -> Vec<(&'static str, &'static str)> {
    let all = REGIONS.iter().flat_map(|source| REGIONS.iter().map(move |target| (*source, *target)));
    all.filter(|(source, target)| source != target).collect()
}
