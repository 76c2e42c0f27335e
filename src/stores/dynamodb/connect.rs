//! One client per region on one shared configuration, each with its region's credentials, and no hidden retries.

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

/// What all regions' clients have in common, whichever service they are of.
pub struct Connector {
    shared: SdkConfig,
    /// One for all regions that have none of their own: its credentials are looked up once.
    default: Option<SharedCredentialsProvider>,
    deadline: Duration,
    patience: Duration,
}

impl Connector {
    /// Reads the environment and the shared configuration files, and reaches nothing. Credentials are looked up with the
    /// first call: a gauge must start while they are out of reach.
    ///
    /// The token service asked for roles is that of `home`: another region's may be out of reach. Without one it is taken
    /// from where the SDK looks for a region.
    pub async fn new(home: Option<&str>, deadline: Duration) -> Connector {
        // Timeouts and retries are not set here but on each client: credentials may take their time, and be asked for
        // twice.
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12());
        // Given wherever it can be, or the SDK would ask the instance's metadata service and wait for it.
        if let Some(region) = home {
            loader = loader.region(Region::new(region.to_owned()));
        }
        let shared = loader.load().await;
        // Less than the deadline, so that a call that lacks credentials can still say so.
        let patience = deadline.mul_f64(0.75);
        let default = shared.credentials_provider().map(|provider| Background::of(provider, patience));
        Connector { shared, default, deadline, patience }
    }

    /// The region that the SDK was given, or found.
    pub fn home(&self) -> Option<&str> {
        self.shared.region().map(Region::as_ref)
    }

    /// The configuration of any client of one region: its credentials, no hidden retries, nothing that outlasts the
    /// deadline.
    ///
    /// The endpoint is the client's to set, also where it is none: an address that the environment gives is one for all
    /// regions, and would have a single replica measured against itself.
    pub async fn config(&self, region: &RegionSettings) -> SdkConfig {
        let provider = match own_provider(&self.shared, region).await {
            Some(own) => Some(Background::of(own, self.patience)),
            None => self.default.clone(),
        };
        let timeouts = timeouts(self.deadline);
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

    /// A client for one region. Reaches nothing yet.
    pub async fn client(&self, region: &RegionSettings) -> Client {
        let config = self.config(region).await;
        let mut config = aws_sdk_dynamodb::Config::from(&config).to_builder().interceptor(NoteDate);
        config.set_endpoint_url(region.endpoint.clone());
        Client::from_conf(config.build())
    }
}

/// No part of a call takes longer than this.
pub fn timeouts(deadline: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(deadline)
        .read_timeout(deadline)
        .operation_timeout(deadline)
        .operation_attempt_timeout(deadline)
        .build()
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
