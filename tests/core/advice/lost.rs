//! Sources that are lost, and those that only seem to be.

use super::*;

/// Gauges of three regions, of which the first is asked; or an observer beside it.
fn three(observer: bool) -> (Fleet, usize) {
    let mut fleet = Fleet::new(3, Lag::fixed(Span::from_millis(800)), Network::calm(), 7);
    let local = |region: u16| Plan { local: Some(RegionId(region)), phase: f64::from(region) * 0.3, ..plan(3) };
    for region in 0..3 {
        fleet.start(local(region), WrongClock::off_by_millis(0, 0));
    }
    let asked = if observer { fleet.start(Plan { observer, ..local(0) }, WrongClock::off_by_millis(0, 0)) } else { 0 };
    (fleet, asked)
}

fn ask_node(fleet: &mut Fleet, node: usize, policy: &Policy, query: Query) -> Advice {
    let now = fleet.now_at(node);
    advise(&fleet.snapshot(node), policy, &query, now)
}

#[test]
fn a_gauge_asks_whether_a_silent_source_lives_and_an_observer_which_cannot_goes_by_its_silence() {
    let refuse = Policy { exclude_after: seconds(60), ..policy() };
    let exclude = Policy { lost_source: LostSource::Exclude, ..refuse.clone() };
    let bound = within(seconds(5));
    for observer in [false, true] {
        let (mut fleet, node) = three(observer);
        fleet.run_until(second(90), |_| {});
        assert_eq!(ask_node(&mut fleet, node, &refuse, bound).decision, Decision::ReadLocal, "observer: {observer}");
        fleet.nodes[1].is_down = true;
        fleet.run_until(second(180), |_| {});
        // It is its gauge alone that died: the replica there answers whoever asks.
        let decision = ask_node(&mut fleet, node, &exclude, bound).decision;
        let expected = if observer { Decision::ReadLocal } else { Decision::ReadHomeRegion };
        assert_eq!(decision, expected, "observer: {observer}");
        // Who asks for what was written there is sent there by both.
        let named = ask_node(&mut fleet, node, &exclude, of(EAST, bound));
        assert_eq!(named.decision, Decision::ReadSourceRegion(EAST), "observer: {observer}");
    }
}

#[test]
fn an_observer_calls_no_reads_off_for_a_source_s_silence_alone() {
    let refuse = Policy { exclude_after: seconds(60), ..policy() };
    for observer in [false, true] {
        let (mut fleet, node) = three(observer);
        fleet.run_until(second(90), |_| {});
        // Its gauge dies; the region lives, and its items can be read there.
        fleet.nodes[1].is_down = true;
        fleet.run_until(second(180), |_| {});
        let advice = ask_node(&mut fleet, node, &refuse, within(seconds(5)));
        assert_eq!(advice.decision, Decision::ReadHomeRegion, "observer: {observer}: {advice:?}");
    }
}

#[test]
fn a_region_that_another_one_hears_of_lives_though_nothing_of_it_comes_here() {
    let exclude = Policy { lost_source: LostSource::Exclude, exclude_after: seconds(60), ..policy() };
    for observer in [false, true] {
        let (mut fleet, node) = three(observer);
        fleet.run_until(second(90), |_| {});
        // Only the way from there to here is cut, for replication and for calls.
        fleet.unreachable.push(EAST);
        let now = fleet.now;
        fleet.world.set_paused(EAST, HERE, true, now);
        fleet.run_until(second(400), |_| {});
        for query in [within(seconds(5)), of(EAST, within(seconds(5)))] {
            let advice = ask_node(&mut fleet, node, &exclude, query);
            assert_ne!(advice.decision, Decision::ReadLocal, "observer: {observer}: {advice:?}");
        }
    }
}

#[test]
fn a_region_that_died_is_lost_though_its_last_writes_reached_others_alone() {
    let exclude = Policy { lost_source: LostSource::Exclude, exclude_after: seconds(60), ..policy() };
    for observer in [false, true] {
        let (mut fleet, node) = three(observer);
        fleet.run_until(second(90), |_| {});
        let now = fleet.now;
        fleet.world.set_paused(EAST, HERE, true, now);
        fleet.run_until(second(93), |_| {});
        fleet.nodes[1].is_down = true;
        fleet.unreachable.push(EAST);
        fleet.run_until(second(140), |_| {});
        assert_ne!(ask_node(&mut fleet, node, &exclude, within(seconds(5))).decision, Decision::ReadLocal);
        fleet.run_until(second(170), |_| {});
        let advice = ask_node(&mut fleet, node, &exclude, within(seconds(5)));
        assert_eq!(advice.decision, Decision::ReadLocal, "observer: {observer}: {advice:?}");
    }
}

