//! Which log groups and log streams hold which types.

use std::sync::LazyLock;

use wildmatch::WildMatch;

use super::LogType;
use super::shape::{self, Message};
use crate::Event;

/// Tells the [`LogType`] of events, by rules and by their shape.
///
/// Rules of yours come first, in their order, and are taken at their word. Then come the names that AWS gives to log
/// groups and log streams, unless that is [switched off](Self::builtin); where those hold several types, the message
/// decides. Events of other log groups are told by the shape of their message alone.
///
/// ```
/// use kinesis_logs_decoder::{LogType, LogTypes};
///
/// let types = LogTypes::new().rule("/shop/*", "access-*", LogType::ApiGatewayAccess);
/// assert_eq!(types.of_message("/shop/api", "access-1", "192.0.2.7 GET /cart 200"), LogType::ApiGatewayAccess);
/// assert_eq!(types.of_message("/aws/rds/instance/db1/error", "db1", "ready for connections"), LogType::Rds);
/// assert_eq!(types.of_message("/shop/api", "errors", "no such cart"), LogType::Other);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct LogTypes {
    rules: Vec<Rule>,
    builtin: bool,
}

#[derive(Debug, Clone, PartialEq)]
struct Rule {
    log_group: WildMatch,
    log_stream: WildMatch,
    log_type: LogType,
}

impl Default for LogTypes {
    fn default() -> Self {
        LogTypes::new()
    }
}

impl LogTypes {
    /// No rules but the built-in ones.
    pub const fn new() -> Self {
        LogTypes { rules: Vec::new(), builtin: true }
    }

    /// Adds a rule behind those there are: events of log groups and log streams with such names are of `log_type`. In a
    /// name `*` stands for any text and `?` for one character.
    pub fn rule(mut self, log_group: &str, log_stream: &str, log_type: LogType) -> Self {
        self.rules.push(Rule::new(log_group, log_stream, log_type));
        self
    }

    /// Sets whether the names that AWS gives to log groups and log streams count.
    pub fn builtin(mut self, builtin: bool) -> Self {
        self.builtin = builtin;
        self
    }

    /// The type of an event.
    pub fn of(&self, event: &Event<'_>) -> LogType {
        let message = Message::of(event);
        self.resolve(event.log_group().unwrap_or_default(), event.log_stream().unwrap_or_default(), message)
    }

    /// The type of a message that came in another way than with an [`Event`].
    pub fn of_message(&self, log_group: &str, log_stream: &str, message: &str) -> LogType {
        self.resolve(log_group, log_stream, Message::new(message))
    }

    fn resolve(&self, log_group: &str, log_stream: &str, message: Message<'_>) -> LogType {
        if let Some(rule) = self.rules.iter().find(|rule| rule.matches(log_group, log_stream)) {
            return rule.log_type;
        }
        self.builtin
            .then(|| {
                BUILTIN_RULES.iter().find(|(rule, holds)| rule.matches(log_group, log_stream) && holds(message.text()))
            })
            .flatten()
            .map(|(rule, _)| rule.log_type)
            .or_else(|| message.log_type())
            .unwrap_or(LogType::Other)
    }
}

impl Rule {
    fn new(log_group: &str, log_stream: &str, log_type: LogType) -> Rule {
        Rule { log_group: WildMatch::new(log_group), log_stream: WildMatch::new(log_stream), log_type }
    }

    fn matches(&self, log_group: &str, log_stream: &str) -> bool {
        self.log_group.matches(log_group) && self.log_stream.matches(log_stream)
    }
}

/// Whether a rule holds for a message.
type Holds = fn(&str) -> bool;

/// Log group, log stream, type, and for which messages in them. The first that holds is taken.
///
/// Sources: [VPC Flow Logs], [Lambda], [Lambda, custom log groups], [EKS], [RDS], [API Gateway], [WAF]. The names of
/// CloudTrail's and transit gateways' streams are known by sight.
///
/// [VPC Flow Logs]: https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-cwl.html
/// [Lambda]: https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html
/// [Lambda, custom log groups]: https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-loggroups.html
/// [EKS]: https://docs.aws.amazon.com/eks/latest/userguide/control-plane-logs.html
/// [RDS]: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_LogAccess.Procedural.UploadtoCloudWatch.html
/// [API Gateway]: https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html
/// [WAF]: https://docs.aws.amazon.com/waf/latest/developerguide/logging-cw-logs.html
const BUILTIN: &[(&str, &str, LogType, Holds)] = &[
    ("*", "eni-*", LogType::VpcFlowLog, shape::could_be_flow_log),
    ("*", "tgw-*", LogType::TransitGatewayFlowLog, shape::could_be_flow_log),
    ("/aws/lambda/*", "*", LogType::LambdaPlatform, shape::is_lambda_platform),
    ("/aws/lambda/*", "*", LogType::LambdaApplication, any),
    ("/aws/eks/*/cluster", "kube-apiserver-audit-*", LogType::EksAudit, any),
    ("/aws/eks/*/cluster", "*", LogType::EksControlPlane, any),
    ("/aws/rds/instance/*/*", "*", LogType::Rds, any),
    ("/aws/rds/cluster/*/*", "*", LogType::Rds, any),
    ("API-Gateway-Execution-Logs_*", "*", LogType::ApiGatewayExecution, any),
    ("aws-waf-logs-*", "*", LogType::Waf, shape::is_object),
    ("*", "*_CloudTrail*", LogType::CloudTrail, shape::is_object),
    // Functions with a log group of their owner's choice: date, function, [version], and [environment] or a hash.
    ("*", "????/??/??/*[*]*", LogType::LambdaPlatform, shape::is_lambda_platform),
    ("*", "????/??/??/*[*]*", LogType::LambdaApplication, any),
];

static BUILTIN_RULES: LazyLock<Vec<(Rule, Holds)>> = LazyLock::new(|| {
    let rule = |&(log_group, log_stream, log_type, holds)| (Rule::new(log_group, log_stream, log_type), holds);
    BUILTIN.iter().map(rule).collect()
});

fn any(_: &str) -> bool {
    true
}

impl Event<'_> {
    /// What kind of log the event is a line of, as [`LogTypes`] without rules of yours tells it.
    pub fn log_type(&self) -> LogType {
        LogTypes::new().of(self)
    }
}
