//! One client per region, pinned to it: made so that no other region's answer can pass for this one's.
//!
//! The SDK is made to keep an application going: it asks a second region when the first is slow, goes over to another when
//! one fails, and takes a session's token to mean that any region that has caught up will do. Each of these hides the very
//! lag that is to be measured, so each is switched off here; what can still not be ruled out is caught where answers are
//! taken, by the regions that answered.

use std::time::Duration;

use super::credentials::Credentials;
use crate::core::model::{Consistency, Failure};
use crate::settings::{CosmosSettings, RegionSettings};
use crate::stores::PATIENT_DEADLINE;
use crate::stores::cosmos::errors;
use crate::stores::cosmos::keys::Keys;
use azure_core::credentials::Secret;
use azure_data_cosmos::clients::ContainerClient;
use azure_data_cosmos::options::{
    AvailabilityStrategy, ConnectionPoolOptions, ContainerClientOptions, ContentResponseOnWrite, ExcludedRegions,
    OperationOptions, PartitionFailoverOptions, ReadConsistencyStrategy, Region, ThrottlingRetryOptionsBuilder,
};
use azure_data_cosmos::{
    AccountEndpoint, AccountReference, CosmosClientBuilder, CosmosError, CosmosRuntime, RoutingStrategy,
};

/// Answers are waited for no longer than this by the SDK itself, which refuses to be told less. Deadlines are the driver's.
const SDK_DEADLINE_MIN: Duration = Duration::from_secs(1);

/// Variables of the environment that beat what is set here, and what each would do.
const OVERRIDES: [(&str, &str); 2] = [
    ("AZURE_COSMOS_HEDGING_ENABLED_OVERRIDE", "lets another region answer where this one is slow"),
    ("AZURE_COSMOS_PPCB_ENABLED_OVERRIDE", "lets another region answer where this one has failed"),
];

/// What all regions' clients have in common.
pub struct Connector {
    account: CosmosSettings,
    credentials: Credentials,
    /// One that was made elsewhere.
    runtime: Option<CosmosRuntime>,
    deadline: Duration,
    /// Where to ask for the account's regions while its own endpoint does not answer.
    backups: Vec<AccountEndpoint>,
}

/// One region's end of a container.
pub struct Container {
    /// Its client.
    pub client: ContainerClient,
    /// Under which keys the heartbeats lie.
    pub keys: Keys,
    /// The region, as the SDK has it.
    pub region: Region,
    /// The key that let us in, where that is what did.
    pub key: Option<Secret>,
    options: OperationOptions,
}

impl Connector {
    /// Reaches nothing yet. Heartbeats are not waited for longer than `deadline`. `runtime` is one that was made elsewhere.
    pub fn new(
        account: &CosmosSettings,
        regions: &[RegionSettings],
        credentials: Credentials,
        deadline: Duration,
        runtime: Option<CosmosRuntime>,
    ) -> Connector {
        let endpoints = regions.iter().filter_map(|region| region.endpoint.as_ref());
        let backups = endpoints.filter_map(|endpoint| endpoint.parse().ok()).collect();
        Connector { account: account.clone(), credentials, runtime, deadline, backups }
    }

    /// The account, the database and the container, for people.
    pub fn describe(&self) -> String {
        let (database, container) = &self.account.heartbeats;
        format!("{} {database}/{container}", self.account.endpoint)
    }

    /// What the SDK keeps of an account beneath a client.
    ///
    /// # Errors
    ///
    /// Where it cannot be made.
    pub async fn runtime(&self) -> Result<CosmosRuntime, Failure> {
        match &self.runtime {
            Some(runtime) => Ok(runtime.clone()),
            None => runtime().await.map_err(|error| errors::failure(&error)),
        }
    }

