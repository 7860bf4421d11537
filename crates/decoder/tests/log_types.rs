#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

//! Which type of log an event is found to be of.

use kinesis_logs_decoder::log_type::lambda::PlatformLine;
use kinesis_logs_decoder::{Decoded, LogType, LogTypes, decode};
use proptest::prelude::*;
use serde_json::json;

/// A record of one event.
fn record(log_group: &str, log_stream: &str, message: &str) -> Decoded {
    let envelope = json!({
        "messageType": "DATA_MESSAGE", "owner": "123456789012", "logGroup": log_group, "logStream": log_stream,
        "subscriptionFilters": ["all"], "logEvents": [{"id": "1", "timestamp": 1_770_000_000_000_i64, "message": message}],
    });
    decode(envelope.to_string().as_bytes())
}

fn type_of(log_group: &str, log_stream: &str, message: &str) -> LogType {
    record(log_group, log_stream, message).events().next().unwrap().log_type()
}

const VPC: &str =
    "2 210987654321 eni-0a1b2c3d4e5f60718 10.2.0.8 10.2.1.19 51515 5432 6 9 1730 1770000001 1770000060 ACCEPT OK";
const TRANSIT_GATEWAY: &str = "6 TransitGateway 210987654321 tgw-0f0e0d0c0b0a09080 tgw-attach-00112233445566778 210987654321 \
    345678901234 vpc-0a0b0c0d0e0f00112 vpc-0f0e0d0c0b0a00998 subnet-0a0b0c0d0e0f00112 subnet-0f0e0d0c0b0a00998 \
    eni-0a0b0c0d0e0f00112 eni-0f0e0d0c0b0a00998 euw1-az1 euw1-az2 tgw-attach-08877665544332211 10.2.0.8 10.9.0.3 51516 443 6 \
    12 2944 1770000001 1770000060 OK IPv4 0 0 0 0 19 eu-west-1 egress - -";
const AUDIT: &str = r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Request","auditID":"0d2f7a9c-1111-4a6e-9f5e-7b1b2d3c4e5f","stage":"ResponseComplete","requestURI":"/apis/apps/v1/deployments","verb":"watch","user":{"username":"system:node:a"},"responseStatus":{"code":200}}"#;
const CLOUDTRAIL: &str = r#"{"eventVersion":"1.11","userIdentity":{"type":"IAMUser","userName":"ana"},"eventTime":"2026-02-02T02:40:00Z","eventSource":"ec2.amazonaws.com","eventName":"RunInstances","awsRegion":"eu-west-1","sourceIPAddress":"192.0.2.44","requestParameters":null,"responseElements":null,"requestID":"b7a4","eventID":"3d4f8f2e-0001-4c3b-8d7e-2f6d5c4b3a29","readOnly":false,"eventType":"AwsApiCall"}"#;
const QUERY: &str = r#"{"version":"1.100000","account_id":"210987654321","region":"eu-west-1","vpc_id":"vpc-0a0b0c0d0e0f00112","query_timestamp":"2026-02-02T02:40:00Z","query_name":"cart.shop.example.","query_type":"AAAA","query_class":"IN","rcode":"NXDOMAIN","answers":[],"srcaddr":"10.2.0.8","srcport":"40312","transport":"UDP","srcids":{"instance":"i-0a1b2c3d4e5f60718"}}"#;
const WAF: &str = r#"{"timestamp":1770000000123,"formatVersion":1,"webaclId":"arn:aws:wafv2:eu-west-1:210987654321:regional/webacl/shop/0","terminatingRuleId":"bots","terminatingRuleType":"MANAGED_RULE_GROUP","action":"BLOCK","httpSourceName":"ALB","httpRequest":{"clientIp":"198.51.100.9","country":"PT","headers":[{"name":"Host","value":"shop.example"}],"uri":"/login","httpMethod":"POST","requestId":"1-66aa"}}"#;
const REPORT: &str = "REPORT RequestId: 77f0a3b1-2f64-4f6f-8a58-0f4f4c1d9b3e\tDuration: 12.01 ms\tBilled Duration: 13 ms\tMemory Size: 512 MB\tMax Memory Used: 99 MB\t\n";
const PLATFORM: &str = r#"{"time":"2026-02-02T02:40:00.001Z","type":"platform.runtimeDone","record":{"requestId":"77f0a3b1","status":"success","metrics":{"durationMs":12.01}}}"#;
const APPLICATION: &str =
    r#"{"timestamp":"2026-02-02T02:40:00.000Z","level":"WARN","requestId":"77f0a3b1","message":"cart 12 is empty"}"#;
