//! The course of one alert, for any sequence of what its signal says.

use proptest::prelude::*;
use tidegauge::core::alert::{Course, GAP, NoData, Patience, Phase, RESOLVED_KEPT, Rule, Severity, Sight};
use tidegauge::core::time::{Mono, Span};
use tidegauge::settings::Settings;

use crate::cases;

const SIGHTS: [Sight; 4] = [Sight::Over, Sight::Between, Sight::Under, Sight::NoData];

/// What the signal said, and how long after the look before.
type Look = (Sight, Span);

/// A signal that stays as it is for a while, as they do, and changes.
fn signals() -> impl Strategy<Value = Vec<Look>> {
    let spell = (0..SIGHTS.len(), 1usize..60, 100i64..5_000);
    proptest::collection::vec(spell, 1..12).prop_map(|spells| {
        let looks = spells
            .into_iter()
            .flat_map(|(sight, count, millis)| std::iter::repeat_n((SIGHTS[sight], Span::from_millis(millis)), count));
        looks.collect()
    })
}

fn patiences() -> impl Strategy<Value = Patience> {
    let no_data = prop_oneof![Just(NoData::Fire), Just(NoData::Keep), Just(NoData::Ignore)];
    let spans = (0i64..90_000, 0i64..90_000).prop_map(|(a, b)| (Span::from_millis(a), Span::from_millis(b)));
    (spans, no_data).prop_map(|((pending_for, keep_firing_for), no_data)| Patience {
        pending_for,
        keep_firing_for,
        no_data,
    })
}

/// Every look with the course before and after it.
fn walk(looks: &[Look], patience: Patience) -> Vec<(Sight, Mono, Option<Course>, Option<Course>)> {
    let (mut now, mut course) = (Mono::from_nanos(0), None);
    let step = |(sight, after): &Look| {
        now = now + *after;
        let before = course;
        course = Course::step(before, *sight, patience, now);
        (*sight, now, before, course)
    };
    looks.iter().map(step).collect()
}

fn phase(course: Option<Course>) -> Option<Phase> {
    course.map(|course| course.phase)
}

/// What the signal counts as, with no data taken as the rule says; `None`: as if nobody had looked.
fn counts_as(sight: Sight, no_data: NoData) -> Option<Sight> {
    match (sight, no_data) {
        (Sight::NoData, NoData::Fire) => Some(Sight::Over),
        (Sight::NoData, NoData::Ignore) => Some(Sight::Under),
        (Sight::NoData, NoData::Keep) => None,
        (sight, _) => Some(sight),
    }
}

/// For how long up to this look the signal was one of these, what nobody knows and what nobody saw taken out of the time.
fn unbroken(looks: &[Look], upto: usize, no_data: NoData, allowed: &[Sight]) -> Span {
    let mut total = Span::ZERO;
    for (index, (sight, after)) in looks[..=upto].iter().enumerate().rev() {
        match counts_as(*sight, no_data) {
            Some(sight) if !allowed.contains(&sight) => return total,
            // The time before the first such look belongs to what was before.
            Some(_) if index == 0 || !continues(looks, index, no_data, allowed) => return total,
            Some(_) if *after <= GAP => total = total + *after,
            Some(_) => {}
            None => {}
        }
    }
    total
}

