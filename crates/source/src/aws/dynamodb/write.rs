//! The conditional writes: those of KCL's `DynamoDBLeaseRefresher`, as expressions.
//!
//! | write | condition | update |
//! |---|---|---|
//! | create | no such key | the item |
//! | renew | counter, owner | counter + 1 |
//! | take | counter | owner, counter + 1, switches + 1 if the owner is another; removes `checkpointOwner` |
//! | checkpoint | counter, owner | checkpoint, counter + 1, switches = 0, children; removes what was pending |
//! | release | owner | counter + 1; removes the owner |
//! | replace | counter | the item |
//! | delete | counter | removes the item |
//!
//! Only the attributes that are named change: those of other versions of KCL live on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure::AllOld;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

use super::row::{
    CHECKPOINT, CHECKPOINT_OWNER, CHECKPOINT_SUB_SEQUENCE_NUMBER, CHILD_SHARD_IDS, Item, Keys, LEASE_COUNTER,
    LEASE_KEY, LEASE_OWNER, OWNER_SWITCHES, STREAM_CREATION_TIMESTAMP, number, string, string_set,
};
use crate::aws::error::api_error;
use crate::error::ApiError;
use crate::protocol::LeaseWrite;

/// What became of a write.
#[derive(Debug)]
pub(super) enum Answer {
    Done,
    /// The condition did not hold.
    Refused {
        /// The item as it stands, if there is one.
        item: Option<Item>,
        /// Whether the write was sent more than once, and may be what it met itself.
        retried: bool,
    },
}

/// Sends a write.
pub(super) async fn send(client: &Client, table: &str, keys: &Keys, write: &LeaseWrite) -> Result<Answer, ApiError> {
    let key = string(keys.key(write.shard()));
    let update = || client.update_item().table_name(table).key(LEASE_KEY, key.clone());
    // Without an item in the answer there is none, or the server is one that does not tell.
    let look = async |answer: Answer| match answer {
        Answer::Refused { item: None, retried } => {
            let get = client.get_item().table_name(table).key(LEASE_KEY, key.clone()).consistent_read(true);
            let item = get.send().await.map_err(|error| api_error("GetItem", error))?.item;
            Ok(Answer::Refused { item, retried })
        }
        answer => Ok(answer),
    };
    let answer = match write {
        LeaseWrite::Create { lease } => {
            let put = client.put_item().condition_expression(format!("attribute_not_exists({LEASE_KEY})"));
            send_put(put.table_name(table).set_item(Some(keys.item(lease)))).await
        }
        LeaseWrite::Replace { lease, counter } => {
            let put = client
                .put_item()
                .condition_expression(format!("{LEASE_COUNTER} = :counter"))
                .expression_attribute_values(":counter", number(counter));
            let mut item = keys.item(lease);
            item.insert(LEASE_COUNTER.to_owned(), number(u128::from(*counter) + 1));
            send_put(put.table_name(table).set_item(Some(item))).await
        }
        LeaseWrite::Renew { owner, counter, .. } => {
            let renew = update().update_expression(format!("SET {LEASE_COUNTER} = :next"));
            send_update(if_owned(renew, owner, *counter)).await
        }
        LeaseWrite::Take { owner, counter, stream_creation_timestamp, .. } => {
            // The owner before decides whether it is a switch, and is not known here. It is rarely the same.
            let set_created = match stream_creation_timestamp {
                Some(_) => format!(", {STREAM_CREATION_TIMESTAMP} = :created"),
                None => String::new(),
            };
            let created = stream_creation_timestamp.map(|time| number(time.as_millisecond()));
            let take = |switch: &str, condition: &str| {
                let update = if_counter(update(), *counter);
                let update = match &created {
                    Some(created) => update.expression_attribute_values(":created", created.clone()),
                    None => update,
                };
                update
                    .update_expression(format!(
                        "SET {LEASE_OWNER} = :owner, {LEASE_COUNTER} = :next{set_created} {switch} \
                         REMOVE {CHECKPOINT_OWNER}"
                    ))
                    .condition_expression(format!("{LEASE_COUNTER} = :counter AND {condition}"))
                    .expression_attribute_values(":owner", string(owner))
            };
            let from_another = take(
                &format!("ADD {OWNER_SWITCHES} :one"),
                &format!("(attribute_not_exists({LEASE_OWNER}) OR {LEASE_OWNER} <> :owner)"),
            );
            let answer = send_update(from_another.expression_attribute_values(":one", number(1))).await?;
            match look(answer).await? {
                Answer::Refused { item: Some(item), retried }
                    if item.get(LEASE_OWNER) == Some(&string(owner))
                        && item.get(LEASE_COUNTER) == Some(&number(counter)) =>
                {
                    let again = send_update(take("", &format!("{LEASE_OWNER} = :owner"))).await?;
                    Ok(again.retried_before(retried))
                }
                answer => Ok(answer),
            }
        }
        LeaseWrite::Checkpoint { owner, counter, checkpoint, children, .. } => {
            let mut request = if_owned(update(), owner, *counter)
                .expression_attribute_values(":checkpoint", string(checkpoint.to_string()))
                .expression_attribute_values(":sub", number(checkpoint.sub_sequence_number()))
                .expression_attribute_values(":zero", number(0));
            let mut set_children = String::new();
            if !children.is_empty() {
                set_children = format!(", {CHILD_SHARD_IDS} = :children");
                request = request.expression_attribute_values(":children", string_set(children));
            }
            let request = request.update_expression(format!(
                "SET {CHECKPOINT} = :checkpoint, {CHECKPOINT_SUB_SEQUENCE_NUMBER} = :sub, {LEASE_COUNTER} = :next, \
                 {OWNER_SWITCHES} = :zero{set_children} \
                 REMOVE pendingCheckpoint, pendingCheckpointSubSequenceNumber, pendingCheckpointState"
            ));
            send_update(request).await
        }
        LeaseWrite::Release { owner, .. } => {
            let request = update()
                .update_expression(format!("ADD {LEASE_COUNTER} :one REMOVE {LEASE_OWNER}"))
                .condition_expression(format!("{LEASE_OWNER} = :owner"))
                .expression_attribute_values(":owner", string(owner))
                .expression_attribute_values(":one", number(1));
            send_update(request).await
        }
        LeaseWrite::Delete { counter, .. } => {
            let attempts = Attempts::default();
            let request = client
                .delete_item()
                .table_name(table)
                .key(LEASE_KEY, key.clone())
                .condition_expression(format!("{LEASE_COUNTER} = :counter"))
                .expression_attribute_values(":counter", number(counter))
                .return_values_on_condition_check_failure(AllOld);
            answer("DeleteItem", request.customize().interceptor(attempts.clone()).send().await, &attempts)
        }
    }?;
    look(answer).await
}