const ACCESS: &str = r#"{ "requestId":"HsE2Qg", "ip":"198.51.100.9", "requestTime":"02/Feb/2026:02:40:00 +0000", "routeKey":"GET /cart/{id}", "status":"404", "responseLength":"27" }"#;

#[test]
fn a_realistic_message_of_every_type_is_found_to_be_of_it() {
    let cases = [
        ("flows", "eni-0a1b2c3d4e5f60718-all", VPC, LogType::VpcFlowLog),
        ("hub", "tgw-0f0e0d0c0b0a09080", TRANSIT_GATEWAY, LogType::TransitGatewayFlowLog),
        ("trail", "210987654321_CloudTrail_eu-west-1", CLOUDTRAIL, LogType::CloudTrail),
        ("dns", "vpc-0a0b0c0d0e0f00112_i-0a1b2c3d4e5f60718", QUERY, LogType::Route53ResolverQuery),
        ("/aws/lambda/shop", "2026/02/02/[$LATEST]00112233445566778899aabbccddeeff", REPORT, LogType::LambdaPlatform),
        (
            "/aws/lambda/shop",
            "2026/02/02/[$LATEST]00112233445566778899aabbccddeeff",
            "sold\n",
            LogType::LambdaApplication,
        ),
        ("aws-waf-logs-shop", "eu-west-1_shop_0", WAF, LogType::Waf),
        ("/aws/eks/prod/cluster", "kube-apiserver-audit-0a1b2c3d", AUDIT, LogType::EksAudit),
        ("/aws/eks/prod/cluster", "kube-scheduler-0a1b2c3d", "I0202 02:40:00.1 1 a.go:7] ok", LogType::EksControlPlane),
        (
            "API-Gateway-Execution-Logs_a1b2c3/prod",
            "0f",
            "(77f0) Method request path: {}",
            LogType::ApiGatewayExecution,
        ),
        ("access", "0f", ACCESS, LogType::ApiGatewayAccess),
        ("/aws/rds/instance/orders/postgresql", "orders.0", "2026-02-02 02:40:00 UTC::@:[42]:LOG:  ok", LogType::Rds),
        ("/aws/rds/cluster/orders/audit", "orders-1.audit.log.0", "1770000000,orders-1,app,10.2.0.8,4,1", LogType::Rds),
        ("app", "web-1", "GET /cart 200", LogType::Other),
    ];
    for (log_group, log_stream, message, expected) in cases {
        assert_eq!(type_of(log_group, log_stream, message), expected, "{log_group} {log_stream} {message}");
    }
    for log_type in LogType::ALL {
        assert!(cases.iter().any(|case| case.3 == *log_type), "no message of {log_type}");
    }
}

#[test]
fn where_names_say_nothing_the_shape_of_the_message_decides() {
    let cases = [
        (VPC, LogType::VpcFlowLog),
        (TRANSIT_GATEWAY, LogType::TransitGatewayFlowLog),
        (CLOUDTRAIL, LogType::CloudTrail),
        (QUERY, LogType::Route53ResolverQuery),
        (REPORT, LogType::LambdaPlatform),
        (PLATFORM, LogType::LambdaPlatform),
        (WAF, LogType::Waf),
        (AUDIT, LogType::EksAudit),
        (ACCESS, LogType::ApiGatewayAccess),
        (APPLICATION, LogType::Other),
        ("", LogType::Other),
        ("{\"level\":\"info\"}", LogType::Other),
        ("[1, 2]", LogType::Other),
    ];
    for (message, expected) in cases {
        assert_eq!(type_of("all", "of-them", message), expected, "{message}");
        assert_eq!(
            type_of("all", "of-them", &format!("\n {message}\n")),
            expected,
            "{message} with white space around"
        );
        assert_eq!(LogTypes::new().of_message("all", "of-them", message), expected, "{message} alone");
    }
}

#[test]
fn what_lambda_says_and_what_a_function_says_are_told_apart() {
    let groups = [
        ("/aws/lambda/shop", "2026/02/02/[$LATEST]00112233445566778899aabbccddeeff"),
        ("/shop/functions", "2026/02/02/cart[7][00112233445566778899aabbccddeeff]"),
    ];
    for (log_group, log_stream) in groups {
        let platform = [REPORT, PLATFORM, "END RequestId: 77f0a3b1\n"];
        // A function may write what elsewhere would be another service's.
        let application = [APPLICATION, ACCESS, VPC, "START of sale", "REPORT", ""];
        for message in platform {
            assert_eq!(type_of(log_group, log_stream, message), LogType::LambdaPlatform, "{log_group}: {message}");
        }
        for message in application {
            assert_eq!(type_of(log_group, log_stream, message), LogType::LambdaApplication, "{log_group}: {message}");
        }
    }
}

