//! What helps against a replica that is too old, by how an account was set up.

use crate::core::advice::Remedies;
use crate::core::inspection::{AccountConsistency, Inspection};

/// By what the account says of itself.
pub(super) fn of(told: Option<&Inspection>) -> Remedies {
    let setup = told.and_then(|told| told.setup.as_ref());
    let consistency = setup.and_then(|setup| setup.consistency);
    let multi_region_writes = setup.and_then(|setup| setup.multi_region_writes);
    // Between regions that all take writes there is no such account, whatever was told.
    let agrees = consistency == Some(AccountConsistency::Strong) && multi_region_writes != Some(true);
    Remedies {
        local: "read with ReadConsistencyStrategy as the heartbeats were (LatestCommitted where `read` is \"strong\"), all other \
                regions excluded and hedging off: an Eventual read may be older, by what the region's own replicas lag",
        strong_anywhere: agrees.then_some(
            "a read that leaves the consistency at the account's, which is Strong (or ReadConsistencyStrategy GlobalStrong), \
             in any region",
        ),
        strong_at_home: Some(match multi_region_writes {
            Some(true) => {
                "a read with ReadConsistencyStrategy LatestCommitted in that region, all others excluded and hedging off: it \
                 sees all that was written there, and no newer write of another region than has arrived"
            }
            Some(false) => {
                "a read with ReadConsistencyStrategy LatestCommitted in the one region that takes the account's writes, which \
                 is the home of every item, all others excluded and hedging off"
            }
            None => {
                "a read with ReadConsistencyStrategy LatestCommitted in that region (in the one that takes writes, where the \
                 account has but one), all others excluded and hedging off"
            }
        }),
        session_token: match consistency {
            // To ask such an account for Session would be to ask for more than it gives.
            Some(AccountConsistency::ConsistentPrefix | AccountConsistency::Eventual) => None,
            // An account that says nothing refuses what is more than it gives, rather than answer with something old.
            None
            | Some(
                AccountConsistency::Strong | AccountConsistency::BoundedStaleness | AccountConsistency::Session,
            ) => Some(
                "a read with ConsistencyLevel Session and the token of the session that wrote (SessionToken in the request's \
                 options, the header x-ms-session-token)",
            ),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::inspection::{Mode, Setup};

    fn told(multi_region_writes: Option<bool>, consistency: Option<AccountConsistency>) -> Remedies {
        let setup = Some(Setup { multi_region_writes, consistency, ..Setup::default() });
        let (replicas, mode) = (Vec::new(), Mode::Asynchronous);
        of(Some(&Inspection { replicas, witnesses: Vec::new(), mode, capacity: None, differs: None, setup }))
    }

    fn all(multi_region_writes: Option<bool>) -> Vec<(Option<AccountConsistency>, Remedies)> {
        let consistencies = AccountConsistency::ALL.into_iter().map(Some).chain([None]);
        consistencies.map(|consistency| (consistency, told(multi_region_writes, consistency))).collect()
    }

    #[test]
    fn where_all_regions_take_writes_no_read_is_fresh_anywhere_whatever_the_account_says() {
        for (consistency, remedies) in all(Some(true)) {
            assert_eq!(remedies.strong_anywhere, None, "{consistency:?}");
        }
    }

    #[test]
    fn with_one_region_that_takes_writes_a_strong_account_alone_is_fresh_anywhere() {
        for (consistency, remedies) in all(Some(false)) {
            let is_strong = consistency == Some(AccountConsistency::Strong);
            assert_eq!(remedies.strong_anywhere.is_some(), is_strong, "{consistency:?}");
            let home = remedies.strong_at_home.unwrap();
            assert!(home.contains("one region that takes the account's writes"), "every item's home: {home}");
        }
    }

    #[test]
    fn the_home_region_is_read_with_a_quorum_and_nowhere_else() {
        for (consistency, remedies) in [None, Some(false), Some(true)].into_iter().flat_map(all) {
            let home = remedies.strong_at_home.unwrap();
            assert!(home.contains("ReadConsistencyStrategy LatestCommitted"), "{consistency:?}: {home}");
            assert!(home.contains("all others excluded"), "the SDK answers from elsewhere by itself: {home}");
        }
    }

    #[test]
    fn a_session_token_is_for_accounts_that_give_at_least_session_consistency() {
        for (consistency, remedies) in [None, Some(false), Some(true)].into_iter().flat_map(all) {
            let gives_less = [AccountConsistency::ConsistentPrefix, AccountConsistency::Eventual].map(Some);
            assert_eq!(remedies.session_token.is_none(), gives_less.contains(&consistency), "{consistency:?}");
        }
        assert!(told(None, None).session_token.unwrap().contains("ConsistencyLevel Session"), "asked for, or ignored");
    }

    #[test]
    fn an_account_that_was_not_asked_is_not_promised_anything_that_only_some_can() {
        assert_eq!(of(None), told(None, None));
        assert_eq!(of(None).strong_anywhere, None);
    }
}
