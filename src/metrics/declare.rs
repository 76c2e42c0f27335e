//! Every metric by name, kind and help text. The doc comment is the help text, so there is one place for both.

use prometheus::proto::MetricType;

/// A metric's declaration.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its kind.
    pub kind: MetricType,
    /// What it says, for people.
    pub help: &'static str,
}

macro_rules! metrics {
    ($($(#[doc = $help:literal])+ $constant:ident = $kind:ident $name:literal;)+) => {
        $(
            $(#[doc = $help])+
            pub const $constant: Metric =
                Metric { name: $name, kind: MetricType::$kind, help: concat!($($help),+) };
        )+

        /// All of them.
        pub const ALL: &[Metric] = &[$($constant),+];
    };
}

metrics! {
    /// Lag samples by the midpoint of their bracket: from commit at the source to first visibility at the target.
    REPLICATION_LAG = HISTOGRAM "tidegauge_replication_lag_seconds";
    /// Half the width of the newest lag sample's bracket: the error of its midpoint.
    REPLICATION_LAG_ERROR = GAUGE "tidegauge_replication_lag_error_seconds";
    /// How late the pair is now; grows while replication is stopped. Absent where nobody can know.
    CURRENT_LAG = GAUGE "tidegauge_current_lag_seconds";
    /// How long the next heartbeat of a pair measured on two clocks has been due, whether or not it was ever written.
    OVERDUE = GAUGE "tidegauge_overdue_seconds";
    /// Age of the newest heartbeat visible at the target: an upper bound for what a reader there sees of it.
    STALENESS = GAUGE "tidegauge_staleness_seconds";
    /// When the newest heartbeat visible at the target was written, by its writer's clock.
    WATERMARK = GAUGE "tidegauge_watermark_timestamp_seconds";
    /// 1 for the state that the pair is in, 0 for the others.
    PAIR_STATE = GAUGE "tidegauge_pair_state";
    /// How the pair is measured: one or two clocks, where the heartbeats live, how they are read.
    PAIR_INFO = GAUGE "tidegauge_pair_info";
    /// The clock of this host minus that of the source's writer: at least and at most. Infinite where not bounded.
    CLOCK_OFFSET = GAUGE "tidegauge_clock_offset_seconds";
    /// Current lag of the pair's latest slot minus that of its earliest one.
    SLOT_SPREAD = GAUGE "tidegauge_slot_spread_seconds";
    /// What the provider says of the pair's replication, by statistic. Absent where it is not fresh, or 0, which says nothing.
    PROVIDER_LAG = GAUGE "tidegauge_provider_lag_seconds";
    /// When the newest period of which the provider says anything ended, by its clock.
    PROVIDER_TIMESTAMP = GAUGE "tidegauge_provider_timestamp_seconds";
    /// 1 where the provider and the heartbeats disagree, 0 where they agree. Absent where that is not known.
    PROVIDER_DISAGREES = GAUGE "tidegauge_provider_disagrees";
    /// Current lag where it is measured, else what the provider says while that is fresh. Absent where nobody can know.
    MERGED_LAG = GAUGE "tidegauge_merged_lag_seconds";
    /// 1 for who says how large the merged lag is; the others are absent.
    MERGED_LAG_ORIGIN = GAUGE "tidegauge_merged_lag_origin";
    /// Lag samples whose bracket was too wide to be a point in the histogram.
    SAMPLES_WIDE = COUNTER "tidegauge_samples_wide_total";
    /// What lay under a heartbeat's key and was left out of account, by reason; counted at each read.
    IGNORED_HEARTBEATS = COUNTER "tidegauge_ignored_heartbeats_total";
    /// 1 where this process writes the region's heartbeat, 0 where it stands by.
    WRITER_ACTIVE = GAUGE "tidegauge_writer_active";
    /// 1 for the status that the provider says a replica has.
    REPLICA_STATUS = GAUGE "tidegauge_replica_status";
    /// 1 where something is wrong with the set-up of a store, 0 where it is not; absent where that could not be seen.
    AUDIT_FINDING = GAUGE "tidegauge_audit_finding";
    /// 1 for each alert that is pending or fires. Others are absent.
    ALERT_ACTIVE = GAUGE "tidegauge_alert_active";
    /// Questions which read to make, by what was answered.
    ADVICE = COUNTER "tidegauge_advice_total";
    /// How long an answer to such a question took.
    ADVICE_DURATION = HISTOGRAM "tidegauge_advice_duration_seconds";
    /// 1 for the read that a store's policy advises for items of any region. Others are absent, and so are stores without one.
    ADVICE_DECISION = GAUGE "tidegauge_advice_decision";
    /// 1 for a source that counts as lost and is left out of account. Others are absent.
    ADVICE_EXCLUDED = GAUGE "tidegauge_advice_excluded";
    /// Until when the operator decides in the gauge's place, and what. Absent where they do not.
    ADVICE_OVERRIDE_UNTIL = GAUGE "tidegauge_advice_override_until_timestamp_seconds";
    /// Heartbeats that were due, by what came of them.
    HEARTBEATS = COUNTER "tidegauge_heartbeats_total";
    /// Reads of a target replica, one per slot and poll, by whether they were answered.
    READS = COUNTER "tidegauge_reads_total";
    /// Time from a call's start to its answer or its deadline.
    REQUEST_DURATION = HISTOGRAM "tidegauge_request_duration_seconds";
    /// Calls that failed, by reason.
    ERRORS = COUNTER "tidegauge_errors_total";
    /// Capacity units (or RU) that calls consumed, as the store says.
    CONSUMED_CAPACITY = COUNTER "tidegauge_consumed_capacity_units_total";
    /// Heartbeats that were due and not written: late, backed off from failures, or the one before still in flight.
    MISSED_TICKS = COUNTER "tidegauge_missed_ticks_total";
    /// How late ticks and polls left after they were due.
    SCHEDULE_JITTER = HISTOGRAM "tidegauge_schedule_jitter_seconds";
    /// What was left out because a limit was reached.
    DROPPED = COUNTER "tidegauge_dropped_total";
    /// Clocks that were set, proofs about clocks that became void, and claims that contradict the proofs.
    CLOCK_EVENTS = COUNTER "tidegauge_clock_events_total";
    /// Requests to an Alertmanager that is told by this process itself, by whether it took them.
    NOTIFICATIONS = COUNTER "tidegauge_notifications_total";
    /// Which cell this gauge serves, and in which role.
    CELL_INFO = GAUGE "tidegauge_cell_info";
    /// Which build this is.
    BUILD_INFO = GAUGE "tidegauge_build_info";
    /// Whether the settings that were loaded last are the ones in use.
    CONFIG_LAST_RELOAD_SUCCESSFUL = GAUGE "tidegauge_config_last_reload_successful";
    /// When settings were last loaded successfully.
    CONFIG_LAST_RELOAD_SUCCESS_TIMESTAMP = GAUGE "tidegauge_config_last_reload_success_timestamp_seconds";
}
