//! What the heartbeats cost in a month, worked out from the settings alone: no store is asked.
//!
//! [`Usage`] is what the bill of one store depends on, [`Monthly`] the quantities that follow from it where units are billed
//! as they are used (DynamoDB), [`request_units`] where they are bought by the second (Cosmos DB), and [`report`] the table
//! for a person. `docs/cost.md` has the formulas and what is not in them.

use std::time::Duration;

use crate::core::model::Consistency;
use crate::settings::{Role, Settings, StoreKind, StoreSettings};

pub mod request_units;
mod table;
#[cfg(test)]
mod tests;

pub use table::report;

/// What a month is taken to be: 30 days, in seconds.
const MONTH_SECONDS: f64 = 2_592_000.0;

/// Metrics of a region itself that its provider is asked for, beside one for each pair: what replication wrote, and
/// what was throttled.
const OWN_METRICS: u32 = 5;

/// A write unit covers an item up to this size.
const WRITE_UNIT_BYTES: u64 = 1024;

/// A read unit covers this much of what a query reads, or of one item that is read by its key.
const READ_UNIT_BYTES: u64 = 4096;

/// Write units a second that one partition takes.
const PARTITION_WRITE_UNITS: f64 = 1000.0;

/// Read units a second that one partition takes.
const PARTITION_READ_UNITS: f64 = 3000.0;

/// From this part of a partition's limit on there is a warning.
const NEAR: f64 = 0.5;

/// Why nothing can be said of what settings cost.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotCounted {
    /// There is nothing that costs.
    #[error("no stores configured: pass --config FILE with at least one [[stores]]")]
    NoStores,
    /// The bulk of the bill is the gauges', and an observer's settings do not say what they read.
    #[error("these are an observer's settings: pass the gauge's, and --observers N for N pods in each region")]
    Observer,
    /// The store itself says which regions there are, and no store is asked here.
    #[error("store {0:?} names its regions itself, and is not asked here: say how many there are with --regions N")]
    Regions(String),
}

/// What settings do not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Assumed {
    /// Observers in each region.
    pub observers: u32,
    /// Replicas of each store that names them itself.
    pub regions: Option<u32>,
    /// Request units a second that the heartbeats' containers have in each region.
    pub throughput: Option<u32>,
}

/// Upper bound of an item's size in bytes, keys included, in a store of so many regions.
///
/// It is that of slot 0: 330 B of names, keys of whatever type and plain values (regions' names up to 20 B, key
/// attributes' up to 16 B each, a boot id of 36 B as Linux has it), 320 B of packed history, and an echo of 16 B for
/// each other region. The other slots hold no echo: they are smaller.
pub fn heartbeat_bytes(regions: u32) -> u64 {
    330 + 320 + 16 * u64::from(regions.saturating_sub(1))
}

/// What the bill of one store depends on: a heartbeat per region, interval and slot, and who reads them.
#[derive(Clone, Debug, PartialEq)]
pub struct Usage {
    /// How many replicas there are.
    pub regions: u32,
    /// Heartbeat keys per source.
    pub slots: u32,
    /// Time between two heartbeats of a source.
    pub interval: Duration,
    /// Polls per target replica and interval, by one gauge.
    pub reads_per_interval: u32,
    /// Whether gauges read with strong consistency, which costs double. Observers of tables never do.
    pub strong: bool,
    /// Whether each region's gauge polls all replicas rather than its own alone. Never so with one central prober,
    /// whose polls of all replicas are as many as those of a fleet of which each gauge polls its own.
    pub remote_reads: bool,
    /// Whether the heartbeats' table has no sort key: a read is then a batch, in which each heartbeat is billed by itself,
    /// and each has a partition key of its own. Whether a container is partitioned by the documents' ids, which comes to the
    /// same, settings do not say.
    pub one_key: bool,
    /// Observers in each region, each with one eventual poll of its replica per interval.
    pub observers: u32,
    /// Time between two questions to a region's provider; `None`: it is not asked.
    pub polls_every: Option<Duration>,
}

