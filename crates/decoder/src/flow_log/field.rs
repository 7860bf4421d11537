//! The fields of flow log lines: all that AWS documents, of every version, in one table.

use std::sync::LazyLock;

use super::by_name::ByName;
use super::look::Look;

/// What a field's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldKind {
    /// A whole number from zero to `max`.
    Integer {
        /// The largest number that the field can hold.
        max: u64,
    },
    /// An IPv4 or IPv6 address.
    Address,
    /// A time in Unix seconds.
    Time,
    /// Text.
    Text,
}

const U8: FieldKind = FieldKind::Integer { max: u8::MAX as u64 };
const U16: FieldKind = FieldKind::Integer { max: u16::MAX as u64 };
const U63: FieldKind = FieldKind::Integer { max: i64::MAX as u64 };

/// The getter's type and way for a kind.
macro_rules! getter {
    (Address, $field:ident, $getter:ident, $doc:literal) => {
        #[doc = $doc]
        #[inline]
        pub fn $getter(&self) -> Option<std::net::IpAddr> {
            self.address(Field::$field)
        }
    };
    (Time, $field:ident, $getter:ident, $doc:literal) => {
        #[doc = $doc]
        #[inline]
        pub fn $getter(&self) -> Option<u64> {
            self.time(Field::$field)
        }
    };
    (Text, $field:ident, $getter:ident, $doc:literal) => {
        #[doc = $doc]
        #[inline]
        pub fn $getter(&self) -> Option<&'a str> {
            self.text(Field::$field)
        }
    };
    (U8, $field:ident, $getter:ident, $doc:literal) => {
        getter!(@number u8, u8::MAX.into(), $field, $getter, $doc);
    };
    (U16, $field:ident, $getter:ident, $doc:literal) => {
        getter!(@number u16, u16::MAX.into(), $field, $getter, $doc);
    };
    (U63, $field:ident, $getter:ident, $doc:literal) => {
        getter!(@number u64, i64::MAX as u64, $field, $getter, $doc);
    };
    (@number $type:ty, $max:expr, $field:ident, $getter:ident, $doc:literal) => {
        #[doc = $doc]
        #[inline]
        pub fn $getter(&self) -> Option<$type> {
            self.number(Field::$field, $max).map(|number| number as $type)
        }
    };
}

macro_rules! kind {
    (Address) => {
        FieldKind::Address
    };
    (Time) => {
        FieldKind::Time
    };
    (Text) => {
        FieldKind::Text
    };
    ($integer:ident) => {
        $integer
    };
}

/// Makes the enum and the getters of [`FlowLog`](super::FlowLog) from one line a field.
macro_rules! fields {
    ($($version:literal $kind:ident $field:ident $getter:ident $name:literal $doc:literal)*) => {
        /// A field that AWS documents, of VPC Flow Logs ([AWS]) or Transit Gateway Flow Logs ([AWS, transit gateways]).
        ///
        /// [AWS]: https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html
        /// [AWS, transit gateways]: https://docs.aws.amazon.com/vpc/latest/tgw/tgw-flow-logs.html
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        #[repr(u8)]
        pub enum Field {
            $(#[doc = $doc] $field,)*
        }

        impl Field {
            /// Every field, by the version that brought it.
            pub const ALL: &'static [Field] = &[$(Field::$field,)*];

            /// The name as columns have it, with underscores: `account_id`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Field::$field => $name,)*
                }
            }

            /// What the field's values are.
            pub const fn kind(self) -> FieldKind {
                match self {
                    $(Field::$field => kind!($kind),)*
                }
            }

            /// The version of flow logs that brought the field; 6 are transit gateways' own.
            pub const fn version(self) -> u8 {
                match self {
                    $(Field::$field => $version,)*
                }
            }
        }

        /// One getter a field. `None` if the line has `-` there (not applicable, or not computed: never zero), if the
        /// format does not have the field, or if its value is none of the field's kind, which
        /// [`check`](Self::check) and [`get`](Self::get) tell apart.
        impl<'a> super::FlowLog<'a> {
            $(getter! { $kind, $field, $getter, $doc })*
        }
    };
}

