//! Ways to a token of Microsoft Entra, one of which has to do.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::{AccessToken, TokenCredential};
use azure_core::http::{ClientOptions, Transport};
use azure_identity::{
    AzureCliCredential, AzureCliCredentialOptions, AzureDeveloperCliCredential, AzureDeveloperCliCredentialOptions,
    ClientAssertionCredentialOptions, Executor, ManagedIdentityCredential, ManagedIdentityCredentialOptions,
    UserAssignedId, WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};
use tokio::process::Command;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::credentials::Environment;
use super::http::Http;
use crate::stores::text;

/// A way that takes longer is given up. It is looked for in the background, so a call may have gone before.
const LIMIT: Duration = Duration::from_secs(15);

/// The same, of the service that hosts in Azure have on a link-local address: elsewhere nobody answers there.
const LIMIT_OF_HOST: Duration = Duration::from_secs(5);

/// What one way says at most, in characters, so that there is room for the others.
const SAID_MAX: usize = 130;

/// One way.
pub struct Way {
    kind: Kind,
    limit: Duration,
    made: OnceCell<Arc<dyn TokenCredential>>,
}

enum Kind {
    Workload { client_id: Option<String>, tenant_id: Option<String>, token_file: PathBuf, http: Http },
    Managed { client_id: Option<String>, http: Http },
    AzureCli,
    AzureDeveloperCli,
    Given(&'static str),
}

impl Way {
    /// All that there are in an environment, in the order in which they are tried.
    ///
    /// An environment that names an identity means that one. Were another one tried when it is out of reach for a while,
    /// a pod would go on with the identity of the node under it, which may do something else.
    pub(super) fn all(environment: &Environment, client_id: Option<&str>, http: &Http) -> Vec<Way> {
        let set = |variable: &str| environment(variable).filter(|value| !value.is_empty());
        let client_id = client_id.map(str::to_owned);
        let http = http.clone();
        if let Some(token_file) = set("AZURE_FEDERATED_TOKEN_FILE") {
            let (client_id, tenant_id) = (client_id.or_else(|| set("AZURE_CLIENT_ID")), set("AZURE_TENANT_ID"));
            let token_file = token_file.into();
            return vec![Way::of(Kind::Workload { client_id, tenant_id, token_file, http }, LIMIT)];
        }
        let managed = Kind::Managed { client_id, http };
        if set("IDENTITY_ENDPOINT").is_some() {
            return vec![Way::of(managed, LIMIT)];
        }
        vec![Way::of(managed, LIMIT_OF_HOST), Way::of(Kind::AzureCli, LIMIT), Way::of(Kind::AzureDeveloperCli, LIMIT)]
    }

    /// Somebody else's way, given up after `limit`.
    pub fn given(name: &'static str, credential: Arc<dyn TokenCredential>, limit: Duration) -> Way {
        Way { kind: Kind::Given(name), limit, made: OnceCell::new_with(Some(credential)) }
    }

    fn of(kind: Kind, limit: Duration) -> Way {
        Way { kind, limit, made: OnceCell::new() }
    }

    /// What it is called.
    pub fn label(&self) -> &'static str {
        match self.kind {
            Kind::Workload { .. } => "workload identity",
            Kind::Managed { .. } => "managed identity",
            Kind::AzureCli => "Azure CLI",
            Kind::AzureDeveloperCli => "Azure Developer CLI",
            Kind::Given(name) => name,
        }
    }

    /// A token for a scope, or why there is none.
    pub(super) async fn token(&self, scope: &str) -> Result<AccessToken, String> {
        let token = async {
            let credential = self.made.get_or_try_init(|| self.make()).await?;
            credential.get_token(&[scope], None).await.map_err(|error| said(&error))
        };
        let token = timeout(self.limit, token).await;
        let token = token.unwrap_or_else(|_| Err(format!("no answer within {} s", self.limit.as_secs_f64())));
        token.map_err(|said| format!("{}: {said}", self.label()))
    }

    /// Reads what the environment says of it, a file perhaps, and reaches nobody.
    async fn make(&self) -> Result<Arc<dyn TokenCredential>, String> {
        let made: azure_core::Result<Arc<dyn TokenCredential>> = match &self.kind {
            Kind::Workload { client_id, tenant_id, token_file, http } => {
                let options = WorkloadIdentityCredentialOptions {
                    credential_options: ClientAssertionCredentialOptions { client_options: options(http).await? },
                    client_id: client_id.clone(),
                    tenant_id: tenant_id.clone(),
                    token_file_path: Some(token_file.clone()),
                };
                WorkloadIdentityCredential::new(Some(options)).map(|made| made as Arc<dyn TokenCredential>)
            }
            Kind::Managed { client_id, http } => {
                let options = ManagedIdentityCredentialOptions {
                    user_assigned_id: client_id.clone().map(UserAssignedId::ClientId),
                    client_options: options(http).await?,
                };
                ManagedIdentityCredential::new(Some(options)).map(|made| made as Arc<dyn TokenCredential>)
            }
            Kind::AzureCli => {
                let executor: Option<Arc<dyn Executor>> = Some(Arc::new(Killed));
                let options = AzureCliCredentialOptions { executor, ..AzureCliCredentialOptions::default() };
                AzureCliCredential::new(Some(options)).map(|made| made as Arc<dyn TokenCredential>)
            }
            Kind::AzureDeveloperCli => {
                let executor: Option<Arc<dyn Executor>> = Some(Arc::new(Killed));
                let options =
                    AzureDeveloperCliCredentialOptions { executor, ..AzureDeveloperCliCredentialOptions::default() };
                AzureDeveloperCliCredential::new(Some(options)).map(|made| made as Arc<dyn TokenCredential>)
            }
            Kind::Given(_) => return Err("is not there".to_owned()),
        };
        made.map_err(|error| said(&error))
    }
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

async fn options(http: &Http) -> Result<ClientOptions, String> {
    let client = http.client().await.map_err(|failure| failure.message)?;
    Ok(ClientOptions { transport: Some(Transport::new(client)), ..ClientOptions::default() })
}

/// What an error says, in short: the first line of each that is in its chain, unless the ones before said as much.
fn said(error: &azure_core::Error) -> String {
    let mut text = String::new();
    for error in text::chain(error) {
        let says = error.to_string();
        let says = says.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        if !text.contains(says) {
            text.push_str(if text.is_empty() { "" } else { ": " });
            text.push_str(says);
        }
    }
    text.chars().take(SAID_MAX).collect()
}

/// Runs a tool, and ends it when nobody waits for it any longer.
#[derive(Debug)]
struct Killed;

#[async_trait::async_trait]
impl Executor for Killed {
    async fn run(&self, program: &OsStr, args: &[&OsStr]) -> io::Result<Output> {
        Command::new(program).args(args).kill_on_drop(true).output().await
    }
}
