//! What `tidegauge check` asks of a table, and what is to be known of DynamoDB.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};

use super::{DynamoDbStore, date, errors, units};
use crate::core::heartbeat::{FORMAT_VERSION, attribute};
use crate::core::inspection::{Inspection, Mode};
use crate::core::model::{Failure, RegionId, Slot};
use crate::core::time::Wall;
use crate::stores::{Answer, Check};

impl Check for DynamoDbStore {
    async fn try_write(&self, region: RegionId, now: Wall) -> Answer<Result<(), Failure>> {
        let mut item = self.keys.probe_key(&self.name(region));
        // What consumers of the table's stream skip heartbeats by holds for this item, too.
        item.insert(attribute::VERSION.to_owned(), AttributeValue::N(FORMAT_VERSION.to_string()));
        item.insert(attribute::WRITTEN_AT.to_owned(), AttributeValue::N(now.as_micros().to_string()));
        let put = self
            .client(region)
            .await
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        let (written, server_date) = date::noting(put.send()).await;
        match written {
            Ok(output) => Answer { outcome: Ok(()), capacity_units: units(output.consumed_capacity()), server_date },
            Err(error) => Answer { outcome: Err(errors::failure(&error)), capacity_units: 0.0, server_date },
        }
    }

    fn holder(&self) -> &'static str {
        "table"
    }

    fn remarks(&self, told: Option<&Inspection>, slots: Slot) -> Vec<(&'static str, String)> {
        let conflicts = match told.map(|told| told.mode) {
            Some(Mode::Strong) => {
                "a write that conflicts with one in another region is refused, and can be tried again; eventual reads may be \
                 old all the same"
            }
            _ => {
                "of two writes of one item in two regions the later one stays, item by item, by a time that DynamoDB keeps to \
                 itself; the other is lost and reported nowhere. Heartbeats never conflict, so `ok` says nothing about that"
            }
        };
        let slots = match slots {
            1 => "one key samples one partition; which one cannot be seen".to_owned(),
            _ => format!("in which partitions the {slots} slots lie cannot be seen: some may share one"),
        };
        vec![("conflicts", conflicts.to_owned()), ("slots", slots)]
    }
}
