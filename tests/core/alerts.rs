//! Whom a trouble is told, and with what cause: rules over whole stores, in virtual time.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidegauge::core::alert::{Alert, Phase, Remembered, Rule, is_ours};
use tidegauge::core::inspection::{Capacity, Inspection, Mode, Replica, ReplicaStatus};
use tidegauge::core::judge::{self, Transition, Verdicts};
use tidegauge::core::model::{Plan, RegionId};
use tidegauge::core::snapshot::{Seat, StoreSnapshot};
use tidegauge::core::time::{Mono, Span, Wall};
use tidegauge::settings::Settings;
use tidegauge::stores::simulated::world::Lag;

use crate::sim::{Network, Sim, plan};

mod holds;

fn second(second: f64) -> Mono {
    Mono::from_nanos((second * 1e9) as i64)
}

fn rules(toml: &str) -> Arc<[Rule]> {
    Settings::from_sources(None, Default::default()).map(|shipped| match toml {
        "" => shipped.alerts.rules,
        toml => {
            let store = "[cell]\ncentral = true\n[[stores]]\nname = \"orders\"\nregions = [{ name = \"a\" }, { name = \"b\" }]\n";
            Settings::from_toml(&format!("{store}[stores.simulated]\n{toml}")).unwrap().alerts.rules
        }
    })
    .unwrap()
}

/// Stores that are judged together, as the gauge does, four times a second.
struct Watch {
    sims: Vec<Sim>,
    rules: Arc<[Rule]>,
    verdicts: Verdicts,
    steps: i64,
    /// When which alert, by its name and its other labels, went into which phase; `None`: it was pending alone.
    told: Vec<(f64, String, Option<Phase>)>,
    /// How many were taken over.
    adopted: usize,
}

fn name_of(alert: &Alert) -> String {
    alert.labels.iter().map(|(_, value)| &**value).collect::<Vec<_>>().join(" ")
}

impl Watch {
    fn over(sims: Vec<Sim>, rules: Arc<[Rule]>) -> Watch {
        Watch { sims, rules, verdicts: Verdicts::default(), steps: 0, told: Vec::new(), adopted: 0 }
    }

    fn step(&mut self) {
        self.steps += 1;
        let until = second(self.steps as f64 / 4.0);
        for sim in &mut self.sims {
            sim.run_until(until, |_| {});
        }
        let now = self.sims[0].now;
        let snapshots: Vec<StoreSnapshot> = self.sims.iter_mut().map(Sim::snapshot).collect();
        for transition in judge::step(&mut self.verdicts, &self.rules, &[], snapshots.iter(), now) {
            if let Transition::Alert(transition) = transition {
                self.told.push((self.steps as f64 / 4.0, name_of(&transition.alert), transition.to));
            }
        }
    }

    fn run_until(&mut self, seconds: f64) {
        while (self.steps as f64) < seconds * 4.0 {
            self.step();
        }
    }

    fn adopt(&mut self, labels: &[(&str, &str)], fired_at: Wall) -> bool {
        let labels: BTreeMap<String, String> =
            labels.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let now = self.sims[0].now;
        let snapshots: Vec<StoreSnapshot> = self.sims.iter_mut().map(Sim::snapshot).collect();
        let remembered = Remembered { labels, fired_at };
        let mut transitions = Vec::new();
        let is_adopted = self.verdicts.alerts.adopt(&self.rules, snapshots.iter(), &remembered, now, &mut transitions);
        self.adopted += transitions.len();
        is_adopted
    }

    fn in_phase(&self, phase: Phase) -> Vec<String> {
        let alerts = self.verdicts.alerts.iter().filter(|(_, alert)| alert.phase() == phase);
        alerts.map(|(_, alert)| name_of(alert)).collect()
    }

    fn firing(&self) -> Vec<String> {
        self.in_phase(Phase::Firing)
    }

    /// When an alert whose name begins so went into a phase, each time.
    fn when(&self, name: &str, phase: Phase) -> Vec<f64> {
        let told = self.told.iter().filter(|(_, told, to)| told.starts_with(name) && *to == Some(phase));
        told.map(|(at, _, _)| *at).collect()
    }

