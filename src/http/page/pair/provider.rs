//! What the provider says of one pair, and how that compares with the heartbeats.

use maud::{Markup, html};

use super::super::shown::{ShownPair, ShownStore};
use super::super::words;
use crate::core::merge::Verdict;
use crate::core::provider::failing_words;
use crate::core::time::Now;

pub(super) fn section(store: &ShownStore<'_>, one: &ShownPair<'_>, now: Now) -> Markup {
    let asked = store.store.plan.polling.zip(one.pair.provider.as_ref()).zip(one.now.provider);
    html! {
        h3 { "What the provider says" }
        @match asked {
            None => p { "It is not asked about this pair by this process." },
            Some(((polling, facts), standing)) => {
                @let value = standing.said.and_then(|said| said.value());
                p {
                    @match value.zip(standing.age) {
                        Some(((statistic, seconds), age)) => {
                            b { (words::span(seconds)) } " " (statistic.label()) " of the " (words::setting(polling.period))
                            " that ended " (words::span(age.as_secs_f64())) " ago"
                            @if let Some(maximum) = standing.said.and_then(|said| said.maximum) {
                                ", maximum " (words::span(maximum))
                            }
                            @if !standing.is_fresh { ": too long ago to stand for now" }
                            "."
                        }
                        None => { b { (words::UNKNOWN) } " It says nothing of the last hour." },
                    }
                }
                p { b { (verdict(standing.verdict)) } ": " (facts.finding.words(now.mono)) "." }
                @if let Some(failing) = facts.failing { p { "The last question failed: " (failing_words(failing)) "." } }
            }
        }
    }
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Agrees => "It agrees with the heartbeats",
        Verdict::DisagreesProviderHigher => "It says more than the heartbeats",
        Verdict::DisagreesProviderLower => "It says less than the heartbeats",
        Verdict::Unknown => "Whether it agrees is not known",
    }
}
