//! What a policy comes to from look to look.

use super::*;

/// A snapshot in which what is visible here of one source is so old.
fn aged(snapshot: &StoreSnapshot, staleness: Span, now: Now) -> StoreSnapshot {
    let mut snapshot = snapshot.clone();
    for pair in snapshot.pairs.iter_mut() {
        let mut slots = pair.slots.to_vec();
        slots[0].written = Some(now.mono - if pair.source == EAST { staleness } else { seconds(1) });
        pair.slots = slots.into();
    }
    snapshot
}

/// What a policy comes to, look by look, and when it changed.
fn followed(policy: &Policy, staleness: impl Iterator<Item = Span>) -> Vec<(Now, Decision)> {
    let mut sim = measured(30);
    let snapshot = sim.snapshot();
    let mut standings = Standings::default();
    let mut changes = Vec::new();
    let query = Query::of_policy(policy, None, HERE).unwrap();
    for (look, staleness) in staleness.enumerate() {
        let now = sim.now.after(Span::from_millis(250 * look as i64));
        let snapshot = aged(&snapshot, staleness, now);
        let told = standing::step(&mut standings, &snapshot, policy, now);
        let told = told.into_iter().filter(|told| *told.target_region == *"region-0" && told.source_region.is_none());
        changes.extend(told.map(|told| (now, told.to)));
        // Whoever asks between two looks is never told less than is safe.
        let (advice, _) = standing::answer(standings.get(&(HERE, None)), &snapshot, policy, &query, now);
        let is_young = staleness + policy.valid_for <= policy.max_staleness.unwrap();
        assert!(advice.decision != Decision::ReadLocal || is_young, "{staleness:?}");
    }
    // The first is no change.
    changes.remove(0);
    changes
}

fn steady() -> Policy {
    Policy { max_staleness: Some(seconds(10)), min_dwell: seconds(10), ..policy() }
}

#[test]
fn a_signal_that_crosses_the_bound_at_every_look_changes_the_decision_once() {
    for minutes in [1, 10] {
        let looks = (0..minutes * 240).map(|look| if look % 2 == 0 { seconds(2) } else { seconds(20) });
        let changes = followed(&steady(), looks);
        assert!(matches!(changes[..], [(_, Decision::ReadHomeRegion)]), "{changes:?}");
    }
}

#[test]
fn a_decision_becomes_more_cautious_at_once_and_less_after_the_dwell_alone() {
    let looks = |from: i64, upto: i64, staleness: i64| (from * 4..upto * 4).map(move |_| seconds(staleness));
    let course = looks(0, 20, 2).chain(looks(20, 40, 20)).chain(looks(40, 45, 2)).chain(looks(45, 46, 9));
    let changes = followed(&steady(), course.chain(looks(46, 80, 2)));
    let [(away, Decision::ReadHomeRegion), (back, Decision::ReadLocal)] = changes[..] else { panic!("{changes:?}") };
    let started = measured(30).now.mono;
    assert_eq!(away.mono - started, seconds(20));
    // It was over what it has to be below at 45 s, so that the dwell began anew.
    assert_eq!(back.mono - started, seconds(56));
}

#[test]
fn cells_do_not_move_at_once_and_none_too_late() {
    let leaves: Vec<Span> = (0..10_u8)
        .map(|cell| {
            let policy = Policy { spread: f64::from(cell) / 10.0, ..steady() };
            let growing = (0..120).map(|look| Span::from_millis(250 * look));
            let changes = followed(&policy, growing);
            let [(left, Decision::ReadHomeRegion)] = changes[..] else { panic!("{changes:?}") };
            left.mono - measured(30).now.mono
        })
        .collect();
    // Over the bound of 10 s within the second for which an answer holds.
    assert!(
        leaves.iter().all(|left| *left > Span::from_millis(7_500) && *left <= Span::from_millis(9_250)),
        "{leaves:?}"
    );
    let apart = *leaves.iter().max().unwrap() - *leaves.iter().min().unwrap();
    assert!(apart >= Span::from_millis(750), "{leaves:?}");
}