impl Usage {
    /// What a store's settings come to.
    ///
    /// # Errors
    ///
    /// Where the store names its regions itself, and how many there are is not assumed.
    pub fn of(store: &StoreSettings, assumed: Assumed) -> Result<Usage, NotCounted> {
        let regions = match store.follows_replicas {
            true => assumed.regions.ok_or_else(|| NotCounted::Regions(store.name.clone()))?,
            false => store.regions.len() as u32,
        };
        Ok(Usage {
            regions,
            slots: u32::from(store.heartbeat.slots),
            interval: store.heartbeat.interval,
            reads_per_interval: store.reads_per_interval,
            strong: store.read == Consistency::Strong,
            remote_reads: store.remote_reads,
            one_key: match &store.kind {
                StoreKind::Dynamodb(dynamodb) => dynamodb.heartbeats.sort_key.is_none(),
                StoreKind::Cosmos(_) | StoreKind::Simulated(_) => false,
            },
            observers: assumed.observers,
            polls_every: store.provider.as_ref().map(|provider| provider.every),
        })
    }

    /// Upper bound of a heartbeat's size, in bytes.
    fn heartbeat_bytes(&self) -> u64 {
        heartbeat_bytes(self.regions)
    }

    /// Upper bound of what a read of one slot finds, in bytes: the heartbeat of every region.
    fn read_bytes(&self) -> u64 {
        u64::from(self.regions) * self.heartbeat_bytes()
    }

    /// Write units of one heartbeat, in each region that it reaches.
    fn units_per_write(&self) -> f64 {
        self.heartbeat_bytes().div_ceil(WRITE_UNIT_BYTES) as f64
    }

    /// Read units of one read of one slot.
    fn units_per_read(&self, strong: bool) -> f64 {
        let units = if self.one_key {
            u64::from(self.regions) * self.heartbeat_bytes().div_ceil(READ_UNIT_BYTES)
        } else {
            self.read_bytes().div_ceil(READ_UNIT_BYTES)
        };
        let units = units as f64;
        if strong { units } else { units / 2.0 }
    }

    /// How many sources share a partition key.
    fn sources_per_partition(&self) -> f64 {
        if self.one_key { 1.0 } else { f64::from(self.regions) }
    }

    /// Polls of each replica in an interval, by all gauges.
    fn gauge_polls(&self) -> f64 {
        let readers = if self.remote_reads { self.regions } else { 1 };
        f64::from(self.reads_per_interval) * f64::from(readers)
    }

    /// Region pairs that the provider is asked about in one round. Where all replicas are polled, a pair is measured from
    /// both of its ends, and asked about by both.
    fn pairs_asked(&self) -> u32 {
        let pairs = self.regions * self.regions.saturating_sub(1);
        if self.remote_reads { 2 * pairs } else { pairs }
    }

    /// Metrics that the provider is asked for in one round: one for each pair, and those of each pair's target itself, of
    /// which there is another asker wherever all replicas are polled. Statistics of one metric in one call are billed as
    /// one metric, up to five of them; there are two.
    fn metrics(&self) -> u32 {
        let askers = if self.remote_reads { self.regions } else { 1 };
        self.pairs_asked() + OWN_METRICS * self.regions * askers
    }

    fn intervals_per_second(&self) -> f64 {
        1.0 / self.interval.as_secs_f64()
    }

    /// Write units a second at one partition key, in each region. All regions' heartbeats of a slot share one, where there
    /// is a sort key.
    pub fn partition_write_units(&self) -> f64 {
        self.sources_per_partition() * self.units_per_write() * self.intervals_per_second()
    }

    /// Read units a second at one partition key, in each region, on average.
    pub fn partition_read_units(&self) -> f64 {
        let gauges = self.gauge_polls() * self.units_per_read(self.strong);
        let observers = f64::from(self.observers) * self.units_per_read(false);
        let keys = f64::from(self.regions) / self.sources_per_partition();
        (gauges + observers) * self.intervals_per_second() / keys
    }