#[test]
fn a_gauge_looks_at_a_source_that_is_late_before_it_sends_anybody_there() {
    let mut fleet = Fleet::new(3, Lag::fixed(seconds(8)), Network::calm(), 7);
    for region in 0..3_u16 {
        let plan = Plan { local: Some(RegionId(region)), phase: f64::from(region) * 0.3, ..plan(3) };
        fleet.start(plan, WrongClock::off_by_millis(0, 0));
    }
    let east = of(EAST, within(seconds(5)));
    fleet.run_until(second(60), |_| {});
    assert_eq!(ask_node(&mut fleet, 0, &policy(), east).decision, Decision::ReadSourceRegion(EAST));
    // Its heartbeats go on arriving, and its replica answers nobody.
    fleet.unreachable.push(EAST);
    fleet.run_until(second(75), |_| {});
    let advice = ask_node(&mut fleet, 0, &policy(), east);
    assert_eq!(advice.decision, Decision::Refuse, "{advice:?}");
    fleet.unreachable.clear();
    fleet.run_until(second(90), |_| {});
    assert_eq!(ask_node(&mut fleet, 0, &policy(), east).decision, Decision::ReadSourceRegion(EAST));
}

#[test]
fn a_replica_that_the_settings_do_not_list_may_take_writes_of_which_nobody_here_knows() {
    let told = |multi_region_writes| {
        let replica = |number| Replica {
            name: format!("region-{number}").into(),
            status: ReplicaStatus::Active,
            description: String::new(),
        };
        let setup = Some(Setup { multi_region_writes, ..Setup::default() });
        let (replicas, mode) = ((0..3).map(replica).collect(), Mode::Asynchronous);
        Inspection { replicas, witnesses: Vec::new(), mode, capacity: None, differs: None, setup }
    };
    for (multi_region_writes, expected) in
        [(None, Decision::ReadHomeRegion), (Some(true), Decision::ReadHomeRegion), (Some(false), Decision::ReadLocal)]
    {
        let plan = Plan { inspect_every: Some(seconds(10)), ..plan(2) };
        let mut sim = Sim::over(3, plan, Lag::fixed(Span::from_millis(300)), Network::calm(), 1);
        sim.inspect = Box::new(move |_| Ok(told(multi_region_writes)));
        sim.run_for(seconds(60));
        assert_eq!(ask(&mut sim, &policy(), within(seconds(5))).decision, expected, "{multi_region_writes:?}");
        assert_eq!(ask(&mut sim, &policy(), of(EAST, within(seconds(5)))).decision, Decision::ReadLocal);
    }
}

#[test]
fn after_the_host_has_slept_nothing_is_young_before_it_has_looked_again() {
    let mut sim = measured(30);
    let (snapshot, now) = (sim.snapshot(), sim.now);
    // The monotonic clock stood still for an hour.
    let now = Now { mono: now.mono + Span::from_millis(10), wall: now.wall + seconds(3_600) };
    let advice = advise(&snapshot, &policy(), &within(YEAR), now);
    assert_eq!((advice.decision, advice.rests_on), (Decision::ReadHomeRegion, RestsOn::Policy));
}

#[test]
fn what_helps_is_forgotten_when_the_store_has_not_said_so_for_long() {
    let remedies = |told: Option<&Inspection>| Remedies {
        strong_anywhere: told.filter(|told| told.mode == Mode::Strong).map(|_| "strongly"),
        ..Remedies::NONE
    };
    let plan = Plan { inspect_every: Some(seconds(10)), remedies, ..plan(2) };
    let mut sim = Sim::new(plan, Lag::fixed(seconds(8)), Network::calm(), 1);
    let replicas = Vec::new();
    let told =
        Inspection { replicas, witnesses: Vec::new(), mode: Mode::Strong, capacity: None, differs: None, setup: None };
    sim.inspect = Box::new(move |_| Ok(told.clone()));
    sim.run_for(seconds(60));
    assert_eq!(ask(&mut sim, &policy(), within(seconds(5))).decision, Decision::ReadStrong);
    sim.inspect = Box::new(|_| Err(Failure { reason: Reason::Denied, message: String::new() }));
    sim.run_for(seconds(60));
    assert_eq!(ask(&mut sim, &policy(), within(seconds(5))).decision, Decision::ReadHomeRegion);
}
