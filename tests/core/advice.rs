//! Which read is advised: never a local one of data that is too old, and never one that would not help.

use std::sync::Arc;

use proptest::prelude::*;
use tidegauge::core::advice::{
    Advice, Basis, Decision, Forced, LostSource, Override, Policy, Query, Remedies, RestsOn, Standings, Why, advise,
    region, standing, words,
};
use tidegauge::core::companions::{Companions, Minute};
use tidegauge::core::inspection::{Inspection, Mode, Replica, ReplicaStatus, Setup};
use tidegauge::core::model::{Failure, Plan, Reason, RegionId};
use tidegauge::core::provider::Polling;
use tidegauge::core::snapshot::{PairSnapshot, StoreSnapshot};
use tidegauge::core::time::{Mono, Now, Span};
use tidegauge::stores::simulated::world::Lag;

use crate::fleet::{Fleet, WrongClock};
use crate::sim::{Network, Sim, plan, typical_lag};

mod held;
mod lost;

const HERE: RegionId = RegionId(0);
const EAST: RegionId = RegionId(1);
const SOUTH: RegionId = RegionId(2);
const YEAR: Span = Span::from_millis(365 * 24 * 3_600 * 1_000);

fn seconds(seconds: i64) -> Span {
    Span::from_millis(seconds * 1_000)
}

fn second(second: i64) -> Mono {
    Mono::from_nanos(second * 1_000_000_000)
}

fn policy() -> Policy {
    Policy::of_interval(seconds(1))
}

/// Items of any region, read here, at most so old.
fn within(max_staleness: Span) -> Query {
    Query::of_policy(&Policy { max_staleness: Some(max_staleness), ..policy() }, None, HERE).unwrap()
}

fn of(source: RegionId, query: Query) -> Query {
    Query { source: Some(source), ..query }
}

/// A central prober of three regions whose lag is 800 ms, after so long.
fn measured(for_seconds: i64) -> Sim {
    let mut sim = Sim::new(plan(3), Lag::fixed(Span::from_millis(800)), Network::calm(), 1);
    sim.run_for(seconds(for_seconds));
    sim
}

fn ask(sim: &mut Sim, policy: &Policy, query: Query) -> Advice {
    let (snapshot, now) = (sim.snapshot(), sim.now);
    let advice = advise(&snapshot, policy, &query, now);
    assert!(!words::reason(&snapshot, policy, &query, &advice, now).is_empty());
    advice
}

fn reason(sim: &mut Sim, policy: &Policy, query: Query) -> String {
    let (snapshot, now) = (sim.snapshot(), sim.now);
    words::reason(&snapshot, policy, &query, &advise(&snapshot, policy, &query, now), now)
}

#[test]
fn what_is_young_enough_is_read_here_and_what_is_not_at_home() {
    let mut sim = measured(60);
    let advice = ask(&mut sim, &policy(), within(seconds(5)));
    assert_eq!((advice.decision, advice.rests_on), (Decision::ReadLocal, RestsOn::Measurement));
    assert_eq!(advice.valid_for, seconds(1));
    let Why::Fresh(Some((_, age))) = advice.why else { panic!("{advice:?}") };
    assert!(age > Span::from_millis(800) && age < seconds(2), "{age:?}");

    // It takes 800 ms to get here, and the answer is to hold for a second.
    let advice = ask(&mut sim, &policy(), within(Span::from_millis(1_500)));
    assert_eq!((advice.decision, advice.rests_on), (Decision::ReadHomeRegion, RestsOn::Measurement));
    let advice = ask(&mut sim, &policy(), of(EAST, within(Span::from_millis(1_500))));
    assert_eq!(advice.decision, Decision::ReadSourceRegion(EAST));

    // An estimate is of what is written now, and promises nothing for later.
    let estimate = Query { basis: Basis::Estimate, ..within(Span::from_millis(1_500)) };
    assert_eq!(ask(&mut sim, &policy(), estimate).decision, Decision::ReadLocal);
}

#[test]
fn nothing_is_young_enough_for_a_bound_of_nothing_and_all_that_is_known_for_one_of_a_year() {
    let mut sim = measured(60);
    for basis in Basis::ALL {
        let none = Query { basis, ..within(Span::ZERO) };
        assert_eq!(ask(&mut sim, &policy(), none).decision, Decision::ReadHomeRegion, "{basis:?}");
        let year = Query { basis, ..within(YEAR) };
        assert_eq!(ask(&mut sim, &policy(), year).decision, Decision::ReadLocal, "{basis:?}");
    }
    sim.world.set_paused(EAST, HERE, true, sim.now.mono);
    sim.run_for(seconds(600));
    // It is stalled, and what is there is ten minutes old: young enough for who says so.
    assert_eq!(ask(&mut sim, &policy(), within(YEAR)).decision, Decision::ReadLocal);
}

