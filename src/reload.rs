//! Settings that are read anew while the gauge runs, at SIGHUP or `POST /-/reload`: where they come from, who asks for that,
//! and what became of it.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::core::time::Wall;
use crate::measuring::Changes;
use crate::settings::Settings;

/// Where the settings come from, each time.
#[derive(Clone, Debug)]
pub enum Origin {
    /// This file, if one is given, and the environment.
    File(Option<PathBuf>),
    /// Those of the demonstration, which are part of the program, and the environment.
    Demonstration,
}

impl Origin {
    /// Reads them. Blocks.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with them, a line each.
    pub fn read(&self) -> Result<Settings, String> {
        let settings = match self {
            Origin::File(path) => Settings::load(path.as_deref()),
            Origin::Demonstration => Settings::demo(),
        };
        let settings = settings.map_err(|error| error.to_string())?;
        settings.runnable().map_err(|obstacle| format!("tidegauge: {obstacle}"))?;
        Ok(settings)
    }
}

/// What became of the settings that were read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Loaded {
    /// When those in use were read; `None`: none are in use, as all were refused so far.
    pub at: Option<Wall>,
    /// What is wrong with those that were read last, where that is so.
    pub refused: Option<Arc<str>>,
}

impl Loaded {
    /// They are in use.
    pub fn at(at: Wall) -> Loaded {
        Loaded { at: Some(at), refused: None }
    }

    /// They were refused, and there were none before.
    pub fn refused(problems: impl Into<Arc<str>>) -> Loaded {
        Loaded { at: None, refused: Some(problems.into()) }
    }

    /// What is wrong, where no settings are in use for that.
    pub fn unknown(&self) -> Option<&str> {
        self.refused.as_deref().filter(|_| self.at.is_none())
    }
}

/// Why settings that were read anew are not in use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NotReloaded {
    /// This is wrong with them.
    Refused(Arc<str>),
    /// Others have asked already, or nobody reloads any more.
    Busy,
}

/// Somebody who asks, and is to be told.
pub type Asked = oneshot::Sender<Result<Changes, Arc<str>>>;

/// Where to ask for a reload.
#[derive(Clone, Debug)]
pub struct Reloads(mpsc::Sender<Asked>);

impl Reloads {
    /// One who reloads, and who is heard by it: one at a time, and one who waits for their turn.
    pub fn channel() -> (Reloads, mpsc::Receiver<Asked>) {
        let (ask, asked) = mpsc::channel(1);
        (Reloads(ask), asked)
    }

    /// Asks, and waits for what becomes of it.
    ///
    /// # Errors
    ///
    /// Where it is not done.
    pub async fn ask(&self) -> Result<Changes, NotReloaded> {
        let (tell, told) = oneshot::channel();
        self.0.try_send(tell).map_err(|_| NotReloaded::Busy)?;
        told.await.map_err(|_| NotReloaded::Busy)?.map_err(NotReloaded::Refused)
    }
}
