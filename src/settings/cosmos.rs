//! `[stores.cosmos]`: which container of which account is measured, which one holds the heartbeats, and how to be let in.

use std::path::PathBuf;

use super::region::{self, RegionRules};
use super::section::Section;
use super::words;
use crate::core::model::Placement;

/// Azure's resource manager, in its public cloud.
const RESOURCE_MANAGER: &str = "https://management.azure.com";

/// A container of an account of Azure Cosmos DB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CosmosSettings {
    /// The account's URL, such as `https://cells.documents.azure.com`. Plain http on loopback only.
    pub endpoint: String,
    /// The database of the application's container.
    pub database: String,
    /// The application's container.
    pub container: String,
    /// The database and the container that hold the heartbeats: the application's own, or a companion of its own beside
    /// it, as `heartbeat.placement` says.
    pub heartbeats: (String, String),
    /// The account as a resource of Azure, `/subscriptions/…/databaseAccounts/<name>`; `None`: nobody can be asked about it
    /// beside the account itself.
    pub resource_id: Option<String>,
    /// The URL of Azure's resource manager, which answers for its metrics, too. Another one in a national cloud; plain http
    /// on loopback only. Default `https://management.azure.com`.
    pub resource_manager: String,
    /// How to be let in.
    pub auth: CosmosAuth,
}

/// How to be let into an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CosmosAuth {
    /// By an identity of Microsoft Entra: the workload's, else the managed one, else the developer's own.
    Entra {
        /// The client id of the identity, where there are several; `None`: the default one.
        client_id: Option<String>,
    },
    /// By one of the account's keys, which is in this environment variable.
    KeyEnv(String),
    /// By one of the account's keys, which is in this file: it is read anew whenever it is refused.
    KeyFile(PathBuf),
}

/// What a Cosmos DB store knows of its regions. A name is kept in its short form, `eastus` for `East US`: it is a label, and
/// part of keys on which a whole fleet has to agree. How a region is reached is the account's to say; its `endpoint` is asked
/// for that while the account's does not answer.
pub(super) const REGIONS: RegionRules =
    RegionRules { name: short_name, keys: &["endpoint"], kind: "Cosmos DB", example: "East US" };

impl CosmosSettings {
    /// Whether the account stands on this host, as in tests: plain http goes no further.
    pub fn is_here(&self) -> bool {
        region::is_plain(&self.endpoint)
    }

    /// Whether the resource manager can be asked about the account.
    pub fn is_known_to_azure(&self) -> bool {
        self.resource_id.is_some()
    }

    pub(super) fn read(mut section: Section<'_>, placement: Placement) -> CosmosSettings {
        if !cfg!(feature = "cosmos") {
            section
                .problem_here("this build leaves Cosmos DB out; build with the feature `cosmos`, or remove the store");
        }
        section.require("endpoint", "give the account's URL, such as \"https://cells.documents.azure.com\"");
        section.require("database", "name the database of the container");
        section.require("container", "name the container that the application uses");
        let endpoint = section.text("endpoint", words::cosmos_endpoint).unwrap_or_default();
        let database = section.text("database", resource).unwrap_or_default();
        let container = section.text("container", resource).unwrap_or_default();
        let companion = companion(&mut section, placement, (&database, &container));
        let resource_id = section.text("resource_id", resource_id);
        let resource_manager = section.text("resource_manager", words::cosmos_endpoint);
        if section.has("resource_manager") && !section.has("resource_id") {
            section.problem(
                "resource_manager",
                "is asked about a resource by its id; set resource_id as well, or remove it",
            );
        }
        let auth = auth(&mut section);
        section.finish();
        CosmosSettings {
            heartbeats: companion.unwrap_or_else(|| (database.clone(), container.clone())),
            endpoint,
            database,
            container,
            resource_id,
            resource_manager: resource_manager.unwrap_or_else(|| RESOURCE_MANAGER.to_owned()),
            auth,
        }
    }
}

