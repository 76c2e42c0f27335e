//! What is known of other writers' clocks, source by source, and of this process's own having been set.

use std::collections::VecDeque;

use super::offset::{Basis, Offset, Proofs, Smallest};
use super::time::{Mono, Now, Span, Wall};

/// The wall clock was set, not slewed, if it moved against the monotonic one by more than this and the drift there may
/// be since the last look.
const STEP: Span = Span::from_millis(20);

/// Past offsets that are remembered per source, for sightings that still wait.
const RETIRED_MAX: usize = 4;

/// Between which two clocks: the source's run, and how often ours had been set. A change of either voids all proofs.
type Between = (u64, u64);

#[derive(Clone, Debug, Default)]
struct Peer {
    run: Option<u64>,
    proofs: Proofs,
    /// `our clock at a sighting − written_at`, for the echo.
    apparent: Smallest,
    claim: Option<(Offset, Mono)>,
    same: bool,
    retired: VecDeque<(Between, Offset, Mono)>,
}

/// All other clocks, as seen from this process.
#[derive(Clone, Debug)]
pub struct Clocks {
    peers: Vec<Peer>,
    /// By region: what its server's clock is known to differ by.
    servers: Vec<Proofs>,
    epoch: u64,
    last: Now,
    voided: u64,
    conflicts: u64,
}

impl Clocks {
    /// Nothing is known of the clocks of so many sources.
    pub fn new(sources: usize, now: Now) -> Clocks {
        Clocks {
            peers: vec![Peer::default(); sources],
            servers: vec![Proofs::default(); sources],
            epoch: 0,
            last: now,
            voided: 0,
            conflicts: 0,
        }
    }

    /// Makes room for so many sources.
    pub fn grow(&mut self, sources: usize) {
        self.peers.resize(sources, Peer::default());
        self.servers.resize(sources, Proofs::default());
    }

    /// How often this process's wall clock was set.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Proofs that were void because they contradicted each other: a clock stepped.
    pub fn voided(&self) -> u64 {
        self.voided
    }

    /// Claims that did not fit the proofs: somebody's clock lies.
    pub fn conflicts(&self) -> u64 {
        self.conflicts
    }

    /// Both of this process's own clocks, as of the last look.
    pub fn looked_at(&self) -> Now {
        self.last
    }

    /// Looks at this process's own clocks. Returns whether the wall clock was set since the last look.
    pub fn look(&mut self, now: Now) -> bool {
        let elapsed = now.mono - self.last.mono;
        let off = (now.wall - self.last.wall) - elapsed;
        self.last = now;
        let slewed = Span::from_nanos(elapsed.as_nanos().max(0) / 1_000);
        if off.abs() <= STEP + slewed {
            return false;
        }
        for source in 0..self.peers.len() {
            self.retire(source, now.mono);
        }
        self.servers.iter_mut().for_each(Proofs::void);
        self.epoch += 1;
        true
    }

    fn retire(&mut self, source: usize, now: Mono) {
        let offset = self.offset(source, now);
        let epoch = self.epoch;
        let peer = &mut self.peers[source];
        if let Some(run) = peer.run {
            if peer.retired.len() == RETIRED_MAX {
                peer.retired.pop_front();
            }
            peer.retired.push_back(((run, epoch), offset, now));
        }
        peer.proofs.void();
        peer.apparent.clear();
        peer.claim = None;
    }

    /// The newest run of a source that was seen. Proofs about an older one are void.
    pub fn run(&mut self, source: usize, run: u64, same: bool, now: Mono) {
        let peer = &self.peers[source];
        if peer.run.is_none_or(|known| run > known) {
            self.retire(source, now);
            self.peers[source].run = Some(run);
        }
        if self.peers[source].run == Some(run) {
            self.peers[source].same = same;
        }
    }

    /// The run of a source that its proofs are about.
    pub fn current_run(&self, source: usize) -> Option<u64> {
        self.peers[source].run
    }

    fn is_current(&self, source: usize, run: u64) -> bool {
        self.peers[source].run == Some(run)
    }