/// Whether the last look before this one of which somebody knows was one of these.
fn continues(looks: &[Look], index: usize, no_data: NoData, allowed: &[Sight]) -> bool {
    let mut before = looks[..index].iter().rev().filter_map(|(sight, _)| counts_as(*sight, no_data));
    before.next().is_some_and(|sight| allowed.contains(&sight))
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn it_never_fires_before_its_time(looks in signals(), patience in patiences()) {
        for (index, (sight, _, before, after)) in walk(&looks, patience).into_iter().enumerate() {
            if phase(after) == Some(Phase::Firing) && phase(before) != Some(Phase::Firing) {
                prop_assert_eq!(counts_as(sight, patience.no_data), Some(Sight::Over));
                let held = unbroken(&looks, index, patience.no_data, &[Sight::Over]);
                prop_assert!(held >= patience.pending_for, "{held:?} of {:?}", patience.pending_for);
            }
        }
    }

    #[test]
    fn it_fires_once_its_time_has_come(looks in signals(), patience in patiences()) {
        for (index, (sight, _, _, after)) in walk(&looks, patience).into_iter().enumerate() {
            if counts_as(sight, patience.no_data) == Some(Sight::Over)
                && unbroken(&looks, index, patience.no_data, &[Sight::Over]) >= patience.pending_for
            {
                prop_assert_eq!(phase(after), Some(Phase::Firing));
            }
        }
    }

    #[test]
    fn it_never_clears_inside_the_hysteresis_nor_before_its_time(looks in signals(), patience in patiences()) {
        for (index, (sight, _, before, after)) in walk(&looks, patience).into_iter().enumerate() {
            if phase(before) == Some(Phase::Firing) && phase(after) != Some(Phase::Firing) {
                prop_assert_eq!(phase(after), Some(Phase::Resolved), "it is resolved, and not forgotten");
                prop_assert_eq!(counts_as(sight, patience.no_data), Some(Sight::Under));
                let held = unbroken(&looks, index, patience.no_data, &[Sight::Under]);
                prop_assert!(held >= patience.keep_firing_for, "{held:?} of {:?}", patience.keep_firing_for);
            }
        }
    }

    #[test]
    fn it_is_resolved_once_all_was_well_for_long_enough(looks in signals(), patience in patiences()) {
        for (index, (sight, _, _, after)) in walk(&looks, patience).into_iter().enumerate() {
            if counts_as(sight, patience.no_data) == Some(Sight::Under)
                && unbroken(&looks, index, patience.no_data, &[Sight::Under]) >= patience.keep_firing_for
            {
                prop_assert!(!matches!(phase(after), Some(Phase::Firing | Phase::Pending)), "{after:?}");
            }
        }
    }

    #[test]
    fn what_only_grows_never_stops_firing(looks in signals(), patience in patiences(), rise in 0usize..400) {
        // Once over, it stays so: a stall.
        let rise = rise.min(looks.len() - 1);
        let stall: Vec<Look> = looks[..rise]
            .iter()
            .copied()
            .chain(looks[rise..].iter().map(|(_, after)| (Sight::Over, *after)))
            .collect();
        let mut fired = false;
        for (_, _, _, after) in &walk(&stall, patience)[rise..] {
            let fires = phase(*after) == Some(Phase::Firing);
            prop_assert!(fires || !fired, "it fired, and fires no more");
            fired |= fires;
        }
    }

    /// Whatever the signal does, seen as often as the judge looks.
    #[test]
    fn a_shipped_page_comes_once_in_ten_minutes_at_most(spells in proptest::collection::vec((0..4usize, 1i64..240), 1..80)) {
        for (rule, patience) in pages() {
            let (mut now, mut course, mut pages) = (Mono::from_nanos(0), None, 0);
            'minutes: for (sight, seconds) in &spells {
                for _ in 0..seconds * 4 {
                    now = now + Span::from_millis(250);
                    if now - Mono::from_nanos(0) > Span::from_millis(600_000) {
                        break 'minutes;
                    }
                    let before = phase(course);
                    course = Course::step(course, SIGHTS[*sight], patience, now);
                    pages += usize::from(phase(course) == Some(Phase::Firing) && before != Some(Phase::Firing));
                }
            }
            prop_assert!(pages <= 1, "{} pages {pages} times", rule.name);
        }
    }
}

fn pages() -> Vec<(Rule, Patience)> {
    let rules = Settings::from_sources(None, Default::default()).unwrap().alerts.rules;
    let pages = rules.iter().filter(|rule| rule.thresholds[0].severity == Severity::Page).cloned();
    let patience = |rule: &Rule| Patience {
        pending_for: rule.thresholds[0].pending_for,
        keep_firing_for: rule.keep_firing_for,
        no_data: rule.no_data,
    };
    let pages: Vec<(Rule, Patience)> = pages.map(|rule| (rule.clone(), patience(&rule))).collect();
    assert_eq!(pages.len(), 5, "{pages:?}");
    pages
}

#[test]
fn a_signal_that_swings_evenly_round_its_threshold_pages_once_or_never() {
    for (rule, patience) in pages() {
        for half in [1, 5, 30, 45, 59, 61, 90, 119, 121, 150, 240, 299] {
            let (mut now, mut course, mut pages) = (Mono::from_nanos(0), None, 0);
            for step in 0..600 * 4 {
                now = now + Span::from_millis(250);
                let sight = if step / (half * 4) % 2 == 0 { Sight::Over } else { Sight::Under };
                let before = phase(course);
                course = Course::step(course, sight, patience, now);
                pages += usize::from(phase(course) == Some(Phase::Firing) && before != Some(Phase::Firing));
            }
            let expected = usize::from(Span::from_millis(half * 1_000) > patience.pending_for);
            assert_eq!(pages, expected, "{}, {half} s over and {half} s under", rule.name);
        }
    }
}

#[test]
fn what_is_resolved_is_remembered_for_a_while_and_comes_back_as_a_new_alert() {
    let patience =
        Patience { pending_for: Span::from_millis(1_000), keep_firing_for: Span::ZERO, no_data: NoData::Keep };
    let at = |millis: i64| Mono::from_nanos(millis * 1_000_000);
    let fires = Some(Course::firing(at(0)));
    let resolved = Course::step(fires, Sight::Under, patience, at(1_000));
    assert_eq!(phase(resolved), Some(Phase::Resolved));
    let kept = at(1_000) + RESOLVED_KEPT;
    let later = Course::step(resolved, Sight::Under, patience, kept - Span::from_millis(1));
    assert_eq!(phase(later), Some(Phase::Resolved));
    assert_eq!(Course::step(later, Sight::Under, patience, kept), None);
    let anew = Course::step(resolved, Sight::Over, patience, at(5_000));
    assert_eq!(phase(anew), Some(Phase::Pending), "it takes its time again");
    assert_eq!(phase(Course::step(anew, Sight::Over, patience, at(6_000))), Some(Phase::Firing));
}
