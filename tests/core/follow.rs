//! Regions that the store itself names: they come and go while the gauge runs.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use tidegauge::core::assess::{State, assess};
use tidegauge::core::inspection::{Capacity, Inspection, Mode, Replica, ReplicaStatus};
use tidegauge::core::model::{Consistency, Failure, Plan, Reason, RegionId, WriterId};
use tidegauge::core::provider::Polling;
use tidegauge::core::time::Span;

use crate::sim::{Network, Sim, plan, typical_lag};

/// What the store says of itself, for a test to change.
type Says = Rc<RefCell<Result<Inspection, Failure>>>;

fn inspection(replicas: &[(usize, ReplicaStatus)]) -> Inspection {
    let replica = |(region, status): &(usize, ReplicaStatus)| Replica {
        name: format!("region-{region}").into(),
        status: *status,
        description: String::new(),
    };
    Inspection {
        replicas: replicas.iter().map(replica).collect(),
        witnesses: Vec::new(),
        mode: Mode::Asynchronous,
        capacity: Some(Capacity::OnDemand),
        differs: None,
        setup: None,
    }
}

fn active(regions: &[usize]) -> Result<Inspection, Failure> {
    Ok(inspection(&regions.iter().map(|region| (*region, ReplicaStatus::Active)).collect::<Vec<_>>()))
}

fn denied() -> Result<Inspection, Failure> {
    Err(Failure { reason: Reason::Denied, message: String::new() })
}

/// A central prober that begins with one of three regions and asks the store for the others each ten seconds.
fn following(says: &Says, network: Network, seed: u64) -> Sim {
    let plan = Plan { inspect_every: Some(Span::from_millis(10_000)), follows_replicas: true, ..plan(1) };
    sim(plan, says, network, seed)
}

fn sim(plan: Plan, says: &Says, network: Network, seed: u64) -> Sim {
    let mut sim = Sim::over(3, plan, typical_lag(), network, seed);
    let says = says.clone();
    sim.inspect = Box::new(move |_| says.borrow().clone());
    sim
}

fn says(first: Result<Inspection, Failure>) -> Says {
    Rc::new(RefCell::new(first))
}

fn run(sim: &mut Sim, seconds: f64) {
    sim.run_for(Span::from_secs_f64(seconds));
}

/// The pairs there are, and their states.
fn pairs(sim: &mut Sim) -> Vec<(u16, u16, State)> {
    let (now, snapshot) = (sim.now, sim.snapshot());
    let state = |pair| assess(&snapshot.plan, pair, now).state;
    snapshot.pairs.iter().map(|pair| (pair.source.0, pair.target.0, state(pair))).collect()
}

fn all_ok(sim: &mut Sim) -> Vec<(u16, u16)> {
    let ok = pairs(sim).into_iter().filter(|(.., state)| *state == State::Ok);
    ok.map(|(source, target, _)| (source, target)).collect()
}

fn hold_the_truth(sim: &mut Sim) {
    let truth = sim.world.truth(sim.now.mono).unwrap().clone();
    for ((source, target), samples) in &sim.samples {
        for sample in samples {
            let lag = truth.lag(*source, *target, 0, sample.beat).expect("it was written, and arrived");
            let (lower, upper) = (sample.bracket.lower, sample.bracket.upper);
            assert!(lower <= lag && lag <= upper, "{source:?} to {target:?}: {lag:?} outside [{lower:?}, {upper:?}]");
        }
    }
}

#[test]
fn a_replica_that_is_added_is_measured_within_one_period_and_one_that_is_removed_leaves_nothing_behind() {
    for seed in 0..4 {
        let says = says(active(&[0, 1]));
        let mut sim = following(&says, Network::hostile(), seed);
        run(&mut sim, 1.0);
        assert_eq!(pairs(&mut sim).len(), 2, "found with the first look");
        run(&mut sim, 20.0);
        assert_eq!(all_ok(&mut sim), [(0, 1), (1, 0)]);
        let samples = |sim: &Sim| sim.samples[&(RegionId(0), RegionId(1))].len();
        let before = samples(&sim);

        *says.borrow_mut() = active(&[0, 1, 2]);
        run(&mut sim, 20.0);
        assert_eq!(all_ok(&mut sim), [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)]);
        assert!(samples(&sim) >= before + 18, "the others went on meanwhile");

        *says.borrow_mut() = active(&[0, 1]);
        run(&mut sim, 11.0);
        assert_eq!(all_ok(&mut sim), [(0, 1), (1, 0)]);
        let gone = sim.snapshot().regions[2];
        run(&mut sim, 20.0);
        assert_eq!(sim.snapshot().regions[2].reads_answered, gone.reads_answered, "nobody calls it any more");

        *says.borrow_mut() = active(&[0, 1, 2]);
        run(&mut sim, 25.0);
        assert_eq!(all_ok(&mut sim).len(), 6, "back again: {:?}", pairs(&mut sim));
        hold_the_truth(&mut sim);
    }
}

#[test]
fn a_replica_on_its_way_in_or_out_is_not_measured_and_one_in_trouble_is() {
    use ReplicaStatus::{Active, Archived, Creating, Deleting, Failed, Inaccessible, NotAuthorized, Updating};
    for (status, measured) in [
        (Creating, false),
        (Deleting, false),
        (Archived, false),
        (Failed, false),
        (Updating, true),
        (Inaccessible, true),
        (NotAuthorized, true),
    ] {
        let says = says(Ok(inspection(&[(0, Active), (1, Active), (2, status)])));
        let mut sim = following(&says, Network::calm(), 1);
        run(&mut sim, 15.0);
        assert_eq!(pairs(&mut sim).len(), if measured { 6 } else { 2 }, "{status:?}");
    }
}

