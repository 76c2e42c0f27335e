//! One client per region, pinned to it: made so that no other region's answer can pass for this one's.
//!
//! The SDK is made to keep an application going: it asks a second region when the first is slow, goes over to another when
//! one fails, and takes a session's token to mean that any region that has caught up will do. Each of these hides the very
//! lag that is to be measured, so each is switched off here; what can still not be ruled out is caught where answers are
//! taken, by the regions that answered.

use std::time::Duration;

use super::credentials::Credentials;
use crate::core::model::{Consistency, Failure, Reason};
use crate::settings::{CosmosSettings, RegionSettings};
use crate::stores::PATIENT_DEADLINE;
use crate::stores::cosmos::account::{Account, Roster};
use crate::stores::cosmos::keys::Keys;
use crate::stores::cosmos::{Access, errors};
use azure_data_cosmos::clients::{ContainerClient, CosmosClient};
use azure_data_cosmos::models::ContainerProperties;
use azure_data_cosmos::options::{
    AvailabilityStrategy, ConnectionPoolOptions, ContainerClientOptions, ContentResponseOnWrite, ExcludedRegions,
    OperationOptions, PartitionFailoverOptions, ReadConsistencyStrategy, ReadContainerOptions, Region,
    ThrottlingRetryOptionsBuilder,
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
    settings: CosmosSettings,
    account: Account,
    credentials: Credentials,
    /// One that was made elsewhere.
    runtime: Option<CosmosRuntime>,
    deadline: Duration,
    /// Where to ask for the account's regions while its own endpoint does not answer.
    backups: Vec<String>,
}

/// One region's end of a container.
pub struct Container {
    /// Its client.
    pub client: ContainerClient,
    /// The account's, by which other containers are reached.
    pub account: CosmosClient,
    /// Under which keys the heartbeats lie.
    pub keys: Keys,
    /// The region, as the SDK has it.
    pub region: Region,
    /// What the SDK keeps of the account.
    pub ground: Ground,
    options: OperationOptions,
}

/// What the SDK keeps of an account beneath a client: it remembers for five minutes which regions there are, so it is of
/// use only as long as these are the ones.
#[derive(Clone)]
pub struct Ground {
    runtime: CosmosRuntime,
    /// The account's regions.
    pub roster: Roster,
}

impl Connector {
    /// Reaches nothing yet. Heartbeats are not waited for longer than `deadline`. `runtime` is one that was made elsewhere.
    pub fn new(
        settings: &CosmosSettings,
        regions: &[RegionSettings],
        access: Access,
        deadline: Duration,
        runtime: Option<CosmosRuntime>,
    ) -> Connector {
        let backups = regions.iter().filter_map(|region| region.endpoint.clone()).collect();
        let account = Account::from_settings(settings, access.rest);
        Connector { settings: settings.clone(), account, credentials: access.credentials, runtime, deadline, backups }
    }

    /// The account, to be asked about itself.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// The application's database and container, where the heartbeats lie in others.
    pub fn application(&self) -> Option<(String, String)> {
        let own = (self.settings.database.clone(), self.settings.container.clone());
        (own != self.settings.heartbeats).then_some(own)
    }

    /// The account, the database and the container, for people.
    pub fn describe(&self) -> String {
        let (database, container) = &self.settings.heartbeats;
        format!("{} {database}/{container}", self.settings.endpoint)
    }

