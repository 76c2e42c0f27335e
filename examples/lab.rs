//! Serves the lab on fixed loopback ports, to try the gauge on: regional DynamoDB endpoints, and if asked for an account
//! of Azure Cosmos DB, with replication lag that can be stopped, slowed and broken by hand.
//!
//! `cargo run --example lab`, then in another terminal
//! `AWS_ACCESS_KEY_ID=lab AWS_SECRET_ACCESS_KEY=lab cargo run -- --config config/lab.toml`.

#[path = "../tests/support/lab/mod.rs"]
mod lab;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;

use lab::cosmos::KEY;
use lab::{CosmosLab, Lab, Lag, Network, control};

/// Regional endpoints on loopback, DynamoDB's and Azure Cosmos DB's, with known, injected replication lag.
#[derive(Parser)]
#[command(name = "lab")]
struct Arguments {
    /// The control API's port; the regions' follow it
    #[arg(long, default_value_t = 19_000)]
    port_base: u16,
    /// The names of DynamoDB's regions
    #[arg(long, value_delimiter = ',', default_value = "us-east-1,eu-west-1,ap-southeast-2")]
    regions: Vec<String>,
    /// The names of an Azure Cosmos DB account's regions, such as "East US,West Europe"; their ports follow
    #[arg(long, value_delimiter = ',')]
    cosmos: Vec<String>,
    /// Median of the replication lag, "800ms" say
    #[arg(long, default_value = "800ms", value_parser = humantime::parse_duration)]
    lag: Duration,
    /// Standard deviation of the lag's logarithm; 0 makes it fixed
    #[arg(long, default_value_t = 0.25)]
    sigma: f64,
    /// How often a lag is three to ten times as long, 0 to 1
    #[arg(long, default_value_t = 0.02)]
    spikes: f64,
    /// Delay requests and answers by 20 to 150 ms each, and 2 % of the writes by up to a second
    #[arg(long)]
    hostile: bool,
    /// What a link carries becomes visible in the order of the commits, whatever the keys
    #[arg(long)]
    in_order: bool,
    /// Where the random numbers start
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    anyhow::ensure!((0.0..=10.0).contains(&arguments.sigma), "--sigma must be 0 to 10");
    anyhow::ensure!((0.0..=1.0).contains(&arguments.spikes), "--spikes must be 0 to 1");
    let last_port = usize::from(arguments.port_base) + arguments.regions.len() + arguments.cosmos.len();
    anyhow::ensure!((1025..=65_535).contains(&last_port), "--port-base leaves no room for the regions' ports");

    let control_address = SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.port_base));
    let listener = tokio::net::TcpListener::bind(control_address)
        .await
        .with_context(|| format!("cannot listen on {control_address} for the control API; try --port-base"))?;
    let lag = Lag::LogNormal {
        median: arguments.lag,
        sigma: arguments.sigma,
        spike_probability: arguments.spikes,
        spike_factor: 3.0..=10.0,
    };
    let network = if arguments.hostile { Network::hostile() } else { Network::direct() };
    let cosmos_base = u16::try_from(last_port + 1 - arguments.cosmos.len()).context("no room for the ports")?;
    let running = Lab::builder().regions(arguments.regions).lag(lag.clone()).network(network.clone());
    let running = running.port_base(arguments.port_base + 1).seed(arguments.seed).in_order(arguments.in_order);
    let running = Arc::new(running.start().await);

    println!("The lab is up. What can be done with it: curl http://{control_address}/");
    for region in running.regions() {
        println!("  {region:<16} {}", running.endpoint(region));
    }
    println!("Point the gauge at it with any credentials:");
    println!("  AWS_ACCESS_KEY_ID=lab AWS_SECRET_ACCESS_KEY=lab cargo run -- --config config/lab.toml");

    let mut router = control::router(running);
    if !arguments.cosmos.is_empty() {
        let cosmos = CosmosLab::builder().regions(arguments.cosmos).lag(lag).network(network);
        let cosmos = cosmos.port_base(cosmos_base).seed(arguments.seed).in_order(arguments.in_order).start().await;
        println!("There is Cosmos DB, too: curl http://{control_address}/cosmos");
        for region in cosmos.regions() {
            println!("  {region:<16} {}", cosmos.region_endpoint(region));
        }
        println!(
            "Settings for it, with COSMOS_KEY={KEY} in the environment:\n\n{}",
            cosmos.settings().listen("127.0.0.1:9746").to_toml()
        );
        router = router.nest("/cosmos", control::router(Arc::new(cosmos)));
    }
    axum::serve(listener, router)
        .with_graceful_shutdown(async {
            // Without the handler there is only the process's default: to end, which will do.
            let _ = tokio::signal::ctrl_c().await;
        })
        .await
        .context("the control API failed")
}
