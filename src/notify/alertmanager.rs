//! An Alertmanager, over its API v2.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response, Url};
use serde::Deserialize;
use tokio::task::spawn_blocking;

use super::message::{Known, Message};
use super::{Receiver, Trouble};
use crate::core::time::Wall;
use crate::settings::AlertmanagerSettings;

/// More than this is no answer to what is asked here.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// So much of an answer is told, where it says what is wrong.
const COMPLAINT_CHARACTERS_MAX: usize = 200;

/// One Alertmanager.
#[derive(Clone, Debug)]
pub struct Alertmanager {
    url: String,
    bearer_token_file: Option<PathBuf>,
    http: Client,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KnownBody {
    labels: BTreeMap<String, String>,
    starts_at: String,
    ends_at: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StatusBody {
    version_info: VersionBody,
}

#[derive(Deserialize)]
struct VersionBody {
    version: String,
}

impl Alertmanager {
    /// Nothing is reached yet. What it is sent goes to the address that the settings name, and nowhere else: neither to a
    /// proxy of the environment's nor to where an answer says.
    ///
    /// # Errors
    ///
    /// Where there can be no TLS.
    pub fn new(settings: &AlertmanagerSettings) -> anyhow::Result<Alertmanager> {
        let mut http = Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .user_agent(concat!("tidegauge/", env!("CARGO_PKG_VERSION")));
        if settings.url.starts_with("http:") {
            // No authority is needed, so that none need be there.
            http = http.tls_certs_only([]);
        }
        let http = http
            .build()
            .context("cannot prepare to reach Alertmanagers; see that this host has certificates of authorities")?;
        Ok(Alertmanager { url: settings.url.clone(), bearer_token_file: settings.bearer_token_file.clone(), http })
    }

    /// Which version it says it is.
    ///
    /// # Errors
    ///
    /// Where it does not answer, or nothing that an Alertmanager would.
    pub async fn version(&self) -> Result<String, Trouble> {
        let response = self.send(self.http.get(self.address("status")?)).await?;
        let status: StatusBody = parse(&body(response).await?)?;
        Ok(status.version_info.version)
    }

    fn address(&self, resource: &str) -> Result<Url, Trouble> {
        Url::parse(&format!("{}/api/v2/{resource}", self.url)).map_err(|error| Trouble::NoAnswer(error.to_string()))
    }

    /// The answer, where it is a good one.
    async fn send(&self, mut request: RequestBuilder) -> Result<Response, Trouble> {
        if let Some(file) = &self.bearer_token_file {
            request = request.bearer_auth(token(file.clone()).await.map_err(Trouble::NoAnswer)?);
        }
        let response = request.send().await.map_err(no_answer)?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let complaint = body(response).await.unwrap_or_default();
        let complaint = String::from_utf8_lossy(&complaint);
        let complaint: String = complaint.chars().filter(|c| !c.is_control()).take(COMPLAINT_CHARACTERS_MAX).collect();
        let separator = if complaint.is_empty() { "" } else { ": " };
        Err(Trouble::Refused(format!("it answers {status}{separator}{complaint}")))
    }
}

impl Receiver for Alertmanager {
    async fn tell(&self, messages: &[Message]) -> Result<(), Trouble> {
        self.send(self.http.post(self.address("alerts")?).json(messages)).await.map(drop)
    }

    async fn remembered(&self, cell: &str) -> Result<Vec<Known>, Trouble> {
        let mut address = self.address("alerts")?;
        // Names of cells need no quoting. No name at all is what an absent label is held against.
        address
            .query_pairs_mut()
            .append_pair("filter", &format!("cell=\"{cell}\""))
            .extend_pairs(["active", "silenced", "inhibited", "unprocessed"].map(|kind| (kind, "true")));
        let response = self.send(self.http.get(address)).await?;
        let known: Vec<KnownBody> = parse(&body(response).await?)?;
        known
            .into_iter()
            .map(|KnownBody { labels, starts_at, ends_at }| {
                Ok(Known { labels, starts_at: instant(&starts_at)?, ends_at: instant(&ends_at)? })
            })
            .collect()
    }
}

/// Read anew each time, as tokens are renewed. Off the threads that time probes: a file may be on a volume that hangs.
async fn token(file: PathBuf) -> Result<String, String> {
    let read = |file: &Path| match std::fs::read_to_string(file) {
        Ok(text) => match text.trim() {
            "" => Err(format!("bearer_token_file {} is empty", file.display())),
            token if token.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(token.to_owned()),
            _ => Err(format!("bearer_token_file {} does not hold one token and nothing else", file.display())),
        },
        Err(error) => Err(format!("cannot read bearer_token_file {}: {error}", file.display())),
    };
    spawn_blocking(move || read(&file))
        .await
        .unwrap_or_else(|error| Err(format!("cannot read bearer_token_file: {error}")))
}

async fn body(mut response: Response) -> Result<Vec<u8>, Trouble> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(no_answer)? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(Trouble::Refused(format!("its answer is longer than {} MiB", ANSWER_BYTES_MAX >> 20)));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Trouble> {
    serde_json::from_slice(body).map_err(|error| Trouble::Refused(format!("its answer is no Alertmanager's: {error}")))
}

fn instant(text: &str) -> Result<Wall, Trouble> {
    Wall::from_rfc3339(text)
        .ok_or_else(|| Trouble::Refused(format!("its answer is no Alertmanager's: {text:?} is no time")))
}

/// Each cause in turn: the first alone says no more than that it failed.
fn no_answer(error: reqwest::Error) -> Trouble {
    Trouble::NoAnswer(format!("{:#}", anyhow::Error::new(error.without_url())))
}