    fn alert(&self, name: &str) -> &Alert {
        let mut alerts = self.verdicts.alerts.iter().map(|(_, alert)| alert);
        alerts.find(|alert| name_of(alert).starts_with(name)).unwrap()
    }
}

fn calm_named(store: &str, regions: usize, seed: u64) -> Sim {
    let plan = Plan { store: store.into(), ..plan(regions) };
    Sim::new(plan, Lag::fixed(Span::from_millis(400)), Network::calm(), seed)
}

fn calm(regions: usize) -> Sim {
    calm_named("orders", regions, 1)
}

fn pause(sim: &mut Sim, source: u16, target: u16, is_paused: bool) {
    sim.world.set_paused(RegionId(source), RegionId(target), is_paused, sim.now.mono);
}

#[test]
fn where_all_is_well_nobody_is_told_anything() {
    let mut watch = Watch::over(vec![calm(3)], rules(""));
    watch.run_until(900.0);
    assert!(watch.verdicts.alerts.is_empty());
    // That nothing was measured yet waits for a moment to be told, no longer.
    assert!(watch.told.iter().all(|(at, _, to)| *at < 1.0 && *to != Some(Phase::Firing)), "{:?}", watch.told);
}

#[test]
fn a_stall_is_a_page_with_its_pair_and_its_cause_and_is_over_when_it_is_over() {
    let mut watch = Watch::over(vec![calm(3)], rules(""));
    watch.run_until(30.0);
    pause(&mut watch.sims[0], 0, 1, true);
    watch.run_until(400.0);
    let stalled = "TidegaugeStalled page orders region-0 region-1";
    let lag = ["page", "ticket"].map(|severity| format!("TidegaugeCurrentLagHigh {severity} orders region-0 region-1"));
    assert_eq!(watch.firing(), [stalled, &lag[0], &lag[1]]);
    let (pending, fired) = (watch.when(stalled, Phase::Pending)[0], watch.when(stalled, Phase::Firing)[0]);
    assert!((32.0..35.0).contains(&pending), "{pending}");
    assert_eq!(fired - pending, 60.0);
    let late = watch.when(&lag[0], Phase::Firing)[0];
    assert!((30.0 + 60.0 + 120.0 - 1.0..=30.0 + 60.0 + 120.0 + 1.0).contains(&late), "{late}");
    let ticket = watch.when(&lag[1], Phase::Firing)[0];
    assert!((30.0 + 10.0 + 300.0 - 1.0..=30.0 + 10.0 + 300.0 + 1.0).contains(&ticket), "{ticket}");
    let alert = watch.alert(stalled);
    assert_eq!(&*alert.summary, "orders: region-0 → region-1 is stalled");
    assert!(alert.cause.contains("nothing new has become visible in region-1 for 370"), "{}", alert.cause);
    let is = watch.alert(&lag[0]);
    assert!((369.0..371.5).contains(&is.value), "{}", is.value);
    assert!(is.cause.starts_with("current lag is 37") && is.cause.contains("region-0 writes"), "{}", is.cause);

    pause(&mut watch.sims[0], 0, 1, false);
    watch.run_until(875.0);
    assert_eq!(watch.firing().len(), 3, "eight minutes they go on");
    watch.run_until(1_115.0);
    assert_eq!(watch.firing(), [stalled], "and what caused the lag for longer than the lag");
    watch.run_until(1_130.0);
    assert!(watch.firing().is_empty(), "{:?}", watch.firing());
    let over = watch.when(stalled, Phase::Resolved)[0];
    assert!((1_120.0..1_123.0).contains(&over), "{over}");
    assert!(watch.alert(stalled).cause.contains("nothing new has become visible"), "what it was is not forgotten");
    assert!(watch.alert(stalled).resolved_at.is_some());
}

#[test]
fn replication_that_stops_and_goes_for_ten_minutes_pages_once_at_most() {
    for (stops, goes) in [(20.0, 20.0), (70.0, 20.0), (90.0, 90.0), (150.0, 10.0), (61.0, 240.0)] {
        let mut watch = Watch::over(vec![calm(2)], rules(""));
        watch.run_until(30.0);
        let mut at = 30.0;
        while at < 630.0 {
            pause(&mut watch.sims[0], 0, 1, true);
            watch.run_until(at + stops);
            pause(&mut watch.sims[0], 0, 1, false);
            watch.run_until(at + stops + goes);
            at += stops + goes;
        }
        for rule in ["TidegaugeStalled page", "TidegaugeCurrentLagHigh page"] {
            let pages = watch.when(rule, Phase::Firing);
            assert!(pages.len() <= 1, "{rule}, {stops} s and {goes} s: {pages:?}");
        }
    }
}

