//! What helps against a replica that is too old, by how the regions of a table agree.

use crate::core::advice::Remedies;
use crate::core::inspection::{Inspection, Mode};

/// A strong read goes no further than its own region: it does not see what another one wrote a moment ago.
const ASYNCHRONOUS: Remedies = Remedies {
    local: "read with ConsistentRead as the heartbeats were (true where `read` is \"strong\"): an eventual read may be older \
            than a strong one, by what the region's own copies lag",
    strong_anywhere: None,
    strong_at_home: Some(
        "a read with ConsistentRead = true in that region: it sees all that was written there, and no newer write of another \
         region than has arrived",
    ),
    session_token: None,
};

/// Multi-region strong consistency. Heartbeats are read eventually there, as strong reads are never late.
const STRONG: Remedies = Remedies {
    local: "a read with ConsistentRead = false, as the heartbeats were read: it may be old, wherever the item was written",
    strong_anywhere: Some("a read with ConsistentRead = true, in any region that has a replica"),
    strong_at_home: Some("a read with ConsistentRead = true in that region"),
    session_token: None,
};

/// By the table's own description.
pub(super) fn of(told: Option<&Inspection>) -> Remedies {
    match told.map(|told| told.mode) {
        Some(Mode::Strong) => STRONG,
        // Nothing is known of a table that was not asked. One that names no other replica may have been cut off from those
        // that it had, which go on without it: a strong read shows what was written to it, and there is no "anywhere".
        None | Some(Mode::Asynchronous | Mode::Legacy | Mode::Single) => ASYNCHRONOUS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_mode(mode: Mode) -> Remedies {
        let replicas = Vec::new();
        of(Some(&Inspection { replicas, witnesses: Vec::new(), mode, capacity: None, differs: None, setup: None }))
    }

    #[test]
    fn a_strong_read_is_fresh_anywhere_where_the_regions_agree_and_nowhere_else() {
        let strong = in_mode(Mode::Strong);
        assert!(strong.strong_anywhere.is_some_and(|how| how.contains("ConsistentRead = true")), "{strong:?}");
        assert!(strong.local.contains("ConsistentRead = false"), "heartbeats are read eventually there: {strong:?}");
        let others = [Mode::Asynchronous, Mode::Legacy, Mode::Single].map(in_mode);
        for remedies in others.into_iter().chain([of(None)]) {
            assert_eq!(remedies.strong_anywhere, None);
        }
    }

    #[test]
    fn in_the_home_region_a_strong_read_sees_what_was_written_there_whatever_the_mode() {
        let modes = [Mode::Asynchronous, Mode::Strong, Mode::Legacy, Mode::Single].map(in_mode);
        for remedies in modes.into_iter().chain([of(None)]) {
            let how = remedies.strong_at_home.unwrap();
            assert!(how.contains("ConsistentRead = true in that region"), "{how}");
            assert_eq!(remedies.session_token, None, "there are none");
        }
    }
}
