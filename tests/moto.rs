//! The real chain: a log group, a subscription filter, log events put, and moto's own delivery into Kinesis; and leases in
//! moto's DynamoDB.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use kinesis_logs_source::aws::DynamoDbLeaseStore;
use kinesis_logs_source::conformance;

use crate::python::{self, Moto};
use crate::util::{STREAM, finish, run};

/// Creates the stream, the group and the subscription, and puts log events, as an application would.
const CHAIN: &str = r#"
import sys, time, boto3
aws = dict(endpoint_url=sys.argv[1], region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
now = int(time.time() * 1000)  # older events are refused
kinesis, logs = boto3.client("kinesis", **aws), boto3.client("logs", **aws)
kinesis.create_stream(StreamName=sys.argv[2], ShardCount=2)
arn = kinesis.describe_stream(StreamName=sys.argv[2])["StreamDescription"]["StreamARN"]
logs.create_log_group(logGroupName="/vpc/flow-logs")
logs.put_subscription_filter(logGroupName="/vpc/flow-logs", filterName="all", filterPattern="", destinationArn=arn,
                             roleArn="arn:aws:iam::123456789012:role/logs-to-kinesis")
for interface in range(4):
    stream = f"eni-{interface}-all"
    logs.create_log_stream(logGroupName="/vpc/flow-logs", logStreamName=stream)
    events = [dict(timestamp=now + n, message=f"2 123456789010 eni-{interface} 172.31.16.139 172.31.16.21 "
              f"{20000 + n} 22 6 20 4249 1418530010 1418530070 ACCEPT OK") for n in range(25)]
    events.append(dict(timestamp=now + 999, message=f"2 123456789010 eni-{interface} - - - - - - - "
                       "1418530010 1418530070 - NODATA"))
    logs.put_log_events(logGroupName="/vpc/flow-logs", logStreamName=stream, logEvents=events)
print(arn)
"#;

#[tokio::test(flavor = "multi_thread")]
async fn log_events_put_into_a_subscribed_group_come_out_as_rows() {
    let moto = Moto::start();
    let mut command = Command::new(python::bin().join("python"));
    command.args(["-c", CHAIN, &moto.endpoint, STREAM]);
    let arn = finish(command).await;
    assert_eq!(arn.status, 0, "{}", arn.stderr);

    let fields = "interface_id,srcport,log_status,%aws.log_group,%aws.log_stream,%aws.owner";
    for stream in [STREAM, arn.stdout.trim()] {
        let args = ["read", stream, "--start-time", "trim_horizon", "--fields", fields];
        let read = run(Some(&moto.endpoint), &args).await;
        let mut expected: Vec<String> = (0..4)
            .flat_map(|eni| {
                let ports = (0..25).map(|n| (20000 + n).to_string()).zip(std::iter::repeat("OK"));
                ports.chain([("-".to_owned(), "NODATA")]).map(move |(port, status)| {
                    format!("eni-{eni}\t{port}\t{status}\t/vpc/flow-logs\teni-{eni}-all\t123456789012")
                })
            })
            .collect();
        expected.push(fields.replace(',', "\t"));
        expected.sort();
        assert_eq!(read.stderr, "", "{stream}");
        assert_eq!(read.sorted_lines(), expected);
        read.clean();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_assumed_with_its_external_id_and_an_account_of_its_own() {
    let moto = Moto::start();
    let mut command = Command::new(python::bin().join("python"));
    command.args(["-c", CHAIN, &moto.endpoint, STREAM]);
    assert_eq!(finish(command).await.status, 0);

    let read = async |account: &str| {
        let role = format!("arn:aws:iam::{account}:role/reader");
        let args = ["read", STREAM, "--start-time", "trim_horizon", "--format", "raw"];
        let options = ["--role-arn", &role, "--external-id", "shared secret", "--region", "us-east-1"];
        let mut command = crate::util::command(None, &[&args[..], &options].concat());
        command.env("AWS_ENDPOINT_URL", &moto.endpoint);
        finish(command).await
    };
    assert_eq!(read("123456789012").await.clean().lines().count(), 4 * 26);
    // moto keeps accounts apart by the assumed role's: that it finds no stream there shows whose credentials were used.
    let elsewhere = read("210987654321").await;
    assert_eq!(elsewhere.status, 1);
    assert!(elsewhere.stderr.contains("under account 210987654321 not found"), "{}", elsewhere.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_of_leases_does_over_moto_what_every_store_must() {
    let moto = Moto::start();
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(&moto.endpoint)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .region(Region::from_static("us-east-1"));
    let client = Client::from_conf(config.build());
    let count = AtomicU32::new(0);
    conformance::lease_store(|| async {
        DynamoDbLeaseStore::from_sdk(client.clone(), format!("table-{}", count.fetch_add(1, Ordering::Relaxed)))
    })
    .await;
}
