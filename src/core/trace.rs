//! What the judge saw of a pair over the last hour, by the minute: something to look at, for which nothing is measured anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::assess::{Assessment, State};
use super::hour::Hour;
use super::model::RegionId;
use super::time::{Span, Wall};

/// The length of a piece.
pub const MINUTE: Span = Span::from_millis(60_000);

/// The traces of one store's pairs, by source and target.
pub type Traces = BTreeMap<(RegionId, RegionId), Trace>;

/// What was seen within one minute.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Minute {
    /// The largest current lag, in seconds; `None` where it never was known.
    pub lag: Option<f32>,
    /// Of the states that the pair was in, the first in their order, but that `unknown` comes before `ok` alone; `None` where
    /// nobody looked.
    pub worst: Option<State>,
}

impl Minute {
    fn look(&mut self, assessment: &Assessment) {
        let lag = assessment.current_lag.map(|lag| lag.as_secs_f64() as f32);
        self.lag = [self.lag, lag].into_iter().flatten().reduce(f32::max);
        // At a start nothing is known for a moment, which is to hide nothing.
        let rank = |state: &State| match state {
            State::Unknown => State::ALL.len() - 1,
            State::Ok => State::ALL.len(),
            other => State::ALL.iter().take_while(|state| *state != other).count(),
        };
        self.worst = self.worst.into_iter().chain([assessment.state]).min_by_key(rank);
    }
}

/// The last hour of one pair. A clone shares all of it but the minute that is running.
#[derive(Clone, PartialEq, Debug)]
pub struct Trace {
    running: Option<(Wall, Minute)>,
    over: Arc<Hour<Minute>>,
}

impl Default for Trace {
    fn default() -> Self {
        Trace { running: None, over: Arc::new(Hour::new(MINUTE)) }
    }
}

impl Trace {
    /// Takes one look into account.
    pub fn look(&mut self, assessment: &Assessment, now: Wall) {
        let begin = now.floor(MINUTE);
        let (ran, mut minute) = self.running.unwrap_or((begin, Minute::default()));
        if ran != begin {
            // Of a clock that was set back, what lies ahead is let go, and a minute that comes once more goes on.
            if let Some(kept) = Arc::make_mut(&mut self.over).at(ran, now) {
                *kept = minute;
            }
            minute = self.over.get(begin).copied().unwrap_or_default();
        }
        minute.look(assessment);
        self.running = Some((begin, minute));
    }

    /// What is known of the hour before `now`, the newest first, each minute with its beginning.
    pub fn newest_first(&self, now: Wall) -> impl Iterator<Item = (Wall, Minute)> {
        let running = self.running.filter(|(begin, _)| *begin <= now);
        let over = self.over.newest_first(now).map(|(begin, minute)| (begin, *minute));
        running.into_iter().chain(over.filter(move |(begin, _)| running.is_none_or(|(ran, _)| *begin < ran)))
    }
}