#[test]
fn a_gauge_that_has_just_started_advises_what_is_safe_whatever_the_bound() {
    for basis in Basis::ALL {
        let query = Query { basis, ..within(YEAR) };
        let mut sim = measured(0);
        let advice = ask(&mut sim, &policy(), query);
        assert_eq!((advice.decision, advice.rests_on), (Decision::ReadHomeRegion, RestsOn::Policy), "{basis:?}");
        assert!(matches!(advice.why, Why::NotKnown(_)), "{advice:?}");
        assert_eq!(ask(&mut sim, &policy(), of(EAST, query)).decision, Decision::ReadSourceRegion(EAST));
    }
}

#[test]
fn a_stall_sends_reads_of_that_source_away_and_those_of_the_others_stay() {
    let mut sim = measured(60);
    sim.world.set_paused(EAST, HERE, true, sim.now.mono);
    sim.run_for(seconds(10));
    let bound = within(seconds(5));
    assert_eq!(ask(&mut sim, &policy(), of(EAST, bound)).decision, Decision::ReadSourceRegion(EAST));
    assert_eq!(ask(&mut sim, &policy(), of(SOUTH, bound)).decision, Decision::ReadLocal);
    let advice = ask(&mut sim, &policy(), bound);
    assert!(matches!(advice.why, Why::TooOld(EAST, _)), "{advice:?}");
    assert_eq!(advice.decision, Decision::ReadHomeRegion);
    assert!(reason(&mut sim, &policy(), bound).contains("region-1"));
    // The other way round nothing is wrong.
    let there = Query { source: Some(HERE), target: EAST, ..bound };
    assert_eq!(ask(&mut sim, &policy(), there).decision, Decision::ReadLocal);
}

#[test]
fn what_helps_is_what_the_store_says_helps() {
    let with = |remedies: fn(Option<&tidegauge::core::inspection::Inspection>) -> Remedies| {
        let mut sim = Sim::new(Plan { remedies, ..plan(3) }, Lag::fixed(seconds(8)), Network::calm(), 1);
        sim.run_for(seconds(60));
        sim
    };
    let bound = within(seconds(5));
    let mut strong = with(|_| Remedies { strong_anywhere: Some("strongly"), ..Remedies::NONE });
    assert_eq!(ask(&mut strong, &policy(), bound).decision, Decision::ReadStrong);
    assert_eq!(ask(&mut strong, &policy(), of(EAST, bound)).decision, Decision::ReadStrong);

    // A strong read that shows what its own region knows is no help against another region's lag.
    let mut at_home = with(|_| Remedies { strong_at_home: Some("there"), ..Remedies::NONE });
    assert_eq!(ask(&mut at_home, &policy(), bound).decision, Decision::ReadHomeRegion);
    assert_eq!(ask(&mut at_home, &policy(), of(EAST, bound)).decision, Decision::ReadSourceRegion(EAST));
    let advice = ask(&mut at_home, &policy(), of(HERE, bound));
    assert_eq!((advice.decision, advice.why), (Decision::ReadStrong, Why::HomeIsHere));

    let mut token = with(|_| Remedies { session_token: Some("with it"), ..Remedies::NONE });
    assert_eq!(
        ask(&mut token, &policy(), bound).decision,
        Decision::ReadHomeRegion,
        "who has none is not told to use it"
    );
    let has_one = Query { session_token: true, ..bound };
    assert_eq!(ask(&mut token, &policy(), has_one).decision, Decision::UseSessionToken);
    let mut none = with(|_| Remedies::NONE);
    assert_eq!(ask(&mut none, &policy(), has_one).decision, Decision::ReadHomeRegion);
    assert_eq!(ask(&mut none, &policy(), of(HERE, bound)).decision, Decision::ReadLocal);
}

