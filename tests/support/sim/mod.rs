//! Runs a ledger against a simulated store in virtual time, message by message, with a network in between.
//!
//! No runtime, no sleeping: an hour of heartbeats takes a second. Everything that was sent and answered is logged, so
//! that tests can compute samples by other formulas from the same messages.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tidegauge::core::advice::Remedies;
use tidegauge::core::heartbeat::Found;
use tidegauge::core::inspection::Inspection;
use tidegauge::core::ledger::Ledger;
use tidegauge::core::model::{
    Action, Beat, Consistency, Event, EventKind, Failure, Placement, Plan, ReadSchedule, Reason, RegionId, RegionSet,
    Slot, Write, WriteOutcome, WriterId,
};
use tidegauge::core::provider::{Question, Reading};
use tidegauge::core::sample::Sample;
use tidegauge::core::snapshot::StoreSnapshot;
use tidegauge::core::time::{Mono, Now, Span, Wall};
use tidegauge::stores::simulated::world::{Lag, World};

/// What the messages go through.
#[derive(Clone, Debug)]
pub struct Network {
    /// Milliseconds that a request takes.
    pub request_ms: Range<f64>,
    /// Milliseconds that an answer takes.
    pub answer_ms: Range<f64>,
    /// Share of the writes that are late by 0.2–1 s, on either leg.
    pub late_writes: f64,
    /// Share of the answers to writes that never come.
    pub lost_answers: f64,
    /// Share of the reads that fail.
    pub failed_reads: f64,
}

impl Network {
    /// Round trips of at most 5 ms, nothing lost.
    pub fn calm() -> Network {
        let leg = 0.5..2.5;
        Network { request_ms: leg.clone(), answer_ms: leg, late_writes: 0.0, lost_answers: 0.0, failed_reads: 0.0 }
    }

    /// Requests and answers delayed apart by 20–150 ms; 2 % of the writes 0.2–1 s late, so that some time out and yet
    /// commit.
    pub fn hostile() -> Network {
        let leg = 20.0..150.0;
        Network { request_ms: leg.clone(), answer_ms: leg, late_writes: 0.02, lost_answers: 0.0, failed_reads: 0.0 }
    }
}

/// A write, as its sender saw it.
#[derive(Clone, Copy, Debug)]
pub struct LoggedWrite {
    pub source: RegionId,
    pub slot: Slot,
    pub beat: Beat,
    pub sent: Mono,
    pub acked: Option<Mono>,
}

/// An answered read, as its sender saw it.
#[derive(Clone, Debug)]
pub struct LoggedRead {
    pub target: RegionId,
    pub sent: Mono,
    pub received: Mono,
    /// By source.
    pub found: BTreeMap<RegionId, Beat>,
}

#[derive(Clone, Debug)]
enum Happening {
    WriteArrives { write: Write, sent: Mono, answer: Option<Span> },
    ReadArrives { target: RegionId, slot: Slot, consistency: Consistency, known: usize, sent: Mono, answer: Span },
    Answer(Box<Event>),
}

/// See the module's words.
pub struct Sim {
    pub ledger: Ledger,
    pub world: World,
    pub network: Network,
    pub now: Now,
    pub samples: HashMap<(RegionId, RegionId), Vec<Sample>>,
    pub writes: Vec<LoggedWrite>,
    pub reads: Vec<LoggedRead>,
    /// Regions that answer nothing.
    pub down: Vec<RegionId>,
    queue: BinaryHeap<Reverse<(Mono, u64)>>,
    happenings: HashMap<u64, Happening>,
    order: u64,
    /// What the store says of itself.
    pub inspect: Inspect,
    /// What the provider says.
    pub ask: Ask,
    /// What it was asked, and when.
    pub questions: Vec<(Mono, Question)>,
    /// Servers date their answers, by a clock that is so far behind ours.
    pub server_behind: Option<Span>,
    random: SmallRng,
    known: HashMap<(RegionId, RegionId), Sample>,
}

type Inspect = Box<dyn FnMut(RegionId) -> Result<Inspection, Failure>>;
type Ask = Box<dyn FnMut(&Question) -> Result<Vec<Reading>, Failure>>;

/// A plan over so many regions, at 1 Hz.
pub fn plan(regions: usize) -> Plan {
    Plan {
        store: "orders".into(),
        kind: "simulated",
        regions: (0..regions).map(|region| format!("region-{region}").into()).collect(),
        retired: RegionSet::default(),
        interval: Span::from_millis(1_000),
        slots: 1,
        reads_per_interval: 5,
        read_schedule: ReadSchedule::Adaptive,
        consistency: Consistency::Strong,
        asks_for_strong: false,
        placement: Placement::Inline,
        local: None,
        remote_reads: false,
        observer: false,
        clock_max_error: None,
        provider_clock_error: None,
        polling: None,
        inspect_every: None,
        follows_replicas: false,
        warn_lag: Span::from_millis(5_000),
        remedies: |_| Remedies::NONE,
        writer: WriterId(0xA),
        host: "this-host".into(),
        phase: 0.0,
        patience: 0.5,
    }
}

