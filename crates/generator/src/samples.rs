//! One file of every form, each small enough to be read by a person: what the decoder's tests walk through.
//!
//! All values are made up; addresses are those reserved for documentation. Shapes follow AWS's documents of
//! [subscription filters], [flow logs], [Firehose], [Lambda] and [KPL].
//!
//! [subscription filters]: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html
//! [flow logs]: https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html
//! [Firehose]: https://docs.aws.amazon.com/firehose/latest/dev/writing-with-cloudwatch-logs.html
//! [Lambda]: https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
//! [KPL]: https://github.com/awslabs/amazon-kinesis-producer/blob/master/aggregation-format.md

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};

use crate::gzip;
use crate::sample_lines::LINES;

const ACCEPTED: &str =
    "2 210987654321 eni-0fedcba9876543210 192.0.2.17 198.51.100.4 50612 443 6 12 3400 1760000000 1760000060 ACCEPT OK";
const REJECTED: &str =
    "2 210987654321 eni-0fedcba9876543210 203.0.113.99 192.0.2.17 40001 3389 6 1 40 1760000003 1760000060 REJECT OK";
const IDLE: &str = "2 210987654321 eni-0fedcba9876543210 - - - - - - - 1760000060 1760000120 - NODATA";

/// File names, and what is in the files.
pub fn samples() -> Vec<(&'static str, Vec<u8>)> {
    let vpc = data_message("/vpc/main", "eni-0fedcba9876543210-all", &[ACCEPTED, REJECTED, IDLE]);
    let others = data_message("/app/one", "host-1", &["first", "second \"quoted\""]);
    let control = control_message();
    let members = [gzip(vpc.as_bytes()), gzip(control.as_bytes()), gzip(others.as_bytes())].concat();
    let wrapped = gzip(&[gzip(vpc.as_bytes()), gzip(others.as_bytes())].concat());
    let default_names = crate::line::DEFAULT_FIELDS.join(" ").replace('_', "-");
    let object = format!("{default_names}\n{ACCEPTED}\n{REJECTED}\n{IDLE}\n").into_bytes();
    let errors = data_message("/app/errors", "host-2", &["[ERROR] First test message", "[ERROR] Second test message"]);
    let nested = [gzip(envelope_with("one").as_bytes()), gzip(envelope_with("two").as_bytes())];
    let keyed = [("a", None, &b"hello one"[..]), ("b", None, b"hello two"), ("a", None, b"hello three")];
    let hashed = [("a", Some("0"), &b"hello one"[..]), ("b", None, b"hello two"), ("c", Some("77"), b"hello three")];
    let repeated = [("k0", None, &nested[0][..]), ("k1", None, &nested[1][..])];
    let mut files = vec![
        ("cwl-account-level-policy.json", account_policy()),
        ("cwl-control-firehose.json", control.replace("Kinesis stream", "Firehose").into_bytes()),
        ("cwl-control-kinesis.json", control.clone().into_bytes()),
        ("cwl-control-minimal.json", br#"{"messageType":"CONTROL_MESSAGE"}"#.to_vec()),
        ("cwl-data-cross-account.json", cross_account()),
        ("cwl-data-tgw.json", data_message("/tgw/main", "tgw-0aa", &[TGW_CUSTOM_B]).into_bytes()),
        (
            "cwl-data-vpc-custom-format.json",
            data_message("/vpc/four", "eni-0fedcba9876543210", &["2 eni-0fedcba9876543210 192.0.2.17 198.51.100.4"])
                .into_bytes(),
        ),
        ("cwl-data-vpc.json", pretty(&vpc).into_bytes()),
        ("cwl-data-vpc.json.gz", gzip(vpc.as_bytes())),
        ("cwl-data-vpc.kinesis-data.b64", STANDARD.encode(gzip(vpc.as_bytes())).into_bytes()),
        ("cwl-extracted-fields-access.json", extracted_access()),
        ("cwl-extracted-fields-vpcflow.json", extracted_flow()),
        ("cwl-lambda-awslogs-decoded.json", errors.clone().into_bytes()),
        (
            "cwl-lambda-awslogs.json",
            format!(r#"{{"awslogs":{{"data":"{}"}}}}"#, STANDARD.encode(gzip(errors.as_bytes()))).into_bytes(),
        ),
        (
            "cwl-lenient-minimal.json",
            br#"{"messageType":"DATA_MESSAGE","logEvents":[{"extractedFields":{"srcaddr":"192.0.2.17","dstport":443}}]}"#
                .to_vec(),
        ),
        (
            "cwl-lenient-string-timestamp.json",
            br#"{"new":{"a":[1,{}]},"logEvents":[{"timestamp":"1760000000000","message":"m","more":null}],"messageType":"DATA_MESSAGE"}"#
                .to_vec(),
        ),
        ("cwl-real-lambda-logs-1.json", lambda_logs("1").into_bytes()),
        ("cwl-real-lambda-logs-2.json", lambda_logs("2").into_bytes()),
        ("cwl-system-fields.json", system_fields()),
        ("firehose-concatenated.json", [control, vpc.clone(), others].concat().into_bytes()),
        ("firehose-double-gzip.gz", wrapped),
        ("firehose-extracted-messages.log", format!("{ACCEPTED}\n{REJECTED}\n{IDLE}\n").into_bytes()),
        ("firehose-lambda-transform-event.json", firehose_event("0", &gzip(vpc.as_bytes()))),
        ("firehose-lambda-transform-response.json", firehose_response()),
        ("firehose-multimember.gz", members),
        ("kinesis-get-records-response.json", get_records_response()),
        (
            "kinesis-get-records-shard-end.json",
            br#"{"Records":[],"MillisBehindLatest":0,"ChildShards":[{"ShardId":"shardId-000000000001"}]}"#.to_vec(),
        ),
        ("kpl-aggregated.json", containers(&[("three-records-no-ehk", &keyed), ("mixed-explicit-hash-keys", &hashed)])),
        ("kpl-mixed-explicit-hash-keys.hex", hex(&crate::aggregate_with_hash_keys(&hashed)).into_bytes()),
        ("kpl-nested-gzip-cwl.hex", hex(&crate::aggregate_with_hash_keys(&repeated)).into_bytes()),
        ("kpl-three-records-no-ehk.hex", hex(&crate::aggregate_with_hash_keys(&keyed)).into_bytes()),
        ("lambda-kinesis-cwl-event.json", lambda_event(&[&gzip(lambda_logs("1").as_bytes()), &gzip(lambda_logs("2").as_bytes())])),
        ("lambda-kinesis-event.json", lambda_event(&[b"no log"])),
        ("lambda-tumbling-window-event.json", lambda_event(&[b"no log either"])),
        ("s3-123456789010_vpcflowlogs_us-east-1_fl-0123456789abcdef0_20141214T0405Z_0a1b2c3d.log", object.clone()),
        ("s3-123456789010_vpcflowlogs_us-east-1_fl-0123456789abcdef0_20141214T0405Z_0a1b2c3d.log.gz", gzip(&object)),
    ];
    files.extend(LOGS.map(|(name, text)| (name, text.as_bytes().to_vec())));
    files.extend(LINES.map(|(name, text)| (name, text.as_bytes().to_vec())));
    files
}

fn event_id(n: usize) -> String {
    format!("39247100000000000000000000000000000000000000000000000{n:03}")
}

fn data_message(log_group: &str, log_stream: &str, messages: &[&str]) -> String {
    let events = messages.iter().enumerate().map(|(n, message)| {
        format!(r#"{{"id":"{}","timestamp":{},"message":{message:?}}}"#, event_id(n), 1_760_000_000_000_u64 + n as u64)
    });
    format!(
        r#"{{"messageType":"DATA_MESSAGE","owner":"210987654321","logGroup":"{log_group}","logStream":"{log_stream}","subscriptionFilters":["all"],"logEvents":[{}]}}"#,
        events.collect::<Vec<_>>().join(",")
    )
}

fn envelope_with(message: &str) -> String {
    data_message("/app/one", "host-1", &[message])
}

fn control_message() -> String {
    r#"{"messageType":"CONTROL_MESSAGE","owner":"CloudwatchLogs","logGroup":"","logStream":"","subscriptionFilters":[],"logEvents":[{"id":"","timestamp":1760000000000,"message":"CWL CONTROL MESSAGE: Checking health of destination Kinesis stream."}]}"#.to_owned()
}

/// White space where the service has none.
fn pretty(json: &str) -> String {
    json.replace(",\"", ",\n  \"").replace("[{", "[\n  {").replace("}]", "}\n]")
}

fn account_policy() -> Vec<u8> {
    let policy = r#""policyLevel":"ACCOUNT_LEVEL_POLICY","logEvents""#;
    data_message("/aws/lambda/f", "2026/01/02/[$LATEST]00ff", &["hello"]).replace("\"logEvents\"", policy).into_bytes()
}

/// The owner first, and messages that are cut JSON.
fn cross_account() -> Vec<u8> {
    let cut = r#"{"eventVersion":"1.08","userIdentity":{"type":"Root"}"#;
    data_message("trail", "210987654321_CloudTrail_eu-west-1", &[cut, cut])
        .replace(r#""messageType":"DATA_MESSAGE","#, "")
        .replace(r#"["all"]"#, r#"["Destination"],"messageType":"DATA_MESSAGE""#)
        .into_bytes()
}

fn extracted_access() -> Vec<u8> {
    br#"{"messageType":"DATA_MESSAGE","owner":"210987654321","logGroup":"access","logStream":"web-1","subscriptionFilters":["errors"],"logEvents":[{"id":"39247100000000000000000000000000000000000000000000000000","timestamp":1760000000000,"message":"192.0.2.17 - jo [09/Oct/2025:08:53:20 +0000] \"GET /missing HTTP/1.1\" 404 12","extractedFields":{"ip":"192.0.2.17","user":"-","username":"jo","timestamp":"09/Oct/2025:08:53:20 +0000","request":"GET /missing HTTP/1.1","status_code":"404","bytes":"12"}}]}"#.to_vec()
}

fn extracted_flow() -> Vec<u8> {
    let names = crate::line::DEFAULT_FIELDS.into_iter();
    let fields: Vec<String> =
        names.zip(ACCEPTED.split(' ')).map(|(name, value)| format!(r#""{name}":"{value}""#)).collect();
    let extracted = format!(r#"OK","extractedFields":{{{}}}}}"#, fields.join(","));
    data_message("/vpc/main", "eni-0fedcba9876543210-all", &[ACCEPTED]).replace("OK\"}", &extracted).into_bytes()
}

fn system_fields() -> Vec<u8> {
    let event = |account: &str| {
        format!(
            r#"{{"id":"1","timestamp":1760000000000,"message":"m","extractedFields":{{"@aws.account":"{account}","@aws.region":"eu-west-1"}}}}"#
        )
    };
    format!(
        r#"{{"messageType":"DATA_MESSAGE","owner":"210987654321","logGroup":"central","logStream":"s","subscriptionFilters":["all"],"logEvents":[{},{}]}}"#,
        event("210987654321"),
        event("123456789012")
    )
    .into_bytes()
}

fn lambda_logs(n: &str) -> String {
    let id = format!("0000000{n}-0000-4000-8000-000000000000");
    let report = format!(
        "REPORT RequestId: {id}\tDuration: 3.25 ms\tBilled Duration: 4 ms\tMemory Size: 256 MB\tMax Memory Used: 40 MB\t\nXRAY TraceId: 1-68e77b40-00000000000000000000000{n}\tSegmentId: 0000000000000001\tSampled: true\t\n"
    );
    let (start, end) = (format!("START RequestId: {id} Version: $LATEST\n"), format!("END RequestId: {id}\n"));
    data_message("/aws/lambda/orders", "2025/10/09/[$LATEST]00ff", &[&start, &end, &report])
}

fn lambda_event(records: &[&[u8]]) -> Vec<u8> {
    let records = records.iter().enumerate().map(|(n, data)| {
        format!(
            r#"{{"kinesis":{{"kinesisSchemaVersion":"1.0","partitionKey":"p","sequenceNumber":"4959000000000000000000000000000000000000000000000000000{n}","data":"{}","approximateArrivalTimestamp":1760000001.25}},"eventSource":"aws:kinesis","eventVersion":"1.0","eventID":"shardId-000000000000:{n}","eventName":"aws:kinesis:record","awsRegion":"eu-west-1"}}"#,
            STANDARD.encode(data)
        )
    });
    format!(r#"{{"Records":[{}]}}"#, records.collect::<Vec<_>>().join(",")).into_bytes()
}

fn firehose_event(id: &str, data: &[u8]) -> Vec<u8> {
    format!(
        r#"{{"invocationId":"i","deliveryStreamArn":"arn:aws:firehose:eu-west-1:210987654321:deliverystream/d","region":"eu-west-1","records":[{{"recordId":"{id}","approximateArrivalTimestamp":1760000001250,"data":"{}"}}]}}"#,
        STANDARD.encode(data)
    )
    .into_bytes()
}

fn firehose_response() -> Vec<u8> {
    let record = |result| format!(r#"{{"recordId":"0","result":"{result}","data":"{}"}}"#, STANDARD.encode("no log"));
    format!(r#"{{"records":[{}]}}"#, ["Ok", "Dropped", "ProcessingFailed"].map(record).join(",")).into_bytes()
}

fn get_records_response() -> Vec<u8> {
    let record = |n: usize, more: &str| {
        let data = STANDARD.encode(format!("no log {n}"));
        format!(
            r#"{{"SequenceNumber":"4959000000000000000000000000000000000000000000000000000{n}","Data":"{data}"{more}}}"#
        )
    };
    format!(
        r#"{{"Records":[{},{}],"NextShardIterator":"AAA","MillisBehindLatest":0}}"#,
        record(0, r#","PartitionKey":"p","ApproximateArrivalTimestamp":1760000001.25"#),
        record(1, r#","ApproximateArrivalTimestamp":1.76000000125E9"#)
    )
    .into_bytes()
}

type UserRecord<'a> = (&'a str, Option<&'a str>, &'a [u8]);

/// What containers hold, and blobs that only look like containers.
fn containers(containers: &[(&str, &[UserRecord<'_>])]) -> Vec<u8> {
    let mut cases: Vec<String> = containers
        .iter()
        .map(|(name, records)| {
            let blob = hex(&crate::aggregate_with_hash_keys(records));
            let expected: Vec<String> = records.iter().enumerate().map(|(n, record)| expected(n, *record)).collect();
            format!(r#"{{"name":"{name}","hex":"{blob}","expected":[{}]}}"#, expected.join(","))
        })
        .collect();
    let records = [("a", None, &b"hello one"[..]), ("b", None, b"hello two")];
    let whole = crate::aggregate_with_hash_keys(&records);
    let mut wrong_digest = whole.clone();
    if let Some(last) = wrong_digest.last_mut() {
        *last ^= 1;
    }
    let sealed = |message: &[u8]| [&whole[..4], message, Md5::digest(message).as_slice()].concat();
    let plain = [
        ("bad-md5", wrong_digest),
        ("magic-only", whole[..4].to_vec()),
        ("magic-plus-16", sealed(b"")),
        ("good-md5-bad-protobuf", sealed(b"\x0a\xff\x01")),
        ("plain-gzip", gzip(b"{}")),
    ];
    cases.extend(plain.map(|(name, blob)| format!(r#"{{"name":"{name}","hex":"{}","expected":"plain"}}"#, hex(&blob))));
    // The second record refers to a key that is not there.
    let dangling = sealed(b"\x0a\x01a\x1a\x0d\x08\x00\x1a\x09hello one\x1a\x0d\x08\x07\x1a\x09hello two\x1a\x0f\x08\x00\x1a\x0bhello three");
    let first = expected(0, records[0]);
    cases.push(format!(r#"{{"name":"partition-index-out-of-range","hex":"{}","expected":[{first}]}}"#, hex(&dangling)));
    cases.push(format!(r#"{{"name":"zero-records","hex":"{}","expected":[]}}"#, hex(&sealed(b"\x0a\x01a"))));
    // A tag, an unknown field of the record, and one of the container.
    let unknown = sealed(b"\x0a\x01a\x1a\x17\x08\x00\x1a\x09hello one\x22\x06\x0a\x01k\x12\x01v\x48\x05\x7a\x03new");
    cases.push(format!(r#"{{"name":"tags-unknown-fields","hex":"{}","expected":[{first}]}}"#, hex(&unknown)));
    format!("{{\"cases\":[\n{}\n]}}\n", cases.join(",\n")).into_bytes()
}

fn expected(n: usize, (key, hash_key, data): UserRecord<'_>) -> String {
    let explicit = hash_key.map_or("null".to_owned(), |key| format!("\"{key}\""));
    let effective =
        hash_key.map_or_else(|| u128::from_be_bytes(Md5::digest(key.as_bytes()).into()).to_string(), str::to_owned);
    format!(
        r#"{{"partitionKey":"{key}","explicitHashKey":{explicit},"effectiveHashKey":"{effective}","data_hex":"{}","subSequenceNumber":{n}}}"#,
        hex(data)
    )
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const TGW_CUSTOM_B: &str = "6 210987654321 tgw-0aa tgw-attach-0ab vpc-0ac vpc-0ad subnet-0ae subnet-0af eni-0ba eni-0bb euw1-az1 euw1-az2 tgw-attach-0bc 192.0.2.17 198.51.100.4 50612 443 6 12 3400 1760000000 1760000060 OK IPv4 2 ingress eu-west-1";

/// Logs of other services, as they stand in messages.
const LOGS: [(&str, &str); 8] = [
    (
        "log-apigateway-access.txt",
        "# JSON of context variables, then the common log format\n{\"requestId\":\"0a\",\"ip\":\"192.0.2.17\",\"requestTime\":\"09/Oct/2025:08:53:20 +0000\",\"httpMethod\":\"GET\",\"resourcePath\":\"/orders\",\"status\":\"200\",\"protocol\":\"HTTP/1.1\",\"responseLength\":\"17\"}\n192.0.2.17 - - [09/Oct/2025:08:53:20 +0000]\"GET /orders HTTP/1.1\" 200 17 0a\n",
    ),
    (
        "log-cloudtrail-event.json",
        "{\n  \"eventVersion\": \"1.08\",\n  \"userIdentity\": {\"type\": \"AssumedRole\", \"arn\": \"arn:aws:sts::210987654321:assumed-role/r/s\"},\n  \"eventTime\": \"2025-10-09T08:53:20Z\",\n  \"eventSource\": \"s3.amazonaws.com\",\n  \"eventName\": \"GetObject\",\n  \"awsRegion\": \"eu-west-1\",\n  \"sourceIPAddress\": \"athena.amazonaws.com\",\n  \"requestParameters\": null,\n  \"eventID\": \"00000000-0000-4000-8000-000000000000\",\n  \"eventType\": \"AwsApiCall\"\n}\n",
    ),
    (
        "log-eks-audit.json",
        "{\n  \"kind\": \"Event\",\n  \"apiVersion\": \"audit.k8s.io/v1\",\n  \"level\": \"Metadata\",\n  \"auditID\": \"00000000-0000-4000-8000-000000000001\",\n  \"stage\": \"ResponseComplete\",\n  \"requestURI\": \"/api/v1/pods\",\n  \"verb\": \"list\",\n  \"user\": {\"username\": \"system:node\"},\n  \"requestReceivedTimestamp\": \"2025-10-09T08:53:20.000001Z\"\n}\n",
    ),
    (
        "log-lambda-json.ndjson",
        "{\"time\":\"2025-10-09T08:53:20.000Z\",\"type\":\"platform.initStart\",\"record\":{\"phase\":\"init\"}}\n{\"time\":\"2025-10-09T08:53:20.100Z\",\"type\":\"platform.start\",\"record\":{\"requestId\":\"0a\",\"version\":\"$LATEST\"}}\n{\"time\":\"2025-10-09T08:53:20.200Z\",\"type\":\"platform.report\",\"record\":{\"requestId\":\"0a\",\"metrics\":{\"durationMs\":3.25,\"billedDurationMs\":4}}}\n{\"timestamp\":\"2025-10-09T08:53:20.150Z\",\"level\":\"WARN\",\"requestId\":\"0a\",\"message\":{\"order\":17}}\n",
    ),
    (
        "log-lambda-text.txt",
        "START RequestId: 00000001-0000-4000-8000-000000000000 Version: 7\\n\nEND RequestId: 00000001-0000-4000-8000-000000000000\\n\nREPORT RequestId: 00000001-0000-4000-8000-000000000000\\tDuration: 3.25 ms\\tBilled Duration: 4 ms\\tMemory Size: 256 MB\\tMax Memory Used: 40 MB\\t\\nXRAY TraceId: 1-68e77b40-000000000000000000000001\\tSegmentId: 0000000000000001\\tSampled: true\\t\\n\n",
    ),
    (
        "log-rds.txt",
        "2025-10-09 08:53:20 UTC:192.0.2.17(50612):app@orders:[17]:LOG:  connection authorized\n20251009 08:53:20,ip-192-0-2-1,app,192.0.2.17,7,71,QUERY,orders,'select 2',0\n# Time: 2025-10-09T08:53:20.000000Z\\n# Query_time: 2.5  Lock_time: 0.0\\nselect sleep(2);\n",
    ),
    (
        "log-route53-resolver-query.json",
        "{\n  \"version\": \"1.100000\",\n  \"account_id\": \"210987654321\",\n  \"region\": \"eu-west-1\",\n  \"vpc_id\": \"vpc-0ac\",\n  \"query_timestamp\": \"2025-10-09T08:53:20Z\",\n  \"query_name\": \"example.org.\",\n  \"query_type\": \"A\",\n  \"query_class\": \"IN\",\n  \"rcode\": \"NOERROR\",\n  \"answers\": [{\"Rdata\": \"192.0.2.17\", \"Type\": \"A\", \"Class\": \"IN\"}],\n  \"srcaddr\": \"198.51.100.4\",\n  \"srcport\": \"50612\",\n  \"transport\": \"UDP\"\n}\n",
    ),
    (
        "log-waf.json",
        "{\n  \"timestamp\": 1760000000000,\n  \"formatVersion\": 1,\n  \"webaclId\": \"arn:aws:wafv2:eu-west-1:210987654321:regional/webacl/w/0a\",\n  \"terminatingRuleId\": \"Default_Action\",\n  \"action\": \"ALLOW\",\n  \"httpSourceName\": \"ALB\",\n  \"ruleGroupList\": [],\n  \"requestHeadersInserted\": null,\n  \"httpRequest\": {\"clientIp\": \"192.0.2.17\", \"country\": \"NL\", \"headers\": [], \"uri\": \"/\", \"httpMethod\": \"GET\"}\n}\n",
    ),
];
