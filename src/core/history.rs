//! What a heartbeat says of the ticks before it (`tg_recent`): when each was written and how long its write took.
//!
//! A reader in another region sees only some heartbeats, as replication folds writes into one, and learns the others'
//! from here. The ticks of an earlier run that the writer knows of (its own before its clock was set, or those of the
//! gauge it took over from) are handed on, so that a change of writers loses none.
//!
//! Packed as varints: for the heartbeat's own run, how many ticks follow; then per tick, newest first, what became of
//! it and, unless there was none, how far it was off the even grid that ends with this heartbeat. Then the same for
//! earlier runs, each with its run and whether it was on the same clock, newest tick, its time and interval. About 4 bytes a tick.

use std::collections::VecDeque;

use integer_encoding::VarInt;

use super::heartbeat::Heartbeat;
use super::model::Beat;
use super::time::{Mono, Span, Wall};

/// Ticks that a heartbeat tells of, at most.
pub const TICKS_MAX: usize = 64;

/// `took` is rounded up to this: what it bounds stays true.
const TOOK_STEP: Span = Span::from_micros(100);

/// The longest `took` that is believed.
const TOOK_MAX: Span = Span::from_millis(24 * 3_600 * 1_000);

/// What became of one tick's write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// Nothing was committed: the tick was missed, or its write failed for certain.
    Void,
    /// Not known yet.
    Open,
    /// It was committed, nobody knows how long after it was written.
    Seen,
    /// It was committed at most this long after it was written.
    Took(Span),
}

/// One tick of a source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tick {
    /// Which.
    pub beat: Beat,
    /// The writer's wall clock just before the write left.
    pub written_at: Wall,
    /// The writer's interval.
    pub interval: Span,
    /// What became of it.
    pub fate: Fate,
    /// The run whose clock `written_at` is of: its own, or a later one's on the same clock.
    pub clock: u64,
}

/// A writer's own memory of its key's last ticks, its predecessor's among them.
#[derive(Clone, Debug, Default)]
pub struct Diary {
    /// Oldest first, without voids.
    ticks: VecDeque<(Tick, Mono)>,
}

impl Diary {
    /// What was stored before this process wrote anything: its writer's ticks are handed on. `run` is the one that begins
    /// now; `same` says that its writer used this clock.
    pub fn inherit(&mut self, heartbeat: &Heartbeat, run: u64, same: bool, at: Mono) {
        self.ticks.clear();
        for mut tick in ticks_of(heartbeat).unwrap_or_default() {
            if tick.beat == heartbeat.beat {
                tick.fate = Fate::Seen;
            }
            if same && tick.clock == heartbeat.beat.run {
                tick.clock = run;
            }
            if tick.fate != Fate::Void {
                self.ticks.push_back((tick, at));
            }
        }
        self.shorten();
    }

    /// A run begins on the clock of an earlier one of this process's: its ticks may be told as of the new one's.
    pub fn carry_on(&mut self, before: u64, run: u64) {
        for (tick, _) in self.ticks.iter_mut().filter(|(tick, _)| tick.clock == before) {
            tick.clock = run;
        }
    }

    /// A write left.
    pub fn sent(&mut self, beat: Beat, written_at: Wall, interval: Span, at: Mono) {
        self.ticks.push_back((Tick { beat, written_at, interval, fate: Fate::Open, clock: beat.run }, at));
        self.shorten();
    }

    /// A write was acknowledged, or is known to have been committed by now. `replaced` is what it overwrote, where that
    /// is known: it tells what became of writes before it that had no answer.
    pub fn acknowledged(&mut self, beat: Beat, at: Mono, replaced: Option<Beat>) {
        for (tick, sent) in &mut self.ticks {
            if tick.fate != Fate::Open || tick.beat > beat {
                continue;
            }
            if tick.beat == beat || replaced == Some(tick.beat) {
                tick.fate = Fate::Took(at - *sent);
            } else if replaced.is_none_or(|replaced| replaced < tick.beat) {
                tick.fate = Fate::Void;
            }
        }
    }

    /// A write certainly was not committed.
    pub fn not_committed(&mut self, beat: Beat) {
        self.ticks.retain(|(tick, _)| tick.beat != beat || tick.fate != Fate::Open);
    }

    /// This very heartbeat was seen, so it was committed by now.
    pub fn seen(&mut self, beat: Beat, at: Mono) {
        for (tick, sent) in self.ticks.iter_mut().filter(|(tick, _)| tick.beat == beat && tick.fate == Fate::Open) {
            tick.fate = Fate::Took(at - *sent);
        }
    }

    /// When a heartbeat of this process's own left; `None` where that is not remembered.
    pub fn sent_at(&self, beat: Beat) -> Option<Mono> {
        let place = self.ticks.binary_search_by_key(&beat, |(tick, _)| tick.beat).ok()?;
        Some(self.ticks[place].1)
    }

    /// Whether the fate of the last write is open: what the next one replaces will tell.
    pub fn is_unsure(&self) -> bool {
        self.ticks.back().is_some_and(|(tick, _)| tick.fate == Fate::Open)
    }

    fn shorten(&mut self) {
        while self.ticks.len() > TICKS_MAX {
            self.ticks.pop_front();
        }
    }