    /// A heartbeat was seen at some replica when our clock showed `hit`.
    pub fn seen(&mut self, source: usize, run: u64, written_at: Wall, hit: Now) {
        if self.is_current(source, run) {
            let apparent = hit.wall - written_at;
            self.peers[source].apparent.add(hit.mono, apparent, Basis::Echo);
            self.at_most(source, run, hit.mono, apparent, Basis::Echo);
        }
    }

    /// `ours − theirs ≤ bound`, proven at `at`.
    pub fn at_most(&mut self, source: usize, run: u64, at: Mono, bound: Span, basis: Basis) {
        if self.is_current(source, run) {
            self.peers[source].proofs.at_most(at, bound, basis);
            self.check(source);
        }
    }

    /// `ours − theirs ≥ bound`, proven at `at`.
    pub fn at_least(&mut self, source: usize, run: u64, at: Mono, bound: Span, basis: Basis) {
        if self.is_current(source, run) {
            self.peers[source].proofs.at_least(at, bound, basis);
            self.check(source);
        }
    }

    fn check(&mut self, source: usize) {
        let peer = &mut self.peers[source];
        if peer.proofs.offset(self.last.mono).is_crossed() {
            peer.proofs.void();
            peer.apparent.clear();
            self.voided += 1;
        }
    }

    /// A server's clock, cut to whole seconds, at some moment between two readings of ours.
    pub fn server(&mut self, region: usize, sent: Wall, date: Wall, received: Now) {
        let bounds = &mut self.servers[region];
        bounds.at_most(received.mono, received.wall - date, Basis::Claim);
        bounds.at_least(received.mono, sent - date - Span::from_millis(1_000), Basis::Claim);
        if bounds.offset(received.mono).is_crossed() {
            bounds.void();
            self.conflicts += 1;
        }
    }

    /// This process's clock − that of the server of a region: at least, at most.
    pub fn against_server(&self, region: usize, now: Mono) -> Option<(Span, Span)> {
        let Offset { min, max } = self.servers[region].offset(now);
        Some((min?.0, max?.0))
    }

    /// What servers and operators say of both clocks. It is no proof: where it does not fit what is proven, it is left
    /// out.
    pub fn claim(&mut self, source: usize, claim: Offset, at: Mono) {
        let proven = self.peers[source].proofs.offset(self.last.mono);
        let refuted = proven.and(claim).is_crossed();
        self.conflicts += u64::from(refuted);
        self.peers[source].claim = (!refuted).then_some((claim, at));
    }

    /// The smallest apparent lag of a source's current run, for the echo.
    pub fn apparent(&self, source: usize, run: u64, now: Mono) -> Option<Span> {
        let peer = &self.peers[source];
        if peer.run != Some(run) {
            return None;
        }
        peer.apparent.at(now).map(|(apparent, _)| apparent)
    }

    /// `our clock − the source's clock`, as of `now`.
    pub fn offset(&self, source: usize, now: Mono) -> Offset {
        let peer = &self.peers[source];
        if peer.same {
            return Offset::NONE;
        }
        let proven = peer.proofs.offset(now);
        let claim = peer.claim.map_or(Offset::default(), |(claim, at)| claim.aged(now - at));
        let both = proven.and(claim);
        if both.is_crossed() { proven } else { both }
    }

    /// The same between a run and an epoch of which one may be over, as it was at `at`.
    pub fn offset_at(&self, source: usize, run: u64, epoch: u64, at: Mono, now: Mono) -> Offset {
        let peer = &self.peers[source];
        if peer.run == Some(run) && self.epoch == epoch {
            let aged = (now - at).max(Span::ZERO);
            return if peer.same { Offset::NONE } else { self.offset(source, now).aged(aged) };
        }
        let retired = peer.retired.iter().rev().find(|(between, ..)| *between == (run, epoch));
        retired.map_or(Offset::default(), |(_, offset, then)| {
            if *offset == Offset::NONE { *offset } else { offset.aged((*then - at).abs()) }
        })
    }
}
