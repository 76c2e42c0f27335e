//! Settings that change while simulated stores are measured, in virtual time: what goes on, what begins anew, what is over, and
//! what those who look see meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use tidegauge::clock::Clock;
use tidegauge::core::alert::{AlertTransition, Phase};
use tidegauge::core::judge::Transition;
use tidegauge::core::time::{Span, Wall};
use tidegauge::http::{self, Shared};
use tidegauge::judging::Event;
use tidegauge::measuring::{Changes, Measuring, Running};
use tidegauge::reload::{Loaded, Reloads};
use tidegauge::settings::Settings;
use tidegauge::view::View;
use tokio::sync::{broadcast, watch};
use tokio::time::sleep;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::alerts_http::STALL;
use crate::events_http::Listener;
use crate::gauge::{STARTED, ask};

mod asked;

const HEAD: &str = "role = \"gauge\"\n[cell]\nname = \"a-cell\"\ncentral = true\n[clock]\nprovider_error = \"50ms\"\n\
    [log]\nfilter = \"info\"\n";
const ORDERS: &str = "[[stores]]\nname = \"orders\"\nheartbeat = { interval = \"1s\" }\nwarn_lag = \"5s\"\n\
    reads_per_interval = 5\nregions = [{ name = \"us-east-1\" }, { name = \"eu-west-1\" }]\n[stores.advice]\n\
    max_staleness = \"10s\"\n[stores.simulated]\nlag = { fixed = \"300ms\" }\n";
const CARTS: &str = "[[stores]]\nname = \"carts\"\nregions = [{ name = \"ap-southeast-2\" }, { name = \"us-east-1\" }]\n\
    [stores.simulated]\nlag = { fixed = \"400ms\" }\n";
const RULES: &str = "[alerts]\ndefaults = false\nrunbooks = \"docs/runbooks\"\n\
    [[alerts.rules]]\nname = \"Stalled\"\nsignal = \"state\"\nstates = [\"stalled\"]\npage = { for = \"10s\" }\n\
    keep_firing_for = \"30s\"\n[[alerts.rules]]\nname = \"Late\"\nsignal = \"current_lag\"\nticket = { above = \"30s\", for = \"1h\" }\n";

/// By then the stall's alert fires.
const FIRES: Duration = Duration::from_secs(70);

fn usual() -> String {
    [HEAD, ORDERS, STALL, CARTS, RULES].concat()
}

/// A gauge without listeners.
struct World {
    clock: Clock,
    measuring: Measuring,
    events: broadcast::Receiver<Arc<Event>>,
    _stop: DropGuard,
}

impl World {
    async fn start(toml: &str) -> World {
        let clock = Clock::start_virtual(STARTED);
        let running =
            Running { stop: CancellationToken::new(), broken: CancellationToken::new(), tasks: TaskTracker::new() };
        let stop = running.stop.clone().drop_guard();
        let mut measuring = Measuring::nothing(clock, Duration::from_secs(1), running);
        let events = measuring.sources().judged.events.resubscribe();
        let changes = measuring.change(&Settings::from_toml(toml).unwrap()).await.unwrap();
        assert!(changes.kept.is_empty() && changes.restarted.is_empty() && changes.removed.is_empty(), "{changes:?}");
        World { clock, measuring, events, _stop: stop }
    }

    async fn change(&mut self, toml: &str) -> Changes {
        self.measuring.change(&Settings::from_toml(toml).unwrap()).await.unwrap()
    }

    fn view(&self) -> View {
        self.measuring.sources().view()
    }

    fn shared(&self) -> Shared {
        self.reloading(Reloads::channel().0)
    }

    fn reloading(&self, reloads: Reloads) -> Shared {
        let loaded = watch::channel(Loaded::at(STARTED)).1;
        Shared::new(self.measuring.sources().clone(), loaded, reloads)
    }

    async fn metrics(&self) -> String {
        ask(http::full(self.shared()), Method::GET, "/metrics").await.body
    }

    /// The steps that alerts took, since this was asked last: each with the store's name.
    fn steps(&mut self) -> Vec<(String, Option<Phase>, Option<Phase>)> {
        let mut steps = Vec::new();
        while let Ok(event) = self.events.try_recv() {
            if let Transition::Alert(AlertTransition { from, to, alert }) = &event.transition {
                let store = alert.labels.iter().find(|(name, _)| *name == "store").unwrap();
                steps.push((store.1.to_string(), *from, *to));
            }
        }
        steps
    }
}

