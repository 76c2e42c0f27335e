//! Since when each pair has been in its state, how it was in the last hour, which alerts there are, and what the policies for
//! reads have come to: what a snapshot cannot tell, as it has no memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::advice::{self, AdviceTransition, Policy, Standings};
use super::alert::{AlertTransition, Alerts, Rule};
use super::assess::{Assessment, State, assess};
use super::model::RegionId;
use super::snapshot::{PairSnapshot, StoreSnapshot};
use super::time::{Now, Span, Wall};
use super::trace::Traces;

/// How often [`step`] is to be called: what it says is as fresh as that.
pub const EVERY: Span = Span::from_millis(250);

/// A pair's state, and since when.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// The state.
    pub state: State,
    /// Since when, by this host's wall clock, to within one step of the judge.
    pub since: Wall,
}

/// The verdicts on the pairs of one store, by source and target. Pairs come and go with the store's regions.
pub type States = BTreeMap<(RegionId, RegionId), Verdict>;

/// What the judge knows.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Verdicts {
    /// The pairs' states, by store.
    pub states: Vec<States>,
    /// The alerts of all stores.
    pub alerts: Alerts,
    /// What the policies for reads have come to, by store.
    pub standings: Vec<Standings>,
    /// How the pairs were in the last hour, by store.
    pub traces: Vec<Traces>,
}

/// What changed.
#[derive(Clone, PartialEq, Debug)]
pub enum Transition {
    /// A pair's state.
    State(StateTransition),
    /// An alert.
    Alert(AlertTransition),
    /// Which read a store's policy advises.
    Advice(AdviceTransition),
}

/// A pair that changed its state.
#[derive(Clone, PartialEq, Debug)]
pub struct StateTransition {
    /// Which store.
    pub store: Arc<str>,
    /// The pair's source.
    pub source_region: Arc<str>,
    /// The pair's target.
    pub target_region: Arc<str>,
    /// The state it left; `None` at the first look.
    pub from: Option<State>,
    /// The state it is in now.
    pub to: State,
    /// Why.
    pub reason: String,
}

/// Assesses all pairs at `now` and brings states, alerts and advice up to date. Returns what changed. `policies` are those of
/// the stores, in their order.
pub fn step<'a>(
    verdicts: &mut Verdicts,
    rules: &[Rule],
    policies: &[Policy],
    snapshots: impl Iterator<Item = &'a StoreSnapshot>,
    now: Now,
) -> Vec<Transition> {
    let stores = snapshots.enumerate();
    stores.flat_map(|store| step_store(verdicts, rules, policies.get(store.0), store, now)).collect()
}

/// The same for one store, by its place; the stores before it have been looked at. A pair that is gone is forgotten, and
/// begins anew should it come back.
pub fn step_store(
    verdicts: &mut Verdicts,
    rules: &[Rule],
    policy: Option<&Policy>,
    (place, snapshot): (usize, &StoreSnapshot),
    now: Now,
) -> Vec<Transition> {
    if verdicts.states.len() == place {
        verdicts.states.push(BTreeMap::new());
        verdicts.standings.push(BTreeMap::new());
        verdicts.traces.push(BTreeMap::new());
    }
    let assess = |pair| (pair, assess(&snapshot.plan, pair, now));
    let assessed: Vec<(&PairSnapshot, Assessment)> = snapshot.pairs.iter().map(assess).collect();
    let alerts = verdicts.alerts.step(rules, (place, snapshot), &assessed, now);
    step_traces(&mut verdicts.traces[place], &assessed, now);
    let states = step_states(&mut verdicts.states[place], snapshot, assessed, now);
    let advice = policy.map(|policy| advice::standing::step(&mut verdicts.standings[place], snapshot, policy, now));
    let states = states.into_iter().map(Transition::State);
    let advice = advice.into_iter().flatten().map(Transition::Advice);
    states.chain(alerts.into_iter().map(Transition::Alert)).chain(advice).collect()
}

/// Moves on to other settings: what is known of a store of before goes on in the one of its name, wherever that now stands.
/// Beside each store that is measured now stands whether it is measured without a break: what one that is begun anew was in
/// the middle of is forgotten, but not its alerts, nor how its pairs were. Returns what became of alerts that are over.
pub fn carry(
    verdicts: &mut Verdicts,
    before: &[&StoreSnapshot],
    rules: &[Rule],
    stores: &[(&StoreSnapshot, bool)],
    now: Now,
) -> Vec<Transition> {
    let mut known = std::mem::take(verdicts);
    let names: Vec<&StoreSnapshot> = stores.iter().map(|(store, _)| *store).collect();
    let over = known.alerts.carry(rules, &names, now);
    verdicts.alerts = known.alerts;
    for (store, goes_on) in stores {
        let place = before.iter().position(|earlier| earlier.plan.store == store.plan.store);
        // Before the first look at a store nothing is known of it.
        let place = place.filter(|place| *place < known.states.len());
        let traces = place.map(|place| (before[place], std::mem::take(&mut known.traces[place])));
        let goes_on = place.filter(|_| *goes_on);
        verdicts.states.push(goes_on.map(|place| std::mem::take(&mut known.states[place])).unwrap_or_default());
        verdicts.standings.push(goes_on.map(|place| std::mem::take(&mut known.standings[place])).unwrap_or_default());
        verdicts.traces.push(traces.map(|(earlier, traces)| carry_traces(traces, earlier, store)).unwrap_or_default());
    }
    over.into_iter().map(Transition::Alert).collect()
}

/// Regions are known by their names.
fn carry_traces(traces: Traces, before: &StoreSnapshot, store: &StoreSnapshot) -> Traces {
    let region = |id: RegionId| store.plan.region_ids().find(|other| store.region(*other) == before.region(id));
    let carried =
        traces.into_iter().filter_map(|((source, target), trace)| Some(((region(source)?, region(target)?), trace)));
    carried.collect()
}

fn step_traces(traces: &mut Traces, assessed: &[(&PairSnapshot, Assessment)], now: Now) {
    for (pair, assessment) in assessed {
        traces.entry((pair.source, pair.target)).or_default().look(assessment, now.wall);
    }
    if traces.len() > assessed.len() {
        traces.retain(|key, _| assessed.iter().any(|(pair, _)| (pair.source, pair.target) == *key));
    }
}

fn step_states(
    states: &mut States,
    store: &StoreSnapshot,
    assessed: Vec<(&PairSnapshot, Assessment)>,
    now: Now,
) -> Vec<StateTransition> {
    let mut transitions = Vec::new();
    let mut before = std::mem::take(states);
    for (pair, assessment) in assessed {
        let key = (pair.source, pair.target);
        let verdict = before.remove(&key);
        let from = verdict.map(|verdict| verdict.state);
        let fresh = Verdict { state: assessment.state, since: now.wall };
        let verdict = verdict.filter(|verdict| verdict.state == fresh.state).unwrap_or(fresh);
        states.insert(key, verdict);
        if from != Some(assessment.state) {
            transitions.push(StateTransition {
                store: store.plan.store.clone(),
                source_region: store.region(pair.source).clone(),
                target_region: store.region(pair.target).clone(),
                from,
                to: assessment.state,
                reason: assessment.reason,
            });
        }
    }
    transitions
}
