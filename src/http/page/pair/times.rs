//! How late a pair's heartbeats were over the last minutes, and how soon a write is visible.

use maud::{Markup, html};

use super::super::shown::{ShownPair, ShownStore};
use super::super::{chart, words};
use crate::core::advice::visibility::{Lookback, within};

/// The names of [`crate::core::window::Summary`]'s windows.
const WINDOWS: [&str; 3] = ["1 min", "10 min", "60 min"];
/// The probabilities that are listed.
const LISTED: [f64; 3] = [0.5, 0.9, 0.99];

/// What the samples' lags were.
pub(super) fn quantiles(one: &ShownPair<'_>) -> Markup {
    let known = |known: Option<f64>| known.map_or(words::UNKNOWN.into(), words::span);
    html! {
        h3 { "Lag of what arrived" }
        table.figures {
            caption { "Quantiles of the samples; a dash where there are too few, or too many heartbeats still to come" }
            thead { tr {
                th scope="col" { "Over the last" } th scope="col" { "Samples" } th scope="col" { "p50" }
                th scope="col" { "p90" } th scope="col" { "p99" } th scope="col" { "Largest" }
            } }
            tbody {
                @for (name, window) in WINDOWS.into_iter().zip(one.pair.summary.iter()) {
                    tr {
                        th scope="row" { (name) }
                        td.number { (window.count) }
                        @for quantile in [window.p50, window.p90, window.p99, window.max] {
                            td.number { (known(quantile)) }
                        }
                    }
                }
            }
        }
    }
}

/// The band, and what can be read off it.
pub(super) fn visibility(store: &ShownStore<'_>, one: &ShownPair<'_>) -> Markup {
    let plan = &store.store.plan;
    let of = |confidence: f64| within(plan, one.pair, confidence, None);
    let drawn = of(LISTED[1]).lookback;
    let curve = &one.pair.visibility[drawn as usize];
    html! {
        h3 { "How soon a write is visible" }
        @if plan.observer {
            p { "An observer counts no samples: ask the cell's gauge." }
        } @else {
            @match chart::visibility(curve) {
                Some(band) => figure {
                    (band)
                    figcaption {
                        "From " (curve.count) " heartbeats that became visible " (over(drawn)) ". The truth of their share lies in \
                         the band, as each lag lies in its bracket."
                    }
                },
                None => p { "Too few heartbeats became visible " (over(drawn)) ": " (curve.count) "." },
            }
            table.figures {
                caption { "A write is visible within so long of its acknowledgement" }
                thead { tr {
                    th scope="col" { "With a probability of" } th scope="col" { "At the earliest" }
                    th scope="col" { "At the latest" } th scope="col" { "From" }
                } }
                tbody {
                    @for confidence in LISTED {
                        @let within = of(confidence);
                        tr {
                            th scope="row" { (chart::per_cent(confidence)) }
                            td.number { (words::span_or(within.optimistic)) }
                            td.number { (words::span_or(within.pessimistic)) }
                            td.note { (within.samples) " heartbeats " (over(within.lookback)) }
                        }
                    }
                }
            }
            p.note {
                "That is no certainty. A heartbeat is another item, and partitions replicate in parallel: only the item's own \
                 version, a session token or a read in its home region makes it certain."
            }
        }
    }
}

fn over(lookback: Lookback) -> &'static str {
    match lookback {
        Lookback::TenMinutes => "in the last 10 minutes",
        Lookback::Hour => "in the last hour",
    }
}
