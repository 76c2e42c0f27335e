//! Tells Alertmanagers what fires, for cells without a Prometheus.
//!
//! Each of them has a task of its own, so that one that hangs holds up nobody. Whenever the task looks, it works out of the
//! newest verdicts what the Alertmanager is to know, and tells it what it has not been told: nothing is queued.
//!
//! An Alertmanager's memory outlives this process. So before a task tells it anything of a seat that was not this process's
//! before, at a start or a takeover, it asks what is remembered and has the judge take that over: an alert goes on where the
//! process before left it, whether it still is true or has to be resolved.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::core::alert::{Key, speaks_for};
use crate::core::snapshot::StoreSnapshot;
use crate::core::time::{Mono, Span};
use crate::judging::Adoption;
use crate::settings::PushSettings;
use crate::view::{Sources, View};

mod alertmanager;
mod message;

pub use alertmanager::Alertmanager;
pub use message::{Known, Message};

use message::Version;

/// Alerts that are told in one request.
pub const BATCH: usize = 64;
/// Each request has to be answered within this.
pub const DEADLINE: Duration = Duration::from_secs(5);
/// What fires is held back for so long at most while an Alertmanager does not say what it remembers.
const HOLD: Span = Span::from_millis(10_000);
/// Verdicts wake the task; a seat that is taken or lost is noticed this soon.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The first pause after a failure; the next is twice as long, and so on.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// No pause after a failure is longer than this, or than the time until all is told again.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Why an Alertmanager was not told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// It could not be reached, or did not answer in time.
    NoAnswer(String),
    /// It answered that it would not.
    Refused(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::NoAnswer(why) | Trouble::Refused(why) => f.write_str(why),
        }
    }
}

/// Who is told. An [`Alertmanager`], but for tests.
pub trait Receiver: Send + Sync + 'static {
    /// Tells of some alerts, at most [`BATCH`].
    fn tell(&self, messages: &[Message]) -> impl Future<Output = Result<(), Trouble>> + Send;

    /// What is remembered of a store as alerts of a cell; an empty name is that of a cell without one.
    fn remembered(&self, store: &str, cell: &str) -> impl Future<Output = Result<Vec<Known>, Trouble>> + Send;
}

/// Requests to one Alertmanager, by what came of them.
#[derive(Debug)]
pub struct Notifications {
    /// Which.
    pub url: String,
    sent: AtomicU64,
    failed: AtomicU64,
}

impl Notifications {
    /// None yet.
    pub fn to(url: &str) -> Notifications {
        Notifications { url: url.to_owned(), sent: AtomicU64::new(0), failed: AtomicU64::new(0) }
    }

    /// The results' labels, and how many requests had each.
    pub fn results(&self) -> [(&'static str, u64); 2] {
        [("sent", self.sent.load(Ordering::Relaxed)), ("failed", self.failed.load(Ordering::Relaxed))]
    }
}

/// A counter for each Alertmanager.
pub fn counters(settings: &PushSettings) -> Arc<[Arc<Notifications>]> {
    settings.alertmanagers.iter().map(|one| Arc::new(Notifications::to(&one.url))).collect()
}

/// Starts to tell each of them; `sources` has their [`counters`].
///
/// # Errors
///
/// Where there can be no TLS.
pub fn start(
    settings: &PushSettings,
    sources: &Sources,
    stop: &CancellationToken,
    tasks: &mut JoinSet<()>,
) -> anyhow::Result<()> {
    for (one, counts) in settings.alertmanagers.iter().zip(sources.notifications.iter()) {
        let receiver = Alertmanager::new(one)?;
        tasks.spawn(run(receiver, sources.clone(), counts.clone(), settings.resend, stop.clone()));
    }
    Ok(())
}

/// Tells one receiver, until told to stop. What fires then is left as it is: it still is true, and whoever comes next takes it
/// over, or else it expires.
pub async fn run<R: Receiver>(
    receiver: R,
    sources: Sources,
    counts: Arc<Notifications>,
    resend: Duration,
    stop: CancellationToken,
) {
    let mut line = Line { receiver, counts, is_answering: false, is_down: false };
    let mut teller = Teller { sources, resend, resend_at: None, told: BTreeMap::new(), seats: Vec::new() };
    let mut verdicts = teller.sources.judged.verdicts.clone();
    let telling = async {
        let mut pause = PAUSE_MIN;
        loop {
            match teller.round(&mut line).await {
                Ok(()) => {
                    pause = PAUSE_MIN;
                    tokio::select! {
                        // Once there is no judge any more, this is over anyway.
                        Ok(()) = verdicts.changed() => {}
                        () = sleep(teller.until_resend().min(LOOK_EVERY)) => {}
                    }
                }
                Err(Failed) => {
                    sleep(pause).await;
                    pause = (pause * 2).min(PAUSE_MAX.min(resend));
                }
            }
        }
    };
    stop.run_until_cancelled(telling).await;
}

/// Something that was to be said was not; the line has logged it.
struct Failed;

/// The line to a receiver: each call has its deadline, and is counted.
struct Line<R> {
    receiver: R,
    counts: Arc<Notifications>,
    /// Whether the last call was a success.
    is_answering: bool,
    /// Whether it was logged that calls fail.
    is_down: bool,
}

impl<R: Receiver> Line<R> {
    async fn tell(&mut self, messages: &[Message]) -> Result<(), Trouble> {
        let answer = timeout(DEADLINE, self.receiver.tell(messages)).await;
        self.note(answer)
    }

