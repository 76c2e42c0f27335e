//! What the page says of the heartbeats that its gauge writes itself, while a simulated store is measured in virtual time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value as Json;
use tidegauge::clock::Clock;
use tidegauge::core::model::{
    Consistency, Failure, Plan, Reason, RegionId, Slot, SlotRead, Write, WriteOutcome, WriterId,
};
use tidegauge::driver;
use tidegauge::providers::Nobody;
use tidegauge::stores::{Answer, Store};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::gauge::{Common, Gauge, REGIONS, STARTED, plan, settings, simulated};
use crate::page::{elements, page, words};

const HERE: RegionId = RegionId(0);
const A_WHILE: Duration = Duration::from_secs(30);
/// Of three intervals, and what is to spare.
const PATIENCE: Duration = Duration::from_millis(3_300);

/// What becomes of the writes of one process.
#[derive(Default)]
pub struct Moods {
    refuses: Option<Reason>,
    acknowledged: Option<Instant>,
}

/// A store that is of one's own mind about the writes of one process, and as it should be to all others.
#[derive(Clone)]
struct Moody {
    store: Common,
    moods: Arc<Mutex<Moods>>,
}

impl Store for Moody {
    #[allow(clippy::disallowed_methods, reason = "the test looks at the clock that it sets")]
    async fn write(&self, write: Write) -> Answer<WriteOutcome> {
        let refuses = self.moods.lock().unwrap().refuses;
        if let Some(reason) = refuses {
            let failure = Failure { reason, message: "not now".to_owned() };
            return Answer::free(WriteOutcome::Failed { failure, maybe_committed: false });
        }
        let answer = self.store.write(write).await;
        if matches!(answer.outcome, WriteOutcome::Acknowledged { .. }) {
            self.moods.lock().unwrap().acknowledged = Some(Instant::now());
        }
        answer
    }

    async fn read(&self, target: RegionId, slot: Slot, consistency: Consistency) -> Answer<Result<SlotRead, Failure>> {
        self.store.read(target, slot, consistency).await
    }

    fn known_regions(&self) -> Vec<Arc<str>> {
        self.store.known_regions()
    }
}

/// A gauge of the first region and its store's mind, while other gauges write elsewhere; as `change` says, and beside one
/// that began before it, if so. And what starts another one in a region, until it is cancelled.
pub async fn among_others(
    stands_by: bool,
    change: fn(Plan) -> Plan,
) -> (Gauge, Arc<Mutex<Moods>>, impl Fn(RegionId) -> CancellationToken) {
    let settings = settings("");
    let clock = Clock::start_virtual(STARTED);
    let stop = CancellationToken::new();
    let store = Common(Arc::new(simulated(&settings.stores[0], clock)));
    let all = plan(&settings.stores[0]);
    let of = move |region: RegionId, number: u128| {
        let (writer, host) = (WriterId(number), format!("host {number}").into());
        Plan { local: Some(region), writer, host, ..all.clone() }
    };
    let here = of(HERE, 1);
    let grace = Duration::from_secs(1);
    let (of_others, until_all) = (store.clone(), stop.clone());
    let other = move |region: RegionId| {
        let (plan, until) = (of(region, 10 + u128::from(region.0)), until_all.child_token());
        driver::start(of_others.clone(), Nobody, plan, clock, until.clone(), grace);
        until
    };
    for region in (0..REGIONS.len() as u16).map(RegionId).filter(|region| stands_by || *region != HERE) {
        other(region);
    }
    sleep(Duration::from_secs(5)).await;
    let moods = Arc::new(Mutex::new(Moods::default()));
    let moody = Moody { store, moods: moods.clone() };
    let driver = driver::start(moody, Nobody, change(here), clock, stop.clone(), grace);
    (Gauge::running(&settings, driver, clock, stop, A_WHILE).await, moods, other)
}

pub fn refuse(moods: &Mutex<Moods>, reason: Option<Reason>) {
    moods.lock().unwrap().refuses = reason;
}

/// The line at the top, and whether it is that of trouble.
fn summary(page: &str) -> (String, bool) {
    let line = elements(page, "p").into_iter().find(|line| line.contains("id=\"summary\"")).unwrap();
    let head = line.split('>').next().unwrap();
    (words(line), head.contains("class=\"bad\""))
}

