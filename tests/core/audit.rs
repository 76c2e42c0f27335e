//! What is wrong with a set-up, judged from facts put together by hand.

use std::sync::Arc;

use tidegauge::core::audit::{Facts, Finding, Kind, Level, Wanted, audit};
use tidegauge::core::inspection::{
    AccountConsistency, Capacity, Conflicts, Expiry, Inspection, Mode, Replica, ReplicaStatus, Setup, Spread,
};
use tidegauge::core::model::Reason;
use tidegauge::core::time::Span;

const LISTED: Wanted = Wanted { follows_replicas: false, asks_for_strong: false };

fn replica(name: &str, status: ReplicaStatus) -> Replica {
    Replica { name: name.into(), status, description: String::new() }
}

fn inspection(names: &[&str]) -> Inspection {
    Inspection {
        replicas: names.iter().map(|name| replica(name, ReplicaStatus::Active)).collect(),
        witnesses: Vec::new(),
        mode: if names.len() == 1 { Mode::Single } else { Mode::Asynchronous },
        capacity: Some(Capacity::OnDemand),
        differs: None,
        setup: Some(good_setup()),
    }
}

fn good_setup() -> Setup {
    Setup {
        multi_region_writes: Some(true),
        consistency: Some(AccountConsistency::Session),
        conflicts: Some(Conflicts::HighestWins { path: "/version".to_owned() }),
        expiry: Some(Expiry::Off),
        spread: Some(Spread { slots: 4, with_slots: 4, partitions: 8 }),
    }
}

fn healthy(region: &str, inspection: Inspection) -> Facts {
    Facts {
        region: region.into(),
        inspection: Some(Ok(Arc::new(inspection))),
        reads: Some(Ok(())),
        writes: Some(Ok(())),
        provider: Some(Ok(())),
        clock: Some((Span::from_millis(-600), Span::from_millis(400))),
    }
}

fn both() -> [Facts; 2] {
    ["west", "east"].map(|region| healthy(region, inspection(&["west", "east"])))
}

fn wrong(facts: &[Facts], wanted: Wanted) -> Vec<(String, Kind)> {
    let found = audit(facts, wanted).into_iter().filter(|finding| finding.wrong.is_some());
    found.map(|Finding { region, kind, .. }| (region.to_string(), kind)).collect()
}

#[test]
fn where_nothing_is_wrong_everything_was_judged_and_nothing_found() {
    assert_eq!(wrong(&both(), LISTED), []);
    let judged: Vec<Kind> = audit(&both(), LISTED).into_iter().map(|finding| finding.kind).collect();
    for kind in Kind::ALL {
        let expected = match kind {
            // It is found, or there is nothing to say it of.
            Kind::ReplicaUnlisted | Kind::RegionsUnknown => 0,
            // Of the whole store.
            Kind::MultiRegionWritesOff
            | Kind::BoundedStaleness
            | Kind::ConflictsBySecond
            | Kind::SlotsShareAPartition => 1,
            _ => 2,
        };
        assert_eq!(judged.iter().filter(|other| **other == kind).count(), expected, "{kind:?}");
    }
}

#[test]
fn what_was_not_looked_at_is_not_judged() {
    let nothing =
        Facts { region: "west".into(), inspection: None, reads: None, writes: None, provider: None, clock: None };
    assert_eq!(audit(&[nothing], LISTED), []);
}

#[test]
fn a_region_that_is_denied_spoils_only_what_is_said_of_itself() {
    let [west, east] = both();
    let denied = Facts {
        inspection: Some(Err(Reason::Denied)),
        reads: Some(Err(Reason::Denied)),
        writes: Some(Err(Reason::Throttled)),
        provider: Some(Err(Reason::Denied)),
        ..east
    };
    let found = wrong(&[west, denied], LISTED);
    let of_east = [Kind::InspectFailing, Kind::ReadFailing, Kind::WriteFailing, Kind::ProviderFailing];
    assert_eq!(found, of_east.map(|kind| ("east".to_owned(), kind)));
}