    /// Finds the container that holds the heartbeats, through one region; `others` are not to answer in its place. A key
    /// that was refused is not tried again if there is another by now.
    ///
    /// # Errors
    ///
    /// Where the account or the container cannot be had, or nobody lets us in.
    pub async fn container(
        &self,
        region: Region,
        others: &[Region],
        refused: Option<Secret>,
        runtime: CosmosRuntime,
    ) -> Result<Container, Failure> {
        let endpoint: AccountEndpoint = self.account.endpoint.parse().map_err(|error| errors::failure(&error))?;
        let key = match (self.credentials.key(), refused) {
            (None, _) => None,
            (Some(key), None) => Some(key.get().await?),
            (Some(key), Some(refused)) => Some(key.after_refusal(&refused).await?.unwrap_or(refused)),
        };
        let account = match &key {
            Some(key) => AccountReference::with_authentication_key(endpoint, key.clone()),
            None => AccountReference::with_credential(endpoint, self.credentials.token_credential()),
        };
        let options = options(others, self.deadline);
        let found = async {
            let client = CosmosClientBuilder::new()
                .with_runtime(runtime)
                .with_default_operation_options(options.clone())
                .with_partition_failover_options(no_circuit_breaker()?)
                .with_backup_endpoints(self.backups.clone())
                .build(account, RoutingStrategy::PreferredRegions(vec![region.clone()]))
                .await?;
            let (database, container) = self.account.heartbeats.clone();
            client.database_client(database).container_client(container, None::<ContainerClientOptions>).await
        };
        let client = found.await.map_err(|error: CosmosError| errors::failure(&error))?;
        let described = client.read(None).await.map_err(|error| errors::failure(&error))?;
        let properties = described.into_model().map_err(|error| errors::failure(&error))?;
        let keys = Keys::of(&properties.partition_key);
        Ok(Container { client, keys, region, key, options })
    }
}

impl Container {
    /// How to read: as fresh as the region itself can say, or as an eventual reader.
    pub fn reading(&self, consistency: Consistency) -> OperationOptions {
        let strategy = match consistency {
            Consistency::Strong => ReadConsistencyStrategy::LatestCommitted,
            Consistency::Eventual => ReadConsistencyStrategy::Eventual,
        };
        let mut options = self.options.clone();
        options.read_consistency_strategy = Some(strategy);
        options
    }

    /// How to write: with the document in the answer, which bears the time of the server that committed it.
    pub fn writing(&self) -> OperationOptions {
        let mut options = self.options.clone();
        options.content_response_on_write = Some(ContentResponseOnWrite::Enabled);
        options
    }

    /// How to ask for what measures nothing.
    pub fn patient(&self) -> OperationOptions {
        let mut options = self.options.clone();
        options.end_to_end_latency_policy = Some(PATIENT_DEADLINE.into());
        options
    }
}

/// What in the environment makes the SDK do as it likes, in words.
pub fn overrides(is_set: impl Fn(&str) -> bool) -> Vec<String> {
    let set = OVERRIDES.into_iter().filter(|(name, _)| is_set(name));
    set.map(|(name, does)| format!("{name} is set, which {does}: unset it for this process")).collect()
}

/// Nothing that is tried again, asked elsewhere, or remembered from one call to the next.
fn options(others: &[Region], deadline: Duration) -> OperationOptions {
    let excluded = others.iter().fold(ExcludedRegions::new(), |all, other| all.with_region(other.clone()));
    let mut options = OperationOptions::default();
    // To prefer a region is not to be restricted to it.
    options.excluded_regions = Some(excluded);
    options.hedging_enabled = Some(false);
    options.availability_strategy = Some(AvailabilityStrategy::Disabled);
    options.session_capturing_disabled = Some(true);
    options.max_failover_retry_count = Some(0);
    options.max_session_retry_count = Some(0);
    options.throttling_retry_options = Some(ThrottlingRetryOptionsBuilder::new().with_max_retry_count(0).build());
    options.end_to_end_latency_policy = Some(deadline.max(SDK_DEADLINE_MIN).into());
    // A region that failed is asked again with the next heartbeat, and not some other one for a minute.
    options.endpoint_unavailability_ttl = Some(Duration::ZERO);
    options
}

fn no_circuit_breaker() -> Result<PartitionFailoverOptions, CosmosError> {
    PartitionFailoverOptions::builder().with_circuit_breaker_enabled(false).build()
}

/// One for each client: it remembers which regions an account has for five minutes, and a client that is made anew because a
/// region was missing has to see that it is back.
async fn runtime() -> Result<CosmosRuntime, CosmosError> {
    // The account's own port alone, so that one rule of a firewall will do.
    let pool = ConnectionPoolOptions::builder().with_gateway_v2_disabled(true).build()?;
    CosmosRuntime::builder().with_connection_pool(pool).build().await
}