#[test]
fn nobody_is_sent_to_a_region_that_is_failing_or_throttled_itself() {
    let mut sim = measured(60);
    sim.down.push(EAST);
    sim.run_for(seconds(10));
    let bound = within(seconds(5));
    let advice = ask(&mut sim, &policy(), of(EAST, bound));
    assert_eq!(advice.decision, Decision::Refuse);
    assert!(matches!(advice.why, Why::InTrouble(EAST, region::Trouble::Failing(_))), "{advice:?}");
    // Whoever knows another home may go there.
    assert_eq!(ask(&mut sim, &policy(), bound).decision, Decision::ReadHomeRegion);
    assert_eq!(ask(&mut sim, &policy(), of(SOUTH, bound)).decision, Decision::ReadLocal);
    sim.down.push(SOUTH);
    sim.run_for(seconds(10));
    assert_eq!(ask(&mut sim, &policy(), bound).decision, Decision::Refuse, "no other region is left");
    // Nor is anybody told that the home is here, and to read it, where here is down.
    let there = Query { source: Some(EAST), target: EAST, ..bound };
    assert_eq!(ask(&mut sim, &policy(), there).decision, Decision::Refuse);
    sim.down.clear();
    sim.run_for(seconds(10));
    assert_eq!(ask(&mut sim, &policy(), bound).decision, Decision::ReadLocal);
    assert_eq!(ask(&mut sim, &policy(), there).decision, Decision::ReadLocal);
}

#[test]
fn a_region_that_refuses_the_gauge_alone_is_in_no_trouble_of_its_own() {
    let mut sim = measured(60);
    sim.world.set_paused(EAST, HERE, true, sim.now.mono);
    sim.run_for(seconds(10));
    let (snapshot, now) = (sim.snapshot(), sim.now);
    let query = of(EAST, within(seconds(5)));
    for reason in Reason::ALL {
        let mut snapshot = snapshot.clone();
        for pair in snapshot.pairs.iter_mut() {
            let reads = if pair.target == EAST { &mut pair.reads } else { &mut pair.source_reads };
            (reads.failing, reads.answered_at) = (Some(reason), Some(now.mono - seconds(60)));
        }
        let ours = [Reason::Denied, Reason::Credentials, Reason::NotFound, Reason::ReadOnly].contains(&reason);
        let expected = if ours { Decision::ReadSourceRegion(EAST) } else { Decision::Refuse };
        assert_eq!(advise(&snapshot, &policy(), &query, now).decision, expected, "{reason:?}");
    }
}

#[test]
fn a_lost_region_stops_the_others_or_is_left_out_as_the_policy_says() {
    let refuse = Policy { exclude_after: seconds(60), ..policy() };
    let exclude = Policy { lost_source: LostSource::Exclude, ..refuse.clone() };
    let bound = within(seconds(5));
    let mut sim = measured(60);
    sim.down.push(EAST);
    sim.run_for(seconds(50));
    for policy in [&refuse, &exclude] {
        assert_eq!(ask(&mut sim, policy, bound).decision, Decision::ReadHomeRegion, "it is not lost yet");
    }
    sim.run_for(seconds(20));
    let advice = ask(&mut sim, &refuse, bound);
    assert_eq!(advice.decision, Decision::Refuse);
    assert!(matches!(advice.why, Why::Lost(EAST, _)), "{advice:?}");
    assert_eq!(ask(&mut sim, &refuse, of(SOUTH, bound)).decision, Decision::ReadLocal, "that one lives");
    assert_eq!(ask(&mut sim, &refuse, of(EAST, bound)).decision, Decision::Refuse);

    let advice = ask(&mut sim, &exclude, bound);
    assert_eq!((advice.decision, advice.rests_on), (Decision::ReadLocal, RestsOn::Policy));
    let (snapshot, now) = (sim.snapshot(), sim.now);
    let named = ask(&mut sim, &exclude, of(EAST, bound));
    assert_eq!(named.decision, Decision::Refuse, "whoever names it asks for what was written there: {named:?}");
    let excluded: Vec<_> = region::excluded(&snapshot, HERE, &exclude, now.mono).collect();
    assert!(
        matches!(excluded[..], [(EAST, lost)] if lost.silent > seconds(60) && lost.silent < seconds(75)),
        "{excluded:?}"
    );

    // It is back: nothing is left out, at once.
    sim.down.clear();
    sim.run_for(seconds(5));
    let (snapshot, now) = (sim.snapshot(), sim.now);
    assert_eq!(region::excluded(&snapshot, HERE, &exclude, now.mono).count(), 0);
    assert_eq!(ask(&mut sim, &exclude, bound).rests_on, RestsOn::Measurement);
}

#[test]
fn a_source_that_lives_is_late_and_never_lost() {
    let exclude = Policy { lost_source: LostSource::Exclude, exclude_after: seconds(60), ..policy() };
    let mut sim = measured(60);
    sim.world.set_paused(EAST, HERE, true, sim.now.mono);
    sim.run_for(seconds(600));
    assert_eq!(ask(&mut sim, &exclude, within(seconds(5))).decision, Decision::ReadHomeRegion);
}

