//! A store that exists in this process only: what the demo shows, and what tests and benches measure against.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::Clock;
use crate::core::advice::Remedies;
use crate::core::inspection::Inspection;
use crate::core::model::{Consistency, Failure, Reason, RegionId, Slot, SlotRead, Write, WriteOutcome};
use crate::core::time::{Mono, Span};
use crate::settings::{SimulatedEventKind, SimulatedLag, SimulatedSettings};
use crate::stores::{Answer, Store};

pub mod world;

use world::{Lag, World};

/// A [`World`] behind the seam, with a network in front of it and things that go wrong on schedule.
#[derive(Debug)]
pub struct SimulatedStore {
    /// Shared by concurrent calls, and never held across an await.
    world: Mutex<World>,
    clock: Clock,
    started: Mono,
    regions: Vec<String>,
    settings: SimulatedSettings,
    lag: Lag,
}

impl SimulatedStore {
    /// A store over these regions, whose schedule of events begins now.
    pub fn new(settings: SimulatedSettings, regions: Vec<String>, clock: Clock) -> SimulatedStore {
        let (median, sigma) = match settings.lag {
            SimulatedLag::Fixed(lag) => (lag, 0.0),
            SimulatedLag::LogNormal { median, sigma } => (median, sigma),
        };
        let spikes = settings.spikes.as_ref();
        let lag = Lag {
            median: Span::from(median),
            sigma,
            spike_probability: spikes.map_or(0.0, |spikes| spikes.probability),
            spike_factor: spikes.map_or((1.0, 1.0), |spikes| (spikes.factor_min, spikes.factor_max)),
        };
        let mut world = World::new(regions.len(), settings.seed, lag);
        world.knobs.eventual_delay = Span::from_millis(100);
        SimulatedStore { world: Mutex::new(world), started: clock.mono(), clock, regions, settings, lag }
    }

    /// The world behind it, for tests that turn its knobs.
    pub fn world(&self) -> MutexGuard<'_, World> {
        // A panic while it was held cannot have left it half-changed in a way that a simulation minds.
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries the schedule of events out, as far as it concerns replication.
    fn apply_events(&self, world: &mut World, now: Mono) {
        let elapsed = (now - self.started).to_duration();
        let events: Vec<_> = self.settings.events.iter().map(|event| (event, event.is_active(elapsed))).collect();
        if events.is_empty() {
            return;
        }
        world.knobs.pair_lag.clear();
        let ids = || (0..self.regions.len() as u16).map(RegionId);
        for (source, target) in ids().flat_map(|source| ids().map(move |target| (source, target))) {
            let mut stalled = false;
            let mut factor = 1.0;
            for (event, active) in &events {
                let concerns = |pairs: &crate::settings::SimulatedPairs| {
                    *active && pairs.contains(&self.regions[source.index()], &self.regions[target.index()])
                };
                match &event.kind {
                    SimulatedEventKind::Stall(pairs) => stalled |= concerns(pairs),
                    SimulatedEventKind::Spike { pairs, factor: times } if concerns(pairs) => factor *= times,
                    _ => {}
                }
            }
            world.set_paused(source, target, stalled, now);
            if factor != 1.0 {
                let lag = Lag { median: self.lag.median.mul_f64(factor), ..self.lag };
                world.knobs.pair_lag.insert((source, target), lag);
            }
        }
    }

    /// The way there: half of the latency, and whatever has befallen the region.
    async fn reach(&self, region: RegionId) -> Result<(), Failure> {
        let elapsed = (self.clock.mono() - self.started).to_duration();
        let name = &self.regions[region.index()];
        for event in self.settings.events.iter().filter(|event| event.is_active(elapsed)) {
            match &event.kind {
                // Nobody answers: the caller's deadline ends this.
                SimulatedEventKind::RegionDown { region } if region == name => std::future::pending().await,
                SimulatedEventKind::Throttle { region } if region == name => {
                    let message = format!("{name} is throttled on schedule");
                    return Err(Failure { reason: Reason::Throttled, message });
                }
                _ => {}
            }
        }
        self.half_way().await;
        Ok(())
    }

    async fn half_way(&self) {
        if !self.settings.latency.is_zero() {
            tokio::time::sleep(self.settings.latency / 2).await;
        }
    }
}

impl Store for SimulatedStore {
    fn known_regions(&self) -> Vec<Arc<str>> {
        self.regions.iter().map(|region| region.as_str().into()).collect()
    }

    /// It replicates as most do: after a write was acknowledged.
    fn remedies(_told: Option<&Inspection>) -> Remedies {
        Remedies {
            local: "a read of this region's replica, as strong or eventual as the heartbeats were read",
            strong_at_home: Some("a strong read in that region: it sees all that was written there"),
            ..Remedies::NONE
        }
    }

    async fn write(&self, write: Write) -> Answer<WriteOutcome> {
        if let Err(failure) = self.reach(write.source).await {
            return Answer::free(WriteOutcome::Failed { failure, maybe_committed: false });
        }
        let outcome = {
            let now = self.clock.mono();
            let mut world = self.world();
            self.apply_events(&mut world, now);
            world.commit(&write, now)
        };
        self.half_way().await;
        Answer { outcome, capacity_units: 1.0, server_date: None }
    }

    async fn read(&self, target: RegionId, slot: Slot, consistency: Consistency) -> Answer<Result<SlotRead, Failure>> {
        if let Err(failure) = self.reach(target).await {
            return Answer::free(Err(failure));
        }
        let found = {
            let now = self.clock.mono();
            let mut world = self.world();
            self.apply_events(&mut world, now);
            world.read(target, slot, consistency, now)
        };
        self.half_way().await;
        Answer { outcome: Ok(found), capacity_units: 0.5, server_date: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simulated_store_is_fresh_in_the_home_region_alone() {
        let remedies = SimulatedStore::remedies(None);
        assert!(remedies.strong_at_home.is_some_and(|how| how.contains("strong read in that region")));
        assert_eq!((remedies.strong_anywhere, remedies.session_token), (None, None));
    }
}
