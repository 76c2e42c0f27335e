//! What helps against a replica that is too old. It is not the same for all stores: a strong read helps on some, and on
//! others it shows no more than the replica's own region knows.

/// What a reader of a store can do, and how it is asked for. A store says this of itself, as the mode it is in has it;
/// each `Some` is words for an application's developer.
///
/// Every store can be read in another region, and every replica catches up if one waits; neither is in here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Remedies {
    /// How the local replica is to be read so that what is said of the heartbeats holds: they were read that way.
    pub local: &'static str,
    /// How a read that sees the newest write of every region is asked for, wherever it is made.
    pub strong_anywhere: Option<&'static str>,
    /// How a read that sees all writes made in the region in which it is made is asked for: what an item's home region is
    /// read with.
    pub strong_at_home: Option<&'static str>,
    /// How a read that sees the write whose session token it carries is asked for.
    pub session_token: Option<&'static str>,
}

impl Remedies {
    /// What holds of any store: nothing is promised.
    pub const NONE: Remedies = Remedies {
        local: "read the replica of this region",
        strong_anywhere: None,
        strong_at_home: None,
        session_token: None,
    };
}
