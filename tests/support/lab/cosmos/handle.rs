//! The lab of Cosmos DB in a test's hand.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::mode::CosmosMode;
use super::operation::Operation;
use super::replica::{Replica, Shared};
use super::serve::Region;
use super::setup::{CONTAINER, CosmosLabBuilder, DATABASE};
use crate::lab::endpoint::Port;
use crate::lab::inject::{CatchUp, Lag, Network};
use crate::lab::mesh::Mesh;
use crate::lab::time::Stamp;
use crate::lab::truth::Truth;
use crate::lab::{DaemonSettings, Measured, short_name};

/// A region and its port.
pub(super) struct Site {
    pub(super) region: Arc<Region>,
    pub(super) port: Port,
}

/// A running lab. Dropped, it stops listening and delivers nothing more.
///
/// Regions are named as they were given to the builder or by their short names, `East US` or `eastus`; any other name
/// panics, as a test that names one is wrong.
pub struct CosmosLab {
    pub(super) sites: Vec<Site>,
    pub(super) mesh: Mesh<Replica>,
    pub(super) shared: Shared,
    pub(super) partitions: u32,
    pub(super) cancel: CancellationToken,
    pub(super) tasks: TaskTracker,
}

impl CosmosLab {
    /// Begins a lab.
    pub fn builder() -> CosmosLabBuilder {
        CosmosLabBuilder::default()
    }

    /// The regions' names, in the order given.
    pub fn regions(&self) -> Vec<&str> {
        self.mesh.regions().iter().map(String::as_str).collect()
    }

    /// Where the account is reached: its first region's port, for the lab's lifetime.
    pub fn endpoint(&self) -> String {
        self.region_endpoint(&self.sites[0].region.name)
    }

    /// Where a region is reached: `http://127.0.0.1:<port>`, for the lab's lifetime.
    pub fn region_endpoint(&self, region: &str) -> String {
        format!("http://{}", self.site(region).port.address())
    }

    /// The lab's clocks, now.
    pub fn now(&self) -> Stamp {
        self.shared.clock.now()
    }

    /// When what was committed, and when it was visible where.
    pub fn truth(&self) -> &Truth {
        &self.shared.truth
    }

    /// The same, to be held beyond the lab's end.
    pub fn truth_log(&self) -> Arc<Truth> {
        Arc::clone(&self.shared.truth)
    }

    /// Stops replication from one region to another. Once it returns nothing arrives there any more from here, not even
    /// what was under way.
    pub async fn pause(&self, source: &str, target: &str) {
        self.mesh.pause(source, target).await;
    }

    /// Resumes replication; everything that waited is there when this returns, in the order of the commits.
    pub async fn resume(&self, source: &str, target: &str) {
        self.resume_with(source, target, CatchUp::Everything).await;
    }

    /// Resumes replication, and says what becomes of the writes that waited.
    pub async fn resume_with(&self, source: &str, target: &str, catch_up: CatchUp) {
        self.mesh.resume(source, target, catch_up).await;
    }

    /// Stops replication from everywhere to a region.
    pub async fn pause_inbound(&self, target: &str) {
        for source in self.regions().into_iter().filter(|source| *source != target) {
            self.pause(source, target).await;
        }
    }

    /// Resumes it; everything that waited is there when this returns.
    pub async fn resume_inbound(&self, target: &str) {
        for source in self.regions().into_iter().filter(|source| *source != target) {
            self.resume(source, target).await;
        }
    }

    /// Holds back, on one link, the documents of one partition key: `tidegauge-3` stalls that slot alone. Levels of a
    /// hierarchical key are joined by `/`.
    pub async fn hold_partition_key(&self, source: &str, target: &str, partition: &str) {
        self.mesh.hold_partition(source, target, partition).await;
    }

    /// Lets them through again; those that waited are there when this returns.
    pub async fn release_partition_key(&self, source: &str, target: &str, partition: &str) {
        self.mesh.release_partition(source, target, partition).await;
    }

    /// How many writes are due on a link and stopped: paused, held back, or the target is down.
    pub async fn waiting(&self, source: &str, target: &str) -> usize {
        self.mesh.waiting(source, target).await
    }

