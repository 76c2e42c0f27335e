//! What the lab injects: lag on the links, delay on the network, and the ways in which a region can be out of order.

use std::ops::RangeInclusive;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use rand_distr::{Distribution, LogNormal};

/// How long a committed write takes to reach another region.
#[derive(Clone, Debug)]
pub enum Lag {
    /// Always the same.
    Fixed(Duration),
    /// Log-normal, now and then multiplied: the shape that replication shows in practice.
    LogNormal {
        /// Half of the writes are faster.
        median: Duration,
        /// Standard deviation of the logarithm.
        sigma: f64,
        /// How often a lag is multiplied, 0 to 1.
        spike_probability: f64,
        /// By how much, drawn evenly.
        spike_factor: RangeInclusive<f64>,
    },
}

impl Lag {
    /// Log-normal without spikes.
    pub fn log_normal(median: Duration, sigma: f64) -> Lag {
        Lag::LogNormal { median, sigma, spike_probability: 0.0, spike_factor: 1.0..=1.0 }
    }

    /// The lag that the budgets are written for: median 0.8 s, sigma 0.25, 2 % of it three to ten times as long.
    pub fn typical() -> Lag {
        Lag::LogNormal {
            median: Duration::from_millis(800),
            sigma: 0.25,
            spike_probability: 0.02,
            spike_factor: 3.0..=10.0,
        }
    }

    /// One lag.
    pub fn sample(&self, rng: &mut StdRng) -> Duration {
        match self {
            Lag::Fixed(lag) => *lag,
            Lag::LogNormal { median, sigma, spike_probability, spike_factor } => {
                let shape = LogNormal::new(0.0, *sigma).expect("sigma is finite and not negative");
                let spike = rng.random_bool(*spike_probability);
                let factor = if spike { rng.random_range(spike_factor.clone()) } else { 1.0 };
                median.mul_f64(shape.sample(rng) * factor)
            }
        }
    }
}

/// One way's delay on the network.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Delay {
    /// Loopback's own, well below a millisecond.
    #[default]
    None,
    /// Always the same.
    Fixed(Duration),
    /// Drawn evenly.
    Uniform(RangeInclusive<Duration>),
}

impl Delay {
    pub(super) fn sample(&self, rng: &mut StdRng) -> Duration {
        match self {
            Delay::None => Duration::ZERO,
            Delay::Fixed(delay) => *delay,
            Delay::Uniform(range) => rng.random_range(range.clone()),
        }
    }
}

/// A few writes are late by much more than the others, on the way there or on the way back: those that the client gives
/// up on and that commit all the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Straggler {
    /// How many of the writes, 0 to 1.
    pub probability: f64,
    /// Their extra delay.
    pub delay: Delay,
}

/// The network between a client and a region.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Network {
    /// Before the request reaches the database.
    pub request_delay: Delay,
    /// After it left it.
    pub answer_delay: Delay,
    /// Late writes on top of that.
    pub late_writes: Option<Straggler>,
}

impl Network {
    /// Loopback, as it is.
    pub fn direct() -> Network {
        Network::default()
    }

    /// A distant region: the same delay each way.
    pub fn each_way(delay: Duration) -> Network {
        Network { request_delay: Delay::Fixed(delay), answer_delay: Delay::Fixed(delay), late_writes: None }
    }

    /// The hostile lab of the budgets: requests and answers delayed apart by 20–150 ms, 2 % of the writes by 0.2–1 s
    /// more.
    pub fn hostile() -> Network {
        let way = Delay::Uniform(Duration::from_millis(20)..=Duration::from_millis(150));
        let late = Delay::Uniform(Duration::from_millis(200)..=Duration::from_secs(1));
        Network {
            request_delay: way.clone(),
            answer_delay: way,
            late_writes: Some(Straggler { probability: 0.02, delay: late }),
        }
    }

    /// The delays of one exchange: there, and back.
    pub(super) fn sample(&self, is_write: bool, rng: &mut StdRng) -> (Duration, Duration) {
        let mut there = self.request_delay.sample(rng);
        let mut back = self.answer_delay.sample(rng);
        if let Some(late) = self.late_writes.as_ref().filter(|_| is_write)
            && rng.random_bool(late.probability)
        {
            let extra = late.delay.sample(rng);
            if rng.random_bool(0.5) {
                there += extra;
            } else {
                back += extra;
            }
        }
        (there, back)
    }
}

/// How a region is just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// In order.
    Up,
    /// Out of reach; nothing is executed, and what is replicated to it waits until it is back.
    Down(Down),
    /// Every request waits this long before it is executed.
    Slow(Duration),
    /// Every request is refused for want of capacity (400 `ProvisionedThroughputExceededException`).
    Throttled,
    /// Every request is refused for want of permission (400 `AccessDeniedException`).
    Denied,
    /// The session token has run out (400 `ExpiredTokenException`).
    ExpiredToken,
    /// The access key is unknown (400 `UnrecognizedClientException`).
    UnrecognizedClient,
    /// The service is broken (500 `InternalServerError`).
    InternalError,
}

/// What a client sees of a region that is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Down {
    /// Nobody listens: connections are refused.
    Refuse,
    /// Connections are accepted and nothing is ever answered.
    Hang,
    /// Connections are accepted and reset.
    Reset,
}

impl Mode {
    /// Is the region out of reach?
    pub fn is_down(self) -> bool {
        matches!(self, Mode::Down(_))
    }
}

/// What a link that was stopped delivers when it goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CatchUp {
    /// Everything that waited, in the order of the commits.
    #[default]
    Everything,
    /// The newest version of each item alone: the others are folded into it.
    NewestPerItem,
}