/// The container beside the application's, where that is what is wanted. Its database is the same one unless it is named.
fn companion(section: &mut Section<'_>, placement: Placement, application: (&str, &str)) -> Option<(String, String)> {
    let companion = section.section("companion").map(|mut companion| {
        companion.require("container", "name it, such as { container = \"tidegauge\" }");
        let database = companion.text("database", resource).unwrap_or_else(|| application.0.to_owned());
        let container = companion.text("container", resource).unwrap_or_default();
        if !container.is_empty() && (database.as_str(), container.as_str()) == application {
            companion.problem(
                "container",
                format!(
                    "{container:?} is the application's own container; name the one beside it, or set \
                     heartbeat.placement = \"inline\" and remove `companion`"
                ),
            );
        }
        companion.finish();
        (database, container)
    });
    match placement {
        Placement::Companion => section.require(
            "companion",
            "heartbeat.placement is \"companion\", so name the container beside this one that holds the heartbeats, such as \
             companion = { container = \"tidegauge\" }; or set heartbeat.placement = \"inline\"",
        ),
        Placement::Inline if section.has("companion") => section.problem(
            "companion",
            "is not used while heartbeat.placement is \"inline\"; set heartbeat.placement = \"companion\", or remove it",
        ),
        Placement::Inline => {}
    }
    companion
}

fn auth(section: &mut Section<'_>) -> CosmosAuth {
    let by_key = section.choice("auth", &[("entra", false), ("key", true)]).unwrap_or(false);
    let client_id = section.text("client_id", region::not_empty);
    let env = section.text("key_env", variable);
    let file = section.text("key_file", key_file);
    if !by_key {
        for key in ["key_env", "key_file"].into_iter().filter(|key| section.has(key)) {
            section.problem(key, "goes with auth = \"key\"; set that as well, or remove it");
        }
        return CosmosAuth::Entra { client_id };
    }
    if section.has("client_id") {
        section.problem("client_id", "goes with auth = \"entra\"; remove it");
    }
    match (section.has("key_env"), section.has("key_file")) {
        (false, false) => section.problem(
            "auth",
            "is \"key\", and nobody says where the key is; set key_env to the name of a variable, or key_file to a path",
        ),
        (true, true) => section.problem("key_file", "is set and so is key_env; keep one of them"),
        _ => {}
    }
    match (env, file) {
        (Some(variable), _) => CosmosAuth::KeyEnv(variable),
        (None, file) => CosmosAuth::KeyFile(file.unwrap_or_default().into()),
    }
}

/// A region's name in its short form.
fn short_name(text: &str) -> Result<String, String> {
    words::azure_region(text).map(|name| words::azure_short(&name))
}

/// The name of a database or a container.
fn resource(text: &str) -> Result<String, String> {
    let is_forbidden = |c: char| c.is_control() || matches!(c, '/' | '\\' | '?' | '#');
    if text.is_empty() || text.len() > 255 || text.contains(is_forbidden) || text.ends_with(' ') {
        return Err(format!(
            "{text:?} is not the name of a database or container; use 1 to 255 characters without `/`, `\\`, `?` or `#`"
        ));
    }
    Ok(text.to_owned())
}

fn resource_id(text: &str) -> Result<String, String> {
    const EXAMPLE: &str =
        "/subscriptions/<id>/resourceGroups/<group>/providers/Microsoft.DocumentDB/databaseAccounts/<account>";
    let parts: Vec<&str> = text.split('/').collect();
    match parts.as_slice() {
        ["", subscriptions, id, groups, group, providers, namespace, kind, account]
            if subscriptions.eq_ignore_ascii_case("subscriptions")
                && groups.eq_ignore_ascii_case("resourceGroups")
                && providers.eq_ignore_ascii_case("providers")
                && namespace.eq_ignore_ascii_case("Microsoft.DocumentDB")
                && kind.eq_ignore_ascii_case("databaseAccounts")
                && [id, group, account].iter().all(|part| is_plain_part(part)) =>
        {
            Ok(text.to_owned())
        }
        _ => Err(format!("{text:?} is not the id of a Cosmos DB account; it looks like {EXAMPLE}")),
    }
}

/// A part of an id that can stand in a URL as it is.
fn is_plain_part(part: &str) -> bool {
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'(' | b')');
    !part.is_empty() && part.bytes().all(is_known)
}

/// The name of an environment variable. A key that was put there by mistake is not one, and is not repeated.
fn variable(text: &str) -> Result<String, String> {
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if text.is_empty() || text.len() > 64 || !text.bytes().all(is_known) {
        return Err(
            "is not the name of an environment variable; use one such as \"COSMOS_KEY\", and put the key into \
                    that variable"
                .to_owned(),
        );
    }
    Ok(text.to_owned())
}

/// The path of a file. A key that was put there by mistake is not repeated, neither here nor when there is no such file.
fn key_file(text: &str) -> Result<String, String> {
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    if text.len() >= 64 && text.ends_with('=') && text.bytes().all(is_base64) {
        return Err("is a key rather than a path; put the key into a file, and name that".to_owned());
    }
    region::not_empty(text)
}
