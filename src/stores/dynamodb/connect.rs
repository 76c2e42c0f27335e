//! One client per region on one shared configuration: one HTTP client, one cache of identities, no hidden retries.

use std::sync::Arc;
use std::time::Duration;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{SharedCredentialsProvider, StalledStreamProtectionConfig};

use crate::settings::RegionSettings;

/// Clients for these regions, in their order. Credentials are looked up with the first call, not here: a gauge must
/// start while they are out of reach.
pub async fn clients(regions: &[RegionSettings], deadline: Duration) -> Vec<Client> {
    // All clients share one connector pool, as the SDK keeps one per pair of these two.
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(deadline)
        .read_timeout(deadline)
        .operation_timeout(deadline)
        .operation_attempt_timeout(deadline)
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        // A retry that nobody sees is lag that nobody sees.
        .retry_config(RetryConfig::standard().with_max_attempts(1))
        .timeout_config(timeouts)
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    if let Some(first) = regions.first() {
        // Always given, or the SDK would ask the instance's metadata service and wait for it.
        loader = loader.region(Region::new(first.name.clone()));
    }
    let shared = loader.load().await;
    let mut clients = Vec::with_capacity(regions.len());
    for region in regions {
        clients.push(client(&shared, region).await);
    }
    clients
}

async fn client(shared: &SdkConfig, region: &RegionSettings) -> Client {
    let mut config = aws_sdk_dynamodb::Config::from(shared).to_builder().region(Region::new(region.name.clone()));
    if let Some(endpoint) = &region.endpoint {
        config = config.endpoint_url(endpoint);
    }
    let profile = region.profile.as_ref().map(|profile| {
        SharedCredentialsProvider::new(ProfileFileCredentialsProvider::builder().profile_name(profile).build())
    });
    let provider = match &region.role_arn {
        Some(role) => {
            let mut base = shared.clone().into_builder().region(Region::new(region.name.clone()));
            if let Some(profile) = profile {
                base = base.credentials_provider(profile);
            }
            let mut role = AssumeRoleProvider::builder(role).session_name("tidegauge").configure(&base.build());
            if let Some(external_id) = &region.external_id {
                role = role.external_id(external_id.expose());
            }
            Some(SharedCredentialsProvider::new(role.build().await))
        }
        None => profile,
    };
    if let Some(provider) = provider {
        config = config.credentials_provider(provider);
    }
    Client::from_conf(config.build())
}

/// Region names, shared with every heartbeat that is decoded.
pub fn names(regions: &[RegionSettings]) -> Vec<Arc<str>> {
    regions.iter().map(|region| Arc::from(region.name.as_str())).collect()
}