    /// `tg_recent` of a heartbeat about to be written.
    pub fn pack(&self, beat: Beat, written_at: Wall, interval: Span) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut room = TICKS_MAX;
        let mut ticks: Vec<&Tick> = self.ticks.iter().map(|(tick, _)| tick).filter(|tick| tick.beat < beat).collect();
        let mut anchor = Tick { beat, written_at, interval, fate: Fate::Open, clock: beat.run };
        let mut is_first = true;
        loop {
            let mut entries = Vec::new();
            let mut count = 0;
            let mut seq = anchor.beat.seq;
            while let Some(tick) = ticks.last().filter(|tick| tick.beat.run == anchor.beat.run) {
                let void = usize::try_from(seq - tick.beat.seq - 1).unwrap_or(usize::MAX);
                if void >= room {
                    // A tick's number alone would take more than is left.
                    ticks.clear();
                    break;
                }
                entries.resize(entries.len() + void, 0);
                entries.extend(fate_code(tick.fate).encode_var_vec());
                if tick.fate != Fate::Void {
                    let due = grid(&anchor, tick.beat.seq);
                    entries.extend((tick.written_at - due).as_micros().encode_var_vec());
                }
                count += void + 1;
                room -= void + 1;
                seq = tick.beat.seq;
                ticks.pop();
                if room == 0 {
                    ticks.clear();
                }
            }
            if !is_first {
                let same = u64::from(anchor.clock == beat.run);
                bytes.extend(((beat.run - anchor.beat.run) * 2 + same).encode_var_vec());
                bytes.extend(anchor.beat.seq.encode_var_vec());
                bytes.extend((anchor.written_at - written_at).as_micros().encode_var_vec());
                bytes.extend(anchor.interval.as_micros().encode_var_vec());
                bytes.extend(fate_code(anchor.fate).encode_var_vec());
            }
            bytes.extend((count as u64).encode_var_vec());
            bytes.append(&mut entries);
            match ticks.pop() {
                Some(newest) if room > 0 => {
                    anchor = *newest;
                    room -= 1;
                    is_first = false;
                }
                _ => return bytes,
            }
        }
    }
}

/// When a tick was due on the even grid that ends with `anchor`.
fn grid(anchor: &Tick, seq: u64) -> Wall {
    anchor.written_at - anchor.interval.times((anchor.beat.seq - seq) as i64)
}

fn fate_code(fate: Fate) -> u64 {
    match fate {
        Fate::Void => 0,
        Fate::Open => 1,
        Fate::Seen => 2,
        Fate::Took(took) => {
            let nanos = u64::try_from(took.as_nanos()).unwrap_or(0);
            3 + nanos.div_ceil(TOOK_STEP.as_nanos() as u64)
        }
    }
}

fn fate_of(code: u64) -> Option<Fate> {
    match code {
        0 => Some(Fate::Void),
        1 => Some(Fate::Open),
        2 => Some(Fate::Seen),
        code => {
            let took = TOOK_STEP.times(i64::try_from(code - 3).ok()?);
            (took <= TOOK_MAX).then_some(Fate::Took(took))
        }
    }
}

/// Reads varints off the front of some bytes.
pub(super) struct Unpack<'a>(pub(super) &'a [u8]);

impl Unpack<'_> {
    pub(super) fn number<T: VarInt>(&mut self) -> Option<T> {
        let (number, length) = T::decode_var(self.0)?;
        self.0 = self.0.get(length..)?;
        Some(number)
    }

    /// A signed number of microseconds, within a century: sums of a few of them cannot overflow.
    pub(super) fn micros(&mut self) -> Option<Span> {
        let micros: i64 = self.number()?;
        (micros.unsigned_abs() < 3_155_760_000_000_000).then(|| Span::from_micros(micros))
    }
}

/// The ticks that a heartbeat tells of and its own (whose fate is open), oldest first, voids among them.
///
/// `None` where `tg_recent` is no such text: it came from a table, where anybody may have written it.
pub fn ticks_of(heartbeat: &Heartbeat) -> Option<Vec<Tick>> {
    let mut ticks = Vec::with_capacity(TICKS_MAX + 1);
    let mut anchor = Tick {
        beat: heartbeat.beat,
        written_at: heartbeat.written_at,
        interval: heartbeat.interval,
        fate: Fate::Open,
        clock: heartbeat.beat.run,
    };
    ticks.push(anchor);
    let mut rest = Unpack(&heartbeat.recent);
    if rest.0.is_empty() {
        return Some(ticks);
    }
    loop {
        let count: u64 = rest.number()?;
        for back in 1..=count {
            if ticks.len() > TICKS_MAX {
                return None;
            }
            let seq = anchor.beat.seq.checked_sub(back)?;
            let fate = fate_of(rest.number()?)?;
            let off = if fate == Fate::Void { Span::ZERO } else { rest.micros()? };
            let beat = Beat { run: anchor.beat.run, seq };
            ticks.push(Tick { beat, written_at: grid(&anchor, seq) + off, fate, ..anchor });
        }
        if rest.0.is_empty() {
            ticks.reverse();
            return Some(ticks);
        }
        if ticks.len() > TICKS_MAX {
            return None;
        }
        let older: u64 = rest.number()?;
        let run = heartbeat.beat.run.checked_sub(older / 2).filter(|run| *run < anchor.beat.run)?;
        let clock = if older % 2 == 1 { heartbeat.beat.run } else { run };
        let beat = Beat { run, seq: rest.number()? };
        let written_at = heartbeat.written_at + rest.micros()?;
        let interval = rest.micros().filter(|interval| *interval > Span::ZERO)?;
        anchor = Tick { beat, written_at, interval, fate: fate_of(rest.number()?)?, clock };
        ticks.push(anchor);
    }
}
