//! How often which read was advised, and how long that took to say: atomics, so that nobody waits for anybody.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus::core::Metric;
use prometheus::proto::Histogram;

use crate::core::advice::Decision;
use crate::core::time::Span;

/// Upper ends for how long an answer takes, in seconds: it comes from memory.
const ENDS: [f64; 9] = [0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.01, 0.1];

/// What one store's readers were advised.
#[derive(Debug)]
pub struct StoreAdvised {
    /// Which store.
    pub store: Arc<str>,
    decisions: [AtomicU64; Decision::COUNT],
}

/// What the readers of all stores were advised.
#[derive(Debug)]
pub struct Advised {
    /// In the stores' order.
    pub stores: Vec<Arc<StoreAdvised>>,
    took: prometheus::Histogram,
}

impl StoreAdvised {
    /// How often each decision was answered, by its label.
    pub fn decisions(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Decision::LABELS.into_iter().zip(self.decisions.iter().map(|count| count.load(Ordering::Relaxed)))
    }
}

impl Advised {
    /// Nothing so far, of these stores.
    ///
    /// # Panics
    ///
    /// Never: the buckets are in order.
    pub fn of(stores: impl IntoIterator<Item = Arc<str>>) -> Advised {
        let options = prometheus::HistogramOpts::new("took", "how long an answer takes").buckets(ENDS.to_vec());
        let nothing = Advised {
            stores: Vec::new(),
            took: prometheus::Histogram::with_opts(options).expect("the buckets are in order"),
        };
        nothing.on(stores)
    }

    /// The same counts from now on, of these stores; those of a name that is new begin at none.
    pub fn on(&self, stores: impl IntoIterator<Item = Arc<str>>) -> Advised {
        let counts = |store: Arc<str>| match self.place(&store) {
            Some(place) => self.stores[place].clone(),
            None => Arc::new(StoreAdvised { store, decisions: Default::default() }),
        };
        Advised { stores: stores.into_iter().map(counts).collect(), took: self.took.clone() }
    }

    /// A store's place, by its name.
    pub fn place(&self, store: &str) -> Option<usize> {
        self.stores.iter().position(|known| *known.store == *store)
    }

    /// Counts one.
    pub fn count(&self, place: usize, decision: Decision, took: Span) {
        self.stores[place].decisions[decision.caution()].fetch_add(1, Ordering::Relaxed);
        self.took.observe(took.as_secs_f64());
    }

    /// How long answers took.
    pub fn took(&self) -> Histogram {
        self.took.metric().get_histogram().clone()
    }
}