/// Four regions, two stores, and region-3 answers nothing.
fn region_down(rules: Arc<[Rule]>) -> Watch {
    let mut watch = Watch::over(vec![calm_named("orders", 4, 1), calm_named("carts", 4, 2)], rules);
    watch.run_until(30.0);
    for sim in &mut watch.sims {
        sim.down.push(RegionId(3));
    }
    watch
}

#[test]
fn a_region_that_is_down_is_told_once_by_source_and_once_by_target_before_its_pairs_and_until_after_them() {
    let mut watch = region_down(rules(""));
    watch.run_until(300.0);
    for store in ["orders", "carts"] {
        for side in ["source", "target"] {
            let name = format!("TidegaugeRegionImpaired page {store} region-3 region-3 {side}");
            assert!(watch.firing().contains(&name), "{name}: {:?}", watch.firing());
        }
        assert!(watch.alert(&format!("TidegaugeRegionImpaired page {store}")).cause.starts_with("all 3 pairs"));
    }
    let impaired = watch.when("TidegaugeRegionImpaired", Phase::Firing);
    assert_eq!(impaired.len(), 4, "{impaired:?}");
    assert!(impaired[3] - impaired[0] < 15.0, "all within one group_wait: {impaired:?}");
    let others: Vec<_> = watch
        .told
        .iter()
        .filter(|(_, name, to)| *to == Some(Phase::Firing) && !name.starts_with("TidegaugeRegionImpaired"))
        .cloned()
        .collect();
    assert!(!others.is_empty());
    for (at, name, _) in &others {
        assert!(name.contains("region-3") && *at > impaired[3], "{name} at {at}");
    }
    for sim in &mut watch.sims {
        sim.down.clear();
    }
    watch.run_until(300.0 + 900.0);
    assert!(watch.firing().is_empty(), "{:?}", watch.firing());
    let ends = watch.when("TidegaugeRegionImpaired", Phase::Resolved);
    for (at, name, to) in watch.told.iter().filter(|(_, name, _)| !name.starts_with("TidegaugeRegionImpaired")) {
        if *to == Some(Phase::Resolved) {
            assert!(*at < ends[0], "{name} at {at}: {ends:?}");
        }
    }
}

#[test]
fn one_bad_pair_is_no_region() {
    let mut watch = Watch::over(vec![calm(4)], rules(""));
    watch.run_until(30.0);
    pause(&mut watch.sims[0], 0, 1, true);
    pause(&mut watch.sims[0], 0, 2, true);
    watch.run_until(200.0);
    let stalled = ["region-1", "region-2"].map(|target| format!("TidegaugeStalled page orders region-0 {target}"));
    assert_eq!(watch.firing(), stalled);
}

#[test]
fn of_two_regions_a_pair_is_the_whole_region_and_is_told_as_a_pair() {
    let mut watch = Watch::over(vec![calm(2)], rules(""));
    watch.run_until(30.0);
    watch.sims[0].down.push(RegionId(1));
    watch.run_until(200.0);
    assert!(watch.firing().iter().all(|name| !name.contains("Impaired")), "{:?}", watch.firing());
    assert!(watch.firing().contains(&"TidegaugeWriteFailing page orders region-1 region-0".to_owned()));
    assert!(watch.firing().contains(&"TidegaugeReadFailing ticket orders region-0 region-1".to_owned()));
}

#[test]
fn an_alert_does_not_end_because_nobody_can_look() {
    let mut watch = Watch::over(vec![calm(3)], rules(""));
    watch.run_until(30.0);
    pause(&mut watch.sims[0], 0, 1, true);
    watch.run_until(200.0);
    // Now the target cannot even be read, for far longer than the alert would go on.
    watch.sims[0].down.push(RegionId(1));
    watch.run_until(1_500.0);
    let stalled = "TidegaugeStalled page orders region-0 region-1";
    assert!(watch.firing().iter().any(|name| name == stalled), "{:?}", watch.firing());
    watch.sims[0].down.clear();
    pause(&mut watch.sims[0], 0, 1, false);
    watch.run_until(2_400.0);
    assert!(watch.firing().is_empty(), "{:?}", watch.firing());
}

