//! The ledger of one store: events in, actions out.
//!
//! It owns all that is known of the store's heartbeats, decides what to write and when to look, and turns answers
//! into samples. It does nothing itself: the driver carries its actions out and brings the answers back.
//!
//! A pair is measured on one clock while this process writes its source, else on two: then `abroad` and `clocks` hold
//! what is known of the other writer's heartbeats and of its clock.
//!
//! Six rooms: `act` says what is due, `take` takes answers in, `hear` learns from what other writers wrote, `follow` looks
//! at the store itself, `ask` learns from what the provider says, `show` is what others get to see.

use std::sync::Arc;

use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::abroad::Abroad;
use super::clocks::Clocks;
use super::count::{OwnCounters, RegionCounters};
use super::heartbeat::Heartbeat;
use super::history::Diary;
use super::model::{Beat, Consistency, Plan, Reason};
use super::outstanding::Outstanding;
use super::pair::PairStats;
use super::provider::Polling;
use super::reign::Reign;
use super::schedule::Schedule;
use super::snapshot::Seat;
use super::time::{Mono, Now, Span, Wall};
use super::track::Track;
use super::writing::Failing;
use ask::{Asking, Weighed};

mod act;
mod ask;
mod follow;
mod hear;
mod show;
mod take;

/// Polls that may be in flight per target.
const POLLS_IN_FLIGHT: usize = 4;
/// Failures are backed off from for at most this long.
const BACK_OFF_MAX: Span = Span::from_millis(5_000);
/// The two clocks are not read in the same instant, but within this.
const READING: Span = Span::from_micros(500);

/// One heartbeat key of a source.
#[derive(Debug, Default)]
struct Key {
    /// What this process wrote, until every target that it measures has seen it.
    outstanding: Outstanding,
    /// What this process wrote last, and its predecessor: for its own heartbeats to tell.
    diary: Diary,
    /// What others wrote.
    abroad: Abroad,
    in_flight: Option<Beat>,
    /// The newest heartbeat of ours that is known to be stored.
    stored: Option<Beat>,
    /// The newest heartbeat of somebody else's that was read at the source.
    found: Option<Heartbeat>,
    /// When the last answered read of the source left that missed whatever comes after `found`.
    found_miss: Option<(Wall, u64)>,
    /// When the source's own replica last answered a read of this key.
    looked_at: Option<Mono>,
    /// When the source's own replica may be asked again whether it went on.
    check_at: Option<Mono>,
    /// What is stored is rubbish, to be replaced by the next tick (slots other than 0; slot 0 is the reign's).
    rubbish: bool,
    acked_at: Option<Mono>,
    /// Why the last write failed, if it did, and since when none was answered.
    failing: Option<Failing>,
}

/// Calls of one kind to one region: what the last ones came to, and when to try again.
#[derive(Debug, Default)]
struct Calls {
    failures: u32,
    failing: Option<Reason>,
    failing_since: Option<Mono>,
    throttled: [Option<Mono>; 2],
    not_before: Option<Mono>,
}

impl Calls {
    fn succeeded(&mut self) {
        self.failures = 0;
        self.failing = None;
        self.failing_since = None;
        self.not_before = None;
    }

