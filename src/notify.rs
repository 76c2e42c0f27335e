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

use crate::core::alert::Key;
use crate::core::snapshot::{Seat, StoreSnapshot};
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
pub const BATCH: usize = 512;
/// Each request has to be answered within this.
pub const DEADLINE: Duration = Duration::from_secs(5);
/// What fires is held back for so long at most while an Alertmanager does not say what it remembers.
const HOLD: Span = Span::from_millis(10_000);
/// Nothing in here waits for longer than a deadline or a pause: after so long this process stood still…
const STOOD_STILL: Span = Span::from_millis(8_000);
/// … and somebody else may have its seats: so long it takes to find out.
const QUIET: Span = Span::from_millis(5_000);
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

    /// What is remembered as alerts of a cell.
    fn remembered(&self, cell: &str) -> impl Future<Output = Result<Vec<Known>, Trouble>> + Send;
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
        let manner = Manner { resend: settings.resend, labels: settings.labels.clone() };
        tasks.spawn(run(receiver, sources.clone(), counts.clone(), manner, stop.clone()));
    }
    Ok(())
}

/// How alerts are told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Manner {
    /// Time between two times that a firing alert is told.
    pub resend: Duration,
    /// Labels that every alert has beside its own.
    pub labels: BTreeMap<String, String>,
}

/// Tells one receiver, until told to stop. What fires then is left as it is: it still is true, and whoever comes next takes it
/// over, or else it expires.
pub async fn run<R: Receiver>(
    receiver: R,
    sources: Sources,
    counts: Arc<Notifications>,
    manner: Manner,
    stop: CancellationToken,
) {
    let resend = manner.resend;
    let mut line = Line { receiver, counts, is_answering: false, is_down: false };
    let mut teller = Teller::new(sources, manner);
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

    async fn remembered(&mut self, cell: &str) -> Result<Vec<Known>, Trouble> {
        let answer = timeout(DEADLINE, self.receiver.remembered(cell)).await;
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
        let ours = store.seats.iter().enumerate().filter(|(_, seat)| seat.is_some_and(Seat::may_be_ours));
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
    manner: Manner,
    /// What it was told of each alert, and when.
    told: BTreeMap<Key, (Version, Mono)>,
    /// By store.
    seats: Vec<Asked>,
    /// When this process was last seen to run.
    seen: Mono,
    /// Nothing is told before: this process stood still.
    quiet_until: Option<Mono>,
}

impl Teller {
    fn new(sources: Sources, manner: Manner) -> Teller {
        let (told, seats, seen) = (BTreeMap::new(), Vec::new(), sources.clock.mono());
        Teller { sources, manner, told, seats, seen, quiet_until: None }
    }

    fn until_resend(&self) -> Duration {
        let now = self.sources.clock.mono();
        let firing = self.told.values().filter(|(version, _)| version.fires());
        firing
            .map(|(_, told_at)| (*told_at + self.manner.resend.into() - now).to_duration())
            .min()
            .unwrap_or(LOOK_EVERY)
    }

    /// Asks what there is to ask, and tells what there is to tell.
    async fn round<R: Receiver>(&mut self, line: &mut Line<R>) -> Result<(), Failed> {
        self.look_at_the_clock();
        if self.is_quiet() {
            return Ok(());
        }
        let asked = self.take_over(line).await;
        let view = self.sources.view();
        let wanted: BTreeMap<&Key, Version> = message::all(&view).collect();
        self.told.retain(|key, _| wanted.contains_key(key));
        let is_news = |key: &Key, version: &Version| self.told.get(key).is_none_or(|(told, _)| told != version);
        let is_due = |key: &Key, version: &Version| {
            version.fires()
                && self.told.get(key).is_some_and(|(_, told_at)| view.now.mono - *told_at >= self.manner.resend.into())
        };
        let open = wanted.iter().filter(|(key, _)| !self.is_held(key.store, &view));
        // What is new first: there may be much to be told again.
        let mut due: Vec<(bool, Key, Version)> = open
            .map(|(key, version)| (is_news(key, version), (*key).clone(), *version))
            .filter(|(is_news, key, version)| *is_news || is_due(key, version))
            .collect();
        due.sort_by_key(|(is_news, _, _)| !is_news);
        let mut told = Ok(());
        for due in due.chunks(BATCH) {
            let now = self.sources.clock.now();
            let body = |(_, key, version): &(bool, Key, Version)| {
                Some(message::message(view.verdicts.alerts.get(key)?, *version, &view, now.wall, &self.manner))
            };
            let messages: Vec<Message> = due.iter().filter_map(body).collect();
            let answer = line.tell(&messages).await;
            if self.look_at_the_clock() {
                return Ok(());
            }
            match answer {
                Ok(()) => self.told.extend(due.iter().map(|(_, key, version)| (key.clone(), (*version, now.mono)))),
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

    /// Whether this process stood still since it was last seen to run. Then its seats count as lost: whoever has them now told
    /// in between what is not known here.
    fn look_at_the_clock(&mut self) -> bool {
        let now = self.sources.clock.mono();
        let stood_still = now - std::mem::replace(&mut self.seen, now) > STOOD_STILL;
        if stood_still {
            self.quiet_until = Some(now + QUIET);
            self.told.clear();
            self.seats.clear();
        }
        stood_still
    }

    fn is_quiet(&mut self) -> bool {
        self.quiet_until = self.quiet_until.filter(|until| self.seen < *until);
        self.quiet_until.is_some()
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
        let mut asking = Vec::new();
        for (place, (store, asked)) in view.stores.iter().zip(&mut self.seats).enumerate() {
            let standing = Standing::of(store);
            // A seat that was lost may come back, with what others told in between.
            asked.standing.seats.retain(|seat| standing.seats.contains(seat));
            match asked.standing.covers(&standing) {
                true => asked.waiting_since = None,
                false => {
                    asked.waiting_since.get_or_insert(view.now.mono);
                    asking.push((place, standing));
                }
            }
        }
        if asking.is_empty() {
            return Ok(());
        }
        let cell = &view.identity.cell;
        let Ok(known) = line.remembered(cell).await else { return Err(Failed) };
        let remembered = message::adoptable(known, cell, &self.manner, self.sources.clock.wall());
        if !remembered.is_empty() {
            let (done, taken) = oneshot::channel();
            // Without a judge there is nothing to be told either.
            let _ = self.sources.judged.adoptions.send(Adoption { remembered, done }).await;
            if let Ok(count @ 1..) = taken.await {
                tracing::info!(alertmanager = %line.counts.url, count, "took over alerts that were firing");
            }
        }
        for (place, standing) in asking {
            self.seats[place] = Asked { standing, waiting_since: None };
        }
        Ok(())
    }
}
