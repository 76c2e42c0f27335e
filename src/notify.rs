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
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::core::alert::Labels;
use crate::core::snapshot::{Seat, StoreSnapshot};
use crate::core::time::{Mono, Span};
use crate::judging::Adoption;
use crate::settings::PushSettings;
use crate::view::Sources;

mod alertmanager;
mod message;

pub use alertmanager::Alertmanager;
pub use message::{Known, Message};

use message::{Version, Wanted};

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

/// A counter for each Alertmanager; that of before, where it was told already.
pub fn counters(settings: &PushSettings, before: &[Arc<Notifications>]) -> Arc<[Arc<Notifications>]> {
    let counter = |url: &str| {
        let known = before.iter().find(|known| known.url == url);
        known.cloned().unwrap_or_else(|| Arc::new(Notifications::to(url)))
    };
    settings.alertmanagers.iter().map(|one| counter(&one.url)).collect()
}

/// The Alertmanagers of the settings. Reaches nobody yet.
///
/// # Errors
///
/// Where there can be no TLS.
pub fn receivers(settings: &PushSettings) -> anyhow::Result<Vec<Alertmanager>> {
    settings.alertmanagers.iter().map(Alertmanager::new).collect()
}

/// Starts to tell each of these, until `stop` is cancelled; with their [`counters`].
pub fn start(
    receivers: Vec<Alertmanager>,
    settings: &PushSettings,
    counters: &[Arc<Notifications>],
    sources: &Sources,
    stop: &CancellationToken,
    tasks: &TaskTracker,
) {
    for (receiver, counts) in receivers.into_iter().zip(counters) {
        let manner = Manner { resend: settings.resend, labels: settings.labels.clone() };
        tasks.spawn(run(receiver, sources.clone(), counts.clone(), manner, stop.clone()));
    }
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
    let mut seen = teller.sources.judged.seen.clone();
    let telling = async {
        let mut pause = PAUSE_MIN;
        loop {
            match teller.round(&mut line).await {
                Ok(()) => {
                    pause = PAUSE_MIN;
                    tokio::select! {
                        // Once there is no judge any more, this is over anyway.
                        Ok(()) = seen.changed() => {}
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
    /// What it was told of each alert, by its labels, and when.
    told: BTreeMap<Labels, (Version, Mono)>,
    /// By the store's name.
    seats: BTreeMap<Arc<str>, Asked>,
    /// When this process was last seen to run.
    seen: Mono,
    /// Nothing is told before: this process stood still.
    quiet_until: Option<Mono>,
}

impl Teller {
    fn new(sources: Sources, manner: Manner) -> Teller {
        let (told, seats, seen) = (BTreeMap::new(), BTreeMap::new(), sources.clock.mono());
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
        let mut wanted: BTreeMap<&Labels, Wanted<'_>> =
            message::gone(&view).map(|one| (&one.alert.labels, one)).collect();
        // Of what is gone nobody need hear who was not told of it.
        wanted.retain(|labels, _| self.told.contains_key(*labels));
        // One that is there again is not gone.
        wanted.extend(message::all(&view).map(|one| (&one.alert.labels, one)));
        self.told.retain(|labels, _| wanted.contains_key(labels));
        let is_news = |one: &Wanted<'_>| self.told.get(&one.alert.labels).is_none_or(|(told, _)| *told != one.version);
        let is_due = |one: &Wanted<'_>| {
            let told = self.told.get(&one.alert.labels);
            one.version.fires() && told.is_some_and(|(_, at)| view.now.mono - *at >= self.manner.resend.into())
        };
        let open = wanted.into_values().filter(|one| one.store.is_none_or(|store| !self.is_held(store, view.now.mono)));
        // What is new first: there may be much to be told again.
        let due = open.map(|one| (is_news(&one), one)).filter(|(is_news, one)| *is_news || is_due(one));
        let mut due: Vec<(bool, Wanted<'_>)> = due.collect();
        due.sort_by_key(|(is_news, _)| !is_news);
        let mut told = Ok(());
        for due in due.chunks(BATCH) {
            let now = self.sources.clock.now();
            let body = |(_, one): &(bool, Wanted<'_>)| message::message(one, &view, now.wall, &self.manner);
            let messages: Vec<Message> = due.iter().map(body).collect();
            let answer = line.tell(&messages).await;
            if self.look_at_the_clock() {
                return Ok(());
            }
            match answer {
                Ok(()) => {
                    let news = due.iter().map(|(_, one)| (one.alert.labels.clone(), (one.version, now.mono)));
                    self.told.extend(news);
                }
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
    fn is_held(&self, store: &str, now: Mono) -> bool {
        let since = self.seats.get(store).and_then(|asked| asked.waiting_since);
        since.is_some_and(|since| now - since < HOLD)
    }

    /// Takes over what is remembered of seats that have become this process's.
    async fn take_over<R: Receiver>(&mut self, line: &mut Line<R>) -> Result<(), Failed> {
        let view = self.sources.view();
        self.seats.retain(|name, _| view.stores.iter().any(|store| store.plan.store == *name));
        let mut asking = Vec::new();
        for store in &view.stores {
            let asked = self.seats.entry(store.plan.store.clone()).or_default();
            let standing = Standing::of(store);
            // A seat that was lost may come back, with what others told in between.
            asked.standing.seats.retain(|seat| standing.seats.contains(seat));
            match asked.standing.covers(&standing) {
                true => asked.waiting_since = None,
                false => {
                    asked.waiting_since.get_or_insert(view.now.mono);
                    asking.push((store.plan.store.clone(), standing));
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
        let asked = asking.into_iter().map(|(store, standing)| (store, Asked { standing, waiting_since: None }));
        self.seats.extend(asked);
        Ok(())
    }
}