#[test]
fn where_the_store_is_to_name_its_regions_and_nobody_can_ask_it_that_is_an_error() {
    let following = Wanted { follows_replicas: true, ..LISTED };
    let [west, _] = both();
    let not_yet = Facts { inspection: None, ..west.clone() };
    assert_eq!(wrong(&[not_yet], following), [], "nobody has looked yet");
    let denied = Facts { inspection: Some(Err(Reason::Denied)), ..west.clone() };
    assert_eq!(
        wrong(&[denied], following),
        [("west".to_owned(), Kind::InspectFailing), ("west".to_owned(), Kind::RegionsUnknown)]
    );
    assert_eq!(Kind::RegionsUnknown.level(), Level::Error);
    assert_eq!(wrong(&both(), following), []);
}

#[test]
fn a_clock_is_off_only_where_that_is_certain() {
    let off = |min: i64, max: i64| {
        let [west, east] = both();
        let clock = Some((Span::from_millis(min), Span::from_millis(max)));
        wrong(&[Facts { clock, ..west }, east], LISTED).iter().any(|(_, kind)| *kind == Kind::ClockOff)
    };
    assert!(off(1_001, 1_200) && off(-9_000, -1_001));
    assert!(!off(1_000, 1_200) && !off(-1_200, -1_000) && !off(-500, 1_500));
}

#[test]
fn the_region_that_takes_less_than_another_is_named() {
    let with = |capacities: [Option<Capacity>; 2]| {
        let mut facts = both();
        for (fact, capacity) in facts.iter_mut().zip(capacities) {
            fact.inspection = Some(Ok(Arc::new(Inspection { capacity, ..inspection(&["west", "east"]) })));
        }
        wrong(&facts, LISTED)
    };
    let provisioned = |read_units, write_units| Some(Capacity::Provisioned { read_units, write_units });
    let east = [("east".to_owned(), Kind::CapacityUnequal)];
    assert_eq!(with([provisioned(10, 10), provisioned(10, 10)]), []);
    assert_eq!(with([provisioned(10, 10), provisioned(10, 9)]), east);
    assert_eq!(with([provisioned(10, 10), provisioned(9, 10)]), east);
    assert_eq!(with([Some(Capacity::OnDemand), provisioned(1_000, 1_000)]), east);
    assert_eq!(with([Some(Capacity::OnDemand), None]), [], "what is not said is not compared");
}

#[test]
fn listed_regions_and_replicas_are_held_against_each_other() {
    let [west, east] = both();
    let stray = healthy("south", inspection(&["south"]));
    assert_eq!(
        wrong(&[west.clone(), east.clone(), stray], LISTED),
        [("south".to_owned(), Kind::NotReplicated), ("south".to_owned(), Kind::ReplicaMissing)]
    );
    let three = || inspection(&["west", "east", "north"]);
    let facts = [healthy("west", three()), healthy("east", three())];
    assert_eq!(wrong(&facts, LISTED), [("north".to_owned(), Kind::ReplicaUnlisted)]);
    assert_eq!(wrong(&facts, Wanted { follows_replicas: true, ..LISTED }), []);
    let one = [healthy("west", inspection(&["west"]))];
    assert_eq!(wrong(&one, LISTED), [("west".to_owned(), Kind::NotReplicated)]);
}

#[test]
fn a_replica_in_trouble_is_named_in_the_provider_s_words() {
    let mut told = inspection(&["west"]);
    let description = "no access to its key since Monday".to_owned();
    told.replicas.push(Replica { description, ..replica("east", ReplicaStatus::Inaccessible) });
    told.mode = Mode::Asynchronous;
    let unreachable = Facts { inspection: Some(Err(Reason::Connect)), ..healthy("east", inspection(&["east"])) };
    let findings = audit(&[healthy("west", told), unreachable], LISTED);
    let found = findings.iter().find(|finding| finding.kind == Kind::ReplicaNotActive && finding.wrong.is_some());
    let found = found.expect("the others say so");
    assert_eq!((&*found.region, found.kind.level()), ("east", Level::Error));
    assert_eq!(found.wrong.as_deref(), Some("the replica is inaccessible: no access to its key since Monday"));
}