#[test]
fn while_the_store_cannot_be_asked_what_is_known_of_it_goes_on_and_it_is_asked_again() {
    let says = says(denied());
    let mut sim = following(&says, Network::calm(), 2);
    run(&mut sim, 30.0);
    assert_eq!(pairs(&mut sim).len(), 0);
    assert_eq!(sim.snapshot().looks[0].failing, Some(Reason::Denied));
    *says.borrow_mut() = active(&[0, 1, 2]);
    run(&mut sim, 12.0);
    assert_eq!(all_ok(&mut sim).len(), 6);
    *says.borrow_mut() = denied();
    run(&mut sim, 120.0);
    assert_eq!(all_ok(&mut sim).len(), 6, "denied later, it knows what it knew");
}

#[test]
fn regions_that_the_settings_list_stay_whatever_the_store_says() {
    let says = says(active(&[0]));
    let plan = Plan { inspect_every: Some(Span::from_millis(10_000)), ..plan(3) };
    let mut sim = sim(plan, &says, Network::calm(), 3);
    run(&mut sim, 30.0);
    assert_eq!(all_ok(&mut sim).len(), 6);
    let looks = sim.snapshot().looks;
    assert!(looks.iter().all(|look| look.newest.is_some()), "where it writes, it looks");
    let first = |index: usize| looks[index].newest.clone().unwrap().inspection;
    assert_eq!(
        first(0).replicas,
        [Replica { name: Arc::from("region-0"), status: ReplicaStatus::Active, description: String::new() }]
    );
}

#[test]
fn a_store_whose_strong_reads_see_every_region_s_newest_write_is_read_eventually_for_as_long_as_it_is_one() {
    let says = says(active(&[0, 1, 2]));
    let polling = Polling { every: Span::from_millis(60_000), period: Span::from_millis(60_000), delay: Span::ZERO };
    let plan = Plan { inspect_every: Some(Span::from_millis(10_000)), polling: Some(polling), ..plan(3) };
    let mut sim = sim(plan, &says, Network::calm(), 4);
    run(&mut sim, 15.0);
    assert_eq!(sim.ledger.plan().consistency, Consistency::Strong);
    *says.borrow_mut() = active(&[0, 1, 2]).map(|inspection| Inspection { mode: Mode::Strong, ..inspection });
    run(&mut sim, 10.0);
    let plan = sim.ledger.plan().clone();
    assert_eq!((plan.consistency, plan.polling), (Consistency::Eventual, None));
    let count = sim.snapshot().pairs[0].histogram.count;
    assert!(count <= 10, "what strong reads measured is not kept: {count} samples");
    run(&mut sim, 10.0);
    assert_eq!(all_ok(&mut sim).len(), 6);
    *says.borrow_mut() = active(&[0, 1, 2]);
    run(&mut sim, 11.0);
    let plan = sim.ledger.plan().clone();
    assert_eq!((plan.consistency, plan.polling), (Consistency::Strong, Some(polling)));
}

#[test]
fn an_observer_looks_only_where_it_needs_the_regions_and_a_gauge_of_one_region_only_there() {
    let count = |plan: Plan| {
        let says = says(active(&[0, 1, 2]));
        let looks = Rc::new(RefCell::new(Vec::new()));
        let mut sim = sim(Plan { inspect_every: Some(Span::from_millis(10_000)), ..plan }, &says, Network::calm(), 5);
        let (log, says) = (looks.clone(), says.clone());
        sim.inspect = Box::new(move |region| {
            log.borrow_mut().push(region.0);
            says.borrow().clone()
        });
        run(&mut sim, 55.0);
        let looks = looks.borrow().clone();
        (looks.len(), looks.into_iter().max())
    };
    let local = |observer| Plan { local: Some(RegionId(0)), observer, ..plan(3) };
    assert_eq!(count(local(true)), (0, None));
    assert_eq!(count(Plan { follows_replicas: true, ..local(true) }), (6, Some(0)));
    assert_eq!(count(local(false)), (6, Some(0)));
    assert_eq!(count(plan(3)), (18, Some(2)));
}

#[test]
fn a_read_that_left_before_a_region_was_known_is_no_miss_of_its_heartbeats() {
    for seed in 0..10 {
        // A predecessor's heartbeats lie in every region, and have for a while.
        let says = says(active(&[0, 1, 2]));
        let mut sim = following(&says, Network::hostile(), seed);
        run(&mut sim, 40.0);
        let plan = Plan { writer: WriterId(0xC), ..(**sim.ledger.plan()).clone() };
        sim.restart(Plan { regions: vec![plan.regions[0].clone()], ..plan });
        let before = sim.samples.values().map(Vec::len).sum::<usize>();
        run(&mut sim, 3.0);
        assert_eq!(pairs(&mut sim).len(), 6);
        run(&mut sim, 12.0);
        assert_eq!(all_ok(&mut sim).len(), 6, "{:?}", pairs(&mut sim));
        hold_the_truth(&mut sim);
        let made = sim.samples.values().map(Vec::len).sum::<usize>() - before;
        assert!(made < 6 * 22, "{made} samples of six pairs in 15 s");
    }
}