    async fn remembered(&mut self, store: &str, cell: &str) -> Result<Vec<Known>, Trouble> {
        let answer = timeout(DEADLINE, self.receiver.remembered(store, cell)).await;
        self.note(answer)
    }

    fn note<T>(&mut self, answer: Result<Result<T, Trouble>, tokio::time::error::Elapsed>) -> Result<T, Trouble> {
        let answer = answer.unwrap_or_else(|_| Err(Trouble::NoAnswer(format!("no answer within {DEADLINE:?}"))));
        self.is_answering = answer.is_ok();
        match &answer {
            Ok(_) => self.counts.sent.fetch_add(1, Ordering::Relaxed),
            Err(_) => self.counts.failed.fetch_add(1, Ordering::Relaxed),
        };
        if let Err(error) = answer.as_ref()
            && !std::mem::replace(&mut self.is_down, true)
        {
            tracing::warn!(alertmanager = %self.counts.url, %error, "an Alertmanager is not told; it is tried again");
        }
        answer
    }

    /// All that was to be said was said, if anything.
    fn is_well(&mut self) {
        if self.is_answering && std::mem::take(&mut self.is_down) {
            tracing::info!(alertmanager = %self.counts.url, "an Alertmanager is told again");
        }
    }
}

/// The seats of one store that this process speaks for, and how many regions there are to know of.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Standing {
    seats: BTreeSet<usize>,
    regions: usize,
}

impl Standing {
    fn of(store: &StoreSnapshot) -> Standing {
        let ours = store.seats.iter().enumerate().filter(|(_, seat)| speaks_for(**seat));
        Standing { seats: ours.map(|(region, _)| region).collect(), regions: store.plan.regions.len() }
    }

    /// Whether this is all there was to ask about now that `now` is so. What is remembered of a region that was not known
    /// could not be taken over.
    fn covers(&self, now: &Standing) -> bool {
        now.seats.is_subset(&self.seats) && (now.seats.is_empty() || now.regions <= self.regions)
    }
}

/// What was asked about one store.
#[derive(Debug, Default)]
struct Asked {
    standing: Standing,
    /// Since when there has been something to ask.
    waiting_since: Option<Mono>,
}

/// What one receiver knows.
struct Teller {
    sources: Sources,
    resend: Duration,
    /// When all is told again.
    resend_at: Option<Mono>,
    /// What it was told since all was told last.
    told: BTreeMap<Key, Version>,
    /// By store.
    seats: Vec<Asked>,
}

impl Teller {
    fn until_resend(&self) -> Duration {
        let now = self.sources.clock.mono();
        self.resend_at.map_or(self.resend, |at| (at - now).to_duration())
    }

