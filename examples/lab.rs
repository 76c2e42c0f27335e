//! Serves the lab on fixed loopback ports, to try the gauge on: regional DynamoDB endpoints with replication lag that
//! can be stopped, slowed and broken by hand.
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

use lab::{Lab, Lag, Network, control};

/// Regional DynamoDB endpoints on loopback with known, injected replication lag.
#[derive(Parser)]
#[command(name = "lab")]
struct Arguments {
    /// The control API's port; the regions' follow it
    #[arg(long, default_value_t = 19_000)]
    port_base: u16,
    /// The regions' names
    #[arg(long, value_delimiter = ',', default_value = "us-east-1,eu-west-1,ap-southeast-2")]
    regions: Vec<String>,
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
    /// Where the random numbers start
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    anyhow::ensure!((0.0..=10.0).contains(&arguments.sigma), "--sigma must be 0 to 10");
    anyhow::ensure!((0.0..=1.0).contains(&arguments.spikes), "--spikes must be 0 to 1");
    let last_port = usize::from(arguments.port_base) + arguments.regions.len();
    anyhow::ensure!((1025..=65_535).contains(&last_port), "--port-base leaves no room for the regions' ports");

    let control_address = SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.port_base));
    let listener = tokio::net::TcpListener::bind(control_address)
        .await
        .with_context(|| format!("cannot listen on {control_address} for the control API; try --port-base"))?;
    let running = Lab::builder()
        .regions(arguments.regions)
        .lag(Lag::LogNormal {
            median: arguments.lag,
            sigma: arguments.sigma,
            spike_probability: arguments.spikes,
            spike_factor: 3.0..=10.0,
        })
        .network(if arguments.hostile { Network::hostile() } else { Network::direct() })
        .port_base(arguments.port_base + 1)
        .seed(arguments.seed)
        .start()
        .await;
    let running = Arc::new(running);

    println!("The lab is up. What can be done with it: curl http://{control_address}/");
    for region in running.regions() {
        println!("  {region:<16} {}", running.endpoint(region));
    }
    println!("Point the gauge at it with any credentials:");
    println!("  AWS_ACCESS_KEY_ID=lab AWS_SECRET_ACCESS_KEY=lab cargo run -- --config config/lab.toml");

    axum::serve(listener, control::router(running))
        .with_graceful_shutdown(async {
            // Without the handler there is only the process's default: to end, which will do.
            let _ = tokio::signal::ctrl_c().await;
        })
        .await
        .context("the control API failed")
}