#[test]
fn where_all_others_seem_lost_it_is_this_region_that_is_cut_off() {
    let exclude = Policy { lost_source: LostSource::Exclude, exclude_after: seconds(60), ..policy() };
    let mut sim = measured(60);
    sim.down.extend([EAST, SOUTH]);
    sim.run_for(seconds(300));
    assert_eq!(ask(&mut sim, &exclude, within(seconds(5))).decision, Decision::Refuse);
}

#[test]
fn an_override_counts_until_it_expires_and_no_longer() {
    let mut sim = measured(60);
    let until = sim.now.wall + seconds(10);
    let forced = |decision| Policy {
        overrides: [Override { decision, until, reason: "the region is being moved".into() }].into(),
        ..policy()
    };
    let bound = within(seconds(5));
    let away = forced(Forced::ReadHomeRegion);
    let advice = ask(&mut sim, &away, bound);
    assert_eq!((advice.decision, advice.rests_on), (Decision::ReadHomeRegion, RestsOn::Policy));
    assert_eq!(advice.why, Why::Overridden(0));
    assert!(reason(&mut sim, &away, bound).contains("the region is being moved"));
    assert_eq!(ask(&mut sim, &away, of(EAST, bound)).decision, Decision::ReadSourceRegion(EAST));
    assert_eq!(ask(&mut sim, &forced(Forced::Refuse), bound).decision, Decision::Refuse);
    assert_eq!(ask(&mut sim, &forced(Forced::ReadLocal), within(Span::ZERO)).decision, Decision::ReadLocal);
    sim.run_for(seconds(11));
    for decision in Forced::ALL {
        assert_eq!(ask(&mut sim, &forced(decision), bound).rests_on, RestsOn::Measurement, "{decision:?}");
    }
}

#[test]
fn a_local_read_is_advised_only_while_the_truth_is_within_the_bound_for_as_long_as_the_answer_holds() {
    let mut advised = [0_u64; 2];
    for seed in 0..3 {
        let mut fleet = Fleet::new(3, typical_lag(), Network::hostile(), seed);
        for (region, off) in [2_000, 0, -3_000].into_iter().enumerate() {
            let plan = Plan { local: Some(RegionId(region as u16)), phase: 0.3 * region as f64, ..plan(3) };
            fleet.start(plan, WrongClock::off_by_millis(off, 100));
        }
        let mut looks = Vec::new();
        let (mut random, mut next) = (seed, second(0));
        fleet.run_until(second(120), |fleet| {
            if fleet.now < next {
                return;
            }
            next = fleet.now + Span::from_millis(40);
            let at = fleet.now.as_nanos();
            if let Some((source, target)) = [(EAST, HERE), (HERE, SOUTH)].get((at % 7) as usize) {
                // Now and then a link stops for a while.
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let stops = (random >> 33) % 60 == 0;
                let goes_on = (random >> 33) % 60 == 1;
                if stops || goes_on {
                    let now = fleet.now;
                    fleet.world.set_paused(*source, *target, stops, now);
                }
            }
            for node in 0..3 {
                let target = RegionId(node as u16);
                let (snapshot, now) = (fleet.snapshot(node), fleet.now_at(node));
                for bound in [seconds(4), seconds(8)] {
                    let query = Query { target, ..within(bound) };
                    let is_local = advise(&snapshot, &policy(), &query, now).decision == Decision::ReadLocal;
                    advised[usize::from(is_local)] += 1;
                    if is_local {
                        looks.push((fleet.now, target, bound));
                    }
                }
            }
        });
        let now = fleet.now;
        let truth = fleet.world.truth(now).unwrap().clone();
        for (at, target, bound) in looks {
            let (at, ends) = (at, at + seconds(1));
            for source in [HERE, EAST, SOUTH].into_iter().filter(|source| *source != target) {
                // With replication in order all that was committed before the newest visible heartbeat is visible.
                let visible = truth
                    .commits(source, 0)
                    .iter()
                    .rev()
                    .find(|(beat, _)| truth.visible(source, target, 0, *beat).is_some_and(|visible| visible <= at));
                let (_, committed) = visible.unwrap();
                assert!(ends - *committed <= bound, "{source:?} → {target:?} at {at:?}: {:?}", ends - *committed);
            }
        }
    }
    assert!(advised.iter().all(|count| *count > 1_000), "{advised:?}");
}

