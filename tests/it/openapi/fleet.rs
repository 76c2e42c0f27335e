//! One gauge of several that share a store, each in a region of its own: what compares two clocks.

use std::sync::Arc;
use std::time::Duration;

use tidegauge::clock::Clock;
use tidegauge::core::model::{Consistency, Failure, Plan, RegionId, Slot, SlotRead, Write, WriteOutcome, WriterId};
use tidegauge::core::time::Span;
use tidegauge::http::Shared;
use tidegauge::providers::Nobody;
use tidegauge::settings::StoreKind;
use tidegauge::stores::simulated::SimulatedStore;
use tidegauge::stores::{Answer, Store};
use tidegauge::view::Sources;
use tidegauge::{driver, judging};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::gauge::{REGIONS, STARTED, plan, scene, settings, shared};

/// A store that several gauges share.
struct Together(Arc<SimulatedStore>);

impl Store for Together {
    async fn write(&self, write: Write) -> Answer<WriteOutcome> {
        self.0.write(write).await
    }

    async fn read(&self, target: RegionId, slot: Slot, read: Consistency) -> Answer<Result<SlotRead, Failure>> {
        self.0.read(target, slot, read).await
    }

    fn known_regions(&self) -> Vec<Arc<str>> {
        self.0.known_regions()
    }
}

/// The first of as many gauges as there are regions, each on a host of its own: it compares two clocks.
pub async fn one_of_a_fleet(elapsed: Duration, stop: &CancellationToken) -> Shared {
    let settings = settings("");
    let clock = Clock::start_virtual(STARTED);
    let StoreKind::Simulated(simulated) = settings.stores[0].kind.clone() else { panic!("it is simulated") };
    let store = Arc::new(SimulatedStore::new(simulated, REGIONS.map(str::to_owned).to_vec(), clock));
    let mut drivers = Vec::new();
    let plan = plan(&settings.stores[0]);
    for region in plan.region_ids() {
        let host = format!("host-{}", REGIONS[region.index()]).as_str().into();
        let plan = Plan {
            local: Some(region),
            host,
            writer: WriterId(region.index() as u128 + 1),
            clock_max_error: Some(Span::from_millis(50)),
            ..plan.clone()
        };
        let store = Together(store.clone());
        drivers.push(driver::start(store, Nobody, plan, clock, stop.clone(), Duration::from_secs(1)));
    }
    sleep(elapsed).await;
    let (_, judged) = judging::channels(scene(&settings, drivers.remove(0)));
    shared(Sources { judged, clock })
}
