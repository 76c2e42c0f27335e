//! What is advised to readers, and what was.

use super::{Page, Value, declare, label};
use crate::core::advice::region;
use crate::view::View;

/// Counts, policies' decisions, and the operator's.
pub(super) fn render(page: &mut Page, view: &View) {
    page.family(
        declare::ADVICE,
        view.advised.stores.iter().flat_map(|store| {
            store.decisions().map(|(decision, count)| {
                (vec![label("store", &store.store), label("decision", decision)], Value::Number(count as f64))
            })
        }),
    );
    page.family(declare::ADVICE_DURATION, std::iter::once((Vec::new(), Value::Histogram(view.advised.took()))));
    let stores = || view.stores.iter().zip(view.policies.iter());
    page.family(
        declare::ADVICE_DECISION,
        stores().zip(&view.verdicts.standings).flat_map(|((store, _), standings)| {
            standings.iter().filter(|((_, source), _)| source.is_none()).map(|((target, _), standing)| {
                let mut labels = vec![label("store", &store.plan.store), label("target_region", store.region(*target))];
                labels.push(label("decision", standing.advice.decision.label()));
                (labels, Value::Number(1.0))
            })
        }),
    );
    page.family(
        declare::ADVICE_EXCLUDED,
        stores().flat_map(|(store, policy)| {
            let targets =
                store.plan.region_ids().filter(|target| store.plan.local.is_none_or(|local| local == *target));
            targets.flat_map(move |target| {
                region::excluded(store, target, policy, view.now.mono).map(move |(source, _)| {
                    let mut labels =
                        vec![label("store", &store.plan.store), label("source_region", store.region(source))];
                    labels.push(label("target_region", store.region(target)));
                    (labels, Value::Number(1.0))
                })
            })
        }),
    );
    page.family(
        declare::ADVICE_OVERRIDE_UNTIL,
        stores().filter_map(|(store, policy)| {
            let forced = &policy.overrides[policy.overriding(view.now.wall)?];
            let labels = vec![label("store", &store.plan.store), label("decision", forced.decision.label())];
            Some((labels, Value::Number(forced.until.unix_seconds_f64())))
        }),
    );
}
