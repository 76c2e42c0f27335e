//! The tests are tested: deliberately wrong formulas, fed with the same messages, must not pass the truth check.

use std::collections::HashMap;

use tidegauge::core::model::{Beat, RegionId};
use tidegauge::core::sample::Bracket;
use tidegauge::core::time::{Mono, Span};
use tidegauge::stores::simulated::world::{Lag, Truth};

use crate::sim::{LoggedRead, LoggedWrite, Network, Sim, plan};

/// The instants of one sighting, the ones that a correct formula has no use for included.
struct Instants {
    write_sent: Mono,
    write_acked: Mono,
    miss_sent: Option<Mono>,
    miss_received: Option<Mono>,
    hit_sent: Mono,
    hit_received: Mono,
}

type Samples = Vec<(RegionId, RegionId, Beat, Bracket)>;

/// Samples computed from the log of messages, the plain way. `newest_only` leaves skipped heartbeats out.
fn recompute(sim: &Sim, newest_only: bool, formula: impl Fn(&Instants) -> (Span, Span)) -> Samples {
    let mut samples = Samples::new();
    for source in [RegionId(0), RegionId(1)] {
        let target = RegionId(1 - source.0);
        let writes: Vec<&LoggedWrite> = sim.writes.iter().filter(|write| write.source == source).collect();
        let mut seen: Option<Beat> = None;
        let mut misses: Vec<&LoggedRead> = Vec::new();
        for read in sim.reads.iter().filter(|read| read.target == target) {
            let found = read.found.get(&source).copied();
            if found > seen {
                let fresh = |write: &&&LoggedWrite| Some(write.beat) > seen && Some(write.beat) <= found;
                for write in writes.iter().filter(fresh) {
                    if newest_only && Some(write.beat) != found {
                        continue;
                    }
                    let Some(write_acked) = write.acked else { continue };
                    let miss = misses.iter().max_by_key(|miss| miss.sent);
                    let (lower, upper) = formula(&Instants {
                        write_sent: write.sent,
                        write_acked,
                        miss_sent: miss.map(|miss| miss.sent),
                        miss_received: miss.map(|miss| miss.received),
                        hit_sent: read.sent,
                        hit_received: read.received,
                    });
                    samples.push((source, target, write.beat, Bracket { lower: lower.max(Span::ZERO), upper }));
                }
                seen = found;
            }
            misses.push(read);
        }
    }
    samples
}

fn lower(at: Option<Mono>, known: Mono) -> Span {
    at.map_or(Span::ZERO, |at| at - known)
}

fn correct(of: &Instants) -> (Span, Span) {
    (lower(of.miss_sent, of.write_acked), of.hit_received - of.write_sent)
}

/// What every set of samples must pass: each holds the truth, and each committed heartbeat has one.
fn check(samples: &Samples, truth: &Truth, sim: &Sim) -> Result<(), String> {
    let mut counts: HashMap<(RegionId, RegionId), usize> = HashMap::new();
    for (source, target, beat, bracket) in samples {
        let lag = truth.lag(*source, *target, 0, *beat).ok_or("a sample of nothing")?;
        if lag < bracket.lower || lag > bracket.upper {
            return Err(format!("the truth {lag:?} of {beat:?} is outside {bracket:?}"));
        }
        *counts.entry((*source, *target)).or_default() += 1;
    }
    for source in [RegionId(0), RegionId(1)] {
        let target = RegionId(1 - source.0);
        let acked = |beat: &Beat| {
            sim.writes.iter().any(|write| write.source == source && write.beat == *beat && write.acked.is_some())
        };
        let visible = |beat: &Beat| {
            truth.visible(source, target, 0, *beat).is_some_and(|at| sim.now.mono - at > Span::from_millis(5_000))
        };
        let commits = truth.commits(source, 0).iter().filter(|(beat, _)| acked(beat) && visible(beat)).count();
        let sampled = counts.get(&(source, target)).copied().unwrap_or(0);
        if sampled < commits {
            return Err(format!("{} of {commits} committed heartbeats have no sample", commits - sampled));
        }
    }
    Ok(())
}

fn hostile_run() -> (Sim, Truth) {
    let lag = Lag { median: Span::from_millis(800), sigma: 0.25, spike_probability: 0.02, spike_factor: (3.0, 6.0) };
    let mut sim = Sim::new(plan(2), lag, Network::hostile(), 7);
    // The two directions differ, or it could not be told which of them was measured.
    let slow = Lag { median: Span::from_millis(2_000), ..lag };
    sim.world.knobs.pair_lag.insert((RegionId(1), RegionId(0)), slow);
    sim.world.knobs.loss = 0.1;
    sim.run_for(Span::from_millis(600_000));
    let now = sim.now.mono;
    let truth = sim.world.truth(now).unwrap().clone();
    (sim, truth)
}

#[test]
fn the_correct_formula_passes_and_is_what_the_ledger_computes() {
    let (sim, truth) = hostile_run();
    let recomputed = recompute(&sim, false, correct);
    check(&recomputed, &truth, &sim).unwrap();
    let mut compared = 0;
    for (source, target, beat, bracket) in &recomputed {
        let sample = sim.samples[&(*source, *target)].iter().find(|sample| sample.beat == *beat).unwrap();
        assert_eq!(sample.bracket.upper, bracket.upper, "{beat:?}");
        // While the acknowledgement is under way the ledger cannot know it, and says 0.
        assert!(sample.bracket.lower == bracket.lower || sample.bracket.lower == Span::ZERO, "{beat:?}");
        compared += 1;
    }
    assert!(compared > 1_000, "only {compared} samples were compared");
}

fn must_be_caught(samples: impl Fn(&Sim) -> Samples) {
    let (sim, truth) = hostile_run();
    check(&samples(&sim), &truth, &sim).expect_err("a wrong formula passes the truth check");
}

#[test]
fn upper_taken_when_the_hit_left_is_caught() {
    must_be_caught(|sim| recompute(sim, false, |of| (correct(of).0, of.hit_sent - of.write_sent)));
}

#[test]
fn lower_taken_when_the_miss_was_answered_is_caught() {
    must_be_caught(|sim| recompute(sim, false, |of| (lower(of.miss_received, of.write_acked), correct(of).1)));
}

#[test]
fn write_sent_taken_at_the_acknowledgement_is_caught() {
    must_be_caught(|sim| recompute(sim, false, |of| (correct(of).0, of.hit_received - of.write_acked)));
}

#[test]
fn skipped_heartbeats_dropped_is_caught() {
    must_be_caught(|sim| recompute(sim, true, correct));
}

#[test]
fn source_and_target_swapped_is_caught() {
    must_be_caught(|sim| {
        let swapped = |(source, target, beat, bracket)| (target, source, beat, bracket);
        recompute(sim, false, correct).into_iter().map(swapped).collect()
    });
}
