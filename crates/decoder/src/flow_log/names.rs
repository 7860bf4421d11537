//! What numbers in flow logs mean.

use std::fmt;

/// The name of an IP protocol by its number ([IANA]), for those that are met in flow logs. The number remains what
/// counts.
///
/// [IANA]: https://www.iana.org/assignments/protocol-numbers/protocol-numbers.xhtml
///
/// ```
/// use kinesis_logs_decoder::flow_log::protocol_name;
///
/// assert_eq!(protocol_name(6), Some("TCP"));
/// assert_eq!(protocol_name(253), None);
/// ```
pub const fn protocol_name(protocol: u8) -> Option<&'static str> {
    Some(match protocol {
        0 => "HOPOPT",
        1 => "ICMP",
        2 => "IGMP",
        4 => "IPv4",
        6 => "TCP",
        8 => "EGP",
        17 => "UDP",
        27 => "RDP",
        33 => "DCCP",
        41 => "IPv6",
        43 => "IPv6-Route",
        44 => "IPv6-Frag",
        46 => "RSVP",
        47 => "GRE",
        50 => "ESP",
        51 => "AH",
        58 => "IPv6-ICMP",
        59 => "IPv6-NoNxt",
        60 => "IPv6-Opts",
        88 => "EIGRP",
        89 => "OSPF",
        94 => "IPIP",
        103 => "PIM",
        108 => "IPComp",
        112 => "VRRP",
        115 => "L2TP",
        132 => "SCTP",
        136 => "UDPLite",
        137 => "MPLS-in-IP",
        _ => return None,
    })
}

/// The TCP flags that were set in an interval, or-ed ([RFC 9293]). AWS leaves out ACK where it stands alone: 0 is traffic
/// with nothing else, and 18 is SYN-ACK.
///
/// [RFC 9293]: https://www.rfc-editor.org/rfc/rfc9293#section-3.1
///
/// ```
/// use kinesis_logs_decoder::flow_log::TcpFlags;
///
/// let flags = TcpFlags(19);
/// assert!(flags.syn() && flags.ack() && flags.fin() && !flags.rst());
/// assert_eq!(flags.to_string(), "FIN,SYN,ACK");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    const NAMES: [&'static str; 8] = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"];

    /// FIN, 1: a side closed its half.
    pub const fn fin(self) -> bool {
        self.0 & 1 != 0
    }

    /// SYN, 2: a side opened the connection, or with ACK answered.
    pub const fn syn(self) -> bool {
        self.0 & 2 != 0
    }

    /// RST, 4: the connection was broken off.
    pub const fn rst(self) -> bool {
        self.0 & 4 != 0
    }

    /// PSH, 8.
    pub const fn psh(self) -> bool {
        self.0 & 8 != 0
    }

    /// ACK, 16.
    pub const fn ack(self) -> bool {
        self.0 & 16 != 0
    }

    /// URG, 32.
    pub const fn urg(self) -> bool {
        self.0 & 32 != 0
    }

    /// The names of the flags that are set, lowest bit first.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().enumerate().filter(move |(bit, _)| self.0 >> bit & 1 == 1).map(|(_, name)| name)
    }
}

impl fmt::Display for TcpFlags {
    /// The names with commas between; nothing if no flag is set.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.names().enumerate() {
            write!(f, "{}{name}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

/// The way that egress traffic takes, by the number in `traffic-path` ([AWS]).
///
/// [AWS]: https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html
pub const fn traffic_path_name(path: u8) -> Option<&'static str> {
    Some(match path {
        1 => "another resource in the same VPC",
        2 => "an internet gateway or a gateway VPC endpoint",
        3 => "a virtual private gateway",
        4 => "an intra-region VPC peering connection",
        5 => "an inter-region VPC peering connection",
        6 => "a local gateway",
        7 => "a gateway VPC endpoint",
        8 => "an internet gateway",
        _ => return None,
    })
}

/// How traffic was encrypted, by the number in `encryption-status`.
pub const fn encryption_status_name(status: u8) -> Option<&'static str> {
    Some(match status {
        0 => "not encrypted",
        1 => "encrypted by Nitro",
        2 => "encrypted by the application",
        3 => "encrypted by Nitro and the application",
        _ => return None,
    })
}
