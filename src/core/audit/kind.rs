//! The findings that there are, how bad each is, and what to do about it.

/// How bad a finding is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// It works, and something about it should be looked at.
    Warning,
    /// Something does not work, or is not measured.
    Error,
}

impl Level {
    /// The word used in answers.
    pub fn label(self) -> &'static str {
        match self {
            Level::Warning => "warning",
            Level::Error => "error",
        }
    }
}

/// What can be wrong. Closed, so that it can be a metric label.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// There is no such table in the region.
    TableMissing,
    /// The region does not say what the store looks like.
    InspectFailing,
    /// The store is to name its regions, and does not.
    RegionsUnknown,
    /// The table is not as the settings say.
    SettingsDiffer,
    /// Heartbeats cannot be read.
    ReadFailing,
    /// Heartbeats cannot be written.
    WriteFailing,
    /// The provider does not say what it knows of the replication.
    ProviderFailing,
    /// The store is not replicated.
    NotReplicated,
    /// The settings list a region that is no replica.
    ReplicaMissing,
    /// The store has a replica that the settings do not list.
    ReplicaUnlisted,
    /// The provider says that a replica is not in use.
    ReplicaNotActive,
    /// An early version of the store's replication.
    LegacyVersion,
    /// The settings ask for strong reads where these measure nothing.
    StrongReadsMeasureNothing,
    /// One region can take less than another.
    CapacityUnequal,
    /// Only one region takes writes.
    MultiRegionWritesOff,
    /// The account promises a bound on how late reads are, between regions that all take writes.
    BoundedStaleness,
    /// Of two conflicting writes the later one is to stay, and what is compared cannot tell which it is.
    ConflictsBySecond,
    /// Slots lie on one partition, and there are others.
    SlotsShareAPartition,
    /// This host's clock is wrong.
    ClockOff,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 19] = [
        Kind::TableMissing,
        Kind::InspectFailing,
        Kind::RegionsUnknown,
        Kind::SettingsDiffer,
        Kind::ReadFailing,
        Kind::WriteFailing,
        Kind::ProviderFailing,
        Kind::NotReplicated,
        Kind::ReplicaMissing,
        Kind::ReplicaUnlisted,
        Kind::ReplicaNotActive,
        Kind::LegacyVersion,
        Kind::StrongReadsMeasureNothing,
        Kind::CapacityUnequal,
        Kind::MultiRegionWritesOff,
        Kind::BoundedStaleness,
        Kind::ConflictsBySecond,
        Kind::SlotsShareAPartition,
        Kind::ClockOff,
    ];

    /// The metric label.
    pub fn label(self) -> &'static str {
        match self {
            Kind::TableMissing => "table_missing",
            Kind::InspectFailing => "inspect_failing",
            Kind::RegionsUnknown => "regions_unknown",
            Kind::SettingsDiffer => "settings_differ",
            Kind::ReadFailing => "read_failing",
            Kind::WriteFailing => "write_failing",
            Kind::ProviderFailing => "provider_failing",
            Kind::NotReplicated => "not_replicated",
            Kind::ReplicaMissing => "replica_missing",
            Kind::ReplicaUnlisted => "replica_unlisted",
            Kind::ReplicaNotActive => "replica_not_active",
            Kind::LegacyVersion => "legacy_version",
            Kind::StrongReadsMeasureNothing => "strong_reads_measure_nothing",
            Kind::CapacityUnequal => "capacity_unequal",
            Kind::MultiRegionWritesOff => "multi_region_writes_off",
            Kind::BoundedStaleness => "bounded_staleness",
            Kind::ConflictsBySecond => "conflicts_by_second",
            Kind::SlotsShareAPartition => "slots_share_a_partition",
            Kind::ClockOff => "clock_off",
        }
    }

    /// How bad it is.
    pub fn level(self) -> Level {
        match self {
            Kind::TableMissing
            | Kind::RegionsUnknown
            | Kind::SettingsDiffer
            | Kind::ReadFailing
            | Kind::WriteFailing
            | Kind::NotReplicated
            | Kind::ReplicaMissing
            | Kind::MultiRegionWritesOff
            | Kind::ReplicaNotActive => Level::Error,
            Kind::InspectFailing
            | Kind::ProviderFailing
            | Kind::ReplicaUnlisted
            | Kind::LegacyVersion
            | Kind::StrongReadsMeasureNothing
            | Kind::CapacityUnequal
            | Kind::BoundedStaleness
            | Kind::ConflictsBySecond
            | Kind::SlotsShareAPartition
            | Kind::ClockOff => Level::Warning,
        }
    }

    /// What to do about it.
    pub fn remedy(self) -> &'static str {
        match self {
            Kind::TableMissing => {
                "create it there (a global table: add a replica), or correct its name in the settings"
            }
            Kind::InspectFailing => {
                "see the cause; if it is denied, grant it: dynamodb:DescribeTable, or the data role's readMetadata of the account. \
                 Until it answers, replicas and capacity are not known"
            }
            Kind::RegionsUnknown => {
                "let the table be described (dynamodb:DescribeTable), or list the regions: until then nothing is measured"
            }
            Kind::SettingsDiffer => "correct the settings to what is there, or put the heartbeats into a companion",
            Kind::ReadFailing => "without it nothing arrives that could be timed: see the cause",
            Kind::WriteFailing => "without it nothing is sent that could be timed: see the cause",
            Kind::ProviderFailing => {
                "see the cause; if it is denied, grant it (cloudwatch:GetMetricData, or Monitoring Reader on the account), or set \
                 provider = { poll = false }. Heartbeats are measured all the same"
            }
            Kind::NotReplicated => "add a replica in another region; until then there is nothing to measure",
            Kind::ReplicaMissing => "add the replica, or take the region out of the settings",
            Kind::ReplicaUnlisted => "list it; a global table names its regions itself with regions = \"auto\"",
            Kind::ReplicaNotActive => "see what the provider says of it; applications there may see old data, or none",
            Kind::LegacyVersion => {
                "upgrade the global table to version 2019.11.21; this gauge was not tried with older ones"
            }
            Kind::StrongReadsMeasureNothing => "remove read = \"strong\"; eventual reads are made instead",
            Kind::CapacityUnequal => {
                "give all replicas the same capacity, or put them on demand: the smallest one is throttled first, and \
                 replication into it falls behind"
            }
            Kind::MultiRegionWritesOff => {
                "let all regions take writes (multi-region writes, in the account's settings): until then heartbeats of the \
                 others are refused, and nothing is measured from there"
            }
            Kind::BoundedStaleness => {
                "use session consistency: where every region takes writes the bound is not what a reader sees, and a region \
                 that cannot keep it is throttled"
            }
            Kind::ConflictsBySecond => {
                "write one item in one region alone, or make a new container whose conflicts are resolved by a number that the \
                 application raises: a policy cannot be changed"
            }
            Kind::SlotsShareAPartition => {
                "raise heartbeat.slots to 2, 4, 8 or more, or make do: slots that share a partition are sampled as one"
            }
            Kind::ClockOff => "let this host's clock be kept by NTP",
        }
    }
}
