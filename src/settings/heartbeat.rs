//! `heartbeat` of a store: how often the small records are written, how many, and where.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::section::Section;
use crate::core::model::{Placement, Slot};

const INTERVAL: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(3600);

/// How the heartbeats of one store are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeartbeatSettings {
    /// Time between two heartbeats of a source: 100 ms to 1 h, default 1 s. Requests, and their bill, go with it.
    pub interval: Duration,
    /// Heartbeat keys per source: 1 to 64, default 1. One key samples one partition; the cost multiplies.
    pub slots: Slot,
    /// In the application's table or in one beside it. Default inline.
    pub placement: Placement,
}

impl HeartbeatSettings {
    /// More slots than this are refused.
    pub const SLOTS_MAX: Slot = 64;

    pub(super) fn read(mut section: Section<'_>) -> HeartbeatSettings {
        let heartbeat = HeartbeatSettings {
            interval: section.duration("interval", INTERVAL).unwrap_or(Duration::from_secs(1)),
            slots: section.integer("slots", 1..=Self::SLOTS_MAX).unwrap_or(1),
            placement: section
                .choice("placement", &[("inline", Placement::Inline), ("companion", Placement::Companion)])
                .unwrap_or(Placement::Inline),
        };
        section.finish();
        heartbeat
    }
}