    /// Backs off with jitter, the first failure aside: one may be chance, and the schedule should not suffer for it.
    fn failed(&mut self, reason: Reason, at: Mono, gap: Span, random: f64) {
        self.failures += 1;
        self.failing = Some(reason);
        self.failing_since.get_or_insert(at);
        if reason.is_throttling() {
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
    /// Since when the seat is as it is.
    seat_since: Mono,
    /// The last run that was tried.
    run: u64,
    /// The next tick's number in the run.
    seq: u64,
    /// When the next tick is due, while the reign is ours.
    due: Mono,
    keys: Vec<Key>,
    calls: Calls,
    /// How often the wall clock had been set when the reign began.
    epoch: u64,
    /// The newest heartbeat whose echo was taken in.
    heard: Option<Beat>,
    /// When the seat is to be looked at next by a strong read, where polls are eventual.
    seat_check_at: Mono,
    /// Since when the region is one of the store's, as far as this process knows.
    watched_since: Mono,
    /// When it became one of the store's while this process ran.
    joined: Option<Mono>,
}

impl Source {
    fn new(plan: &Plan, now: Mono) -> Source {
        Source {
            reign: Reign::Unread,
            seat_since: now,
            run: 0,
            seq: 0,
            due: now,
            keys: (0..plan.slots).map(|_| Key::default()).collect(),
            calls: Calls::default(),
            epoch: 0,
            heard: None,
            seat_check_at: now,
            watched_since: now,
            joined: None,
        }
    }

    /// Takes note of who holds the seat.
    fn reigns(&mut self, reign: Reign, at: Mono) {
        let seat = Seat::of(&reign);
        if seat != Seat::of(&self.reign) {
            self.seat_since = at;
            // What became of writes before another process's says nothing of those after them.
            if !seat.may_be_ours() {
                self.keys.iter_mut().for_each(|key| key.failing = None);
            }
        }
        self.reign = reign;
    }
}

#[derive(Debug)]
struct Target {
    schedule: Schedule,
    last_poll: Mono,
    next_poll: Mono,
    /// By how much failures put it off.
    held_back: Span,
    /// Slot reads in flight.
    in_flight: usize,
    calls: Calls,
    answered_at: Option<Mono>,
    /// What the region's endpoint of the provider is asked.
    asking: Asking,
}

impl Target {
    fn new(plan: &Plan, now: Mono) -> Target {
        // Many observers that start together must not look together.
        let first_poll = if plan.observer { plan.interval.mul_f64(plan.patience) } else { Span::ZERO };
        Target {
            schedule: Schedule::new(plan.read_schedule, plan.interval, plan.reads_per_interval),
            last_poll: now,
            next_poll: now + first_poll,
            held_back: Span::ZERO,
            in_flight: 0,
            calls: Calls::default(),
            answered_at: None,
            asking: Asking::default(),
        }
    }
}

#[derive(Debug)]
struct Pair {
    /// One per slot.
    tracks: Vec<Track>,
    stats: PairStats,
    /// What the provider says, beside what the heartbeats say; nothing where it is not asked.
    weighed: Option<Box<Weighed>>,
}

impl Pair {
    fn new(plan: &Plan) -> Pair {
        let tracks = (0..plan.slots).map(|_| Track::default()).collect();
        Pair { tracks, stats: PairStats::default(), weighed: None }
    }
}

/// See the module's words.
#[derive(Debug)]
pub struct Ledger {
    plan: Arc<Plan>,
    /// How to read, and whether to ask, while the store does not say that it is of no use.
    planned: (Consistency, Option<Polling>),
    started: Mono,
    sources: Vec<Source>,
    targets: Vec<Target>,
    looks: Vec<follow::Look>,
    /// By source, then by target; those that this process does not measure are unused.
    pairs: Vec<Pair>,
    clocks: Clocks,
    regions: Vec<RegionCounters>,
    own: OwnCounters,
    random: SmallRng,
}

impl Ledger {
    /// A ledger that begins at `now`.
    pub fn new(plan: Arc<Plan>, now: Now) -> Ledger {
        let count = plan.regions.len();
        Ledger {
            started: now.mono,
            planned: (plan.consistency, plan.polling),
            sources: (0..count).map(|_| Source::new(&plan, now.mono)).collect(),
            targets: (0..count).map(|_| Target::new(&plan, now.mono)).collect(),
            looks: (0..count).map(|_| follow::Look::default()).collect(),
            pairs: (0..count * count).map(|_| Pair::new(&plan)).collect(),
            regions: vec![RegionCounters::default(); count],
            own: OwnCounters::default(),
            clocks: Clocks::new(count, now),
            random: SmallRng::seed_from_u64((plan.writer.0 as u64) ^ (plan.writer.0 >> 64) as u64),
            plan,
        }
    }

    /// What is being measured.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }
}