#[test]
fn who_has_just_started_need_not_dwell_on_what_was_not_known() {
    let mut sim = measured(0);
    let mut standings = Standings::default();
    let mut now_local = None;
    for look in 0..80 {
        let (snapshot, now) = (sim.snapshot(), sim.now);
        standing::step(&mut standings, &snapshot, &steady(), now);
        let decision = standings[&(HERE, None)].advice.decision;
        assert!(look > 0 || decision == Decision::ReadHomeRegion);
        if decision == Decision::ReadLocal {
            now_local.get_or_insert(look);
        }
        sim.run_for(Span::from_millis(250));
    }
    assert!(now_local.is_some_and(|look| look < 12), "{now_local:?}");
}

proptest! {
    #![proptest_config(crate::cases(64))]

    #[test]
    fn no_two_steps_towards_less_caution_are_closer_than_the_dwell(
        looks in prop::collection::vec((1_u64..60, 0_i64..14_000), 1..60),
        dwell in 1_i64..30,
    ) {
        let policy = Policy { min_dwell: seconds(dwell), ..steady() };
        let course = looks.iter().flat_map(|(times, staleness)| {
            std::iter::repeat_n(Span::from_millis(*staleness), *times as usize)
        });
        let changes = followed(&policy, course);
        let mut last: Option<(Now, Decision)> = None;
        for (at, decision) in changes {
            if let Some((before, was)) = last {
                prop_assert_ne!(was, decision);
                if decision == Decision::ReadLocal {
                    prop_assert!(at.mono - before.mono >= seconds(dwell));
                }
            }
            last = Some((at, decision));
        }
    }
}

#[test]
fn an_answer_between_two_looks_changes_no_more_often_than_the_policy_does() {
    for max_staleness in [2_700, 3_000, 3_300, 3_600] {
        let policy = Policy { max_staleness: Some(Span::from_millis(max_staleness)), ..steady() };
        let query = Query::of_policy(&policy, None, HERE).unwrap();
        let mut sim = measured(30);
        let snapshot = sim.snapshot();
        let mut standings = Standings::default();
        let mut answers = Vec::new();
        for tick in 0..60 * 20 {
            let now = sim.now.after(Span::from_millis(50 * tick));
            // A sawtooth whose teeth are as long as four looks: each look sees the same heights.
            let snapshot = aged(&snapshot, Span::from_millis(800 + 50 * (tick % 20)), now);
            if tick % 5 == 0 {
                standing::step(&mut standings, &snapshot, &policy, now);
            }
            answers.push(standing::answer(standings.get(&(HERE, None)), &snapshot, &policy, &query, now).0.decision);
        }
        answers.dedup_by_key(|decision| decision.label());
        assert!(answers.len() <= 2, "within {max_staleness} ms: {answers:?}");
    }
}

/// A policy's answers for items of one region, at each look, while that region throttles at some of them.
fn answers(staleness: &dyn Fn(i64) -> Span, throttles: &dyn Fn(i64) -> bool) -> Vec<(i64, Decision)> {
    let mut sim = measured(30);
    let snapshot = sim.snapshot();
    let query = Query::of_policy(&steady(), Some(EAST), HERE).unwrap();
    let mut standings = Standings::default();
    let mut answers = Vec::new();
    for look in 0..240 {
        let now = sim.now.after(Span::from_millis(250 * look));
        let mut snapshot = aged(&snapshot, staleness(look), now);
        for pair in snapshot.pairs.iter_mut().filter(|pair| pair.source == EAST && throttles(look)) {
            pair.source_reads.throttled_twice_since = Some(now.mono);
        }
        standing::step(&mut standings, &snapshot, &steady(), now);
        let standing = standings.get(&(HERE, Some(EAST)));
        let (advice, _) = standing::answer(standing, &snapshot, &steady(), &query, now);
        assert_eq!(standing.unwrap().advice.decision.label(), advice.decision.label(), "look {look}");
        answers.push((look, advice.decision));
    }
    answers.dedup_by_key(|(_, decision)| *decision);
    answers
}