#[test]
fn early_versions_and_strong_reads_that_measure_nothing_are_findings() {
    let with = |mode, wanted| {
        let facts =
            ["west", "east"].map(|region| healthy(region, Inspection { mode, ..inspection(&["west", "east"]) }));
        wrong(&facts, wanted).into_iter().map(|(_, kind)| kind).collect::<Vec<_>>()
    };
    assert_eq!(with(Mode::Legacy, LISTED), [Kind::LegacyVersion; 2]);
    assert_eq!(with(Mode::Strong, LISTED), []);
    let strong = Wanted { asks_for_strong: true, ..LISTED };
    assert_eq!(with(Mode::Strong, strong), [Kind::StrongReadsMeasureNothing; 2]);
    assert_eq!(with(Mode::Asynchronous, strong), []);
}

/// What is wrong with an account that is set up like this, beside what is wrong with none.
fn wrong_with(setup: Setup) -> Vec<Kind> {
    let looked = Inspection { setup: Some(setup), ..inspection(&["west", "east"]) };
    let [west, east] = both();
    let facts = [Facts { inspection: Some(Ok(Arc::new(looked))), ..west }, east];
    wrong(&facts, LISTED).into_iter().map(|(_, kind)| kind).collect()
}

#[test]
fn an_account_in_which_one_region_takes_the_writes_measures_nothing_from_the_others() {
    let off = Setup { multi_region_writes: Some(false), ..good_setup() };
    assert_eq!(wrong_with(off), [Kind::MultiRegionWritesOff]);
    assert_eq!(Kind::MultiRegionWritesOff.level(), Level::Error);
}

#[test]
fn conflicts_that_are_resolved_by_whole_seconds_are_a_warning_where_there_can_be_any() {
    for path in ["/_ts", ""] {
        let by_second = Setup { conflicts: Some(Conflicts::HighestWins { path: path.to_owned() }), ..good_setup() };
        assert_eq!(wrong_with(by_second.clone()), [Kind::ConflictsBySecond]);
        let one = Setup { multi_region_writes: Some(false), ..by_second };
        assert_eq!(wrong_with(one), [Kind::MultiRegionWritesOff]);
    }
    assert_eq!(wrong_with(Setup { conflicts: Some(Conflicts::Custom), ..good_setup() }), []);
}

#[test]
fn bounded_staleness_is_a_warning_where_all_regions_take_writes() {
    let bounded = Setup { consistency: Some(AccountConsistency::BoundedStaleness), ..good_setup() };
    assert_eq!(wrong_with(bounded.clone()), [Kind::BoundedStaleness]);
    assert_eq!(wrong_with(Setup { multi_region_writes: Some(false), ..bounded }), [Kind::MultiRegionWritesOff]);
}

#[test]
fn slots_that_share_a_partition_are_told_of_where_there_is_another_one() {
    let spread = |slots, with_slots, partitions| {
        wrong_with(Setup { spread: Some(Spread { slots, with_slots, partitions }), ..good_setup() })
    };
    assert_eq!(spread(4, 3, 8), [Kind::SlotsShareAPartition]);
    assert_eq!(spread(4, 2, 3), [Kind::SlotsShareAPartition]);
    assert_eq!(spread(4, 2, 2), []);
    assert_eq!(spread(1, 1, 8), []);
}

#[test]
fn what_nobody_told_of_an_account_is_not_judged() {
    assert_eq!(wrong_with(Setup::default()), []);
}
