//! Removes the heartbeats of a source that nobody writes any more.

use std::sync::Arc;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError::ConditionalCheckFailedException;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;

use super::{DynamoDbStore, condition, errors, item};
use crate::core::heartbeat::Found;
use crate::core::model::{Beat, Failure, RegionId, Slot};
use crate::stores::Forget;

impl Forget for DynamoDbStore {
    async fn look(&self, replica: RegionId, source: &Arc<str>, slot: Slot) -> Result<Option<Found>, Failure> {
        let get = self
            .client(replica)
            .await
            .get_item()
            .table_name(&self.table)
            .set_key(Some(self.keys.key(source, slot)))
            .consistent_read(true);
        match get.send().await {
            Ok(output) => Ok(output.item().map(|stored| item::decode(stored, source, slot))),
            Err(error) => Err(errors::failure(&error)),
        }
    }

    async fn remove(&self, replica: RegionId, source: &Arc<str>, slot: Slot, seen: Beat) -> Result<bool, Failure> {
        let condition = condition::unmoved(seen);
        let delete = self
            .client(replica)
            .await
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(self.keys.key(source, slot)))
            .condition_expression(condition.expression)
            .set_expression_attribute_values(condition.values)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match delete.send().await {
            Ok(_) => Ok(true),
            Err(SdkError::ServiceError(service)) if service.err().is_conditional_check_failed_exception() => {
                // Where nothing is left, somebody else was faster: it is gone all the same.
                Ok(matches!(service.err(), ConditionalCheckFailedException(refusal) if refusal.item().is_none()))
            }
            Err(error) => Err(errors::failure(&error)),
        }
    }

    async fn sweep(&self, replica: RegionId, source: &Arc<str>) -> Result<(), Failure> {
        let key = self.keys.probe_key(source);
        let delete = self.client(replica).await.delete_item().table_name(&self.table).set_key(Some(key));
        delete.send().await.map(drop).map_err(|error| errors::failure(&error))
    }
}
