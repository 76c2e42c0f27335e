//! The ledger of one store: events in, actions out.
//!
//! It owns all that is known of the store's heartbeats, decides what to write and when to look, and turns answers
//! into samples. It does nothing itself: the driver carries its actions out and brings the answers back.
//!
//! Three rooms: `act` says what is due, `take` takes answers in, `show` is what others get to see.

use std::sync::Arc;

use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::count::{OwnCounters, RegionCounters};
use super::heartbeat::Heartbeat;
use super::model::{Beat, Plan, Reason};
use super::outstanding::Outstanding;
use super::pair::PairStats;
use super::reign::Reign;
use super::schedule::Schedule;
use super::time::{Mono, Now, Span};
use super::track::Track;

mod act;
mod show;
mod take;

/// Polls that may be in flight per target.
const POLLS_IN_FLIGHT: usize = 4;
/// Failures are backed off from for at most this long.
const BACK_OFF_MAX: Span = Span::from_millis(5_000);
/// The wall clock was set, not slewed, if it moved against the monotonic one by more than this between two ticks.
const WALL_STEP: Span = Span::from_millis(250);

/// One heartbeat key of a source.
#[derive(Debug, Default)]
struct Key {
    outstanding: Outstanding,
    in_flight: Option<Beat>,
    /// The newest heartbeat of ours that is known to be stored.
    stored: Option<Beat>,
    /// What was stored before this process wrote anything.
    inherited: Option<Heartbeat>,
    /// What is stored is rubbish, to be replaced by the next tick (slots other than 0; slot 0 is the reign's).
    rubbish: bool,
    acked_at: Option<Mono>,
}

/// Calls of one kind to one region: what the last ones came to, and when to try again.
#[derive(Debug, Default)]
struct Calls {
    failures: u32,
    failing: Option<Reason>,
    throttled: [Option<Mono>; 2],
    not_before: Option<Mono>,
}

impl Calls {
    fn succeeded(&mut self) {
        self.failures = 0;
        self.failing = None;
        self.not_before = None;
    }

    /// Backs off with jitter, the first failure aside: one may be chance, and the schedule should not suffer for it.
    fn failed(&mut self, reason: Reason, at: Mono, gap: Span, random: f64) {
        self.failures += 1;
        self.failing = Some(reason);
        if reason == Reason::Throttled {
            self.throttled = [self.throttled[1], Some(at)];
        }
        let doublings = self.failures.saturating_sub(2).min(16);
        let pause = gap.times(1 << doublings).min(BACK_OFF_MAX.max(gap));
        self.not_before = (self.failures > 1).then(|| at + pause.mul_f64(0.75 + random / 2.0));
    }

    fn may_call(&self, now: Mono) -> bool {
        self.not_before.is_none_or(|not_before| now >= not_before)
    }
}

#[derive(Debug)]
struct Source {
    reign: Reign,
    /// The last run that was tried.
    run: u64,
    /// The next tick's number in the run.
    seq: u64,
    /// When the next tick is due, while the reign is ours.
    due: Mono,
    keys: Vec<Key>,
    calls: Calls,
    /// Wall − monotonic clock at the last tick.
    clock_difference: Span,
}

#[derive(Debug)]
struct Target {
    schedule: Schedule,
    last_poll: Mono,
    next_poll: Mono,
    /// Slot reads in flight.
    in_flight: usize,
    calls: Calls,
    answered_at: Option<Mono>,
}

#[derive(Debug, Default)]
struct Pair {
    /// One per slot.
    tracks: Vec<Track>,
    stats: PairStats,
}

/// See the module's words.
#[derive(Debug)]
pub struct Ledger {
    plan: Arc<Plan>,
    started: Mono,
    sources: Vec<Source>,
    targets: Vec<Target>,
    /// By source, then by target; the diagonal is unused.
    pairs: Vec<Pair>,
    regions: Vec<RegionCounters>,
    own: OwnCounters,
    random: SmallRng,
}

impl Ledger {
    /// A ledger that begins at `now`.
    pub fn new(plan: Arc<Plan>, now: Now) -> Ledger {
        let count = plan.regions.len();
        let source = || Source {
            reign: Reign::Unread,
            run: 0,
            seq: 0,
            due: now.mono,
            keys: (0..plan.slots).map(|_| Key::default()).collect(),
            calls: Calls::default(),
            clock_difference: clock_difference(now),
        };
        let target = || Target {
            schedule: Schedule::new(plan.read_schedule, plan.interval, plan.reads_per_interval),
            last_poll: now.mono,
            next_poll: now.mono,
            in_flight: 0,
            calls: Calls::default(),
            answered_at: None,
        };
        let pair = || Pair { tracks: (0..plan.slots).map(|_| Track::default()).collect(), stats: PairStats::default() };
        Ledger {
            started: now.mono,
            sources: (0..count).map(|_| source()).collect(),
            targets: (0..count).map(|_| target()).collect(),
            pairs: (0..count * count).map(|_| pair()).collect(),
            regions: vec![RegionCounters::default(); count],
            own: OwnCounters::default(),
            random: SmallRng::seed_from_u64((plan.writer.0 as u64) ^ (plan.writer.0 >> 64) as u64),
            plan,
        }
    }

    /// What is being measured.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }
}

fn clock_difference(now: Now) -> Span {
    Span::from_micros(now.wall.as_micros()) - Span::from_nanos(now.mono.as_nanos())
}
