//! Why a pair's state may be unknown, as far as it decides what a person can do about it.

/// What is in the way.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Unknown {
    /// Nothing has made its way yet.
    NotMeasuredYet,
    /// The heartbeats are of a release that this one cannot read.
    NewerFormat,
    /// How far two clocks differ is not bounded.
    Clocks,
    /// An observer sees nothing new, and does not ask at the source.
    Observing,
    /// Nothing new comes, and the source cannot be asked.
    Unreachable,
}

impl Unknown {
    /// All of them.
    pub const ALL: [Unknown; 5] =
        [Unknown::NotMeasuredYet, Unknown::NewerFormat, Unknown::Clocks, Unknown::Observing, Unknown::Unreachable];

    /// What a person can do about it.
    pub fn remedy(self) -> &'static str {
        match self {
            Unknown::NotMeasuredYet => {
                "Wait a few heartbeats. If it stays, see whether the source's gauge runs, with the same settings of the store."
            }
            Unknown::NewerFormat => "Upgrade this gauge.",
            Unknown::Clocks => {
                "See to NTP at both gauges, and that each sees the other's heartbeats; or promise clock.max_error."
            }
            Unknown::Observing => "Ask the cell's gauge, which can tell a silent writer from a stall.",
            Unknown::Unreachable => {
                "Restore this gauge's access to the source's region, or look at the source's own gauge: it may be a stall."
            }
        }
    }
}