/// The lag that most figures are about.
pub fn typical_lag() -> Lag {
    Lag { median: Span::from_millis(800), sigma: 0.25, spike_probability: 0.02, spike_factor: (3.0, 10.0) }
}

impl Sim {
    pub fn new(plan: Plan, lag: Lag, network: Network, seed: u64) -> Sim {
        let regions = plan.regions.len();
        Sim::over(regions, plan, lag, network, seed)
    }

    /// Over a world of so many regions, of which the plan may not know yet.
    pub fn over(regions: usize, plan: Plan, lag: Lag, network: Network, seed: u64) -> Sim {
        let now = Now { mono: Mono::from_nanos(0), wall: Wall::from_micros(1_800_000_000_000_000) };
        let mut world = World::new(regions, seed, lag);
        world.log_truth();
        Sim {
            ledger: Ledger::new(Arc::new(plan), now),
            world,
            network,
            now,
            samples: HashMap::new(),
            writes: Vec::new(),
            reads: Vec::new(),
            down: Vec::new(),
            queue: BinaryHeap::new(),
            happenings: HashMap::new(),
            order: 0,
            inspect: Box::new(|_| panic!("nobody said what the store says of itself")),
            ask: Box::new(|_| Ok(Vec::new())),
            questions: Vec::new(),
            server_behind: None,
            random: SmallRng::seed_from_u64(seed ^ 0x5eed),
            known: HashMap::new(),
        }
    }

    /// The process dies, its messages under way live on, and another one starts on the same host.
    pub fn restart(&mut self, plan: Plan) {
        self.happenings.retain(|_, happening| matches!(happening, Happening::WriteArrives { .. }));
        for happening in self.happenings.values_mut() {
            if let Happening::WriteArrives { answer, .. } = happening {
                *answer = None;
            }
        }
        self.known.clear();
        self.ledger = Ledger::new(Arc::new(plan), self.now);
    }

    pub fn snapshot(&mut self) -> StoreSnapshot {
        self.ledger.snapshot(self.now)
    }

    pub fn run_for(&mut self, span: Span) {
        self.run_until(self.now.mono + span, |_| {});
    }

    /// Runs until then, calling `look` after everything that happens.
    pub fn run_until(&mut self, end: Mono, mut look: impl FnMut(&mut Sim)) {
        loop {
            for action in self.ledger.actions(self.now) {
                self.send(action);
            }
            let next = self.queue.peek().map(|Reverse((at, _))| *at);
            let wake = self.ledger.wake_at().max(self.now.mono);
            let next = next.map_or(wake, |next| next.min(wake));
            if next > end {
                self.advance(end);
                look(self);
                return;
            }
            self.advance(next);
            while let Some(Reverse((at, order))) = self.queue.peek().copied()
                && at <= self.now.mono
            {
                self.queue.pop();
                if let Some(happening) = self.happenings.remove(&order) {
                    self.happen(happening);
                }
            }
            look(self);
        }
    }

    fn advance(&mut self, to: Mono) {
        // In one step from where both clocks started: many small ones would drift apart by rounding.
        let micros = to.as_nanos() / 1_000 - self.now.mono.as_nanos() / 1_000;
        self.now = Now { mono: to, wall: self.now.wall + Span::from_micros(micros) };
    }

    fn put(&mut self, at: Mono, happening: Happening) {
        self.order += 1;
        self.queue.push(Reverse((at, self.order)));
        self.happenings.insert(self.order, happening);
    }

    fn leg(&mut self, range: Range<f64>) -> Span {
        let share: f64 = self.random.random();
        Span::from_secs_f64((range.start + share * (range.end - range.start)) / 1e3)
    }