#[test]
fn nobody_is_held_to_a_region_that_gets_into_trouble() {
    // Where everybody went it begins to throttle, half a second after the local replica has become young again.
    let old = |look| seconds(if (20..60).contains(&look) { 20 } else { 2 });
    let changes = answers(&old, &|look| look >= 62);
    let expected = [(0, Decision::ReadLocal), (20, Decision::ReadSourceRegion(EAST)), (62, Decision::ReadLocal)];
    assert_eq!(changes, expected);
    // And where the local replica is too old still, there is nothing left to read.
    let changes = answers(&|look| seconds(if look >= 20 { 20 } else { 2 }), &|look| look >= 62);
    let expected = [(0, Decision::ReadLocal), (20, Decision::ReadSourceRegion(EAST)), (62, Decision::Refuse)];
    assert_eq!(changes, expected);
}

#[test]
fn after_the_dwell_a_decision_is_as_cautious_as_it_had_to_be_meanwhile() {
    // Refused while the region throttles; a read there would do for ten seconds after that, and a local one for a moment.
    for moment in 54..64 {
        let old = |look| seconds(if look < 4 || look == moment { 2 } else { 20 });
        let changes = answers(&old, &|look| (10..20).contains(&look));
        let labels: Vec<&str> = changes.iter().map(|(_, decision)| decision.label()).collect();
        assert_eq!(labels, ["read_local", "read_source_region", "refuse", "read_source_region"], "{changes:?}");
    }
}

#[test]
fn what_the_operator_decided_is_over_when_it_expires_and_the_facts_count_at_once() {
    let mut sim = measured(30);
    let snapshot = sim.snapshot();
    for decision in Forced::ALL {
        let forced = Override { decision, until: sim.now.wall + seconds(10), reason: "".into() };
        let policy = Policy { min_dwell: seconds(600), overrides: [forced].into(), ..steady() };
        let query = Query::of_policy(&policy, None, HERE).unwrap();
        let mut standings = Standings::default();
        for look in 0..80 {
            let now = sim.now.after(Span::from_millis(250 * look));
            let snapshot = aged(&snapshot, seconds(2), now);
            let told = standing::step(&mut standings, &snapshot, &policy, now);
            let standing = standings.get(&(HERE, None));
            let (advice, _) = standing::answer(standing, &snapshot, &policy, &query, now);
            let expected = if look < 40 { decision.label() } else { "read_local" };
            assert_eq!((advice.decision.label(), standing.unwrap().advice.decision.label()), (expected, expected));
            let is_told = look == 0 || (look == 40 && decision != Forced::ReadLocal);
            assert_eq!(told.iter().any(|told| told.source_region.is_none()), is_told, "look {look}: {told:?}");
        }
    }
}

#[test]
fn who_is_held_is_told_how_long_it_takes_and_what_is_in_the_way() {
    let mut sim = measured(30);
    let snapshot = sim.snapshot();
    let query = Query::of_policy(&steady(), None, HERE).unwrap();
    let mut standings = Standings::default();
    let mut said = Vec::new();
    // Too old, then within the bound and not below what it takes to come back, then below that.
    for look in 0..100 {
        let now = sim.now.after(Span::from_millis(250 * look));
        let staleness = [2_000, 20_000, 8_000, 3_000][usize::try_from(look / 20).unwrap().min(3)];
        let snapshot = aged(&snapshot, Span::from_millis(staleness), now);
        standing::step(&mut standings, &snapshot, &steady(), now);
        let (advice, asked) = standing::answer(standings.get(&(HERE, None)), &snapshot, &steady(), &query, now);
        said.push((advice.decision.label(), words::reason(&snapshot, &steady(), &asked, &advice, now)));
    }
    for (look, decision, reason) in [
        (10, "read_local", "within 10.0 s"),
        (30, "read_home_region", "over 10.0 s"),
        (50, "read_home_region", "has to stay within 8.0 s for 10.0 s"),
        (70, "read_home_region", "for 10.0 s without a break, 2.5 s of which"),
    ] {
        let (decided, said) = &said[look];
        assert!(*decided == decision && said.contains(reason), "look {look}: {decided}: {said}");
    }
}