#[test]
fn every_severity_has_its_own_threshold_and_a_scope_leaves_the_others_out() {
    let rules = rules(
        r#"
        [alerts]
        defaults = false
        [[alerts.rules]]
        name = "Late"
        signal = "current_lag"
        stores = ["ord*"]
        source_regions = ["region-0"]
        target_regions = ["*-1"]
        ticket = { above = "3s", clear = "2s", for = "1s" }
        page = { above = "20s", clear = "10s", for = "0s" }
        keep_firing_for = "0s"
        "#,
    );
    let mut watch = Watch::over(vec![calm_named("orders", 3, 1), calm_named("carts", 3, 2)], rules);
    watch.run_until(30.0);
    for sim in &mut watch.sims {
        for target in [1, 2] {
            pause(sim, 0, target, true);
        }
    }
    watch.run_until(60.0);
    assert_eq!(watch.firing(), ["page", "ticket"].map(|severity| format!("Late {severity} orders region-0 region-1")));
    let (ticket, page) = (watch.when("Late ticket", Phase::Firing)[0], watch.when("Late page", Phase::Firing)[0]);
    assert!((33.0..35.5).contains(&ticket) && (49.0..51.5).contains(&page), "{ticket} {page}");
}

#[test]
fn a_pair_that_is_gone_takes_its_alerts_with_it() {
    let mut watch = Watch::over(vec![calm(3)], rules(""));
    watch.run_until(30.0);
    pause(&mut watch.sims[0], 0, 1, true);
    watch.run_until(120.0);
    assert_eq!(watch.firing(), ["TidegaugeStalled page orders region-0 region-1"]);
    // The store has this region no longer.
    let mut without = calm(1);
    without.run_until(second(120.0), |_| {});
    watch.sims[0] = without;
    watch.run_until(121.0);
    assert!(watch.firing().is_empty());
    assert_eq!(&*watch.alert("TidegaugeStalled").cause, "this is not measured any more");
    watch.run_until(121.0 + 15.0 * 60.0);
    assert!(watch.verdicts.alerts.is_empty(), "and are forgotten in the end");
}

#[test]
fn what_somebody_else_remembers_goes_on_and_does_not_begin_anew() {
    let since = Wall::from_micros(1_799_999_000_000_000);
    let labels = |severity| {
        [
            ("alertname", "TidegaugeStalled"),
            ("severity", severity),
            ("store", "orders"),
            ("source_region", "region-0"),
            ("target_region", "region-1"),
            ("cell", "here"),
        ]
    };
    let mut sim = calm(2);
    // It was stalled when the gauge before this one died.
    sim.run_until(second(20.0), |_| {});
    pause(&mut sim, 0, 1, true);
    sim.run_until(second(100.0), |_| {});
    sim.restart(plan(2));
    let mut watch = Watch::over(vec![sim], rules(""));
    watch.steps = 400;
    watch.step();
    assert!(watch.adopt(&labels("page"), since));
    assert!(!watch.adopt(&labels("page"), since), "once");
    assert!(!watch.adopt(&labels("ticket"), since), "there is no such severity");
    assert_eq!(watch.adopted, 1, "who listens hears of it");
    assert!(!watch.adopt(&[("alertname", "SomebodyElses"), ("severity", "page"), ("store", "orders")], since));
    watch.run_until(200.0);
    assert_eq!(watch.firing(), ["TidegaugeStalled page orders region-0 region-1"]);
    let alert = watch.alert("TidegaugeStalled");
    assert_eq!(alert.fired_at, Some(since));
    assert!(alert.cause.contains("region-0 writes"), "{}", alert.cause);
    assert!(watch.when("TidegaugeStalled", Phase::Firing).is_empty(), "nobody is told anew");
    pause(&mut watch.sims[0], 0, 1, false);
    watch.run_until(940.0);
    assert_eq!(watch.when("TidegaugeStalled", Phase::Resolved).len(), 1);
}