#[test]
fn who_throttles_is_sent_nobody_whether_our_own_calls_or_the_provider_say_so() {
    let polling = Polling { every: seconds(60), period: seconds(60), delay: seconds(120) };
    let mut sim = measured(60);
    sim.world.set_paused(EAST, HERE, true, sim.now.mono);
    sim.run_for(seconds(10));
    let (snapshot, now) = (sim.snapshot(), sim.now);
    let query = of(EAST, within(seconds(5)));
    let after = |change: &dyn Fn(&mut PairSnapshot)| {
        let mut snapshot = snapshot.clone();
        snapshot.plan = Arc::new(Plan { polling: Some(polling), ..(*snapshot.plan).clone() });
        snapshot.pairs.iter_mut().for_each(change);
        advise(&snapshot, &policy(), &query, now)
    };
    assert_eq!(after(&|_| {}).decision, Decision::ReadSourceRegion(EAST));
    let minutes = |throttled_reads: [f32; 4], throttled_writes| {
        let minute = |(back, throttled_reads): (i64, f32)| {
            let minute = Minute { throttled_reads, throttled_writes, ..Minute::default() };
            (now.mono - seconds(180 + 60 * back), minute)
        };
        Some(Arc::new(Companions((0_i64..).zip(throttled_reads).map(minute).collect())))
    };
    let throttling: [&dyn Fn(&mut PairSnapshot); 3] = [
        &|pair| pair.writes.throttled_twice_since = (pair.source == EAST).then_some(now.mono - seconds(1)),
        &|pair| pair.reads.throttled_twice_since = (pair.target == EAST).then_some(now.mono - seconds(1)),
        &|pair| pair.companions = if pair.target == EAST { minutes([3.0, 1.0, 0.0, 0.0], 0.0) } else { None },
    ];
    for change in throttling {
        let advice = after(change);
        assert_eq!((advice.decision, advice.why), (Decision::Refuse, Why::InTrouble(EAST, region::Trouble::Throttled)));
    }
    // Writes are another capacity, once is no finding, and what is over is none either.
    for (reads, writes) in [([0.0; 4], 3.0), ([3.0, 0.0, 0.0, 0.0], 0.0), ([0.0, 0.0, 3.0, 3.0], 0.0)] {
        let advice = after(&|pair| pair.companions = if pair.target == EAST { minutes(reads, writes) } else { None });
        assert_eq!(advice.decision, Decision::ReadSourceRegion(EAST), "{reads:?}, {writes}");
    }
}

#[test]
fn who_can_wait_is_told_how_long_and_then_reads_here() {
    let mut sim = measured(400);
    let bound = within(Span::from_millis(2_600));
    let patient = Query { max_wait: seconds(5), ..bound };
    let mut waited = 0;
    for _ in 0..40 {
        sim.run_for(Span::from_millis(130));
        let advice = ask(&mut sim, &policy(), patient);
        let impatient = ask(&mut sim, &policy(), bound).decision;
        let Decision::Wait(wait) = advice.decision else {
            assert_eq!((advice.decision, impatient), (Decision::ReadLocal, Decision::ReadLocal));
            continue;
        };
        waited += 1;
        assert_eq!((impatient, advice.valid_for), (Decision::ReadHomeRegion, wait));
        assert!(wait > Span::ZERO && wait <= seconds(1), "{wait:?}");
        let hasty = Query { max_wait: wait - Span::from_nanos(1), ..bound };
        assert_eq!(ask(&mut sim, &policy(), hasty).decision, Decision::ReadHomeRegion);
        sim.run_for(wait);
        assert_eq!(ask(&mut sim, &policy(), patient).decision, Decision::ReadLocal, "after {wait:?}");
    }
    assert!(waited > 5, "{waited}");

    // What no heartbeat is young enough for at its arrival is not worth waiting for, nor what nobody can expect.
    let never = Query { max_staleness: Span::from_millis(1_700), ..patient };
    assert_eq!(ask(&mut sim, &policy(), never).decision, Decision::ReadHomeRegion);
    sim.world.set_paused(EAST, HERE, true, sim.now.mono);
    sim.run_for(seconds(10));
    assert_eq!(ask(&mut sim, &policy(), patient).decision, Decision::ReadHomeRegion);
    let mut early = measured(60);
    early.run_for(Span::from_millis(700));
    let decisions: Vec<Decision> = (0..8)
        .map(|_| {
            early.run_for(Span::from_millis(130));
            ask(&mut early, &policy(), patient).decision
        })
        .collect();
    assert!(decisions.contains(&Decision::ReadHomeRegion), "a minute tells too little: {decisions:?}");
}
