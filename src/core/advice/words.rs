//! A decision in words, for the developer who wonders and the person on call.

use super::{Advice, Basis, Decision, Policy, Query, Why, region};
use crate::core::snapshot::StoreSnapshot;
use crate::core::time::{Now, Span};

/// Why, in a sentence.
pub fn reason(store: &StoreSnapshot, policy: &Policy, query: &Query, advice: &Advice, now: Now) -> String {
    let name = |region| store.region(region);
    let target = name(query.target);
    let bound = seconds(query.max_staleness);
    let held_against = |source, age: Span, may_be: &str, within: &str| match query.basis {
        Basis::Bound => format!(
            "what {target} shows of {} {may_be} {} old, and {} when this answer ends: {within} {bound}",
            name(source),
            seconds(age),
            seconds(age + query.valid_for)
        ),
        Basis::Estimate => {
            format!("what is written in {} takes {} to {target}, {within} {bound}", name(source), seconds(age))
        }
    };
    let why = match advice.why {
        Why::Fresh(Some((source, age))) => held_against(source, age, "is at most", "within"),
        Why::Fresh(None) => format!("nothing that counts is older than allowed in {target}"),
        Why::TooOld(source, age) => held_against(source, age, "may be", "over"),
        Why::NotKnown(source) => format!("it is not known how old what {target} shows of {} is", name(source)),
        Why::Unlisted => format!(
            "the store has a replica in {}, of which the settings say nothing and so nothing is measured; list it, or name the \
             item's home region",
            region::unlisted(store, query.target).unwrap_or("another region")
        ),
        Why::NoSources => "which other regions the store has is not known".to_owned(),
        Why::SingleRegion => "the store has no other region".to_owned(),
        Why::HomeIsHere => format!("{target} is the item's home: its newest write is here"),
        Why::InTrouble(region, trouble) if region == query.target => {
            format!("{target} is the item's home, and {}", trouble.words())
        }
        Why::InTrouble(region, trouble) => {
            format!("the local replica will not do, and {} {}", name(region), trouble.words())
        }
        Why::Lost(source, silent) => format!(
            "nothing has been heard of {} for {}: its last writes may be missing everywhere, and by the settings nothing \
             is read then; name the item's home region to be answered for that one alone",
            name(source),
            seconds(silent)
        ),
        Why::Overridden(place) => match policy.overrides.get(place) {
            Some(forced) if !forced.reason.is_empty() => format!("the operator decided so: {}", forced.reason),
            _ => "the operator decided so".to_owned(),
        },
        Why::Dwells(calm) => {
            let (back, dwell) = (seconds(policy.returns_below(bound_of(policy, query))), seconds(policy.dwells()));
            match calm {
                Some(calm) => format!(
                    "a less cautious read could be made again, and has to be possible for {dwell} without a break, {} of which \
                     have passed",
                    seconds(calm)
                ),
                None => format!(
                    "what is here is within the bound again, and has to stay within {back} for {dwell} before a less cautious \
                     read is advised"
                ),
            }
        }
    };
    let why = match advice.why {
        Why::Dwells(_) => format!("{why}; until then: {}", told(store, advice.decision)),
        _ => why,
    };
    let mut left_out = String::new();
    if matches!(advice.why, Why::Fresh(_)) {
        let excluded = region::excluded(store, query.target, policy, now.mono);
        for (source, lost) in excluded.filter(|(source, _)| query.source.is_none_or(|named| named == *source)) {
            left_out.push_str(&format!(
                "; {} is left out of account, as nothing has been heard of it for {}: what it wrote last may be lost",
                name(source),
                seconds(lost.silent)
            ));
        }
    }
    let why = why + &left_out;
    match advice.decision {
        Decision::Wait(wait) => format!(
            "{why}; the next heartbeat should be here in {}, and then the local replica will do: ask again",
            seconds(wait)
        ),
        _ => why,
    }
}

/// What whoever reads in a region is told, in words.
pub fn told(store: &StoreSnapshot, decision: Decision) -> String {
    match decision {
        Decision::ReadLocal => "read there".to_owned(),
        Decision::Wait(wait) => format!("wait {} and ask again", seconds(wait)),
        Decision::UseSessionToken => "read there, with the session token of the write".to_owned(),
        Decision::ReadStrong => "read there, strongly consistent".to_owned(),
        Decision::ReadSourceRegion(region) => format!("read in {}", store.region(region)),
        Decision::ReadHomeRegion => "read in the item's home region".to_owned(),
        Decision::Refuse => "read nothing".to_owned(),
    }
}

/// The bound in the settings, of which the one that is asked with is a little less.
fn bound_of(policy: &Policy, query: &Query) -> Span {
    policy.max_staleness.unwrap_or(query.max_staleness)
}

fn seconds(span: Span) -> String {
    format!("{:.1} s", span.as_secs_f64())
}
