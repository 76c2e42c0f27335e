//! All of one pair.

use maud::{Markup, html};

use super::shown::{Shown, ShownPair, ShownStore};

/// The pair that was asked for, before the store that it is one of.
pub(super) fn section(_shown: &Shown<'_>, store: &ShownStore<'_>, one: &ShownPair<'_>) -> Markup {
    html! {
        section.pair aria-labelledby="pair" {
            h2 #pair { (store.name()) ": " (one.source) " to " (one.target) }
        }
    }
}
