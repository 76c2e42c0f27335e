//! A connection as its listener sees it: what it is about, and for how long it may be that.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::core::time::{Mono, Span};

/// A handshake, and then the headers of a request, may each take this long.
const ASKING_MAX: Span = Span::from_millis(5_000);
/// A connection is kept open this long without a request: longer than Prometheus keeps one, so that it is the client who closes
/// it, and no request is on its way meanwhile.
const IDLE_MAX: Span = Span::from_millis(360_000);
/// Nothing of an answer was taken for so long: nobody reads it any more.
const BLOCKED_MAX: Span = Span::from_millis(20_000);
/// A request that is served may not be sent away for so long, whoever waits.
const SERVED_MIN: Span = Span::from_millis(30_000);
/// Nor may it where its peer has no more connections than these; who has more, all of them with requests that wait for their
/// turn, would shut everybody else out.
const PEER_SERVED_MAX: usize = 32;
/// Who has just come is about to ask.
const FRESH: Span = Span::from_millis(10);

/// One connection.
#[derive(Debug)]
pub(super) struct Guest {
    /// Who it is from.
    pub peer: IpAddr,
    /// Says that it is to end at once.
    pub leave: CancellationToken,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    phase: Phase,
    since: Mono,
    /// Since when what is to be sent is not taken.
    blocked: Option<Mono>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// A handshake or headers are under way, or should be.
    Asking,
    /// A request is under way, or its answer.
    Served,
    /// It was answered, and may ask again.
    Idle,
}

impl Guest {
    /// One that was just accepted.
    pub fn arriving(peer: IpAddr, clock: Clock) -> Guest {
        let state = Mutex::new(State { phase: Phase::Asking, since: clock.mono(), blocked: None });
        Guest { peer, leave: CancellationToken::new(), clock, state }
    }

    /// The handshake is done.
    pub fn arrived(&self) {
        self.becomes(Phase::Asking);
    }

    /// The headers of a request are complete.
    pub fn begins(&self) {
        self.becomes(Phase::Served);
    }

    /// All of the answer was handed over to be sent.
    pub fn ends(&self) {
        self.becomes(Phase::Idle);
    }

    /// Something was received.
    pub fn heard(&self) {
        let now = self.clock.mono();
        self.change(|state| {
            // The first byte of the next request; the others do not buy more time.
            if state.phase == Phase::Idle {
                *state = State { phase: Phase::Asking, since: now, ..*state };
            }
        });
    }

    /// Something was sent.
    pub fn told(&self) {
        let now = self.clock.mono();
        self.change(|state| {
            state.blocked = None;
            // The rest of a large answer is still on its way.
            if state.phase == Phase::Idle {
                state.since = now;
            }
        });
    }

    /// What is to be sent is not taken.
    pub fn is_blocked(&self) {
        let now = self.clock.mono();
        self.change(|state| {
            state.blocked.get_or_insert(now);
        });
    }

    /// All that there was to be sent is taken.
    pub fn is_not_blocked(&self) {
        self.change(|state| state.blocked = None);
    }

    /// Whether a request is under way.
    pub fn is_served(&self) -> bool {
        self.state().phase == Phase::Served
    }

    /// Whether it is to end, whoever waits.
    pub fn overstays(&self, now: Mono) -> bool {
        let state = self.state();
        let is_for = match state.phase {
            Phase::Asking => now - state.since > ASKING_MAX,
            Phase::Idle => now - state.since > IDLE_MAX,
            Phase::Served => false,
        };
        is_for || state.blocked.is_some_and(|since| now - since > BLOCKED_MAX)
    }

    fn becomes(&self, phase: Phase) {
        let since = self.clock.mono();
        self.change(|state| *state = State { phase, since, ..*state });
    }

    fn state(&self) -> State {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Who gives way to somebody who waits: of those that have no request under way, if there are any, one of the peer that has
/// most of them, and of its connections the one that has been so for longest.
pub(super) fn who_gives_way<'a>(guests: impl Iterator<Item = &'a Arc<Guest>>, now: Mono) -> Option<&'a Arc<Guest>> {
    let staying = guests.filter(|guest| !guest.leave.is_cancelled());
    let all: Vec<(State, IpAddr, &Arc<Guest>)> =
        staying.map(|guest| (guest.state(), household(guest.peer), guest)).collect();
    // By those that have no request under way, and all of them.
    let mut counts: HashMap<IpAddr, (usize, usize)> = HashMap::new();
    for (state, household, _) in &all {
        let (waiting, count) = counts.entry(*household).or_default();
        *waiting += usize::from(state.phase != Phase::Served);
        *count += 1;
    }
    let ranked = all.into_iter().filter_map(|(state, household, guest)| {
        let (waiting, count) = counts.get(&household).copied().unwrap_or_default();
        let (is_served, age) = (state.phase == Phase::Served, now - state.since);
        let may_go = match is_served {
            true => age > SERVED_MIN || count > PEER_SERVED_MAX,
            false => age > FRESH,
        };
        let rank = (!is_served, if is_served { count } else { waiting }, age);
        may_go.then_some((rank, guest))
    });
    ranked.max_by_key(|(rank, _)| *rank).map(|(_, guest)| guest)
}