fields! {
    2 U8      Version        version         "version"         "`version`: the highest version among the fields of the format."
    2 Text    AccountId      account_id      "account_id"      "`account-id`: the owner of the network interface; may be `unknown`."
    2 Text    InterfaceId    interface_id    "interface_id"    "`interface-id`: the network interface (`eni-...`)."
    2 Address Srcaddr        srcaddr         "srcaddr"         "`srcaddr`: the source address as seen at the interface."
    2 Address Dstaddr        dstaddr         "dstaddr"         "`dstaddr`: the destination address as seen at the interface."
    2 U16     Srcport        srcport         "srcport"         "`srcport`: the source port; 0 for protocols without ports."
    2 U16     Dstport        dstport         "dstport"         "`dstport`: the destination port; 0 for protocols without ports."
    2 U8      Protocol       protocol        "protocol"        "`protocol`: the IANA protocol number; see [`protocol_name`](super::protocol_name)."
    2 U63     Packets        packets         "packets"         "`packets` in the interval."
    2 U63     Bytes          bytes           "bytes"           "`bytes` in the interval."
    2 Time    Start          start           "start"           "`start`: when the first packet came, in Unix seconds, also where an old line has milliseconds."
    2 Time    End            end             "end"             "`end`: when the last packet came, in Unix seconds, also where an old line has milliseconds."
    2 Text    Action         action          "action"          "`action`: `ACCEPT` or `REJECT`."
    2 Text    LogStatus      log_status      "log_status"      "`log-status`: `OK`, `NODATA` (no traffic) or `SKIPDATA` (records were lost)."
    3 Text    VpcId          vpc_id          "vpc_id"          "`vpc-id`: the interface's VPC."
    3 Text    SubnetId       subnet_id       "subnet_id"       "`subnet-id`: the interface's subnet."
    3 Text    InstanceId     instance_id     "instance_id"     "`instance-id`: the interface's instance, if it is the account's own."
    3 U8      TcpFlags       tcp_flags       "tcp_flags"       "`tcp-flags` of the interval, or-ed; see [`TcpFlags`](super::TcpFlags)."
    3 Text    Type           traffic_type    "type"            "`type`: `IPv4`, `IPv6` or `EFA`."
    3 Address PktSrcaddr     pkt_srcaddr     "pkt_srcaddr"     "`pkt-srcaddr`: the packets' own source, which differs at NAT and transit gateways."
    3 Address PktDstaddr     pkt_dstaddr     "pkt_dstaddr"     "`pkt-dstaddr`: the packets' own destination."
    4 Text    Region         region          "region"          "`region`: the interface's Region."
    4 Text    AzId           az_id           "az_id"           "`az-id`: the Availability Zone's id, such as `use1-az4`."
    4 Text    SublocationType sublocation_type "sublocation_type" "`sublocation-type`: `wavelength`, `outpost` or `localzone`."
    4 Text    SublocationId  sublocation_id  "sublocation_id"  "`sublocation-id`."
    5 Text    PktSrcAwsService pkt_src_aws_service "pkt_src_aws_service" "`pkt-src-aws-service`: the AWS service that `pkt-srcaddr` belongs to."
    5 Text    PktDstAwsService pkt_dst_aws_service "pkt_dst_aws_service" "`pkt-dst-aws-service`: the AWS service that `pkt-dstaddr` belongs to."
    5 Text    FlowDirection  flow_direction  "flow_direction"  "`flow-direction`: `ingress` or `egress`, as the interface sees it."
    5 U8      TrafficPath    traffic_path    "traffic_path"    "`traffic-path` of egress traffic; see [`traffic_path_name`](super::traffic_path_name)."
    6 Text    ResourceType   resource_type   "resource_type"   "`resource-type`: `TransitGateway` or an attachment's."
    6 Text    TgwId          tgw_id          "tgw_id"          "`tgw-id`: the transit gateway."
    6 Text    TgwAttachmentId tgw_attachment_id "tgw_attachment_id" "`tgw-attachment-id`."
    6 Text    TgwSrcVpcAccountId tgw_src_vpc_account_id "tgw_src_vpc_account_id" "`tgw-src-vpc-account-id`."
    6 Text    TgwDstVpcAccountId tgw_dst_vpc_account_id "tgw_dst_vpc_account_id" "`tgw-dst-vpc-account-id`."
    6 Text    TgwSrcVpcId    tgw_src_vpc_id  "tgw_src_vpc_id"  "`tgw-src-vpc-id`."
    6 Text    TgwDstVpcId    tgw_dst_vpc_id  "tgw_dst_vpc_id"  "`tgw-dst-vpc-id`."
    6 Text    TgwSrcSubnetId tgw_src_subnet_id "tgw_src_subnet_id" "`tgw-src-subnet-id`."
    6 Text    TgwDstSubnetId tgw_dst_subnet_id "tgw_dst_subnet_id" "`tgw-dst-subnet-id`."
    6 Text    TgwSrcEni      tgw_src_eni     "tgw_src_eni"     "`tgw-src-eni`: the source's attachment interface."
    6 Text    TgwDstEni      tgw_dst_eni     "tgw_dst_eni"     "`tgw-dst-eni`: the destination's attachment interface."
    6 Text    TgwSrcAzId     tgw_src_az_id   "tgw_src_az_id"   "`tgw-src-az-id`."
    6 Text    TgwDstAzId     tgw_dst_az_id   "tgw_dst_az_id"   "`tgw-dst-az-id`."
    6 Text    TgwPairAttachmentId tgw_pair_attachment_id "tgw_pair_attachment_id" "`tgw-pair-attachment-id`: the attachment on the other side."
    6 U63     PacketsLostNoRoute packets_lost_no_route "packets_lost_no_route" "`packets-lost-no-route`."
    6 U63     PacketsLostBlackhole packets_lost_blackhole "packets_lost_blackhole" "`packets-lost-blackhole`: lost to a blackhole route."
    6 U63     PacketsLostMtuExceeded packets_lost_mtu_exceeded "packets_lost_mtu_exceeded" "`packets-lost-mtu-exceeded`."
    6 U63     PacketsLostTtlExpired packets_lost_ttl_expired "packets_lost_ttl_expired" "`packets-lost-ttl-expired`."
    7 Text    EcsClusterArn  ecs_cluster_arn "ecs_cluster_arn" "`ecs-cluster-arn`."
    7 Text    EcsClusterName ecs_cluster_name "ecs_cluster_name" "`ecs-cluster-name`."
    7 Text    EcsContainerInstanceArn ecs_container_instance_arn "ecs_container_instance_arn" "`ecs-container-instance-arn`, on EC2 only."
    7 Text    EcsContainerInstanceId ecs_container_instance_id "ecs_container_instance_id" "`ecs-container-instance-id`, on EC2 only."
    7 Text    EcsContainerId ecs_container_id "ecs_container_id" "`ecs-container-id`."
    7 Text    EcsSecondContainerId ecs_second_container_id "ecs_second_container_id" "`ecs-second-container-id`."
    7 Text    EcsServiceName ecs_service_name "ecs_service_name" "`ecs-service-name`."
    7 Text    EcsTaskDefinitionArn ecs_task_definition_arn "ecs_task_definition_arn" "`ecs-task-definition-arn`."
    7 Text    EcsTaskArn     ecs_task_arn    "ecs_task_arn"    "`ecs-task-arn`."
    7 Text    EcsTaskId      ecs_task_id     "ecs_task_id"     "`ecs-task-id`."
    8 Text    RejectReason   reject_reason   "reject_reason"   "`reject-reason`: `BPA` (VPC Block Public Access) or `EC` (encryption controls)."
    9 Text    ResourceId     resource_id     "resource_id"     "`resource-id`: what owns a flow without an interface of the account, such as a regional NAT gateway."
    10 U8     EncryptionStatus encryption_status "encryption_status" "`encryption-status`: 0 not encrypted, 1 by Nitro, 2 by the application, 3 both."
    11 Text   InstanceTag    instance_tag    "instance_tag"    "`instance-tag`: the value of the configured tag, percent-encoded."
    11 Text   InstanceTag2   instance_tag_2  "instance_tag_2"  "`instance-tag-2`."
    11 Text   InterfaceTag   interface_tag   "interface_tag"   "`interface-tag`: the value of the configured tag, percent-encoded."
    11 Text   InterfaceTag2  interface_tag_2 "interface_tag_2" "`interface-tag-2`."
    11 Text   AsgTag         asg_tag         "asg_tag"         "`asg-tag`: the value of the Auto Scaling group's configured tag, percent-encoded."
    11 Text   AsgTag2        asg_tag_2       "asg_tag_2"       "`asg-tag-2`."
    11 Text   InterfaceType  interface_type  "interface_type"  "`interface-type`, such as `nat_gateway`."
    11 Text   NextHopInterfaceId next_hop_interface_id "next_hop_interface_id" "`next-hop-interface-id`: the other interface of the hop."
    11 Text   NextHopSubnetId next_hop_subnet_id "next_hop_subnet_id" "`next-hop-subnet-id`."
    11 Text   NextHopAzId    next_hop_az_id  "next_hop_az_id"  "`next-hop-az-id`."
    11 Text   NextHopVpcId   next_hop_vpc_id "next_hop_vpc_id" "`next-hop-vpc-id`."
    11 Text   NextHopInterfaceType next_hop_interface_type "next_hop_interface_type" "`next-hop-interface-type`."
}

