//! So that no fault fills a disk: how many lines each place in the code may log, and all of them together.
//!
//! Each level has an allowance of its own, so that no flood of information takes an error's place. What is left out is
//! counted, and told of once a minute, by place.

use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::clock::Clock;
use crate::core::time::{Mono, Span};

/// Characters of a line's message that are kept, to say what was left out.
const MESSAGE_CHARS_MAX: usize = 120;

/// So many lines at once, and one more after each such time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Lines at once; at least 1.
    pub burst: i64,
    /// After which there is room for one more; more than zero.
    pub refill: Span,
}

/// What may be logged at one level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// By one place in the code.
    pub place: Rate,
    /// By all of them.
    pub together: Rate,
}

/// Some 80 MB a day at the very most, at 300 bytes a line: three levels, each a line a second.
const LEVEL: Rates = Rates {
    place: Rate { burst: 100, refill: Span::from_millis(2_000) },
    together: Rate { burst: 500, refill: Span::from_millis(1_000) },
};

/// Whoever asks for details looks at them now, and wants many.
const DETAILS: Rates = Rates {
    place: Rate { burst: 1_000, refill: Span::from_millis(20) },
    together: Rate { burst: 5_000, refill: Span::from_millis(5) },
};

/// What may be logged at a level by default: errors, warnings and information alike, details (`debug` and `trace`) more.
pub fn rates(level: Level) -> Rates {
    if level <= Level::INFO { LEVEL } else { DETAILS }
}

/// Until when what was logged counts.
#[derive(Clone, Copy, Debug, Default)]
struct Allowance(Option<Mono>);

impl Allowance {
    /// What is left of it after one more line; `None` where that is one too many.
    fn spent(self, rate: Rate, now: Mono) -> Option<Allowance> {
        let until = self.0.map_or(now, |until| until.max(now)) + rate.refill;
        (until - now <= rate.refill.times(rate.burst)).then_some(Allowance(Some(until)))
    }
}

/// One place in the code that logs.
#[derive(Debug, Default)]
struct Place {
    allowance: Allowance,
    left_out: u64,
    message: String,
}

/// Decides which lines are logged. `P` tells places apart: there are as many as the code has, so the map is bounded.
#[derive(Debug)]
pub struct Limit<P> {
    places: HashMap<P, Place>,
    levels: HashMap<Level, Allowance>,
}

impl<P> Default for Limit<P> {
    fn default() -> Limit<P> {
        Limit { places: HashMap::new(), levels: HashMap::new() }
    }
}

/// What was left out of one place, since it was last asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut<P> {
    /// The place.
    pub place: P,
    /// Lines.
    pub count: u64,
    /// The message of the first of them.
    pub message: String,
}

impl<P: Clone + Eq + Hash> Limit<P> {
    /// Whether a line is to be logged. Where it is not, it is counted, with the message of the first such line.
    pub fn admits(&mut self, place: &P, level: Level, now: Mono, message: impl FnOnce() -> String) -> bool {
        let rates = rates(level);
        let place = self.places.entry(place.clone()).or_default();
        let together = self.levels.entry(level).or_default();
        if let Some(own) = place.allowance.spent(rates.place, now)
            && let Some(all) = together.spent(rates.together, now)
        {
            (place.allowance, *together) = (own, all);
            return true;
        }
        if place.left_out == 0 {
            place.message = message();
        }
        place.left_out += 1;
        false
    }

    /// What was left out since this was last asked, in no order.
    pub fn take_left_out(&mut self) -> Vec<LeftOut<P>> {
        let some = self.places.iter_mut().filter(|(_, place)| place.left_out > 0);
        some.map(|(place, counts)| LeftOut {
            place: place.clone(),
            count: std::mem::take(&mut counts.left_out),
            message: std::mem::take(&mut counts.message),
        })
        .collect()
    }
}

/// A place in the code, as `tracing` knows it.
#[derive(Clone, Copy, Debug)]
struct Callsite(&'static Metadata<'static>);

impl PartialEq for Callsite {
    fn eq(&self, other: &Callsite) -> bool {
        self.0.callsite() == other.0.callsite()
    }
}

impl Eq for Callsite {}

impl Hash for Callsite {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.callsite().hash(state);
    }
}

/// Lines of this process that were left out of its log.
static LEFT_OUT: AtomicU64 = AtomicU64::new(0);

/// Lines that were left out of the log because there were too many, since the process began.
pub fn lines_left_out() -> u64 {
    LEFT_OUT.load(Ordering::Relaxed)
}

/// The limit of a log: a layer between those that say which lines there are to be and the one that writes them. All copies are
/// one.
#[derive(Clone, Debug)]
pub struct LogLimit {
    clock: Clock,
    limit: Arc<Mutex<Limit<Callsite>>>,
}

impl LogLimit {
    /// Nothing has been logged yet.
    pub fn new(clock: Clock) -> LogLimit {
        LogLimit { clock, limit: Arc::default() }
    }

    fn limit(&self) -> MutexGuard<'_, Limit<Callsite>> {
        self.limit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Logs what was left out since this was last called: a line for each place, at the level of what is missing.
    pub fn tell(&self) {
        let left_out = self.limit().take_left_out();
        for LeftOut { place: Callsite(of), count, message } in left_out {
            macro_rules! tell {
                ($level:ident) => {
                    tracing::$level!(
                        count,
                        of = of.target(),
                        message_of_first = message,
                        "lines like this were left out"
                    )
                };
            }
            match *of.level() {
                Level::ERROR => tell!(error),
                Level::WARN => tell!(warn),
                Level::INFO => tell!(info),
                Level::DEBUG => tell!(debug),
                Level::TRACE => tell!(trace),
            }
        }
    }
}

impl<S: Subscriber> Layer<S> for LogLimit {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        // What `tell` says comes once a minute for each place at most, and is itself no place of theirs.
        if metadata.target() == module_path!() {
            return true;
        }
        let message = || {
            let mut found = Message::default();
            event.record(&mut found);
            found.0
        };
        let is_admitted = self.limit().admits(&Callsite(metadata), *metadata.level(), self.clock.mono(), message);
        if !is_admitted {
            LEFT_OUT.fetch_add(1, Ordering::Relaxed);
        }
        is_admitted
    }
}

/// The beginning of an event's message.
#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}").chars().take(MESSAGE_CHARS_MAX).collect();
        }
    }
}

#[cfg(test)]
mod tests;
