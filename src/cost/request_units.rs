//! What heartbeats take of an account of Cosmos DB, which is bought as request units a second in each region.
//!
//! The figures are Azure's where it names any; which are not is in `docs/cost.md`.

use super::{MONTH_SECONDS, NEAR, Usage};

/// What Azure says that a document takes, by its size up to so many bytes: request units of a read by its key, and of a
/// write.
const BY_SIZE: [(u64, f64, f64); 7] = [
    (1 << 10, 1.00, 4.95),
    (2 << 10, 1.04, 6.29),
    (4 << 10, 1.14, 6.67),
    (8 << 10, 1.33, 7.04),
    (16 << 10, 1.67, 9.52),
    (32 << 10, 2.19, 11.23),
    (64 << 10, 4.76, 22.67),
];

/// What Azure says that a query takes at least.
const QUERY: f64 = 2.3;

/// The least that a container can be given in each region, where it has an amount of its own that does not scale by itself.
pub(super) const LEAST: u32 = 400;

/// Request units a second that one partition takes.
const PARTITION: f64 = 10_000.0;

const HOUR_SECONDS: f64 = 3_600.0;

/// Upper bound of a document's size in bytes in a store of so many regions: 660 B of names, keys and plain values, what
/// Cosmos DB adds to each document among them; and in base64 320 B of packed history and an echo of 16 B for each other
/// region.
pub fn document_bytes(regions: u32) -> u64 {
    660 + 430 + 22 * u64::from(regions.saturating_sub(1))
}

/// Request units a second that one store's heartbeats take in each region.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RequestUnits {
    /// Of the writes: every region's, as each is carried out in every region.
    pub writes: f64,
    /// Of the gauges' reads.
    pub gauge_reads: f64,
    /// Of the observers' reads.
    pub observer_reads: f64,
}

impl RequestUnits {
    /// What follows from the usage.
    pub fn of(usage: &Usage) -> RequestUnits {
        let ticks = usage.intervals_per_second() * f64::from(usage.slots);
        RequestUnits {
            writes: ticks * f64::from(usage.regions) * per_write(usage),
            gauge_reads: ticks * usage.gauge_polls() * per_read(usage, usage.strong),
            observer_reads: ticks * f64::from(usage.observers) * per_read(usage, true),
        }
    }

    /// All of them.
    pub fn sum(&self) -> f64 {
        self.writes + self.gauge_reads + self.observer_reads
    }
}

/// Request units of one heartbeat, in each region that it reaches.
pub fn per_write(usage: &Usage) -> f64 {
    by_size(document_bytes(usage.regions)).1
}

/// Request units of one read of one slot: of a query, or of a read by its key for each region where a container is
/// partitioned by the documents' ids.
pub fn per_read(usage: &Usage, strong: bool) -> f64 {
    let bytes = document_bytes(usage.regions);
    let units = if usage.one_key {
        f64::from(usage.regions) * by_size(bytes).0
    } else {
        // What a larger answer takes beyond a small one is taken to be what a larger document does.
        QUERY + by_size(u64::from(usage.regions) * bytes).0 - 1.0
    };
    if strong { 2.0 * units } else { units }
}

/// A month of so many request units a second in each region, in USD.
pub fn monthly_usd(units: f64, regions: u32, price_hundred_hour: f64) -> f64 {
    f64::from(regions) * units / 100.0 * MONTH_SECONDS / HOUR_SECONDS * price_hundred_hour
}

/// What an operator should know before the throttling says so. `given` is what the container has a second in each region.
pub fn warnings(usage: &Usage, given: Option<u32>) -> Vec<String> {
    let mut warnings = Vec::new();
    let units = RequestUnits::of(usage).sum();
    let given = given.map(f64::from).filter(|given| units >= NEAR * given);
    if let Some(given) = given {
        warnings.push(format!(
            "heartbeats take up to {units:.0} RU/s in each region, {:.0} % of the {given} that the container has; make \
             heartbeat.interval longer, or give it more",
            100.0 * units / given
        ));
    }
    let of_slot = units / f64::from(usage.slots);
    if of_slot >= NEAR * PARTITION {
        warnings.push(format!(
            "each slot takes up to {of_slot:.0} RU/s in each region, {:.0} % of the {PARTITION} that one partition takes; \
             make heartbeat.interval longer, or let fewer read",
            100.0 * of_slot / PARTITION
        ));
    }
    warnings
}

fn by_size(bytes: u64) -> (f64, f64) {
    let row = BY_SIZE.iter().find(|(most, ..)| bytes <= *most).unwrap_or(&BY_SIZE[BY_SIZE.len() - 1]);
    (row.1, row.2)
}
