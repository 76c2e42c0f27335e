//! What a provider says of one region beside the lags, by the minute: what it throttled, and whether replication wrote
//! there. It can name the cause of a lag; it measures none.

use std::sync::Arc;

use super::hour::Hour;
use super::provider::Polling;
use super::time::{Mono, Now, Span};

/// Companions come by the minute.
pub const MINUTE: Span = Span::from_millis(60_000);

/// Throttling of the last ten minutes may be why a pair is late now: younger minutes are hardly ever published.
const RECENT: Span = Span::from_millis(10 * 60 * 1_000);

/// Minutes older than this say nothing of now. Where questions or periods are long the newest published ones are older than
/// ten minutes by themselves.
pub fn recent_for(polling: Polling) -> Span {
    RECENT.max(polling.delay + polling.period.times(2) + polling.every)
}

/// One minute of one region.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Minute {
    /// Capacity units that writes of other regions took.
    pub replicated: f32,
    /// Writes that were throttled.
    pub throttled_writes: f32,
    /// Reads that were throttled.
    pub throttled_reads: f32,
}

/// The facts about one region, as of its last answer: the recent minutes, the newest first, each with its beginning on this
/// process's monotonic clock.
#[derive(Clone, PartialEq, Debug)]
pub struct Companions(pub Arc<[(Mono, Minute)]>);

impl Companions {
    /// What is recent of an hour. `now` has the provider's wall clock.
    pub fn of(hour: &Hour<Minute>, polling: Polling, now: Now) -> Companions {
        let minutes = hour.newest_first(now.wall).map(|(begin, minute)| (now.mono - (now.wall - begin), *minute));
        Companions(minutes.take_while(|(began, _)| now.mono - *began <= recent_for(polling)).collect())
    }

    fn recent(&self, polling: Polling, now: Mono) -> impl Iterator<Item = (Mono, &Minute)> {
        let minutes = self.0.iter().map(|(began, minute)| (*began, minute));
        minutes.filter(move |(began, _)| now - *began <= recent_for(polling))
    }

    /// What the region throttled lately, in words; `None`: nothing that makes it late, as far as anybody said. Replication
    /// into a region writes there: what was throttled of its reads is told, and is no cause alone.
    pub fn throttled(&self, polling: Polling, now: Mono) -> Option<String> {
        let (mut writes, mut reads, mut oldest) = (0.0, 0.0, Span::ZERO);
        for (began, minute) in self.recent(polling, now) {
            writes += f64::from(minute.throttled_writes);
            reads += f64::from(minute.throttled_reads);
            if minute.throttled_writes > 0.0 || minute.throttled_reads > 0.0 {
                oldest = oldest.max(now - began);
            }
        }
        if writes == 0.0 {
            return None;
        }
        let count = |count: f64, what: &str| (count > 0.0).then(|| format!("{count:.0} {what}"));
        let what: Vec<String> = [count(writes, "writes"), count(reads, "reads")].into_iter().flatten().collect();
        let minutes = (oldest.as_secs_f64() / MINUTE.as_secs_f64()).ceil();
        Some(format!("throttled {} within the last {minutes:.0} minutes", what.join(" and ")))
    }

    /// Whether the region throttles reads: in two of the newest three minutes of which anything was said. Once is no
    /// finding, and what is over is none either.
    pub fn throttles_reads(&self, polling: Polling, now: Mono) -> bool {
        let newest = self.recent(polling, now).take(3);
        newest.filter(|(_, minute)| minute.throttled_reads > 0.0).count() >= 2
    }

    /// Whether writes of other regions arrived in a minute that began after `since`.
    pub fn replicated_since(&self, since: Mono, polling: Polling, now: Mono) -> bool {
        self.recent(polling, now).any(|(began, minute)| began >= since && minute.replicated > 0.0)
    }
}
