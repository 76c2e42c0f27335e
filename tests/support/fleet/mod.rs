//! Several ledgers over one simulated store in virtual time, each on a host whose wall clock is wrong in its own way.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tidegauge::core::ledger::Ledger;
use tidegauge::core::model::{
    Action, Consistency, Event, EventKind, Failure, Plan, Reason, RegionId, Slot, Write, WriteOutcome, WriterId,
};
use tidegauge::core::provider::Question;
use tidegauge::core::sample::Sample;
use tidegauge::core::snapshot::{PairSnapshot, StoreSnapshot};
use tidegauge::core::time::{Mono, Now, Span, Wall};
use tidegauge::stores::simulated::world::{Lag, World};

use crate::sim::Network;

/// When it begins, by a clock that is right.
const BEGINNING: i64 = 1_800_000_000_000_000;

/// A wall clock: how far it is off, and how fast it runs away.
#[derive(Clone, Copy, Debug)]
pub struct WrongClock {
    pub off: Span,
    /// Parts per million.
    pub drift: i64,
}

impl WrongClock {
    pub fn off_by_millis(millis: i64, drift: i64) -> WrongClock {
        WrongClock { off: Span::from_millis(millis), drift }
    }

    pub fn at(self, mono: Mono) -> Wall {
        Wall::from_micros(BEGINNING) + self.error(mono) + Span::from_nanos(mono.as_nanos())
    }

    /// How far it is off by then.
    pub fn error(self, mono: Mono) -> Span {
        self.off + Span::from_nanos(mono.as_nanos() / 1_000_000 * self.drift)
    }
}

/// One process.
pub struct Node {
    pub ledger: Ledger,
    pub clock: WrongClock,
    /// Nothing of it happens any more.
    pub is_down: bool,
    /// Nothing of it happens until it is continued; answers wait for it.
    pub is_stopped: bool,
    pub samples: HashMap<(RegionId, RegionId), Vec<Sample>>,
    pub requests: u64,
    newest: HashMap<(RegionId, RegionId), Sample>,
}

#[derive(Clone, Debug)]
enum Happening {
    WriteArrives { node: usize, write: Write, sent: Mono, answer: Option<Span> },
    ReadArrives { node: usize, target: RegionId, slot: Slot, consistency: Consistency, sent: Mono, answer: Span },
    Answer { node: usize, event: Box<Event> },
}

/// See the module's words.
pub struct Fleet {
    pub nodes: Vec<Node>,
    pub world: World,
    pub network: Network,
    pub now: Mono,
    /// Regions that cannot be reached from other regions.
    pub unreachable: Vec<RegionId>,
    /// What the provider was asked, and by whom; it answers nothing.
    pub questions: Vec<(usize, Question)>,
    queue: BinaryHeap<Reverse<(Mono, u64)>>,
    happenings: HashMap<u64, Happening>,
    order: u64,
    random: SmallRng,
}

impl Fleet {
    pub fn new(regions: usize, lag: Lag, network: Network, seed: u64) -> Fleet {
        let mut world = World::new(regions, seed, lag);
        world.log_truth();
        Fleet {
            nodes: Vec::new(),
            world,
            network,
            now: Mono::from_nanos(0),
            unreachable: Vec::new(),
            questions: Vec::new(),
            queue: BinaryHeap::new(),
            happenings: HashMap::new(),
            order: 0,
            random: SmallRng::seed_from_u64(seed ^ 0xF1EE7),
        }
    }

    /// Starts a process as `plan` says, on a host of its own. Returns its number.
    pub fn start(&mut self, plan: Plan, clock: WrongClock) -> usize {
        let number = self.nodes.len();
        let patience = self.random.random();
        let writer = WriterId(0x100 + number as u128);
        let plan = Plan { writer, host: format!("host-{number}").into(), patience, ..plan };
        let now = Now { mono: self.now, wall: clock.at(self.now) };
        self.nodes.push(Node {
            ledger: Ledger::new(Arc::new(plan), now),
            clock,
            is_down: false,
            is_stopped: false,
            samples: HashMap::new(),
            requests: 0,
            newest: HashMap::new(),
        });
        number
    }