#[test]
fn who_writes_tells_and_who_stands_by_does_not() {
    let mut sim = calm(3);
    sim.run_until(second(10.0), |_| {});
    let mut snapshot = sim.snapshot();
    let mut watch = Watch::over(vec![sim], rules(""));
    watch.run_until(12.0);
    pause(&mut watch.sims[0], 0, 1, true);
    watch.run_until(30.0);
    let (key, _) = watch.verdicts.alerts.iter().next().unwrap();
    assert!(is_ours(&snapshot, &key.subject));
    for (seat, tells) in [
        (None, false),
        (Some(Seat::Held), false),
        (Some(Seat::Newer), false),
        // The region does not say who writes there: it may be nobody.
        (Some(Seat::Unread), true),
        (Some(Seat::Taking), true),
    ] {
        snapshot.seats[0] = seat;
        assert_eq!(is_ours(&snapshot, &key.subject), tells, "{seat:?}");
    }
}

/// What a region says that can take so many units a second.
fn inspected(units: u64) -> Inspection {
    let replica = |name: &str| Replica { name: name.into(), status: ReplicaStatus::Active, description: String::new() };
    Inspection {
        replicas: vec![replica("region-0"), replica("region-1")],
        witnesses: Vec::new(),
        mode: Mode::Asynchronous,
        capacity: Some(Capacity::Provisioned { read_units: units, write_units: units }),
        differs: None,
        setup: None,
    }
}

#[test]
fn what_the_audit_finds_is_a_ticket_with_what_to_do_until_it_is_mended() {
    let plan = Plan { inspect_every: Some(Span::from_millis(60_000)), ..plan(2) };
    let mut sim = Sim::new(plan, Lag::fixed(Span::from_millis(400)), Network::calm(), 1);
    sim.inspect = Box::new(|region| Ok(inspected(if region == RegionId(1) { 5 } else { 50 })));
    let mut watch = Watch::over(vec![sim], rules(""));
    watch.run_until(130.0);
    let name = "TidegaugeCapacityUnequal ticket orders region-1 capacity_unequal";
    assert_eq!(watch.firing(), [name]);
    let alert = watch.alert(name);
    assert_eq!(&*alert.summary, "orders: region-1: capacity_unequal");
    assert!(alert.cause.starts_with("it takes 5 read and 5 write units a second"), "{}", alert.cause);
    assert!(alert.cause.contains("give all replicas the same capacity"), "{}", alert.cause);
    // A region that is retired takes what was wrong with it along.
    let (mut gone, mut alerts) = (watch.sims[0].snapshot(), watch.verdicts.alerts.clone());
    let mut plan = Plan::clone(&gone.plan);
    plan.retired.insert(RegionId(1));
    (gone.plan, gone.pairs) = (Arc::new(plan), Vec::new());
    let told = alerts.step(&watch.rules, (0, &gone), &[], watch.sims[0].now);
    assert!(told.iter().any(|told| name_of(&told.alert) == name && told.to == Some(Phase::Resolved)), "{told:?}");

    watch.sims[0].inspect = Box::new(|_| Ok(inspected(50)));
    watch.run_until(130.0 + 60.0 + 590.0);
    assert_eq!(watch.firing(), [name], "ten minutes it goes on");
    watch.run_until(130.0 + 70.0 + 600.0);
    assert!(watch.firing().is_empty());
}

#[test]
fn time_in_which_the_process_stood_still_is_no_time_in_which_anything_was_seen() {
    let mut watch = Watch::over(vec![calm(3)], rules(""));
    watch.run_until(30.0);
    watch.sims[0].down.push(RegionId(2));
    watch.run_until(42.0);
    let impaired = "TidegaugeRegionImpaired page orders region-2";
    assert!(watch.in_phase(Phase::Pending).iter().any(|name| name.starts_with(impaired)));
    // Nothing runs for forty seconds. Then the first look finds everything as bad as it was, and the next that all is well.
    watch.steps += 160;
    watch.step();
    watch.sims[0].down.clear();
    watch.run_until(120.0);
    assert!(watch.told.iter().all(|(_, _, to)| *to != Some(Phase::Firing)), "{:?}", watch.told);
    assert!(watch.verdicts.alerts.is_empty());
}