    /// Asks what there is to ask, and tells what there is to tell.
    async fn round<R: Receiver>(&mut self, line: &mut Line<R>) -> Result<(), Failed> {
        let asked = self.take_over(line).await;
        let view = self.sources.view();
        if self.resend_at.is_none_or(|at| view.now.mono >= at) {
            self.told.clear();
            self.resend_at = Some(view.now.mono + Span::from(self.resend));
        }
        let mut wanted = message::all(&view, Span::from(self.resend));
        self.told.retain(|key, _| wanted.contains_key(key));
        wanted.retain(|key, (version, _)| self.told.get(key) != Some(version) && !self.is_held(key.store, &view));
        let mut told = Ok(());
        let (news, messages): (Vec<(Key, Version)>, Vec<Message>) =
            wanted.into_iter().map(|(key, (version, message))| ((key, version), message)).unzip();
        for (news, messages) in news.chunks(BATCH).zip(messages.chunks(BATCH)) {
            match line.tell(messages).await {
                Ok(()) => self.told.extend(news.iter().cloned()),
                // One that it does not like is no reason to keep the others back.
                Err(Trouble::Refused(_)) => told = Err(Failed),
                Err(Trouble::NoAnswer(_)) => {
                    told = Err(Failed);
                    break;
                }
            }
        }
        asked.and(told).inspect(|()| line.is_well())
    }

    /// Whether nothing is to be told of a store yet, as there may be something to take over first.
    fn is_held(&self, store: usize, view: &View) -> bool {
        let since = self.seats.get(store).and_then(|asked| asked.waiting_since);
        since.is_some_and(|since| view.now.mono - since < HOLD)
    }

    /// Takes over what is remembered of seats that have become this process's.
    async fn take_over<R: Receiver>(&mut self, line: &mut Line<R>) -> Result<(), Failed> {
        let view = self.sources.view();
        self.seats.resize_with(view.stores.len(), Asked::default);
        let mut questions = Vec::new();
        for (place, (store, asked)) in view.stores.iter().zip(&mut self.seats).enumerate() {
            let standing = Standing::of(store);
            // A seat that was lost may come back, with what others told in between.
            asked.standing.seats.retain(|seat| standing.seats.contains(seat));
            match asked.standing.covers(&standing) {
                true => asked.waiting_since = None,
                false => {
                    asked.waiting_since.get_or_insert(view.now.mono);
                    questions.push((place, standing));
                }
            }
        }
        let (mut remembered, mut answered, mut outcome) = (Vec::new(), Vec::new(), Ok(()));
        for (place, standing) in questions {
            let (store, cell) = (&view.stores[place].plan.store, &view.identity.cell);
            match line.remembered(store, cell).await {
                Ok(known) => {
                    remembered.extend(message::adoptable(known, cell, self.sources.clock.wall()));
                    answered.push((place, standing));
                }
                Err(Trouble::Refused(_)) => outcome = Err(Failed),
                Err(Trouble::NoAnswer(_)) => {
                    outcome = Err(Failed);
                    break;
                }
            }
        }
        if !remembered.is_empty() {
            let (done, taken) = oneshot::channel();
            // Without a judge there is nothing to be told either.
            let _ = self.sources.judged.adoptions.send(Adoption { remembered, done }).await;
            if let Ok(count @ 1..) = taken.await {
                tracing::info!(alertmanager = %line.counts.url, count, "took over alerts that were firing");
            }
        }
        for (place, standing) in answered {
            self.seats[place] = Asked { standing, waiting_since: None };
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(seats: &[usize], regions: usize) -> Standing {
        Standing { seats: seats.iter().copied().collect(), regions }
    }

    #[test]
    fn there_is_something_to_ask_where_a_seat_or_a_region_is_new_and_nothing_without_a_seat() {
        let asked = standing(&[0, 1], 3);
        for (now, is_covered) in [
            (standing(&[0, 1], 3), true),
            (standing(&[1], 3), true),
            (standing(&[0, 1, 2], 3), false),
            (standing(&[0, 1], 4), false),
            (standing(&[], 4), true),
        ] {
            assert_eq!(asked.covers(&now), is_covered, "{now:?}");
        }
    }
}