    /// What an operator should know before the bill, or the throttling, says so.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let (heartbeat, read) = (self.heartbeat_bytes(), self.read_bytes());
        if heartbeat > WRITE_UNIT_BYTES {
            let units = self.units_per_write();
            warnings.push(format!(
                "a heartbeat has up to {heartbeat} B, more than {WRITE_UNIT_BYTES}: each write costs {units} \
                 instead of 1 write units in each region"
            ));
        }
        if self.one_key {
            let (units, shared) = (self.units_per_read(self.strong), Usage { one_key: false, ..self.clone() });
            warnings.push(format!(
                "the table has no sort key, so each region's heartbeat is read and billed by itself: a read costs {units} \
                 read units; in a companion table with a sort key it costs {}",
                shared.units_per_read(self.strong)
            ));
        } else if read > READ_UNIT_BYTES {
            let (units, least) = (self.units_per_read(self.strong), if self.strong { 1.0 } else { 0.5 });
            warnings.push(format!(
                "a read finds up to {read} B, more than {READ_UNIT_BYTES}: it costs {units} instead of {least} read \
                 units"
            ));
        }
        let partition = [
            (self.partition_write_units(), PARTITION_WRITE_UNITS, "write", "make heartbeat.interval longer"),
            (
                self.partition_read_units(),
                PARTITION_READ_UNITS,
                "read",
                "make heartbeat.interval longer, or let fewer read",
            ),
        ];
        let key = if self.one_key { "heartbeat's partition key" } else { "slot's partition key" };
        for (units, limit, what, remedy) in partition.into_iter().filter(|(units, limit, ..)| *units >= NEAR * limit) {
            warnings.push(format!(
                "each {key} takes up to {units:.0} {what} units/s in each region, {:.0} % of \
                 the {limit} that one partition takes; {remedy}",
                100.0 * units / limit
            ));
        }
        warnings
    }
}

/// What one store takes in a month.
#[derive(Clone, Debug, PartialEq)]
pub struct Monthly {
    /// Write requests of the gauges. Billed as [`Monthly::write_units`].
    pub writes: f64,
    /// Write units: each write is billed in every region, its source included.
    pub write_units: f64,
    /// Read requests of the gauges, one for each slot of a poll.
    pub gauge_reads: f64,
    /// Read units of these.
    pub gauge_read_units: f64,
    /// Read requests of the observers.
    pub observer_reads: f64,
    /// Read units of these.
    pub observer_read_units: f64,
    /// Records in the streams of all regions.
    pub stream_records: f64,
    /// Metrics that the provider is asked for.
    pub metrics: f64,
}

impl Monthly {
    /// What follows from the usage.
    pub fn of(usage: &Usage) -> Monthly {
        let regions = f64::from(usage.regions);
        // How often each slot is written by its source, and found by one poll per interval.
        let ticks = MONTH_SECONDS * usage.intervals_per_second() * f64::from(usage.slots);
        let writes = ticks * regions;
        let gauge_reads = ticks * regions * usage.gauge_polls();
        let observer_reads = ticks * regions * f64::from(usage.observers);
        Monthly {
            writes,
            write_units: writes * regions * usage.units_per_write(),
            gauge_reads,
            gauge_read_units: gauge_reads * usage.units_per_read(usage.strong),
            observer_reads,
            observer_read_units: observer_reads * usage.units_per_read(false),
            stream_records: writes * regions,
            metrics: usage
                .polls_every
                .map_or(0.0, |every| MONTH_SECONDS / every.as_secs_f64() * f64::from(usage.metrics())),
        }
    }
}

/// Whether there is something to count.
fn countable(settings: &Settings) -> Result<(), NotCounted> {
    if settings.stores.is_empty() {
        return Err(NotCounted::NoStores);
    }
    if settings.role == Role::Observer {
        return Err(NotCounted::Observer);
    }
    Ok(())
}