/// What is said of the heartbeats, line by line.
fn heartbeats(page: &str) -> Vec<String> {
    let lines = elements(page, "p").into_iter().map(words);
    lines.filter_map(|line| Some(line.split_once("Heartbeats from here: ")?.1.to_owned())).collect()
}

async fn writes(gauge: &Gauge) -> Vec<Json> {
    gauge.get("/api/v1/pairs").await.json()["data"]["writes"].as_array().unwrap().clone()
}

const PAIRS_OK: &str = "All 2 region pairs are ok";

#[tokio::test(start_paused = true)]
async fn writes_that_fail_turn_the_page_though_every_pair_is_ok_until_they_are_acknowledged_again() {
    let (gauge, moods, _) = among_others(false, |plan| plan).await;
    let calm = page(gauge.full(), "/").await;
    assert_eq!(summary(&calm), (PAIRS_OK.to_owned(), false));
    let [said] = &heartbeats(&calm)[..] else { panic!("{calm}") };
    let of = "us-east-1: written by this process, last acknowledged ";
    let age: f64 = said.strip_prefix(of).and_then(|rest| rest.strip_suffix(" s ago")).unwrap().parse().unwrap();
    assert!(age <= 1.1, "{said}");

    refuse(&moods, Some(Reason::Denied));
    // One failure may be chance. It is told, and no trouble yet.
    sleep(Duration::from_millis(1_200)).await;
    let early = page(gauge.full(), "/").await;
    assert_eq!(summary(&early), (PAIRS_OK.to_owned(), false));
    assert!(heartbeats(&early)[0].ends_with("; the last write failed: access is denied"), "{early}");

    sleep(Duration::from_secs(10)).await;
    for uri in ["/", "/?store=orders", "/?store=orders&source_region=eu-west-1&target_region=us-east-1"] {
        let failing = page(gauge.full(), uri).await;
        let trouble = format!("{PAIRS_OK}; this gauge cannot write in us-east-1: access is denied");
        assert_eq!(summary(&failing), (trouble.clone(), true), "{uri}");
        assert!(elements(&failing, "title")[0].contains(&trouble), "{uri}");
        let [said] = &heartbeats(&failing)[..] else { panic!("{failing}") };
        assert!(said.starts_with("us-east-1 : writes fail for 1"), "{said}");
        assert!(said.contains(" s, since 2026-01-01 00:00:3") && said.contains(": access is denied; last"), "{said}");
        assert!(words(&failing).contains("What to do: Look at the cause at the source: access"), "{failing}");
    }
    let text = gauge.get("/").await.body;
    let line = text.lines().find(|line| line.starts_with("! orders: heartbeats from here: us-east-1: writes fail"));
    assert!(line.unwrap().contains("access is denied"), "{text}");
    let told = &writes(&gauge).await[0];
    assert_eq!([&told["state"], &told["failing"]], ["fails", "denied"], "{told}");
    assert!(told["acknowledged_at"].as_str().unwrap() < told["failing_since"].as_str().unwrap(), "{told}");

    refuse(&moods, None);
    sleep(Duration::from_secs(8)).await;
    let healed = page(gauge.full(), "/").await;
    assert_eq!(summary(&healed), (PAIRS_OK.to_owned(), false));
    assert!(heartbeats(&healed)[0].starts_with(of), "{healed}");
    let told = &writes(&gauge).await[0];
    assert_eq!(
        [&told["state"], &told["failing"], &told["failing_since"]],
        [&"writes".into(), &Json::Null, &Json::Null]
    );
}

#[tokio::test(start_paused = true)]
async fn that_another_process_writes_is_no_trouble_whatever_would_become_of_ones_own_writes() {
    let (gauge, moods, _) = among_others(true, |plan| plan).await;
    refuse(&moods, Some(Reason::Denied));
    sleep(A_WHILE).await;
    let shown = page(gauge.full(), "/").await;
    assert_eq!(summary(&shown), (PAIRS_OK.to_owned(), false));
    assert_eq!(heartbeats(&shown), ["us-east-1: another process writes, this one stands by"]);
    let told = &writes(&gauge).await[0];
    assert_eq!([&told["state"], &told["acknowledged_at"]], [&"stands_by".into(), &Json::Null]);
}