    /// Puts a region in order, or out of it. What was replicated to a region that was down or offline arrives when it is
    /// back; writes that such a region had committed before still leave it (pause its links to stop them too).
    ///
    /// # Panics
    ///
    /// If the last region were taken out of the account.
    pub async fn set_mode(&self, region: &str, mode: CosmosMode) {
        let site = self.site(region);
        let before = std::mem::replace(&mut *site.region.mode.lock().expect("no thread died with the mode"), mode);
        let (was_down, is_down) = (before.down(), mode.down());
        if is_down.is_some() {
            self.mesh.set_down(region);
        }
        if (before == CosmosMode::Offline) != (mode == CosmosMode::Offline) {
            self.set_offline(region, mode == CosmosMode::Offline);
        }
        if was_down != is_down {
            let changed = site.port.become_(is_down, &site.region).await;
            changed.unwrap_or_else(|error| panic!("cannot listen for {region} again: {error}"));
        }
        if was_down.is_some() && is_down.is_none() {
            self.mesh.set_up(region).await;
        }
    }

    fn set_offline(&self, region: &str, offline: bool) {
        // In whatever spelling it was asked for, the account knows it in one.
        let region = self.site(region).region.name.as_str();
        for site in &self.sites {
            let store = site.region.replica.store();
            let done = if offline { store.set_region_offline(region) } else { store.set_region_online(region) };
            done.unwrap_or_else(|error| panic!("the account cannot do without {region}: {error}"));
        }
    }

    /// Changes the network to one region, for requests that arrive from now on.
    pub fn set_network(&self, region: &str, network: Network) {
        self.site(region).region.network.lock().expect("no thread died with the network").0 = network;
    }

    /// Changes the lag of every link, for writes committed from now on.
    pub fn set_lag(&self, lag: Lag) {
        self.mesh.set_lag(&lag);
    }

    /// Changes the lag of one link, for writes committed from now on.
    pub fn set_pair_lag(&self, source: &str, target: &str, lag: Lag) {
        self.mesh.set_pair_lag(source, target, lag);
    }

    /// Requests that a region received, by operation: executed, refused, or lost with it.
    pub fn requests(&self, region: &str) -> BTreeMap<Operation, u64> {
        self.site(region).region.requests.lock().expect("no thread died while it counted").clone()
    }

    /// Requests of one operation that a region received.
    pub fn request_count(&self, region: &str, operation: Operation) -> u64 {
        self.requests(region).get(&operation).copied().unwrap_or_default()
    }

    /// Creates a container in every region; its partition key has these paths, several for a hierarchical one.
    pub fn create_container(&self, name: &str, paths: &[impl AsRef<str>]) {
        let paths: Vec<String> = paths.iter().map(|path| path.as_ref().to_owned()).collect();
        for site in &self.sites {
            site.region.replica.create_container(DATABASE, name, &paths, self.partitions);
        }
    }

    /// Drops a container in every region. What was on its way to it is lost.
    pub async fn drop_container(&self, name: &str) {
        for site in &self.sites {
            site.region.replica.drop_container(DATABASE, name).await;
        }
    }

    /// Splits a physical partition of the lab's own container in two, in every region.
    pub async fn split_partition(&self, partition: u32) {
        for site in &self.sites {
            site.region.replica.split(DATABASE, CONTAINER, partition).await;
        }
    }

    /// A document of the lab's own container as a region has it now, past its network and its mode. The partition key is
    /// a JSON array, as on the wire: `["tidegauge-0"]`.
    pub async fn peek(&self, region: &str, partition_key: &str, id: &str) -> Option<serde_json::Value> {
        let documents = format!("/dbs/{DATABASE}/colls/{CONTAINER}/docs");
        self.site(region).region.replica.peek(&documents, partition_key, id).await
    }

    /// Settings that point a daemon at this lab. The key goes by the environment: `COSMOS_KEY` with any Base64, [`KEY`] say.
    ///
    /// [`KEY`]: super::KEY
    pub fn settings(&self) -> DaemonSettings {
        DaemonSettings::cosmos(self.mesh.regions().iter().cloned(), &self.endpoint(), DATABASE, CONTAINER)
    }

    /// Ends the lab and waits until nothing of it runs any more. Dropping it ends it too, a moment later.
    pub async fn shutdown(self) {
        self.cancel.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        for site in &self.sites {
            site.port.ended().await;
        }
    }

    fn site(&self, region: &str) -> &Site {
        &self.sites[self.mesh.index(region)]
    }
}

impl Measured for CosmosLab {
    fn region_names(&self) -> Vec<String> {
        self.mesh.regions().iter().map(|name| short_name(name)).collect()
    }

    fn truth(&self) -> &Truth {
        &self.shared.truth
    }
}

impl Drop for CosmosLab {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}
