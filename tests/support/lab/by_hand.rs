//! What a person can do with a lab of either store, for the control API.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use super::Measured;
use super::handle::Lab;
use super::inject::{Down, Mode, Network};
use super::mesh::Mesh;
use super::replica::Replica;
use super::replicate::Target;

/// A lab that is worked by hand. Regions that it has not got are told apart before, by its mesh.
pub trait ByHand: Measured + Send + Sync + 'static {
    /// A region's data.
    type Data: Target;

    /// What is served, for the page.
    const WHAT: &str;
    /// The modes by their names, for the page.
    const MODES: &str;
    /// The partition key of heartbeats' slot 0, for the page.
    const SLOT_0: &str;

    /// Its links.
    fn mesh(&self) -> &Mesh<Self::Data>;

    /// Where a region is served.
    fn address(&self, region: &str) -> String;

    /// How a region is just now.
    fn mode(&self, region: &str) -> String;

    /// Requests that a region received, by operation.
    fn counts(&self, region: &str) -> BTreeMap<String, u64>;

    /// Changes the network to one region.
    fn change_network(&self, region: &str, network: Network);

    /// Puts a region into the mode of this name; the delay is for `slow`. `false` if there is no such mode.
    fn change_mode(&self, region: &str, name: &str, delay: Duration) -> impl Future<Output = bool> + Send;
}

/// The ways of being down by their names, which all stores have in common.
pub(super) fn down(name: &str) -> Option<Down> {
    match name {
        "refuse" => Some(Down::Refuse),
        "hang" => Some(Down::Hang),
        "reset" => Some(Down::Reset),
        _ => None,
    }
}

impl ByHand for Lab {
    type Data = Replica;

    const WHAT: &str = "regional DynamoDB endpoints";
    const MODES: &str =
        "up, refuse, hang, reset, slow (delay_seconds), throttled, denied, expired, unrecognized, error";
    const SLOT_0: &str = "tidegauge-0";

    fn mesh(&self) -> &Mesh<Replica> {
        &self.mesh
    }

    fn address(&self, region: &str) -> String {
        self.endpoint(region)
    }

    fn mode(&self, region: &str) -> String {
        format!("{:?}", self.sites[self.mesh.index(region)].region.mode())
    }

    fn counts(&self, region: &str) -> BTreeMap<String, u64> {
        self.requests(region)
    }

    fn change_network(&self, region: &str, network: Network) {
        self.set_network(region, network);
    }

    async fn change_mode(&self, region: &str, name: &str, delay: Duration) -> bool {
        let mode = match name {
            "up" => Mode::Up,
            "slow" => Mode::Slow(delay),
            "throttled" => Mode::Throttled,
            "denied" => Mode::Denied,
            "expired" => Mode::ExpiredToken,
            "unrecognized" => Mode::UnrecognizedClient,
            "error" => Mode::InternalError,
            other => match down(other) {
                Some(down) => Mode::Down(down),
                None => return false,
            },
        };
        self.set_mode(region, mode).await;
        true
    }
}