impl Field {
    /// The fields of the default format, in its order.
    pub const DEFAULT_FORMAT: [Field; 14] = [
        Field::Version,
        Field::AccountId,
        Field::InterfaceId,
        Field::Srcaddr,
        Field::Dstaddr,
        Field::Srcport,
        Field::Dstport,
        Field::Protocol,
        Field::Packets,
        Field::Bytes,
        Field::Start,
        Field::End,
        Field::Action,
        Field::LogStatus,
    ];

    /// The field of a name, written with underscores or, as AWS does, with hyphens.
    ///
    /// ```
    /// use kinesis_logs_decoder::flow_log::Field;
    ///
    /// assert_eq!(Field::from_name("pkt-srcaddr"), Some(Field::PktSrcaddr));
    /// assert_eq!(Field::from_name("pkt_srcaddr"), Some(Field::PktSrcaddr));
    /// assert_eq!(Field::from_name("colour"), None);
    /// ```
    pub fn from_name(name: &str) -> Option<Field> {
        static BY_NAME: LazyLock<ByName> = LazyLock::new(ByName::new);
        BY_NAME.find(name)
    }

    /// The name as AWS writes it, with hyphens: `account-id`.
    pub fn aws_name(self) -> String {
        self.name().replace('_', "-")
    }

    /// What a value that is not `-` looks like, which tells formats with as many fields apart; `None` if it may look like
    /// anything. Open lists stay open; what is certain is asked for.
    pub(super) fn look(self) -> Option<Look> {
        Some(match self {
            Field::InterfaceId | Field::TgwSrcEni | Field::TgwDstEni | Field::NextHopInterfaceId => {
                Look::Prefix("eni-")
            }
            Field::VpcId | Field::TgwSrcVpcId | Field::TgwDstVpcId | Field::NextHopVpcId => Look::Prefix("vpc-"),
            Field::SubnetId | Field::TgwSrcSubnetId | Field::TgwDstSubnetId | Field::NextHopSubnetId => {
                Look::Prefix("subnet-")
            }
            Field::InstanceId => Look::Prefix("i-"),
            Field::TgwId => Look::Prefix("tgw-"),
            Field::TgwAttachmentId | Field::TgwPairAttachmentId => Look::Prefix("tgw-attach-"),
            Field::EcsClusterArn | Field::EcsContainerInstanceArn | Field::EcsTaskDefinitionArn | Field::EcsTaskArn => {
                Look::Prefix("arn:")
            }
            Field::AccountId | Field::TgwSrcVpcAccountId | Field::TgwDstVpcAccountId => Look::Account,
            Field::Action => Look::OneOf(&["ACCEPT", "REJECT"]),
            // AWS adds states. Capital letters tell it from other text.
            Field::LogStatus => Look::Capitals,
            Field::Type => Look::OneOf(&["IPv4", "IPv6", "EFA"]),
            Field::FlowDirection => Look::OneOf(&["ingress", "egress"]),
            Field::Region | Field::AzId | Field::TgwSrcAzId | Field::TgwDstAzId | Field::NextHopAzId => Look::Region,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_has_as_many_fields_as_aws_documents() {
        let up_to = |version| Field::ALL.iter().filter(|f| f.version() <= version && f.version() != 6).count();
        let counts = [2, 3, 4, 5, 7, 8, 9, 10, 11].map(|version| (version, up_to(version)));
        assert_eq!(counts, [(2, 14), (3, 21), (4, 25), (5, 29), (7, 39), (8, 40), (9, 41), (10, 42), (11, 54)]);
        assert_eq!(Field::ALL.iter().filter(|field| field.version() == 6).count(), 18);
    }

    #[test]
    fn every_name_leads_back_to_its_field() {
        for &field in Field::ALL {
            assert_eq!(Field::from_name(field.name()), Some(field));
            assert_eq!(Field::from_name(&field.aws_name()), Some(field));
            assert_eq!(Field::ALL[field as usize], field);
        }
    }
}