    /// Finds the container that holds the heartbeats, through one region. None of the account's other regions is to answer in
    /// its place, nor one of `others`. `kept` is what an earlier client was made on.
    ///
    /// # Errors
    ///
    /// Where the account has no such region, it or the container cannot be had, or nobody lets us in.
    pub async fn container(
        &self,
        region: Region,
        others: &[Region],
        kept: Option<Ground>,
    ) -> Result<Container, Failure> {
        let roster = self.account.roster(&self.backups).await?;
        if !roster.readable.iter().any(|name| **name == *region.as_str()) {
            let message = format!("the account has no region {region}: it has {}", roster.readable.join(", "));
            return Err(Failure { reason: Reason::OtherRegion, message });
        }
        let failed = |error: CosmosError| errors::failure(&error);
        let ground = match kept.filter(|kept| kept.roster == roster) {
            Some(ground) => ground,
            None => {
                let runtime = match &self.runtime {
                    Some(runtime) => runtime.clone(),
                    None => runtime().await.map_err(failed)?,
                };
                Ground { runtime, roster }
            }
        };
        let all = ground.roster.readable.iter().map(|name| Region::new(name.to_string()));
        let excluded = all.chain(others.iter().cloned()).filter(|other| *other != region);
        let options = options(excluded, self.deadline);
        let endpoint: AccountEndpoint = self.settings.endpoint.parse().map_err(failed)?;
        let reference = match self.credentials.key() {
            Some(key) => AccountReference::with_authentication_key(endpoint, key.get().await?),
            None => AccountReference::with_credential(endpoint, self.credentials.token_credential()),
        };
        let backups = self.backups.iter().filter_map(|endpoint| endpoint.parse().ok()).collect();
        let account = CosmosClientBuilder::new()
            .with_runtime(ground.runtime.clone())
            .with_default_operation_options(options.clone())
            .with_partition_failover_options(no_circuit_breaker().map_err(failed)?)
            .with_backup_endpoints(backups)
            .build(reference, RoutingStrategy::PreferredRegions(vec![region.clone()]))
            .await
            .map_err(failed)?;
        let (database, container) = self.settings.heartbeats.clone();
        let client = named(&account, database, container).await.map_err(failed)?;
        let properties = properties(&client, &region, &options).await?;
        let keys = Keys::of(&properties.partition_key);
        Ok(Container { client, account, keys, region, ground, options })
    }
}

/// A container by its name.
async fn named(account: &CosmosClient, database: String, container: String) -> Result<ContainerClient, CosmosError> {
    account.database_client(database).container_client(container, None::<ContainerClientOptions>).await
}

/// What a region says of a container.
async fn properties(
    client: &ContainerClient,
    region: &Region,
    options: &OperationOptions,
) -> Result<ContainerProperties, Failure> {
    let options = ReadContainerOptions::default().with_operation_options(options.clone());
    let described = client.read(Some(options)).await;
    let described =
        described.map_err(|error| errors::elsewhere_of(&error, region).unwrap_or_else(|| errors::failure(&error)))?;
    match errors::elsewhere(&described.diagnostics(), region) {
        Some(failure) => Err(failure),
        None => described.into_model().map_err(|error| errors::failure(&error)),
    }
}

impl Container {
    /// Whether the region takes writes, as far as the account says.
    pub fn takes_writes(&self) -> bool {
        let writable = self.ground.roster.writable.as_ref();
        writable.is_none_or(|writable| writable.iter().any(|name| **name == *self.region.as_str()))
    }

    /// What the region says of it now.
    ///
    /// # Errors
    ///
    /// Where it says nothing, or another one does.
    pub async fn properties(&self) -> Result<ContainerProperties, Failure> {
        properties(&self.client, &self.region, &self.patient()).await
    }

    /// What the region says of another container of the account.
    ///
    /// # Errors
    ///
    /// The same.
    pub async fn properties_of(&self, database: String, container: String) -> Result<ContainerProperties, Failure> {
        let client = named(&self.account, database, container).await.map_err(|error| errors::failure(&error))?;
        properties(&client, &self.region, &self.patient()).await
    }

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
fn options(excluded: impl Iterator<Item = Region>, deadline: Duration) -> OperationOptions {
    let excluded = excluded.fold(ExcludedRegions::new(), |all, other| all.with_region(other));
    let mut options = OperationOptions::default();
    // To prefer a region is not to be restricted to it.
    options.excluded_regions = Some(excluded);
    options.hedging_enabled = Some(false);
    options.availability_strategy = Some(AvailabilityStrategy::Disabled);
    options.session_capturing_disabled = Some(true);
    options.max_failover_retry_count = Some(0);
    options.max_session_retry_count = Some(0);
    options.throttling_retry_options = Some(ThrottlingRetryOptionsBuilder::new().with_max_retry_count(0).build());
    // Before the driver gives up, where that can be: the SDK then says what it was that it waited for.
    options.end_to_end_latency_policy = Some(deadline.mul_f64(0.8).max(SDK_DEADLINE_MIN).into());
    // A region that failed is asked again with the next heartbeat, and not some other one for a minute.
    options.endpoint_unavailability_ttl = Some(Duration::ZERO);
    options
}

fn no_circuit_breaker() -> Result<PartitionFailoverOptions, CosmosError> {
    PartitionFailoverOptions::builder().with_circuit_breaker_enabled(false).build()
}

async fn runtime() -> Result<CosmosRuntime, CosmosError> {
    // The account's own port alone, so that one rule of a firewall will do.
    let pool = ConnectionPoolOptions::builder().with_gateway_v2_disabled(true).build()?;
    CosmosRuntime::builder().with_connection_pool(pool).build().await
}
