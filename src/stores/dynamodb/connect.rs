//! One client per region on one shared configuration, each with its region's credentials, and no hidden retries.
//!
//! [`Account`] is what clients of all services have in common.

use std::sync::Arc;
use std::time::Duration;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{SharedCredentialsProvider, StalledStreamProtectionConfig};

use self::credentials::Background;
use super::date::NoteDate;
use crate::settings::RegionSettings;

mod credentials;

/// How regions are reached, by whichever client: one configuration for all, and the credentials of each.
pub struct Account {
    shared: SdkConfig,
    regions: Vec<RegionSettings>,
    /// One for all regions that have none of their own: its credentials are looked up once.
    default: Option<SharedCredentialsProvider>,
    deadline: Duration,
}

impl Account {
    /// As these regions' settings say; no call takes longer than `deadline`. Credentials are looked up with the first
    /// call, not here: a gauge must start while they are out of reach.
    ///
    /// Where there is a local region, its token service is the one asked: another region's may be out of reach.
    pub async fn of(regions: &[RegionSettings], local: Option<&str>, deadline: Duration) -> Account {
        // Timeouts and retries are not set here but for each region: credentials may take their time, and be asked for
        // twice.
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12());
        // Always given, or the SDK would ask the instance's metadata service and wait for it.
        if let Some(region) = local.or(regions.first().map(|first| first.name.as_str())) {
            loader = loader.region(Region::new(region.to_owned()));
        }
        let shared = loader.load().await;
        let default = shared.credentials_provider().map(|provider| Background::of(provider, patience(deadline)));
        Account { shared, regions: regions.to_vec(), default, deadline }
    }

    /// What the settings say of a region. Of one that is not in them there is only its name to go by.
    pub fn settings(&self, region: &str) -> RegionSettings {
        let found = self.regions.iter().find(|settings| settings.name == region);
        found.cloned().unwrap_or_else(|| RegionSettings::named(region))
    }

    /// The configuration of any client of this region: no hidden retries, nothing that outlasts the deadline.
    ///
    /// Endpoints are the clients' own to set, also where there is none to set: an address that the environment gives is
    /// one for all regions, and would have a single replica measured against itself.
    pub async fn config(&self, region: &RegionSettings) -> SdkConfig {
        let provider = match own_provider(&self.shared, region).await {
            Some(own) => Some(Background::of(own, patience(self.deadline))),
            None => self.default.clone(),
        };
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(self.deadline)
            .read_timeout(self.deadline)
            .operation_timeout(self.deadline)
            .operation_attempt_timeout(self.deadline)
            .build();
        let mut config = self.shared.clone().into_builder();
        config.set_credentials_provider(provider);
        config
            .region(Region::new(region.name.clone()))
            // A retry that nobody sees is lag that nobody sees.
            .retry_config(RetryConfig::standard().with_max_attempts(1))
            .timeout_config(timeouts)
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build()
    }
}

/// How long a call waits for credentials: less than its deadline, so that one that lacks them can still say so.
fn patience(deadline: Duration) -> Duration {
    deadline.mul_f64(0.75)
}

/// Clients for these regions, in their order.
pub async fn clients(regions: &[RegionSettings], local: Option<&str>, deadline: Duration) -> Vec<Client> {
    let account = Account::of(regions, local, deadline).await;
    let mut clients = Vec::with_capacity(regions.len());
    for region in regions {
        let config = account.config(region).await;
        let mut config = aws_sdk_dynamodb::Config::from(&config).to_builder().interceptor(NoteDate);
        config.set_endpoint_url(region.endpoint.clone());
        clients.push(Client::from_conf(config.build()));
    }
    clients
}

/// The credentials that the settings name for this region, if they do.
async fn own_provider(shared: &SdkConfig, region: &RegionSettings) -> Option<SharedCredentialsProvider> {
    let profile = region.profile.as_ref().map(|profile| {
        // A profile may assume a role itself, for which it has to know a region.
        let config = ProviderConfig::without_region().with_region(Some(Region::new(region.name.clone())));
        let profile = ProfileFileCredentialsProvider::builder().configure(&config).profile_name(profile);
        SharedCredentialsProvider::new(profile.build())
    });
    let Some(role) = &region.role_arn else { return profile };
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

/// Region names, shared with every heartbeat that is decoded.
pub fn names(regions: &[RegionSettings]) -> Vec<Arc<str>> {
    regions.iter().map(|region| Arc::from(region.name.as_str())).collect()
}