/// Whoever has one address of IPv6 has all that begin so.
fn household(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::advance;

    use super::*;
    use crate::core::time::Wall;

    fn guests(peers: &[[u8; 4]], clock: Clock) -> Vec<Arc<Guest>> {
        peers.iter().map(|peer| Arc::new(Guest::arriving((*peer).into(), clock))).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_of_the_peer_that_has_most_gives_way() {
        let clock = Clock::start_virtual(Wall::from_micros(0));
        let (one, other) = ([10, 0, 0, 1], [10, 0, 0, 2]);
        let first = guests(&[one, other], clock);
        advance(Duration::from_millis(200)).await;
        let then = guests(&[other], clock);
        advance(Duration::from_millis(200)).await;
        let all: Vec<_> = first.into_iter().chain(then).collect();
        let gives_way = |all: &[Arc<Guest>]| {
            let found = who_gives_way(all.iter(), clock.mono());
            found.map(|found| all.iter().position(|guest| Arc::ptr_eq(guest, found)).unwrap())
        };
        assert_eq!(gives_way(&all), Some(1));
        all[1].begins();
        assert_eq!(gives_way(&all), Some(0), "who is served stays");
        all[0].begins();
        all[2].leave.cancel();
        assert_eq!(gives_way(&all), None, "who is told to leave leaves one place");
        advance(SERVED_MIN.to_duration() + Duration::from_secs(1)).await;
        all[1].ends();
        assert_eq!(gives_way(&all), Some(0), "and who is served for very long, if nobody else can");
        advance(FRESH.to_duration() * 2).await;
        assert_eq!(gives_way(&all), Some(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_header_has_its_time_whatever_drips_and_a_connection_may_be_kept_open() {
        let clock = Clock::start_virtual(Wall::from_micros(0));
        let guest = guests(&[[10, 0, 0, 1]], clock).remove(0);
        for _ in 0..6 {
            assert!(!guest.overstays(clock.mono()));
            advance(Duration::from_secs(1)).await;
            guest.heard();
        }
        assert!(guest.overstays(clock.mono()));
        guest.begins();
        advance(Duration::from_secs(3_600)).await;
        assert!(!guest.overstays(clock.mono()), "a stream may last");
        guest.is_blocked();
        advance(Duration::from_secs(15)).await;
        guest.is_blocked();
        advance(Duration::from_secs(6)).await;
        assert!(guest.overstays(clock.mono()), "but is to be read");
        guest.told();
        guest.ends();
        advance(Duration::from_secs(300)).await;
        assert!(!guest.overstays(clock.mono()));
        guest.heard();
        advance(Duration::from_secs(6)).await;
        assert!(guest.overstays(clock.mono()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_whose_requests_all_wait_for_their_turn_gives_way_to_another() {
        let clock = Clock::start_virtual(Wall::from_micros(0));
        let mut all = guests(&[[10, 0, 0, 2]; PEER_SERVED_MAX], clock);
        all.iter().for_each(|guest| guest.begins());
        assert!(who_gives_way(all.iter(), clock.mono()).is_none(), "so many may be served at once");
        all.extend(guests(&[[10, 0, 0, 1]; PEER_SERVED_MAX + 1], clock));
        all.iter().for_each(|guest| guest.begins());
        advance(FRESH.to_duration() * 2).await;
        let gone = who_gives_way(all.iter(), clock.mono()).unwrap();
        assert_eq!(gone.peer, IpAddr::from([10, 0, 0, 1]), "who has more takes a place from itself");
    }

    #[test]
    fn addresses_that_one_client_has_are_one_peer() {
        let [one, other, third] =
            ["2001:db8::1", "2001:db8::ffff:2", "2001:db8:0:1::1"].map(|text| text.parse().unwrap());
        assert_eq!(household(one), household(other));
        assert_ne!(household(one), household(third));
        assert_eq!(household("::ffff:10.0.0.1".parse().unwrap()), household("10.0.0.1".parse().unwrap()));
    }
}
