//! What a look at a store itself tells: its replicas, how it replicates, what it can take. The words for it, whatever the
//! kind of store.

use std::fmt;
use std::sync::Arc;

/// How a store's regions agree.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Mode {
    /// Writes are replicated after they were acknowledged: what this gauge is for.
    Asynchronous,
    /// A strong read anywhere sees the newest write of any region, and so measures nothing; eventual ones may be late.
    Strong,
    /// An early version of the store's replication, which this gauge was not tried with.
    Legacy,
    /// There is but one region.
    Single,
}

impl Mode {
    /// The word used in labels and answers.
    pub fn label(self) -> &'static str {
        match self {
            Mode::Asynchronous => "asynchronous",
            Mode::Strong => "strong",
            Mode::Legacy => "legacy",
            Mode::Single => "single",
        }
    }
}

/// How a replica is, in its provider's words.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ReplicaStatus {
    /// In use.
    Active,
    /// Being made: not to be read yet.
    Creating,
    /// In use, and being changed.
    Updating,
    /// Going away.
    Deleting,
    /// Set aside; nobody can use it.
    Archived,
    /// The provider cannot reach it, or lacks its keys.
    Inaccessible,
    /// Replication to it is not permitted.
    NotAuthorized,
    /// It could not be made.
    Failed,
    /// Something that this release does not know.
    Unknown,
}

impl ReplicaStatus {
    /// The word used in labels and answers.
    pub fn label(self) -> &'static str {
        match self {
            ReplicaStatus::Active => "active",
            ReplicaStatus::Creating => "creating",
            ReplicaStatus::Updating => "updating",
            ReplicaStatus::Deleting => "deleting",
            ReplicaStatus::Archived => "archived",
            ReplicaStatus::Inaccessible => "inaccessible",
            ReplicaStatus::NotAuthorized => "not_authorized",
            ReplicaStatus::Failed => "failed",
            ReplicaStatus::Unknown => "unknown",
        }
    }

    /// Whether the replica is to be measured: also one that is in trouble, but none that is on its way in or out.
    pub fn is_measured(self) -> bool {
        match self {
            ReplicaStatus::Active
            | ReplicaStatus::Updating
            | ReplicaStatus::Inaccessible
            | ReplicaStatus::NotAuthorized
            | ReplicaStatus::Unknown => true,
            ReplicaStatus::Creating | ReplicaStatus::Deleting | ReplicaStatus::Archived | ReplicaStatus::Failed => {
                false
            }
        }
    }
}

/// One replica, as the region that was asked sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Replica {
    /// The region's name.
    pub name: Arc<str>,
    /// How it is.
    pub status: ReplicaStatus,
    /// What the provider says beside that; often empty.
    pub description: String,
}

/// What a region can take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Capacity {
    /// As much as comes, within the provider's limits.
    OnDemand,
    /// So much a second.
    Provisioned {
        /// Read capacity units.
        read_units: u64,
        /// Write capacity units.
        write_units: u64,
    },
    /// So many request units a second, in every region alike, for reads and writes together.
    RequestUnits {
        /// Request units a second; where they scale by themselves, at most.
        per_second: u64,
        /// Whether they scale by themselves, down to a tenth.
        autoscale: bool,
    },
}

impl fmt::Display for Capacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Capacity::OnDemand => f.write_str("on demand"),
            Capacity::Provisioned { read_units, write_units } => {
                write!(f, "{read_units} read and {write_units} write units a second")
            }
            Capacity::RequestUnits { per_second, autoscale: false } => write!(f, "{per_second} RU/s"),
            Capacity::RequestUnits { per_second, autoscale: true } => {
                write!(f, "{} to {per_second} RU/s, as needed", per_second / 10)
            }
        }
    }
}

/// How consistent an account's reads are unless they ask for less.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum AccountConsistency {
    /// A read anywhere sees the newest write.
    Strong,
    /// A read elsewhere is late by so many writes, or so long, at most.
    BoundedStaleness,
    /// A client sees its own writes, where it keeps its token.
    Session,
    /// Writes are seen in their order.
    ConsistentPrefix,
    /// Writes are seen at some time.
    Eventual,
}

impl AccountConsistency {
    /// All of them.
    pub const ALL: [AccountConsistency; 5] = [
        AccountConsistency::Strong,
        AccountConsistency::BoundedStaleness,
        AccountConsistency::Session,
        AccountConsistency::ConsistentPrefix,
        AccountConsistency::Eventual,
    ];

    /// The name that Azure has for it.
    pub fn label(self) -> &'static str {
        match self {
            AccountConsistency::Strong => "Strong",
            AccountConsistency::BoundedStaleness => "BoundedStaleness",
            AccountConsistency::Session => "Session",
            AccountConsistency::ConsistentPrefix => "ConsistentPrefix",
            AccountConsistency::Eventual => "Eventual",
        }
    }
}

/// What becomes of two writes of one item in two regions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Conflicts {
    /// The one stays that has the higher number at this path, such as `/_ts`.
    HighestWins {
        /// The path.
        path: String,
    },
    /// A stored procedure decides, or whoever reads the feed of conflicts.
    Custom,
}

/// When items of a container go away by themselves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expiry {
    /// Never.
    Off,
    /// Those that say so themselves.
    OfItems,
    /// All, so many seconds after they were last written, unless they say otherwise.
    After(u64),
}

/// On how many partitions the slots lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Spread {
    /// Slots that there are.
    pub slots: usize,
    /// Partitions that hold a slot.
    pub with_slots: usize,
    /// Partitions that there are.
    pub partitions: usize,
}

/// How a store was set up, where there is more than one way; `None` is what was not told.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Setup {
    /// Whether every region takes writes.
    pub multi_region_writes: Option<bool>,
    /// How consistent its reads are.
    pub consistency: Option<AccountConsistency>,
    /// What becomes of conflicting writes.
    pub conflicts: Option<Conflicts>,
    /// When items go away.
    pub expiry: Option<Expiry>,
    /// Where the slots lie.
    pub spread: Option<Spread>,
}

/// What one region says of the store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Inspection {
    /// All replicas, that of the region asked among them; witnesses are none.
    pub replicas: Vec<Replica>,
    /// Regions that take part in agreeing, and hold nothing to be read.
    pub witnesses: Vec<Arc<str>>,
    /// How the regions agree.
    pub mode: Mode,
    /// What this region can take; `None` where that is not said.
    pub capacity: Option<Capacity>,
    /// What of it is not as the settings say, in words.
    pub differs: Option<String>,
    /// How it was set up; `None` for a kind of store that leaves no choice.
    pub setup: Option<Setup>,
}
