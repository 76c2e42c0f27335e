//! The server's clock, as its answers tell it: whole seconds, in the `Date` header.

use std::cell::Cell;
use std::future::Future;

use aws_sdk_dynamodb::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::primitives::{DateTime, DateTimeFormat};

use crate::core::time::Wall;

tokio::task_local! {
    /// What the last answer of the call under way said.
    static SEEN: Cell<Option<Wall>>;
}

/// Notes the header of every answer, whatever else the answer is.
#[derive(Debug)]
pub struct NoteDate;

impl Intercept for NoteDate {
    fn name(&self) -> &'static str {
        "NoteDate"
    }

    fn read_after_transmit(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let header = context.response().headers().get("date");
        if let Some(date) = header.and_then(|text| DateTime::from_str(text, DateTimeFormat::HttpDate).ok()) {
            // Outside of a call that wants to know, nobody does.
            let _ = SEEN.try_with(|seen| seen.set(Some(Wall::from_micros(date.secs().saturating_mul(1_000_000)))));
        }
        Ok(())
    }
}

/// Makes a call, and says what date its last answer bore.
pub async fn noting<T>(call: impl Future<Output = T>) -> (T, Option<Wall>) {
    SEEN.scope(Cell::new(None), async {
        let output = call.await;
        (output, SEEN.with(Cell::get))
    })
    .await
}
