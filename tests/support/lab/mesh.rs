//! All links of a lab: every ordered pair of its regions has one.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::inject::{CatchUp, Lag};
use super::names::short_name;
use super::replicate::{End, Link, Outgoing, Target};

/// Regions are named as they were given, or by their short names; any other name panics, as a test that names one is
/// wrong.
pub struct Mesh<T: Target> {
    regions: Vec<String>,
    links: Vec<Arc<Link<T::Change>>>,
    ends: Vec<Arc<End<T>>>,
}

impl<T: Target> Mesh<T> {
    /// Links the regions, each of which has its data.
    ///
    /// # Panics
    ///
    /// If two regions have one name, or there are none, or more than a hundred.
    pub(super) fn new(
        regions: impl IntoIterator<Item = (String, Arc<T>)>,
        lag: &Lag,
        seed: u64,
        in_order: bool,
    ) -> Mesh<T> {
        let (regions, replicas): (Vec<String>, Vec<Arc<T>>) = regions.into_iter().unzip();
        let count = regions.len();
        assert!((1..=100).contains(&count), "a lab has one to a hundred regions");
        for (index, name) in regions.iter().enumerate() {
            let is_it = |other: &String| short_name(other) == short_name(name);
            assert!(!regions[..index].iter().any(is_it), "region {name} is there twice");
        }
        let pairs = (0..count).flat_map(|source| (0..count).map(move |target| (source, target)));
        let link = |(source, target)| {
            Arc::new(Link::new(source, target, lag.clone(), seed_of(seed, source, target), in_order))
        };
        let links = pairs.filter(|(source, target)| source != target).map(link).collect();
        let ends = replicas.into_iter().map(|replica| Arc::new(End::new(replica))).collect();
        Mesh { regions, links, ends }
    }

    /// The regions' names, in the order given.
    pub(super) fn regions(&self) -> &[String] {
        &self.regions
    }

    /// All pairs that have a link.
    pub(super) fn pairs(&self) -> Vec<(String, String)> {
        let name = |index: usize| self.regions[index].clone();
        self.links.iter().map(|link| (name(link.source), name(link.target))).collect()
    }

    /// The links that start in a region, for what serves it.
    pub(super) fn outgoing(&self, region: &str, tasks: &TaskTracker, cancel: &CancellationToken) -> Outgoing<T> {
        let source = self.index(region);
        let links = self.links.iter().filter(|link| link.source == source);
        let links = links.map(|link| (Arc::clone(link), Arc::clone(&self.ends[link.target]))).collect();
        Outgoing { links, tasks: tasks.clone(), cancel: cancel.clone() }
    }

    pub(super) async fn pause(&self, source: &str, target: &str) {
        self.link(source, target).pause().await;
    }

    pub(super) async fn resume(&self, source: &str, target: &str, catch_up: CatchUp) {
        self.link(source, target).resume(self.end(target), catch_up).await;
    }

    pub(super) async fn hold_partition(&self, source: &str, target: &str, partition: &str) {
        self.link(source, target).hold_partition(partition).await;
    }

    pub(super) async fn release_partition(&self, source: &str, target: &str, partition: &str) {
        self.link(source, target).release_partition(partition, self.end(target)).await;
    }

    pub(super) async fn waiting(&self, source: &str, target: &str) -> usize {
        self.link(source, target).waiting().await
    }

    pub(super) fn set_lag(&self, lag: &Lag) {
        for link in &self.links {
            link.set_lag(lag.clone());
        }
    }

    pub(super) fn set_pair_lag(&self, source: &str, target: &str, lag: Lag) {
        self.link(source, target).set_lag(lag);
    }

    /// From now on what is replicated to the region waits.
    pub(super) fn set_down(&self, region: &str) {
        self.end(region).set_down(true);
    }

    /// The region is in reach again: what waited for it is there when this returns.
    pub(super) async fn set_up(&self, region: &str) {
        let (target, end) = (self.index(region), self.end(region));
        end.set_down(false);
        for link in self.links.iter().filter(|link| link.target == target) {
            link.target_is_back(end).await;
        }
    }

    pub(super) fn index(&self, region: &str) -> usize {
        self.find(region).unwrap_or_else(|| panic!("the lab has no region {region}"))
    }

    pub(super) fn find(&self, region: &str) -> Option<usize> {
        let wanted = short_name(region);
        self.regions.iter().position(|name| short_name(name) == wanted)
    }

    fn end(&self, region: &str) -> &End<T> {
        &self.ends[self.index(region)]
    }

    fn link(&self, source: &str, target: &str) -> &Link<T::Change> {
        let pair = (self.index(source), self.index(target));
        let found = self.links.iter().find(|link| (link.source, link.target) == pair);
        found.unwrap_or_else(|| panic!("there is no link from {source} to {target}"))
    }
}

/// A sequence of its own for each (source, target); the network of a region has the diagonal.
pub(super) fn seed_of(seed: u64, source: usize, target: usize) -> u64 {
    let pair = u64::try_from(source * 100 + target).expect("small");
    seed.wrapping_mul(10_007).wrapping_add(pair)
}
