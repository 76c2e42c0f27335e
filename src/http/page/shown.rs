//! What is on the page: everything at one moment, each pair looked at once.

use crate::core::assess::{Assessment, State, assess};
use crate::core::judge::Verdict;
use crate::core::model::RegionId;
use crate::core::snapshot::{PairSnapshot, StoreSnapshot};
use crate::core::time::Wall;
use crate::core::trace::Trace;
use crate::http::answer::{Parameters, Problem};
use crate::view::View;

/// What was asked for.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Choice {
    /// Everything.
    All,
    /// One store, by its place.
    Store(usize),
    /// One pair of it.
    Pair(usize, (RegionId, RegionId)),
}

/// A pair at the moment.
#[derive(Debug)]
pub(super) struct ShownPair<'a> {
    pub pair: &'a PairSnapshot,
    pub source: &'a str,
    pub target: &'a str,
    pub now: Assessment,
    /// Since when it is in its state, where the judge knows.
    pub since: Option<Wall>,
    pub trace: Option<&'a Trace>,
}

/// A store at the moment.
#[derive(Debug)]
pub(super) struct ShownStore<'a> {
    /// Which of the view's.
    pub place: usize,
    pub store: &'a StoreSnapshot,
    /// Its pairs, by source and then by target.
    pub pairs: Vec<ShownPair<'a>>,
}

/// All of it.
#[derive(Debug)]
pub(super) struct Shown<'a> {
    pub view: &'a View,
    pub choice: Choice,
    /// Every store, whatever was asked for.
    pub stores: Vec<ShownStore<'a>>,
}

/// What a request asks for.
pub(super) fn choice(wanted: &Parameters<'_>, view: &View) -> Result<Choice, Problem> {
    let names = ["source_region", "target_region"];
    let Some(place) = wanted.store(view)? else {
        return match names.iter().any(|name| wanted.get(name).is_some()) {
            true => Err(Problem::missing("store")),
            false => Ok(Choice::All),
        };
    };
    let store = &view.stores[place];
    let [source, target] = names.map(|name| wanted.region(name, store));
    match (source?, target?) {
        (None, None) => Ok(Choice::Store(place)),
        (Some(_), None) => Err(Problem::missing("target_region")),
        (None, Some(_)) => Err(Problem::missing("source_region")),
        (Some(source), Some(target)) if store.pair(source, target).is_some() => {
            Ok(Choice::Pair(place, (source, target)))
        }
        (Some(source), Some(target)) => {
            let [source, target] = [source, target].map(|region| store.region(region));
            let message = format!("{source} to {target} is not measured here");
            Err(Problem::not_found(format!("{message}; GET / has all that is")))
        }
    }
}

impl<'a> Shown<'a> {
    pub(super) fn of(view: &'a View, choice: Choice) -> Shown<'a> {
        let stores = view.stores.iter().enumerate().map(|(place, store)| ShownStore {
            place,
            store,
            pairs: store.pairs.iter().map(|pair| shown_pair(view, place, store, pair)).collect(),
        });
        Shown { view, choice, stores: stores.collect() }
    }

    /// The stores that were asked for.
    pub(super) fn wanted(&self) -> impl Iterator<Item = &ShownStore<'a>> {
        let one = match self.choice {
            Choice::All => None,
            Choice::Store(place) | Choice::Pair(place, _) => Some(place),
        };
        self.stores.iter().filter(move |store| one.is_none_or(|place| place == store.place))
    }

    /// Every pair of every store, whatever was asked for.
    pub(super) fn pairs(&self) -> impl Iterator<Item = &ShownPair<'a>> + Clone {
        self.stores.iter().flat_map(|store| &store.pairs)
    }
}

fn shown_pair<'a>(view: &'a View, place: usize, store: &'a StoreSnapshot, pair: &'a PairSnapshot) -> ShownPair<'a> {
    let now = assess(&store.plan, pair, view.now);
    // Where it changed since the judge last looked, that was a moment ago.
    let since = view.verdict(place, pair).map(|Verdict { state, since }| match state == now.state {
        true => since,
        false => view.now.wall,
    });
    ShownPair {
        pair,
        source: store.region(pair.source),
        target: store.region(pair.target),
        now,
        since,
        trace: view.trace(place, pair),
    }
}

impl ShownPair<'_> {
    /// Whether nothing is wrong with it.
    pub(super) fn is_ok(&self) -> bool {
        self.now.state == State::Ok
    }
}

impl ShownStore<'_> {
    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.store.plan.store
    }

    /// One of its pairs.
    pub(super) fn pair(&self, source: RegionId, target: RegionId) -> Option<&ShownPair<'_>> {
        let place = self.pairs.binary_search_by_key(&(source, target), |shown| (shown.pair.source, shown.pair.target));
        place.ok().map(|place| &self.pairs[place])
    }
}
