//! The task that lets the judge look, again and again, and tells everybody what came of it.

use std::sync::Arc;

use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::yield_now;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::core::advice::{AdviceTransition, Decision};
use crate::core::alert::{AlertTransition, Phase, Remembered, Rule};
use crate::core::assess::State;
use crate::core::judge::{self, StateTransition, Transition, Verdicts};
use crate::core::snapshot::StoreSnapshot;
use crate::core::time::{Now, Wall};
use crate::core::trace::MINUTE;
use crate::view::{Scene, Seen, View};

/// What alerts say beside their phases is published every so many looks.
const REFRESH_STEPS: u64 = 4;
/// Events that are kept for a listener that is slow; what does not fit it is told it missed.
const EVENTS_KEPT: usize = 1024;

/// Something changed.
#[derive(Clone, Debug)]
pub struct Event {
    /// Counted from 1 since this process started.
    pub number: u64,
    /// When, by this host's clock.
    pub at: Wall,
    /// What.
    pub transition: Transition,
}

/// Alerts that an Alertmanager remembers, to be taken over.
#[derive(Debug)]
pub struct Adoption {
    /// They.
    pub remembered: Vec<Remembered>,
    /// Told how many were taken over, once the verdicts that are published have them.
    pub done: oneshot::Sender<usize>,
}

/// Something else to be judged from now on.
#[derive(Debug)]
pub struct Change {
    /// It.
    pub scene: Scene,
    /// Told once everybody sees it.
    pub done: oneshot::Sender<()>,
}

/// What the judge says, and how it is spoken to.
#[derive(Debug)]
pub struct Judged {
    /// States and alerts, and of what.
    pub seen: watch::Receiver<Seen>,
    /// What changed, from now on.
    pub events: broadcast::Receiver<Arc<Event>>,
    /// Takes alerts that somebody else remembers.
    pub adoptions: mpsc::Sender<Adoption>,
    /// Takes what is to be judged instead of what is.
    pub changes: mpsc::Sender<Change>,
}

impl Clone for Judged {
    fn clone(&self) -> Judged {
        let (seen, adoptions, changes) = (self.seen.clone(), self.adoptions.clone(), self.changes.clone());
        Judged { seen, adoptions, changes, events: self.events.resubscribe() }
    }
}

/// The judge's own ends.
#[derive(Debug)]
pub struct Judge {
    seen: watch::Sender<Seen>,
    events: broadcast::Sender<Arc<Event>>,
    adoptions: mpsc::Receiver<Adoption>,
    changes: mpsc::Receiver<Change>,
}

/// A judge of this scene, and those who listen to it.
pub fn channels(scene: Scene) -> (Judge, Judged) {
    let seen = Seen { scene: Arc::new(scene), verdicts: Arc::default() };
    let (publish, seen) = watch::channel(seen);
    let (tell, events) = broadcast::channel(EVENTS_KEPT);
    let (adopt, adoptions) = mpsc::channel(1);
    let (change, changes) = mpsc::channel(1);
    let judged = Judged { seen, events, adoptions: adopt, changes: change };
    (Judge { seen: publish, events: tell, adoptions, changes }, judged)
}

impl Judge {
    /// Lets everybody have these, of what was judged before.
    pub fn publish(&self, verdicts: Verdicts) {
        self.seen.send_modify(|seen| seen.verdicts = Arc::new(verdicts));
    }

    /// Tells whoever listens.
    pub fn tell(&self, event: Event) {
        // Nobody need be listening.
        let _ = self.events.send(Arc::new(event));
    }