#[test]
fn streams_of_an_eks_cluster_are_told_apart() {
    let group = "/aws/eks/prod/cluster";
    assert_eq!(type_of(group, "kube-apiserver-audit-0a1b", AUDIT), LogType::EksAudit);
    for stream in
        ["kube-apiserver-0a1b", "authenticator-0a1b", "kube-controller-manager-0a1b", "cloud-controller-manager-0a1b"]
    {
        assert_eq!(type_of(group, stream, "level=info msg=ok"), LogType::EksControlPlane, "{stream}");
    }
    assert_eq!(type_of("/aws/eks/prod/other", "kube-scheduler-0a1b", "ok"), LogType::Other);
}

#[test]
fn streams_named_after_an_interface_hold_flow_logs_of_any_format_but_nothing_else() {
    assert_eq!(type_of("flows", "eni-0a1b-all", "egress 8 10.0.0.71 - 443"), LogType::VpcFlowLog);
    assert_eq!(type_of("flows", "tgw-attach-0a1b", "10.0.0.71 10.9.0.3 443"), LogType::TransitGatewayFlowLog);
    assert_eq!(type_of("flows", "eni-0a1b-all", "link is down!"), LogType::Other);
    assert_eq!(type_of("flows", "eni-0a1b-all", CLOUDTRAIL), LogType::CloudTrail);
}

#[test]
fn rules_come_before_names_and_shapes_in_their_order() {
    let types = LogTypes::new()
        .rule("/aws/lambda/gateway", "*", LogType::ApiGatewayAccess)
        .rule("/aws/lambda/*", "2026/*", LogType::Other)
        .rule("custom-?", "*", LogType::VpcFlowLog);
    assert_eq!(types.of_message("/aws/lambda/gateway", "2026/02/02/a", REPORT), LogType::ApiGatewayAccess);
    assert_eq!(types.of_message("/aws/lambda/shop", "2026/02/02/a", REPORT), LogType::Other);
    assert_eq!(types.of_message("/aws/lambda/shop", "2025/02/02/a", REPORT), LogType::LambdaPlatform);
    assert_eq!(types.of_message("custom-1", "", CLOUDTRAIL), LogType::VpcFlowLog);
    assert_eq!(types.of_message("custom-10", "", CLOUDTRAIL), LogType::CloudTrail);
}

#[test]
fn names_can_be_switched_off_and_shapes_still_count() {
    let types = LogTypes::new().builtin(false);
    assert_eq!(types.of_message("/aws/lambda/shop", "s", "sold"), LogType::Other);
    assert_eq!(types.of_message("/aws/lambda/shop", "s", VPC), LogType::VpcFlowLog);
}

#[test]
fn lines_below_a_header_are_flow_logs_of_its_format() {
    let lines = "srcaddr dstaddr tgw-id\n10.0.0.71 10.9.0.3 tgw-0f0e\n10.0.0.72 - tgw-0f0e\n";
    let decoded = decode(lines.as_bytes());
    let types: Vec<LogType> = decoded.events().map(|event| event.log_type()).collect();
    assert_eq!(types, [LogType::TransitGatewayFlowLog; 2]);
}

proptest! {
    #[test]
    fn no_message_makes_telling_its_type_panic(
        group in "(/aws/lambda/|/aws/eks/|aws-waf-logs-|é)?.{0,8}",
        stream in "(eni-|tgw-|2026/02/02/a\\[|_CloudTrail_)?.{0,8}",
        message in prop_oneof![
            any::<String>(),
            r#"[\[\]{}",:\\u0-9a-f é😀]{0,40}"#,
            "(START|END|REPORT|INIT_START) (RequestId|Runtime Version|é)?:?[ \t\n:é]{0,3}[a-z0-9 \t\n:.é]{0,40}",
        ],
    ) {
        type_of(&group, &stream, &message);
        LogTypes::new().builtin(false).of_message(&group, &stream, &message);
        if let Some(line) = PlatformLine::parse(&message) {
            prop_assert!(line.fields().count() <= message.len());
            let _ = (line.duration_millis(), line.memory_size_mb(), line.sampled(), line.version());
        }
    }

    #[test]
    fn no_cut_through_a_message_makes_telling_its_type_panic(at: prop::sample::Index, extra in ".{0,3}") {
        for message in [VPC, TRANSIT_GATEWAY, CLOUDTRAIL, AUDIT, WAF, QUERY, REPORT, PLATFORM, ACCESS] {
            let cut = &message[..at.index(message.len())];
            type_of("all", "of-them", &format!("{cut}{extra}"));
            type_of("/aws/lambda/shop", "s", &format!("{cut}{extra}"));
        }
    }
}