fn if_counter(update: UpdateItemFluentBuilder, counter: u64) -> UpdateItemFluentBuilder {
    update
        .expression_attribute_values(":counter", number(counter))
        .expression_attribute_values(":next", number(u128::from(counter) + 1))
}

fn if_owned(update: UpdateItemFluentBuilder, owner: &str, counter: u64) -> UpdateItemFluentBuilder {
    if_counter(update, counter)
        .condition_expression(format!("{LEASE_COUNTER} = :counter AND {LEASE_OWNER} = :owner"))
        .expression_attribute_values(":owner", string(owner))
}

async fn send_put(put: PutItemFluentBuilder) -> Result<Answer, ApiError> {
    let attempts = Attempts::default();
    let put = put.return_values_on_condition_check_failure(AllOld);
    answer("PutItem", put.customize().interceptor(attempts.clone()).send().await, &attempts)
}

async fn send_update(update: UpdateItemFluentBuilder) -> Result<Answer, ApiError> {
    let attempts = Attempts::default();
    let update = update.return_values_on_condition_check_failure(AllOld);
    answer("UpdateItem", update.customize().interceptor(attempts.clone()).send().await, &attempts)
}

fn answer<T, E>(
    operation: &'static str,
    result: Result<T, SdkError<E, HttpResponse>>,
    attempts: &Attempts,
) -> Result<Answer, ApiError>
where
    E: RefusedItem + ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    match result {
        Ok(_) => Ok(Answer::Done),
        Err(SdkError::ServiceError(error)) if error.err().code() == Some("ConditionalCheckFailedException") => {
            Ok(Answer::Refused { item: error.into_err().into_item(), retried: attempts.several() })
        }
        Err(error) => Err(api_error(operation, error)),
    }
}

impl Answer {
    fn retried_before(self, before: bool) -> Self {
        match self {
            Answer::Refused { item, retried } => Answer::Refused { item, retried: retried || before },
            Answer::Done => Answer::Done,
        }
    }
}

/// An error that may hold the item whose condition failed.
trait RefusedItem {
    fn into_item(self) -> Option<Item>;
}

macro_rules! refused_item {
    ($($error:ident),*) => {$(
        impl RefusedItem for $error {
            fn into_item(self) -> Option<Item> {
                match self {
                    $error::ConditionalCheckFailedException(refused) => refused.item,
                    _ => None,
                }
            }
        }
    )*};
}

refused_item!(PutItemError, UpdateItemError, DeleteItemError);

/// Counts how often the SDK sends a request.
#[derive(Debug, Clone, Default)]
struct Attempts(Arc<AtomicU32>);

impl Attempts {
    fn several(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 1
    }
}

#[dyn_dispatch_hint]
impl Intercept for Attempts {
    fn name(&self) -> &'static str {
        "Attempts"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}