    /// Judges until told to stop.
    pub async fn run(mut self, clock: Clock, stop: CancellationToken) {
        let mut verdicts = Verdicts::default();
        let mut ticks = interval(judge::EVERY.to_duration());
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut steps, mut number) = (0_u64, 0);
        let mut minute = None;
        while let Some(change) = stop.run_until_cancelled(self.next(&mut ticks)).await {
            let before = self.seen.borrow().clone();
            let mut transitions = Vec::new();
            let (scene, changed) = match change {
                None => (before.scene, None),
                Some(Change { scene, done }) => {
                    transitions.extend(carry(&mut verdicts, &before.scene, &scene, clock.now()));
                    (Arc::new(scene), Some(done))
                }
            };
            let published = before.verdicts;
            let view = View::of(&Seen { scene: scene.clone(), verdicts: published.clone() }, clock.now());
            for (place, store) in view.stores.iter().enumerate() {
                let policy = scene.policies.get(place);
                transitions.extend(judge::step_store(&mut verdicts, &scene.rules, policy, (place, store), view.now));
                // Those of many stores together would hold up whoever waits for this thread by milliseconds.
                yield_now().await;
            }
            let adopted = self.adopt(&mut verdicts, &scene.rules, &view, &mut transitions);
            // What an alert's value is is as fresh as this.
            steps += 1;
            // The last one to be forgotten is no transition either.
            let has_alerts = !(verdicts.alerts.is_empty() && published.alerts.is_empty());
            let refreshes = steps.is_multiple_of(REFRESH_STEPS) && has_alerts;
            let grew = published.states.len() != verdicts.states.len();
            // Whoever is held to a decision is told for how long it has been calm.
            let moved = published.standings != verdicts.standings;
            // So is the trace of the minute that is over.
            let begun = Some(view.now.wall.floor(MINUTE));
            let turned = std::mem::replace(&mut minute, begun) != begun;
            let is_news = !transitions.is_empty() || adopted.is_some() || changed.is_some();
            if is_news || refreshes || grew || moved || turned {
                self.seen.send_replace(Seen { scene, verdicts: Arc::new(verdicts.clone()) });
            }
            // Whoever asked may be gone.
            if let Some((count, done)) = adopted {
                let _ = done.send(count);
            }
            if let Some(done) = changed {
                let _ = done.send(());
            }
            for transition in transitions {
                match &transition {
                    Transition::State(transition) => log_state(transition),
                    Transition::Alert(transition) => log_alert(transition),
                    Transition::Advice(transition) => log_advice(transition),
                }
                number += 1;
                self.tell(Event { number, at: view.now.wall, transition });
            }
        }
    }

    /// Waits until it is time to look, at something else where so it is said.
    async fn next(&mut self, ticks: &mut Interval) -> Option<Change> {
        tokio::select! {
            biased;
            Some(change) = self.changes.recv() => Some(change),
            _ = ticks.tick() => None,
        }
    }

    fn adopt(
        &mut self,
        verdicts: &mut Verdicts,
        rules: &[Rule],
        view: &View,
        transitions: &mut Vec<Transition>,
    ) -> Option<(usize, oneshot::Sender<usize>)> {
        let Adoption { remembered, done } = self.adoptions.try_recv().ok()?;
        let stores = || view.stores.iter().map(Arc::as_ref);
        let mut fired = Vec::new();
        let mut adopts = |one: &&Remembered| verdicts.alerts.adopt(rules, stores(), one, view.now, &mut fired);
        let count = remembered.iter().filter(|one| adopts(one)).count();
        transitions.extend(fired.into_iter().map(Transition::Alert));
        Some((count, done))
    }
}

/// Takes what is known of one scene to the next.
fn carry(verdicts: &mut Verdicts, before: &Scene, scene: &Scene, now: Now) -> Vec<Transition> {
    let newest = |scene: &Scene| -> Vec<Arc<StoreSnapshot>> {
        scene.snapshots.iter().map(|snapshots| snapshots.borrow().clone()).collect()
    };
    let (earlier, stores) = (newest(before), newest(scene));
    let earlier: Vec<&StoreSnapshot> = earlier.iter().map(Arc::as_ref).collect();
    // Whoever is measured by the same driver as before has the same channel.
    let goes_on = |place: usize| before.snapshots.iter().any(|other| other.same_channel(&scene.snapshots[place]));
    let stores: Vec<(&StoreSnapshot, bool)> =
        stores.iter().enumerate().map(|(place, store)| (&**store, goes_on(place))).collect();
    judge::carry(verdicts, &earlier, &scene.rules, &stores, now)
}

fn log_state(transition: &StateTransition) {
    // The first look only finds that nothing is known yet.
    let Some(from) = transition.from.map(State::label) else { return };
    let StateTransition { store, source_region, target_region, to, reason, .. } = transition;
    if matches!(to, State::Ok) {
        tracing::info!(%store, %source_region, %target_region, from, to = to.label(), "state changed");
    } else {
        tracing::warn!(%store, %source_region, %target_region, from, to = to.label(), reason, "state changed");
    }
}

fn log_advice(transition: &AdviceTransition) {
    // Of the first look, as with states; and what is advised for items of one region is told by its pair's state.
    let Some(from) = transition.from.map(Decision::label).filter(|_| transition.source_region.is_none()) else {
        return;
    };
    let AdviceTransition { store, target_region, to, reason, .. } = transition;
    tracing::info!(%store, %target_region, from, to = to.label(), reason, "advice changed");
}

/// Alerts are made of states, which are logged themselves: what is new is that people are told.
fn log_alert(transition: &AlertTransition) {
    let alert = &transition.alert;
    let (rule, severity) = (&alert.labels[0].1, &alert.labels[1].1);
    match transition.to {
        Some(Phase::Firing) => {
            tracing::warn!(%rule, %severity, summary = %alert.summary, cause = %alert.cause, "alert fires");
        }
        Some(Phase::Resolved) => tracing::info!(%rule, %severity, summary = %alert.summary, "alert is resolved"),
        _ => {}
    }
}