    pub fn now_at(&self, node: usize) -> Now {
        Now { mono: self.now, wall: self.nodes[node].clock.at(self.now) }
    }

    pub fn snapshot(&mut self, node: usize) -> StoreSnapshot {
        let now = self.now_at(node);
        self.nodes[node].ledger.snapshot(now)
    }

    pub fn pair(&mut self, node: usize, source: RegionId, target: RegionId) -> PairSnapshot {
        let snapshot = self.snapshot(node);
        snapshot.pairs.into_iter().find(|pair| pair.source == source && pair.target == target).unwrap()
    }

    /// The process writes its last heartbeats and ends.
    pub fn resign(&mut self, node: usize) {
        while self.nodes[node].ledger.is_writing() {
            self.run_until(self.now + Span::from_millis(5), |_| {});
        }
        let now = self.now_at(node);
        for action in self.nodes[node].ledger.resign(now) {
            self.send(node, action);
        }
        self.nodes[node].is_down = true;
    }

    /// True offset of a node's clock against another's.
    pub fn offset(&self, node: usize, other: usize) -> Span {
        self.nodes[node].clock.error(self.now) - self.nodes[other].clock.error(self.now)
    }

    /// Runs until then, calling `look` every 100 ms.
    pub fn run_until(&mut self, end: Mono, mut look: impl FnMut(&mut Fleet)) {
        let mut next_look = self.now;
        loop {
            for node in 0..self.nodes.len() {
                if !self.nodes[node].is_down && !self.nodes[node].is_stopped {
                    let now = self.now_at(node);
                    for action in self.nodes[node].ledger.actions(now) {
                        self.send(node, action);
                    }
                }
            }
            let wakes =
                self.nodes.iter().filter(|node| !node.is_down && !node.is_stopped).map(|node| node.ledger.wake_at());
            let next = wakes.chain(self.queue.peek().map(|Reverse((at, _))| *at)).chain([next_look]).min();
            let next = next.unwrap_or(end).max(self.now);
            if next > end {
                self.now = end;
                return;
            }
            self.now = next;
            while let Some(Reverse((at, order))) = self.queue.peek().copied()
                && at <= self.now
            {
                self.queue.pop();
                if let Some(happening) = self.happenings.remove(&order) {
                    self.happen(happening);
                }
            }
            if self.now >= next_look {
                next_look = self.now + Span::from_millis(100);
                look(self);
            }
        }
    }

    fn put(&mut self, at: Mono, happening: Happening) {
        self.order += 1;
        self.queue.push(Reverse((at, self.order)));
        self.happenings.insert(self.order, happening);
    }

    fn leg(&mut self, range: std::ops::Range<f64>) -> Span {
        let share: f64 = self.random.random();
        Span::from_secs_f64((range.start + share * (range.end - range.start)) / 1e3)
    }