    fn send(&mut self, action: Action) {
        let sent = self.now.mono;
        let (deadline, write_deadline) = (self.ledger.plan().deadline(), self.ledger.plan().write_deadline());
        let mut request = self.leg(self.network.request_ms.clone());
        let mut answer = self.leg(self.network.answer_ms.clone());
        match action {
            Action::Write(write) => {
                let (source, slot, beat) = (write.source, write.heartbeat.slot, write.heartbeat.beat);
                self.writes.push(LoggedWrite { source, slot, beat, sent, acked: None });
                if self.random.random::<f64>() < self.network.late_writes {
                    let late = self.leg(200.0..1_000.0);
                    if self.random.random::<bool>() {
                        request = request + late;
                    } else {
                        answer = answer + late;
                    }
                }
                let lost = self.random.random::<f64>() < self.network.lost_answers || self.down.contains(&source);
                if request + answer >= write_deadline || lost {
                    let failure = Failure { reason: Reason::Timeout, message: String::new() };
                    let outcome = WriteOutcome::Failed { failure, maybe_committed: true };
                    let kind = EventKind::Wrote { source, slot, beat, outcome };
                    self.answer(sent, sent + write_deadline, kind);
                    if !self.down.contains(&source) {
                        self.put(sent + request, Happening::WriteArrives { write, sent, answer: None });
                    }
                } else {
                    self.put(sent + request, Happening::WriteArrives { write, sent, answer: Some(answer) });
                }
            }
            Action::Read { target, slot, consistency } => {
                let known = self.ledger.plan().regions.len();
                let fails = self.random.random::<f64>() < self.network.failed_reads || self.down.contains(&target);
                if request + answer >= deadline || fails {
                    let failure = Failure { reason: Reason::Timeout, message: String::new() };
                    let kind = EventKind::Read { target, slot, consistency, outcome: Err(failure) };
                    self.answer(sent, sent + deadline, kind);
                } else {
                    self.put(sent + request, Happening::ReadArrives { target, slot, consistency, known, sent, answer });
                }
            }
            Action::Inspect { region } => {
                let outcome = (self.inspect)(region);
                self.answer(sent, sent + request + answer, EventKind::Inspected { region, outcome });
            }
            Action::Ask(question) => {
                let (region, outcome) = (question.region, (self.ask)(&question));
                self.questions.push((sent, question));
                self.answer(sent, sent + request + answer, EventKind::Answered { region, outcome });
            }
        }
    }

    fn answer(&mut self, sent: Mono, received: Mono, kind: EventKind) {
        let server_date = self.server_behind.map(|behind| {
            let date = self.now.wall + (received - self.now.mono) - behind;
            Wall::from_micros(date.as_micros() / 1_000_000 * 1_000_000)
        });
        let event = Event { sent, received, capacity_units: 1.0, server_date, kind };
        self.put(received, Happening::Answer(Box::new(event)));
    }

    fn happen(&mut self, happening: Happening) {
        let now = self.now.mono;
        match happening {
            Happening::WriteArrives { write, sent, answer } => {
                let outcome = self.world.commit(&write, now);
                if let Some(answer) = answer {
                    let (source, slot, beat) = (write.source, write.heartbeat.slot, write.heartbeat.beat);
                    self.answer(sent, now + answer, EventKind::Wrote { source, slot, beat, outcome });
                }
            }
            Happening::ReadArrives { target, slot, consistency, known, sent, answer } => {
                let mut found = self.world.read(target, slot, consistency, now);
                // A store knows the regions that it was told of.
                found.found.retain(|(source, _)| source.index() < known);
                self.answer(sent, now + answer, EventKind::Read { target, slot, consistency, outcome: Ok(found) });
            }
            Happening::Answer(event) => {
                self.log(&event);
                self.ledger.handle(*event, self.now);
                self.collect();
            }
        }
    }

    fn log(&mut self, event: &Event) {
        match &event.kind {
            EventKind::Wrote { source, slot, beat, outcome: WriteOutcome::Acknowledged { .. } } => {
                let written = self
                    .writes
                    .iter_mut()
                    .rev()
                    .find(|write| write.source == *source && write.slot == *slot && write.beat == *beat);
                if let Some(written) = written {
                    written.acked = Some(event.received);
                }
            }
            EventKind::Read { target, outcome: Ok(read), .. } => {
                let found = read.found.iter().filter_map(|(source, found)| match found {
                    Found::Heartbeat(heartbeat) => Some((*source, heartbeat.beat)),
                    _ => None,
                });
                self.reads.push(LoggedRead {
                    target: *target,
                    sent: event.sent,
                    received: event.received,
                    found: found.collect(),
                });
            }
            _ => {}
        }
    }

    /// Keeps every sample: the ledger itself remembers the newest few.
    fn collect(&mut self) {
        let ids: Vec<RegionId> = self.ledger.plan().region_ids().collect();
        for source in &ids {
            for target in ids.iter().filter(|target| *target != source) {
                let pair = (*source, *target);
                let recent = self.ledger.recent(*source, *target);
                let known = self.known.get(&pair);
                let Some(last) = recent.last().filter(|last| Some(*last) != known) else { continue };
                let fresh: Vec<&Sample> = recent.iter().rev().take_while(|sample| Some(*sample) != known).collect();
                self.samples.entry(pair).or_default().extend(fresh.into_iter().rev());
                self.known.insert(pair, *last);
            }
        }
    }
}
