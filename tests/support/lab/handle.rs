//! The lab in a test's hand.

use std::collections::BTreeMap;
use std::sync::Arc;

use dynoxide::AttributeValue;
use dynoxide::actions::create_table::CreateTableRequest;
use dynoxide::actions::delete_table::DeleteTableRequest;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Measured;
use super::endpoint::Port;
use super::inject::{CatchUp, Lag, Mode, Network};
use super::keys::TableKeys;
use super::mesh::Mesh;
use super::replica::{Attributes, Replica};
use super::serve::Region;
use super::settings::DaemonSettings;
use super::setup::{LabBuilder, TABLE};
use super::time::{LabClock, Stamp};
use super::truth::Truth;

/// A region and its port.
pub(super) struct Site {
    pub(super) region: Arc<Region>,
    pub(super) port: Port,
}

/// A running lab. Dropped, it stops listening and delivers nothing more.
///
/// Regions are named as they were given to the builder; any other name panics, as a test that names one is wrong.
pub struct Lab {
    pub(super) sites: Vec<Site>,
    pub(super) mesh: Mesh<Replica>,
    pub(super) truth: Arc<Truth>,
    pub(super) clock: LabClock,
    /// Those of the table that it starts with.
    pub(super) keys: TableKeys,
    pub(super) cancel: CancellationToken,
    pub(super) tasks: TaskTracker,
}

impl Lab {
    /// Begins a lab.
    pub fn builder() -> LabBuilder {
        LabBuilder::default()
    }

    /// The regions' names, in the order given.
    pub fn regions(&self) -> Vec<&str> {
        self.sites.iter().map(|site| site.region.name.as_str()).collect()
    }

    /// Where a region's DynamoDB is served: `http://127.0.0.1:<port>`, for the lab's lifetime.
    pub fn endpoint(&self, region: &str) -> String {
        format!("http://{}", self.site(region).port.address())
    }

    /// The lab's clocks, now.
    pub fn now(&self) -> Stamp {
        self.clock.now()
    }

    /// When what was committed, and when it was visible where.
    pub fn truth(&self) -> &Truth {
        &self.truth
    }

    /// The same, to be held beyond the lab's end.
    pub fn truth_log(&self) -> Arc<Truth> {
        Arc::clone(&self.truth)
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

    /// Holds back, on one link, the items of one partition key: `tidegauge-3` stalls that slot alone. A key of type N goes
    /// by its digits.
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

    /// Puts a region in order, or out of it. What was replicated to a region that was down arrives when it is back;
    /// writes that such a region had committed before still leave it (pause its links to stop them too).
    pub async fn set_mode(&self, region: &str, mode: Mode) {
        let site = self.site(region);
        let before = std::mem::replace(&mut *site.region.mode.lock().expect("no thread died with the mode"), mode);
        if mode.is_down() {
            self.mesh.set_down(region);
        }
        let ways = |mode| if let Mode::Down(down) = mode { Some(down) } else { None };
        if ways(before) != ways(mode) {
            let changed = site.port.become_(ways(mode), &site.region).await;
            changed.unwrap_or_else(|error| panic!("cannot listen for {region} again: {error}"));
        }
        if before.is_down() && !mode.is_down() {
            self.mesh.set_up(region).await;
        }
    }

    /// What a region is to say of its table beside what its database does: members of `Table` in a description of it.
    pub fn set_description(&self, region: &str, more: serde_json::Value) {
        *self.site(region).region.description.lock().expect("no thread died with the description") = more;
    }

    /// Refuses one operation in a region for want of permission, or no longer.
    pub fn set_denied(&self, region: &str, operation: &str, denied: bool) {
        let mut list = self.site(region).region.denied.lock().expect("no thread died with the list");
        if denied {
            list.insert(operation.to_owned());
        } else {
            list.remove(operation);
        }
    }

    /// Which regions the tables' descriptions name as replicas of one another; at first all.
    pub fn set_members(&self, regions: &[&str]) {
        let members = &self.sites[0].region.members;
        *members.lock().expect("no thread died with the members") =
            regions.iter().map(|name| (*name).to_owned()).collect();
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
    pub fn requests(&self, region: &str) -> BTreeMap<String, u64> {
        self.site(region).region.requests.lock().expect("no thread died while it counted").clone()
    }

    /// Requests of one operation that a region received.
    pub fn request_count(&self, region: &str, operation: &str) -> u64 {
        self.requests(region).get(operation).copied().unwrap_or_default()
    }

    /// Creates a table in every region.
    pub fn create_table(&self, name: &str, keys: TableKeys) {
        for region in self.regions() {
            self.create_table_in(region, name, keys);
        }
    }

    /// Creates a table in one region.
    pub fn create_table_in(&self, region: &str, name: &str, keys: TableKeys) {
        let request = CreateTableRequest {
            table_name: name.to_owned(),
            key_schema: keys.schema(),
            attribute_definitions: keys.definitions(),
            billing_mode: Some("PAY_PER_REQUEST".to_owned()),
            ..CreateTableRequest::default()
        };
        let created = self.site(region).region.replica.create(request).map(drop);
        created.unwrap_or_else(|error| panic!("cannot create table {name} in {region}: {error}"));
    }

    /// Drops a table in every region. What was on its way to it is lost.
    pub fn drop_table(&self, name: &str) {
        for region in self.regions() {
            self.drop_table_in(region, name);
        }
    }

    /// Drops a table in one region.
    pub fn drop_table_in(&self, region: &str, name: &str) {
        let request = DeleteTableRequest { table_name: name.to_owned() };
        let dropped = self.site(region).region.replica.drop_table(request).map(drop);
        dropped.unwrap_or_else(|error| panic!("cannot drop table {name} in {region}: {error}"));
    }

    /// An item of the lab's own table, where its keys are text, as a region has it now, past its network and its mode, as
    /// plain JSON in DynamoDB's notation.
    pub fn peek(&self, region: &str, partition: &str, sort: &str) -> Option<serde_json::Value> {
        let key = [("PK", partition), ("SK", sort)];
        let key: Attributes =
            key.iter().map(|(name, text)| ((*name).to_owned(), AttributeValue::S((*text).to_owned()))).collect();
        let item = self.site(region).region.replica.peek(TABLE, &key)?;
        Some(serde_json::to_value(item).expect("an item is JSON"))
    }

    /// Settings that point a daemon at this lab.
    pub fn settings(&self) -> DaemonSettings {
        let regions = self.regions().into_iter().map(|region| (region.to_owned(), self.endpoint(region)));
        DaemonSettings::dynamodb(regions, self.keys)
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

impl Measured for Lab {
    fn region_names(&self) -> Vec<String> {
        self.mesh.regions().to_vec()
    }

    fn truth(&self) -> &Truth {
        &self.truth
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}
