//! KCL 3's leader: a lock of the DynamoDB lock client, in a table beside that of the leases, or, since KCL 3.5, among them.
//!
//! | attribute | what |
//! |---|---|
//! | `ownerName` | the worker |
//! | `recordVersionNumber` | changes with each heartbeat |
//! | `leaseDuration` | milliseconds, as text |
//! | `isReleased` | there once the leader has stepped down |

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::AttributeValue;

use super::row::{Item, string};
use crate::aws::error::api_error;
use crate::error::{ApiError, ApiErrorKind};
use crate::protocol::Leader;

/// What KCL 3.5 names such a row, where it stands among leases.
pub(super) const ENTITY_TYPE_LEADER: &str = "LEADER";

/// The leader that the table beside `leases` names. Nothing where there is no such table, or none that may be read: KCL 3
/// has never run with it, or not under this account's eyes.
pub(super) async fn get(client: &Client, leases: &str) -> Result<Option<Leader>, ApiError> {
    let table = format!("{leases}-CoordinatorState");
    let get = client.get_item().table_name(table).key("key", string("Leader")).consistent_read(true);
    match get.send().await {
        Ok(answer) => Ok(answer.item.as_ref().and_then(leader)),
        Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(None),
        Err(error) => match api_error("GetItem", error) {
            error if error.kind == ApiErrorKind::AccessDenied => Ok(None),
            error => Err(error),
        },
    }
}

/// What such an item says.
pub(super) fn leader(item: &Item) -> Option<Leader> {
    if item.contains_key("isReleased") {
        return None;
    }
    let text = |name: &str| match item.get(name) {
        Some(AttributeValue::S(text) | AttributeValue::N(text)) => Some(text.clone()),
        _ => None,
    };
    Some(Leader {
        owner: text("ownerName")?,
        record_version: text("recordVersionNumber")?,
        lease_duration: Duration::from_millis(text("leaseDuration")?.parse().ok()?),
    })
}
