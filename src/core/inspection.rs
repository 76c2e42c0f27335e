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
}

impl fmt::Display for Capacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Capacity::OnDemand => f.write_str("on demand"),
            Capacity::Provisioned { read_units, write_units } => {
                write!(f, "{read_units} read and {write_units} write units a second")
            }
        }
    }
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
}