#[tokio::test(start_paused = true)]
async fn what_became_of_writes_is_past_once_another_process_writes() {
    let (gauge, moods, other) = among_others(false, |plan| plan).await;
    refuse(&moods, Some(Reason::Denied));
    let first = other(HERE);
    sleep(A_WHILE).await;
    refuse(&moods, None);
    sleep(A_WHILE).await;
    assert_eq!(writes(&gauge).await[0]["state"], "stands_by");

    // It would take over, and may not; then another one does.
    refuse(&moods, Some(Reason::Denied));
    first.cancel();
    sleep(A_WHILE).await;
    assert_eq!(writes(&gauge).await[0]["failing"], "denied");
    other(HERE);
    sleep(A_WHILE).await;
    let told = &writes(&gauge).await[0];
    assert_eq!(
        [&told["state"], &told["failing"], &told["failing_since"]],
        [&"stands_by".into(), &Json::Null, &Json::Null]
    );
}

#[tokio::test(start_paused = true)]
async fn an_observer_writes_nothing_and_says_nothing_of_it() {
    let (gauge, ..) = among_others(true, |plan| Plan { observer: true, ..plan }).await;
    let shown = page(gauge.full(), "/").await;
    assert_eq!((heartbeats(&shown), writes(&gauge).await), (Vec::new(), Vec::new()));
    assert!(!gauge.get("/").await.body.contains("heartbeats from here"));
}

#[tokio::test(start_paused = true)]
async fn before_the_first_acknowledgement_there_is_a_dash_and_of_many_regions_one_line() {
    let early = page(Gauge::after(Duration::ZERO, 1).await.full(), "/").await;
    assert_eq!(
        heartbeats(&early),
        ["us-east-1, eu-west-1, ap-southeast-2: who writes is not known yet; nothing acknowledged yet"]
    );
    let late = page(Gauge::after(A_WHILE, 1).await.full(), "/").await;
    let [said] = &heartbeats(&late)[..] else { panic!("{late}") };
    assert!(said.starts_with("us-east-1, eu-west-1, ap-southeast-2: written by this process, last acknowledged "));
    assert!(said.ends_with(" s ago at most"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn the_page_is_green_only_where_every_pair_is_ok_and_nothing_that_this_process_writes_fails() {
    let reasons = [Reason::Denied, Reason::Throttled, Reason::Timeout, Reason::Credentials];
    let (mut green, mut troubled) = (0, 0);
    for seed in 0..4 {
        let mut random = SmallRng::seed_from_u64(seed);
        let (gauge, moods, _) = among_others(seed == 3, |plan| plan).await;
        for _ in 0..40 {
            let reason = random.random::<bool>().then(|| reasons[random.random_range(0..reasons.len())]);
            refuse(&moods, reason);
            sleep(Duration::from_millis(random.random_range(100..6_000))).await;
            let (line, is_bad) = summary(&page(gauge.full(), "/").await);
            let acknowledged = moods.lock().unwrap().acknowledged;
            let stands_by = writes(&gauge).await[0]["state"] == "stands_by";
            let is_silent = !stands_by && acknowledged.is_none_or(|at| at.elapsed() > PATIENCE);
            let pairs_ok = gauge.pairs("").await.iter().all(|pair| pair["state"] == "ok");
            let writes_well =
                writes(&gauge).await.iter().all(|one| one["state"] != "fails" && one["state"] != "throttled");
            assert_eq!(!is_bad, pairs_ok && writes_well, "{line}");
            assert!(is_bad || !is_silent, "{line}: not since {:?}", acknowledged.map(|at| at.elapsed()));
            assert_eq!(line == PAIRS_OK, !is_bad, "{line}");
            (green, troubled) = if is_bad { (green, troubled + 1) } else { (green + 1, troubled) };
        }
    }
    assert!(green > 20 && troubled > 20, "{green} and {troubled}");
}
