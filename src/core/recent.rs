//! The newest samples of a pair, shared with snapshots piece by piece.

use std::collections::VecDeque;
use std::sync::Arc;

use super::sample::Sample;

/// Recent samples that are kept per pair, at most.
pub const RECENT_MAX: usize = 128;

/// Samples in a piece: what is copied to add one is less than a piece.
const PIECE: usize = 16;

/// Samples, oldest first; the last [`RECENT_MAX`], or up to a piece fewer.
///
/// A clone shares all full pieces with its original, so that a snapshot costs the memory of the newest few samples
/// and not of all.
#[derive(Clone, Debug, Default)]
pub struct Recent {
    full: Arc<VecDeque<Arc<[Sample]>>>,
    newest: Arc<Vec<Sample>>,
}

impl Recent {
    /// Adds one at the new end; the oldest give way.
    pub fn push(&mut self, sample: Sample) {
        // Both are shared with snapshots: a few samples are copied here per sample, and a few pointers per piece.
        let newest = Arc::make_mut(&mut self.newest);
        if newest.len() == PIECE {
            let full = Arc::make_mut(&mut self.full);
            if full.len() + 1 == RECENT_MAX / PIECE {
                full.pop_front();
            }
            full.push_back(Arc::from(newest.as_slice()));
            newest.clear();
        }
        newest.push(sample);
    }

    /// All of them, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Sample> {
        self.full.iter().flat_map(|piece| piece.iter()).chain(self.newest.iter())
    }

    /// The one pushed last.
    pub fn last(&self) -> Option<&Sample> {
        self.newest.last()
    }
}
