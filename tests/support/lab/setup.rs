//! How a lab is asked for and started.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::endpoint::Port;
use super::handle::{Lab, Site};
use super::inject::{Lag, Mode, Network};
use super::keys::TableKeys;
use super::mesh::{Mesh, seed_of};
use super::replica::Replica;
use super::serve::Region;
use super::time::LabClock;
use super::truth::Truth;

/// The table that every lab starts with.
pub(super) const TABLE: &str = "GlobalCellState";

/// What a lab is to be like. Defaults: three regions, the typical lag, no network delay, any ports, seed 1.
#[derive(Clone, Debug)]
pub struct LabBuilder {
    regions: Vec<String>,
    lag: Lag,
    network: Network,
    port_base: Option<u16>,
    seed: u64,
    in_order: bool,
    with_table: bool,
    keys: TableKeys,
}

impl Default for LabBuilder {
    fn default() -> LabBuilder {
        LabBuilder {
            regions: ["us-east-1", "eu-west-1", "ap-southeast-2"].map(str::to_owned).to_vec(),
            lag: Lag::typical(),
            network: Network::direct(),
            port_base: None,
            seed: 1,
            in_order: false,
            with_table: true,
            keys: TableKeys::default(),
        }
    }
}

impl LabBuilder {
    /// The regions' names, in the order of their ports.
    pub fn regions(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> LabBuilder {
        self.regions = names.into_iter().map(Into::into).collect();
        self
    }

    /// The lag of every link; one link's can be set later.
    pub fn lag(mut self, lag: Lag) -> LabBuilder {
        self.lag = lag;
        self
    }

    /// The network of every region; one region's can be set later.
    pub fn network(mut self, network: Network) -> LabBuilder {
        self.network = network;
        self
    }

    /// Fixed ports, counting up from this one. Without it the system chooses.
    pub fn port_base(mut self, port: u16) -> LabBuilder {
        self.port_base = Some(port);
        self
    }

    /// Where the random numbers start. Each link and each region draws from a sequence of its own.
    pub fn seed(mut self, seed: u64) -> LabBuilder {
        self.seed = seed;
        self
    }

    /// Whether all that a link carries becomes visible in the order of the commits, whatever the keys. By default each write
    /// takes its own time, as in DynamoDB, where partitions replicate in parallel.
    pub fn in_order(mut self, in_order: bool) -> LabBuilder {
        self.in_order = in_order;
        self
    }

    /// Starts without any table: for tests of a daemon that comes before its table does.
    pub fn without_table(mut self) -> LabBuilder {
        self.with_table = false;
        self
    }

    /// What the keys of the table are like that it starts with; by default both are text.
    pub fn keys(mut self, keys: TableKeys) -> LabBuilder {
        self.keys = keys;
        self
    }

    /// Starts it; all regions listen when it returns.
    ///
    /// # Panics
    ///
    /// If a port cannot be had, or two regions have one name.
    pub async fn start(self) -> Lab {
        let (clock, truth) = (LabClock::start(), Arc::new(Truth::default()));
        let (cancel, tasks) = (CancellationToken::new(), TaskTracker::new());
        let order = Arc::new(AtomicU64::new(0));
        let members = Arc::new(Mutex::new(self.regions.clone()));
        let replica = |name: &String| Arc::new(Replica::new(name, clock, Arc::clone(&truth), Arc::clone(&order)));
        let replicas: Vec<_> = self.regions.iter().map(|name| (name.clone(), replica(name))).collect();
        let mesh = Mesh::new(replicas.clone(), &self.lag, self.seed, self.in_order);

        let mut sites = Vec::new();
        for (index, (name, replica)) in replicas.into_iter().enumerate() {
            let network_rng = StdRng::seed_from_u64(seed_of(self.seed, index, index));
            let region = Arc::new(Region {
                outgoing: mesh.outgoing(&name, &tasks, &cancel),
                name,
                replica,
                mode: Mutex::new(Mode::Up),
                network: Mutex::new((self.network.clone(), network_rng)),
                requests: Mutex::new(BTreeMap::new()),
                description: Mutex::default(),
                denied: Mutex::default(),
                members: Arc::clone(&members),
                answered: AtomicU64::new(0),
                tasks: tasks.clone(),
                cancel: cancel.clone(),
            });
            let port = Port::of_region(self.port_base, index, &region.name, &cancel);
            port.become_(None, &region)
                .await
                .unwrap_or_else(|error| panic!("cannot listen for {}: {error}", region.name));
            sites.push(Site { region, port });
        }
        let lab = Lab { sites, mesh, truth, clock, keys: self.keys, cancel, tasks };
        if self.with_table {
            lab.create_table(TABLE, self.keys);
        }
        lab
    }
}
