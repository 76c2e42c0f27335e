//! What a person can do with a lab of Cosmos DB.

use std::collections::BTreeMap;
use std::time::Duration;

use super::handle::CosmosLab;
use super::mode::{CosmosMode, Part, Refusal};
use super::replica::Replica;
use crate::lab::by_hand::{ByHand, down};
use crate::lab::inject::Network;
use crate::lab::mesh::Mesh;

impl ByHand for CosmosLab {
    type Data = Replica;

    const WHAT: &str = "an Azure Cosmos DB account of several regions";
    const MODES: &str = "up, refuse, hang, reset, offline, slow (delay_seconds), throttled, queue-full, denied, error";
    const SLOT_0: &str = "tidegauge-0-15";

    fn mesh(&self) -> &Mesh<Replica> {
        &self.mesh
    }

    fn address(&self, region: &str) -> String {
        self.region_endpoint(region)
    }

    fn mode(&self, region: &str) -> String {
        format!("{:?}", self.sites[self.mesh.index(region)].region.mode())
    }

    fn counts(&self, region: &str) -> BTreeMap<String, u64> {
        self.requests(region).into_iter().map(|(operation, count)| (format!("{operation:?}"), count)).collect()
    }

    fn change_network(&self, region: &str, network: Network) {
        self.set_network(region, network);
    }

    async fn change_mode(&self, region: &str, name: &str, delay: Duration) -> bool {
        let mode = match name {
            "up" => CosmosMode::Up,
            "offline" => CosmosMode::Offline,
            "slow" => CosmosMode::Slow(delay),
            "throttled" => CosmosMode::Refusing(Part::Documents, Refusal::throttled()),
            "queue-full" => CosmosMode::Refusing(Part::Writes, Refusal::replication_queue_full()),
            "denied" => CosmosMode::Refusing(Part::Documents, Refusal::denied()),
            "error" => CosmosMode::Refusing(Part::Documents, Refusal::internal_error()),
            other => match down(other) {
                Some(down) => CosmosMode::Down(down),
                None => return false,
            },
        };
        self.set_mode(region, mode).await;
        true
    }
}
