//! The client for HTTP that everything of Azure shares, except what the SDK of Cosmos DB calls itself.

use std::sync::Arc;

use azure_core::http::{HttpClient, new_http_client};
use tokio::sync::OnceCell;

use crate::core::model::{Failure, Reason};

/// A client for HTTP. It is made when it is first needed, as it reads all certificate authorities that the system trusts;
/// copies share it. It follows no redirects, and tries nothing twice.
#[derive(Clone, Debug, Default)]
pub struct Http(Arc<OnceCell<Arc<dyn HttpClient>>>);

impl Http {
    /// A client made elsewhere.
    pub fn with_client(client: Arc<dyn HttpClient>) -> Http {
        Http(Arc::new(OnceCell::new_with(Some(client))))
    }

    /// The client itself.
    ///
    /// # Errors
    ///
    /// Where the system trusts nobody, or cannot say whom.
    pub async fn client(&self) -> Result<Arc<dyn HttpClient>, Failure> {
        // The SDK panics where it cannot make one, so it is made in a task of its own.
        let make = async || tokio::task::spawn_blocking(|| new_http_client(None)).await;
        let client = self.0.get_or_try_init(make).await.map_err(|_| Failure {
            reason: Reason::Other,
            message: "no client for HTTPS can be made; are the certificate authorities (ca-certificates) installed?"
                .to_owned(),
        });
        client.cloned()
    }
}