/// A pair, by the names of its regions.
type Pair = (String, String);

/// What is remembered of a store.
#[derive(Debug, PartialEq)]
struct Memory {
    /// Which reign its heartbeats are of.
    runs: BTreeMap<Pair, u64>,
    /// How many samples there were.
    samples: BTreeMap<Pair, u64>,
    /// The state, and since when.
    states: BTreeMap<Pair, (&'static str, Wall)>,
    /// Minutes of the last hour.
    minutes: BTreeMap<Pair, usize>,
    /// By rule: how far, active and firing since when.
    alerts: BTreeSet<(String, &'static str, Wall, Option<Wall>)>,
    /// What is advised, and since when.
    advice: Vec<(&'static str, Wall)>,
}

fn memory(view: &View, name: &str) -> Memory {
    let place = view.stores.iter().position(|store| &*store.plan.store == name).unwrap();
    let store = &view.stores[place];
    let pair = |source, target| (store.region(source).to_string(), store.region(target).to_string());
    let pairs = || store.pairs.iter().map(|one| (pair(one.source, one.target), one));
    let run = |slots: &[tidegauge::core::snapshot::SlotFacts]| slots[0].watermark.map_or(0, |mark| mark.beat.run);
    let verdicts = &view.verdicts;
    let states = verdicts.states[place].iter();
    let traces = verdicts.traces[place].iter();
    let alerts = verdicts.alerts.iter().filter(|(key, _)| key.store == place);
    Memory {
        runs: pairs().map(|(pair, one)| (pair, run(&one.slots))).collect(),
        samples: pairs().map(|(pair, one)| (pair, one.histogram.count)).collect(),
        states: states.map(|((s, t), verdict)| (pair(*s, *t), (verdict.state.label(), verdict.since))).collect(),
        minutes: traces.map(|((s, t), trace)| (pair(*s, *t), trace.newest_first(view.now.wall).count())).collect(),
        alerts: alerts
            .map(|(_, alert)| (alert.labels[0].1.to_string(), alert.phase().label(), alert.active_at, alert.fired_at))
            .collect(),
        advice: verdicts.standings[place].values().map(|one| (one.advice.decision.label(), one.since)).collect(),
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_as_it_was_goes_on_as_if_nothing_had_happened_whatever_else_changes() {
    let carts_again = CARTS.replace("name = \"carts\"", "name = \"baskets\"");
    let rules_turned = {
        let (head, rules) = RULES.split_at(RULES.find("[[alerts.rules]]").unwrap());
        let (one, other) = rules.split_at(rules.rfind("[[alerts.rules]]").unwrap());
        format!("{head}{other}{one}")
    };
    let more_rules =
        format!("{RULES}[[alerts.rules]]\nname = \"Old\"\nsignal = \"staleness\"\npage = {{ above = \"1m\" }}\n");
    let advice = ORDERS.replace("max_staleness = \"10s\"", "max_staleness = \"11s\"\nmin_dwell = \"20s\"");
    let pushed = format!("{RULES}[alerts.push]\nalertmanagers = [{{ url = \"http://127.0.0.1:9\" }}]\n");
    let ways: [(&str, String, Changes); 10] = [
        ("nothing", usual(), Changes { kept: names(&["orders", "carts"]), ..Changes::default() }),
        (
            "the order of the stores",
            [HEAD, CARTS, ORDERS, STALL, RULES].concat(),
            Changes { kept: names(&["carts", "orders"]), ..Changes::default() },
        ),
        (
            "another store",
            [HEAD, ORDERS, STALL, &CARTS.replace("400ms", "500ms"), RULES].concat(),
            Changes { kept: names(&["orders"]), restarted: names(&["carts"]), ..Changes::default() },
        ),
        (
            "another store goes",
            [HEAD, ORDERS, STALL, RULES].concat(),
            Changes { kept: names(&["orders"]), removed: names(&["carts"]), ..Changes::default() },
        ),
        (
            "a store comes, in front of all",
            [HEAD, &carts_again, ORDERS, STALL, CARTS, RULES].concat(),
            Changes { kept: names(&["orders", "carts"]), added: names(&["baskets"]), ..Changes::default() },
        ),
        (
            "all others are others",
            [HEAD, &carts_again, ORDERS, STALL, RULES].concat(),
            Changes {
                kept: names(&["orders"]),
                added: names(&["baskets"]),
                removed: names(&["carts"]),
                ..Changes::default()
            },
        ),
        (
            "the order of the rules, a rule more, the log, the cell's name, the runbooks",
            [&HEAD.replace("\"info\"", "\"warn\"").replace("a-cell", "another"), ORDERS, STALL, CARTS, &rules_turned]
                .concat()
                .replace("docs/runbooks", "https://runbooks"),
            Changes { kept: names(&["orders", "carts"]), ..Changes::default() },
        ),
        (
            "a rule more",
            [HEAD, ORDERS, STALL, CARTS, &more_rules].concat(),
            Changes { kept: names(&["orders", "carts"]), ..Changes::default() },
        ),
        (
            "who is told",
            [HEAD, ORDERS, STALL, CARTS, &pushed].concat(),
            Changes { kept: names(&["orders", "carts"]), ..Changes::default() },
        ),
        (
            "what is advised",
            [HEAD, &advice, STALL, CARTS, RULES].concat(),
            Changes { kept: names(&["orders", "carts"]), ..Changes::default() },
        ),
    ];
    for (what, toml, changes) in ways {
        let mut world = World::start(&usual()).await;
        sleep(FIRES).await;
        let advised = "/api/v1/advice?store=orders&target_region=eu-west-1&max_staleness=10s";
        assert_eq!(ask(http::full(world.shared()), Method::GET, advised).await.status, StatusCode::OK);
        let before = memory(&world.view(), "orders");
        let firing: Vec<_> = before.alerts.iter().filter(|(_, phase, ..)| *phase == "firing").collect();
        assert!(firing.len() == 1 && before.runs.values().all(|run| *run > 0), "{before:?}");
        world.steps();
        assert_eq!(world.change(&toml).await, changes, "{what}");
        assert_eq!(memory(&world.view(), "orders"), before, "{what}: at once");
        let counted = "tidegauge_advice_total{store=\"orders\",decision=\"read_source_region\"}";
        let counted = [counted, &counted.replace("read_source_region", "read_home_region")];
        let exposition = world.metrics().await;
        let line = exposition
            .lines()
            .find(|line| counted.iter().any(|counted| line.starts_with(counted)) && line.ends_with(" 1"));
        assert!(line.is_some(), "{what}: what was advised is forgotten");

        sleep(Duration::from_secs(20)).await;
        let after = memory(&world.view(), "orders");
        assert_eq!((&after.runs, &after.states), (&before.runs, &before.states), "{what}");
        let fired = |memory: &Memory| {
            memory.alerts.iter().filter(|(_, phase, ..)| *phase == "firing").cloned().collect::<Vec<_>>()
        };
        assert!(fired(&before).iter().all(|alert| after.alerts.contains(alert)), "{what}: {after:?}");
        let arriving = ("eu-west-1".to_owned(), "us-east-1".to_owned());
        let grown = after.samples[&arriving] - before.samples[&arriving];
        assert!((19..=21).contains(&grown), "{what}: {grown} samples in 20 s");
        let of_orders: Vec<_> = world.steps().into_iter().filter(|(store, ..)| store == "orders").collect();
        let is_other = |step: &(String, Option<Phase>, Option<Phase>)| what == "a rule more" && step.1.is_none();
        assert!(of_orders.iter().all(is_other), "{what}: {of_orders:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_measured_otherwise_begins_anew_and_its_alerts_go_on() {
    let regions = "regions = [{ name = \"us-east-1\" }, { name = \"eu-west-1\" }]";
    let more_regions = "regions = [{ name = \"sa-east-1\" }, { name = \"us-east-1\" }, { name = \"eu-west-1\" }]";
    for (what, from, to, restarted) in [
        ("the interval", "interval = \"1s\"", "interval = \"2s\"", vec!["orders"]),
        ("the reads", "reads_per_interval = 5", "reads_per_interval = 4", vec!["orders"]),
        ("the warning", "warn_lag = \"5s\"", "warn_lag = \"6s\"", vec!["orders"]),
        ("the regions", regions, more_regions, vec!["orders"]),
        ("the store itself", "fixed = \"300ms\"", "fixed = \"200ms\"", vec!["orders"]),
        ("the clocks", "provider_error = \"50ms\"", "provider_error = \"60ms\"", vec!["orders", "carts"]),
        ("where it is", "central = true", "aws_region = \"us-east-1\"", vec!["orders", "carts"]),
    ] {
        let mut world = World::start(&usual()).await;
        sleep(FIRES).await;
        let before = memory(&world.view(), "orders");
        world.steps();
        let changed = usual().replacen(from, to, 1);
        assert_ne!(changed, usual(), "{what}");
        let changes = world.change(&changed).await;
        let kept = if restarted.len() == 1 { vec!["carts"] } else { Vec::new() };
        assert_eq!((changes.restarted, changes.kept), (names(&restarted), names(&kept)), "{what}");
        let view = world.view();
        let now = memory(&view, "orders");
        let states: Vec<&str> = now.states.values().map(|(state, _)| *state).collect();
        assert!(!states.is_empty() && states.iter().all(|state| *state == "unknown"), "{what}: {states:?}");
        assert!(now.samples.values().all(|count| *count == 0), "{what}: {now:?}");

        sleep(Duration::from_secs(3)).await;
        let now = memory(&world.view(), "orders");
        let stalled = ("us-east-1".to_owned(), "eu-west-1".to_owned());
        if what == "where it is" {
            // That pair is not measured from here any more: its alert is over, and told so.
            assert!(!now.states.contains_key(&stalled), "{now:?}");
            assert_eq!(world.steps()[0], ("orders".to_owned(), Some(Phase::Firing), Some(Phase::Resolved)), "{what}");
            continue;
        }
        assert!(now.runs[&stalled] != before.runs[&stalled], "{what}: another reign");
        assert_eq!(now.minutes[&stalled], before.minutes[&stalled], "{what}: how it was is known");
        let firing: Vec<_> = before.alerts.iter().filter(|(_, phase, ..)| *phase == "firing").collect();
        assert!(firing.iter().all(|alert| now.alerts.contains(alert)), "{what}: {firing:?}, now {now:?}");
        let mut over = world.steps().into_iter().filter(|(_, from, _)| *from == Some(Phase::Firing));
        assert_eq!(over.next(), None, "{what}: nobody is told that anything is over");
    }
}

#[tokio::test(start_paused = true)]
async fn of_what_is_not_measured_any_more_nothing_is_left_but_that_its_alerts_are_over() {
    let mut world = World::start(&usual()).await;
    sleep(FIRES).await;
    assert!(world.metrics().await.contains("store=\"orders\""));
    world.steps();
    let changes = world.change(&[HEAD, CARTS, RULES].concat()).await;
    assert_eq!(changes, Changes { kept: names(&["carts"]), removed: names(&["orders"]), ..Changes::default() });
    assert_eq!(world.steps()[0], ("orders".to_owned(), Some(Phase::Firing), Some(Phase::Resolved)));
    let exposition = world.metrics().await;
    assert!(exposition.contains("store=\"carts\"") && !exposition.contains("orders"), "{exposition}");
    for path in ["/", "/api/v1/pairs", "/api/v1/alerts"] {
        let answer = ask(http::full(world.shared()), Method::GET, path).await;
        assert!(answer.status == StatusCode::OK && !answer.body.contains("orders"), "{path}: {}", answer.body);
    }
    let answer = ask(http::full(world.shared()), Method::GET, "/api/v1/pairs?store=orders").await;
    answer.problem(StatusCode::NOT_FOUND, "not_found");
    // Whoever was told that it fires has as long to hear of its end as of any other.
    let gone = |world: &World| world.view().verdicts.alerts.gone().count();
    assert_eq!(gone(&world), 1);
    sleep(Duration::from_secs(14 * 60)).await;
    assert_eq!(gone(&world), 1);
    sleep(Duration::from_secs(2 * 60)).await;
    assert_eq!(gone(&world), 0);
    // Should it come back, it is new.
    world.change(&usual()).await;
    assert_eq!(memory(&world.view(), "orders").alerts, BTreeSet::new());
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_is_gone_is_over_and_one_that_is_changed_goes_on() {
    let mut world = World::start(&usual()).await;
    sleep(FIRES).await;
    let before = memory(&world.view(), "orders").alerts;
    world.steps();
    world
        .change(
            &usual()
                .replace("for = \"10s\"", "for = \"20s\"")
                .replace("keep_firing_for = \"30s\"", "keep_firing_for = \"40s\""),
        )
        .await;
    assert_eq!((memory(&world.view(), "orders").alerts, world.steps()), (before, Vec::new()));
    world.change(&usual().replace("name = \"Stalled\"", "name = \"Stands\"")).await;
    let steps = world.steps();
    assert_eq!(steps[0], ("orders".to_owned(), Some(Phase::Firing), Some(Phase::Resolved)));
    assert_eq!(steps[1], ("orders".to_owned(), None, Some(Phase::Pending)), "the other is new");
}

#[tokio::test(start_paused = true)]
async fn whoever_listens_to_events_hears_on_and_their_numbers_go_on() {
    let mut world = World::start(&usual()).await;
    let mut listener = Listener::to(&world.shared(), "?store=orders").await;
    sleep(FIRES).await;
    let heard = listener.heard().await;
    let last = heard.last().unwrap().id();
    for toml in [[HEAD, CARTS, ORDERS, STALL, RULES].concat(), [HEAD, ORDERS, STALL, RULES].concat(), usual()] {
        world.change(&toml).await;
        assert!(listener.heard().await.is_empty(), "nothing happened");
    }
    sleep(Duration::from_secs(400)).await;
    let heard = listener.heard().await;
    assert!(heard.iter().any(|one| one.name == "alert" && one.data["to"] == "resolved"), "{heard:?}");
    assert!(heard[0].id() > last && heard.is_sorted_by(|one, next| one.id() < next.id()), "{last:?}, then {heard:?}");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_changes_again_and_again_is_measured_once_at_a_time() {
    let mut world = World::start(&usual()).await;
    sleep(Duration::from_secs(10)).await;
    for lag in 300..320 {
        world.change(&usual().replace("300ms", &format!("{lag}ms"))).await;
    }
    sleep(Duration::from_secs(10)).await;
    let samples = memory(&world.view(), "orders").samples;
    assert!(samples.values().all(|count| (7..=11).contains(count)), "{samples:?}");
}

/// Changes as fast as they can be made, and those who look all the while: on real threads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_ever_sees_one_thing_held_against_another() {
    let ways = [
        usual(),
        [HEAD, CARTS, ORDERS, STALL, RULES].concat(),
        [HEAD, CARTS, RULES].concat(),
        [HEAD, &CARTS.replace("carts", "baskets"), ORDERS, STALL, CARTS, RULES].concat(),
    ];
    let mut world = World::start(&ways[0]).await;
    let sources = world.measuring.sources().clone();
    let done = CancellationToken::new();
    let looking = tokio::spawn({
        let done = done.clone();
        async move {
            let mut looks = 0;
            while !done.is_cancelled() {
                let view = sources.view();
                let count = view.stores.len();
                let verdicts = &view.verdicts;
                assert!([verdicts.states.len(), verdicts.standings.len(), verdicts.traces.len()] == [count; 3]);
                assert!(view.policies.len() == count && view.advised.stores.len() == count);
                for (place, store) in view.stores.iter().enumerate() {
                    assert_eq!(view.policies[place].max_staleness.is_some(), &*store.plan.store == "orders");
                    assert_eq!(view.advised.stores[place].store, store.plan.store);
                    // Regions of these stores differ in number or in name, and the advice of one is not the other's.
                    assert_eq!(!verdicts.standings[place].is_empty(), &*store.plan.store == "orders");
                }
                looks += 1;
                tokio::task::yield_now().await;
            }
            looks
        }
    });
    let mut changes = 0;
    while world.clock.wall() - STARTED < Span::from_millis(2_000) {
        changes += 1;
        world.change(&ways[changes % ways.len()]).await;
    }
    done.cancel();
    let looks: usize = looking.await.unwrap();
    println!("{looks} looks during {changes} changes");
    assert!(looks > 100 && changes > 100, "{looks} looks, {changes} changes");
}