    fn send(&mut self, node: usize, action: Action) {
        self.nodes[node].requests += 1;
        let sent = self.now;
        let plan = self.nodes[node].ledger.plan().clone();
        let mut request = self.leg(self.network.request_ms.clone());
        let mut answer = self.leg(self.network.answer_ms.clone());
        let region = match &action {
            Action::Write(write) => write.source,
            Action::Read { target, .. } => *target,
            Action::Ask(question) => question.region,
            Action::Inspect { .. } => panic!("no plan of a fleet asks for that: {action:?}"),
        };
        let lost = self.unreachable.contains(&region) && plan.local != Some(region);
        match action {
            Action::Write(write) => {
                if self.random.random::<f64>() < self.network.late_writes {
                    let late = self.leg(200.0..1_000.0);
                    if self.random.random::<bool>() {
                        request = request + late;
                    } else {
                        answer = answer + late;
                    }
                }
                let (source, slot, beat) = (write.source, write.heartbeat.slot, write.heartbeat.beat);
                let in_time = request + answer < plan.write_deadline() && !lost;
                if !in_time {
                    let failure = Failure { reason: Reason::Timeout, message: String::new() };
                    let outcome = WriteOutcome::Failed { failure, maybe_committed: true };
                    let kind = EventKind::Wrote { source, slot, beat, outcome };
                    self.answer(node, sent, sent + plan.write_deadline(), kind);
                }
                if !lost {
                    let answer = in_time.then_some(answer);
                    self.put(sent + request, Happening::WriteArrives { node, write, sent, answer });
                }
            }
            Action::Read { target, slot, consistency } => {
                if lost {
                    let failure = Failure { reason: Reason::Timeout, message: String::new() };
                    let kind = EventKind::Read { target, slot, consistency, outcome: Err(failure) };
                    self.answer(node, sent, sent + plan.deadline(), kind);
                } else {
                    let happening = Happening::ReadArrives { node, target, slot, consistency, sent, answer };
                    self.put(sent + request, happening);
                }
            }
            Action::Ask(question) => {
                self.questions.push((node, question));
                let kind = EventKind::Answered { region, outcome: Ok(Vec::new()) };
                self.answer(node, sent, sent + request + answer, kind);
            }
            Action::Inspect { .. } => {}
        }
    }

    fn answer(&mut self, node: usize, sent: Mono, received: Mono, kind: EventKind) {
        let server_date = Some(self.server_date(sent, received));
        let event = Event { sent, received, capacity_units: 1.0, server_date, kind };
        self.put(received, Happening::Answer { node, event: Box::new(event) });
    }

    /// A server's clock, half-way through a call: right but for 20 ms, and cut to seconds.
    fn server_date(&self, sent: Mono, received: Mono) -> Wall {
        let half = Span::from_nanos((received - sent).as_nanos() / 2);
        let at = WrongClock::off_by_millis(20, 0).at(sent + half);
        Wall::from_micros(at.as_micros() / 1_000_000 * 1_000_000)
    }

    fn happen(&mut self, happening: Happening) {
        let now = self.now;
        match happening {
            Happening::WriteArrives { node, write, sent, answer } => {
                let outcome = self.world.commit(&write, now);
                if let Some(answer) = answer {
                    let (source, slot, beat) = (write.source, write.heartbeat.slot, write.heartbeat.beat);
                    self.answer(node, sent, now + answer, EventKind::Wrote { source, slot, beat, outcome });
                }
            }
            Happening::ReadArrives { node, target, slot, consistency, sent, answer } => {
                let found = self.world.read(target, slot, consistency, now);
                let kind = EventKind::Read { target, slot, consistency, outcome: Ok(found) };
                self.answer(node, sent, now + answer, kind);
            }
            Happening::Answer { node, event } => {
                if self.nodes[node].is_stopped {
                    let received = now + Span::from_millis(50);
                    self.put(received, Happening::Answer { node, event: Box::new(Event { received, ..*event }) });
                } else if !self.nodes[node].is_down {
                    let now = self.now_at(node);
                    self.nodes[node].ledger.handle(*event, now);
                    self.nodes[node].collect();
                }
            }
        }
    }
}

impl Node {
    /// Keeps every sample: the ledger itself remembers the newest few.
    fn collect(&mut self) {
        let plan = self.ledger.plan().clone();
        for source in plan.region_ids() {
            for target in plan.region_ids().filter(|target| plan.covers(source, *target)) {
                let pair = (source, target);
                let recent = self.ledger.recent(source, target);
                let known = self.newest.get(&pair);
                let Some(last) = recent.last().filter(|last| Some(*last) != known) else { continue };
                let fresh: Vec<&Sample> = recent.iter().rev().take_while(|sample| Some(*sample) != known).collect();
                self.samples.entry(pair).or_default().extend(fresh.into_iter().rev());
                self.newest.insert(pair, *last);
            }
        }
    }
}
