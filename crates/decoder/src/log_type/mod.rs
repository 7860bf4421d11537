//! What kind of log an event is a line of.
//!
//! CloudWatch Logs carries the logs of many services, and an envelope does not say whose. [`LogTypes`] finds out, in
//! this order: by your rules for log groups and log streams, by the names that AWS itself gives to those, by the shape
//! of the message. [`Event::log_type`](crate::Event::log_type) does so without rules of yours.
//!
//! ```
//! use kinesis_logs_decoder::LogType;
//!
//! # let record = br#"{"messageType":"DATA_MESSAGE","logGroup":"/aws/lambda/shop","logStream":"s","logEvents":[
//! #     {"message":"END RequestId: 8f507cfc-4697-1c5a-8c5e-5b1d2ef61a0a\n"},{"message":"3 items sold\n"}]}"#;
//! let decoded = kinesis_logs_decoder::decode(record);
//! let types: Vec<LogType> = decoded.events().map(|event| event.log_type()).collect();
//! assert_eq!(types, [LogType::LambdaPlatform, LogType::LambdaApplication]);
//! ```

pub mod lambda;
mod log_types;
mod shape;

pub use log_types::LogTypes;

/// A kind of log that CloudWatch Logs carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum LogType {
    /// A line of a VPC Flow Log, see [`flow_log`](crate::flow_log).
    VpcFlowLog,
    /// A line of a Transit Gateway Flow Log, see [`flow_log`](crate::flow_log).
    TransitGatewayFlowLog,
    /// One event of CloudTrail ([AWS](https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference.html)).
    CloudTrail,
    /// One query to Route 53 Resolver ([AWS](https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/resolver-query-logs-format.html)).
    Route53ResolverQuery,
    /// What Lambda itself says of a function: a [text line](lambda::PlatformLine), or a JSON object whose `type` begins
    /// with `platform.` ([AWS](https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html)).
    LambdaPlatform,
    /// What a Lambda function writes.
    LambdaApplication,
    /// One web request that AWS WAF looked at ([AWS](https://docs.aws.amazon.com/waf/latest/developerguide/logging-fields.html)).
    Waf,
    /// One audit event of an EKS cluster's API server
    /// ([Kubernetes](https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/)).
    EksAudit,
    /// What another part of an EKS cluster's control plane writes
    /// ([AWS](https://docs.aws.amazon.com/eks/latest/userguide/control-plane-logs.html)).
    EksControlPlane,
    /// What API Gateway did for a request ([AWS](https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html)).
    ApiGatewayExecution,
    /// One request to API Gateway, in a form that its owner chose. It is recognised only if that is a JSON object with
    /// `requestId`, `status`, and `httpMethod` or `routeKey`; else it takes a rule.
    ApiGatewayAccess,
    /// What a database of RDS or Aurora writes
    /// ([AWS](https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_LogAccess.Procedural.UploadtoCloudWatch.html)).
    Rds,
    /// Anything else.
    Other,
}

impl LogType {
    /// Every type.
    pub const ALL: &'static [LogType] = &[
        LogType::VpcFlowLog,
        LogType::TransitGatewayFlowLog,
        LogType::CloudTrail,
        LogType::Route53ResolverQuery,
        LogType::LambdaPlatform,
        LogType::LambdaApplication,
        LogType::Waf,
        LogType::EksAudit,
        LogType::EksControlPlane,
        LogType::ApiGatewayExecution,
        LogType::ApiGatewayAccess,
        LogType::Rds,
        LogType::Other,
    ];

    /// The name, in snake case: `vpc_flow_log`.
    pub const fn name(self) -> &'static str {
        match self {
            LogType::VpcFlowLog => "vpc_flow_log",
            LogType::TransitGatewayFlowLog => "transit_gateway_flow_log",
            LogType::CloudTrail => "cloudtrail",
            LogType::Route53ResolverQuery => "route53_resolver_query",
            LogType::LambdaPlatform => "lambda_platform",
            LogType::LambdaApplication => "lambda_application",
            LogType::Waf => "waf",
            LogType::EksAudit => "eks_audit",
            LogType::EksControlPlane => "eks_control_plane",
            LogType::ApiGatewayExecution => "api_gateway_execution",
            LogType::ApiGatewayAccess => "api_gateway_access",
            LogType::Rds => "rds",
            LogType::Other => "other",
        }
    }

    /// The type of a [name](Self::name).
    ///
    /// ```
    /// use kinesis_logs_decoder::LogType;
    ///
    /// assert_eq!(LogType::from_name("route53_resolver_query"), Some(LogType::Route53ResolverQuery));
    /// assert_eq!(LogType::from_name("syslog"), None);
    /// ```
    pub fn from_name(name: &str) -> Option<LogType> {
        LogType::ALL.iter().copied().find(|log_type| log_type.name() == name)
    }

    /// Whether it is a line of fields that [`flow_log`](crate::flow_log) reads.
    pub const fn is_flow_log(self) -> bool {
        matches!(self, LogType::VpcFlowLog | LogType::TransitGatewayFlowLog)
    }

    /// Whether AWS writes every message of the type as a JSON object. Those of other types may be one.
    pub const fn is_json(self) -> bool {
        matches!(self, LogType::CloudTrail | LogType::Route53ResolverQuery | LogType::Waf | LogType::EksAudit)
    }
}

impl std::fmt::Display for LogType {
    /// The [name](LogType::name).
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_found_by_its_name() {
        for &log_type in LogType::ALL {
            assert_eq!(LogType::from_name(log_type.name()), Some(log_type));
            assert_eq!(log_type.to_string(), log_type.name());
        }
        assert_eq!(LogType::ALL.len(), LogType::Other as usize + 1, "a type is missing from ALL");
    }
}
