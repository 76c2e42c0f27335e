//! How a lab of Cosmos DB is asked for and started.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use azure_core::http::Url;
use azure_data_cosmos_driver::in_memory_emulator::{
    ConsistencyLevel, ReplicationConfig, VirtualAccountConfig, VirtualRegion, WriteMode,
};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::handle::{CosmosLab, Site};
use super::mode::CosmosMode;
use super::replica::{Replica, Shared};
use super::serve::Region;
use crate::lab::endpoint::Port;
use crate::lab::inject::{Lag, Network};
use crate::lab::mesh::{Mesh, seed_of};
use crate::lab::time::LabClock;
use crate::lab::truth::Truth;

/// The database of every lab.
pub const DATABASE: &str = "cell-state";
/// The container that every lab starts with.
pub const CONTAINER: &str = "orders";
/// A key that the lab takes, as it takes any that is Base64.
pub const KEY: &str = "bGFi";

/// What a lab is to be like. Defaults: three regions, the typical lag, no network delay, any ports, seed 1, four physical
/// partitions by `/pk`, session consistency.
#[derive(Clone, Debug)]
pub struct CosmosLabBuilder {
    regions: Vec<String>,
    lag: Lag,
    network: Network,
    port_base: Option<u16>,
    seed: u64,
    in_order: bool,
    with_container: bool,
    paths: Vec<String>,
    partitions: u32,
    consistency: ConsistencyLevel,
}

impl Default for CosmosLabBuilder {
    fn default() -> CosmosLabBuilder {
        CosmosLabBuilder {
            regions: ["East US", "West Europe", "Australia East"].map(str::to_owned).to_vec(),
            lag: Lag::typical(),
            network: Network::direct(),
            port_base: None,
            seed: 1,
            in_order: false,
            with_container: true,
            paths: vec!["/pk".to_owned()],
            partitions: 4,
            consistency: ConsistencyLevel::Session,
        }
    }
}

impl CosmosLabBuilder {
    /// The regions' names, as the portal spells them, in the order of their ports. The first one's port is the account's.
    pub fn regions(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> CosmosLabBuilder {
        self.regions = names.into_iter().map(Into::into).collect();
        self
    }

    /// The lag of every link; one link's can be set later.
    pub fn lag(mut self, lag: Lag) -> CosmosLabBuilder {
        self.lag = lag;
        self
    }

    /// The network of every region; one region's can be set later.
    pub fn network(mut self, network: Network) -> CosmosLabBuilder {
        self.network = network;
        self
    }

    /// Fixed ports, counting up from this one. Without it the system chooses.
    pub fn port_base(mut self, port: u16) -> CosmosLabBuilder {
        self.port_base = Some(port);
        self
    }

    /// Where the random numbers start. Each link and each region draws from a sequence of its own.
    pub fn seed(mut self, seed: u64) -> CosmosLabBuilder {
        self.seed = seed;
        self
    }

    /// Whether all that a link carries becomes visible in the order of the commits, whatever the keys. By default each write
    /// takes its own time, as in DynamoDB, where partitions replicate in parallel.
    pub fn in_order(mut self, in_order: bool) -> CosmosLabBuilder {
        self.in_order = in_order;
        self
    }

    /// The partition key's path, by default `/pk`.
    pub fn partition_key(self, path: &str) -> CosmosLabBuilder {
        self.hierarchical_partition_key([path])
    }

    /// The partition key's paths where it has several levels.
    pub fn hierarchical_partition_key<'a>(mut self, paths: impl IntoIterator<Item = &'a str>) -> CosmosLabBuilder {
        self.paths = paths.into_iter().map(str::to_owned).collect();
        self
    }

    /// The number of physical partitions.
    pub fn partitions(mut self, count: u32) -> CosmosLabBuilder {
        self.partitions = count;
        self
    }

    /// The account's default consistency.
    pub fn consistency(mut self, level: ConsistencyLevel) -> CosmosLabBuilder {
        self.consistency = level;
        self
    }

    /// Starts without any container: for tests of a daemon that comes before its container does.
    pub fn without_container(mut self) -> CosmosLabBuilder {
        self.with_container = false;
        self
    }

    /// Starts it; all regions listen when it returns.
    ///
    /// # Panics
    ///
    /// If a port cannot be had, or two regions have one name.
    pub async fn start(self) -> CosmosLab {
        let (cancel, tasks) = (CancellationToken::new(), TaskTracker::new());
        let shared =
            Shared { clock: LabClock::start(), truth: Arc::new(Truth::default()), order: Arc::new(AtomicU64::new(0)) };
        let port = |(index, name): (usize, &String)| Port::of_region(self.port_base, index, name, &cancel);
        let ports: Vec<Port> = self.regions.iter().enumerate().map(port).collect();
        let addresses: Vec<String> = ports.iter().map(|port| format!("http://{}", port.address())).collect();
        let replica = |(name, address): (&String, &String)| {
            let replica = Replica::new(name, address.clone(), self.account(&addresses), shared.clone());
            replica.store().create_database(DATABASE);
            (name.clone(), Arc::new(replica))
        };
        let replicas: Vec<_> = self.regions.iter().zip(&addresses).map(replica).collect();
        let mesh = Mesh::new(replicas.clone(), &self.lag, self.seed, self.in_order);

        let mut sites = Vec::new();
        for (index, ((name, replica), port)) in replicas.into_iter().zip(ports).enumerate() {
            let network_rng = StdRng::seed_from_u64(seed_of(self.seed, index, index));
            let region = Arc::new(Region {
                outgoing: mesh.outgoing(&name, &tasks, &cancel),
                name,
                replica,
                mode: Mutex::new(CosmosMode::Up),
                network: Mutex::new((self.network.clone(), network_rng)),
                requests: Mutex::new(BTreeMap::new()),
            });
            let listens = port.become_(None, &region).await;
            listens.unwrap_or_else(|error| panic!("cannot listen for {}: {error}", region.name));
            sites.push(Site { region, port });
        }
        let lab = CosmosLab { sites, mesh, shared, partitions: self.partitions, cancel, tasks };
        if self.with_container {
            lab.create_container(CONTAINER, &self.paths);
        }
        lab
    }

    /// The account as a region's emulator sees it: each has one of its own, as what they share would be shared by all.
    fn account(&self, addresses: &[String]) -> VirtualAccountConfig {
        let region = |(name, address): (&String, &String)| {
            VirtualRegion::new(name, Url::parse(address).expect("a loopback address is a URL"))
        };
        let regions = self.regions.iter().zip(addresses).map(region).collect();
        let account = VirtualAccountConfig::new(regions).unwrap_or_else(|error| panic!("no such account: {error}"));
        // What an emulator makes of its other regions is never looked at: the lab's own links carry the documents.
        let account = account.with_write_mode(WriteMode::Multi).with_consistency(self.consistency);
        account.with_replication_config(ReplicationConfig::immediate())
    }
}
