//! One network interface's traffic, line by line.

use fastrand::Rng;

/// The names of the default format's fields, as a subscription filter's pattern commonly has them.
pub(crate) const DEFAULT_FIELDS: [&str; 14] = [
    "version",
    "account_id",
    "interface_id",
    "srcaddr",
    "dstaddr",
    "srcport",
    "dstport",
    "protocol",
    "packets",
    "bytes",
    "start",
    "end",
    "action",
    "log_status",
];

/// The services that an interface talks to, with a weight each.
const SERVICES: [(u16, u8, u32); 8] =
    [(443, 6, 50), (80, 6, 12), (22, 6, 8), (53, 17, 12), (5432, 6, 8), (3389, 6, 4), (123, 17, 3), (0, 1, 3)];

/// A network interface: its own address, the peers it meets often, and how far its clock has come.
pub(crate) struct Interface {
    pub(crate) account: &'static str,
    pub(crate) id: String,
    address: String,
    peers: Vec<String>,
    seconds: u64,
}

/// The values of one line, as text.
pub(crate) struct Line {
    pub(crate) values: Vec<String>,
    /// The event's time: the line's `start`.
    pub(crate) seconds: u64,
}

impl Interface {
    pub(crate) fn new(rng: &mut Rng, index: usize, seconds: u64) -> Self {
        let id = format!("eni-{:017x}", (rng.u64(..) & 0xfff_ffff_ffff) << 16 | index as u64);
        let address = format!("172.31.{}.{}", 16 + index % 16, rng.u8(4..250));
        let peers = (0..64)
            .map(|n| {
                if n < 24 {
                    format!("172.31.{}.{}", rng.u8(16..32), rng.u8(4..250))
                } else {
                    format!("{}.{}.{}.{}", rng.u8(3..223), rng.u8(..), rng.u8(..), rng.u8(1..255))
                }
            })
            .collect();
        Interface { account: "123456789010", id, address, peers, seconds }
    }

    /// A line with these fields, which any that AWS documents may be.
    pub(crate) fn next_line(&mut self, rng: &mut Rng, fields: &[&str]) -> Line {
        if rng.u8(..8) == 0 {
            self.seconds += 1;
        }
        let start = self.seconds + u64::from(rng.u8(..12));
        let end = start + 59 - u64::from(rng.u8(..20));
        let mut values = if rng.u16(..500) == 0 { self.no_data() } else { self.flow(rng) };
        values[10] = start.to_string();
        values[11] = end.to_string();
        let values = if fields == DEFAULT_FIELDS {
            values.to_vec()
        } else {
            fields.iter().map(|field| self.value(rng, field, &values)).collect()
        };
        Line { values, seconds: start }
    }

    /// The value of a field beside the default ones.
    fn value(&self, rng: &mut Rng, field: &str, default: &[String; 14]) -> String {
        if let Some(place) = DEFAULT_FIELDS.iter().position(|name| *name == field) {
            return default[place].clone();
        }
        let [.., srcaddr, dstaddr, _, dstport, protocol, _, _, _, _, _, status] = default;
        if status == "NODATA" {
            return "-".to_owned();
        }
        let pick = |rng: &mut Rng, values: &[&str]| values[rng.usize(..values.len())].to_owned();
        let outgoing = *srcaddr == self.address;
        let private = if outgoing { dstaddr } else { srcaddr }.starts_with("172.31.");
        let service =
            if private { "-" } else { ["-", "AMAZON", "EC2", "S3", "-", "-"][usize::from(dstport.len() as u8 % 6)] };
        match field {
            "vpc_id" => "vpc-0123456789abcdef0".to_owned(),
            "subnet_id" => format!("subnet-{:017x}", 0x0a0b_0c0d_0e0f_u64 + self.address.len() as u64),
            "instance_id" => format!("i-{}", &self.id[4..]),
            "tcp_flags" => {
                if protocol == "6" {
                    pick(rng, &["2", "18", "3", "19", "0", "1", "4"])
                } else {
                    "0".to_owned()
                }
            }
            "type" => "IPv4".to_owned(),
            "pkt_srcaddr" => srcaddr.clone(),
            "pkt_dstaddr" => dstaddr.clone(),
            "region" => "eu-west-1".to_owned(),
            "az_id" => "euw1-az2".to_owned(),
            "pkt_src_aws_service" => if outgoing { "-" } else { service }.to_owned(),
            "pkt_dst_aws_service" => if outgoing { service } else { "-" }.to_owned(),
            "flow_direction" => if outgoing { "egress" } else { "ingress" }.to_owned(),
            "traffic_path" => if !outgoing {
                "-"
            } else if private {
                "1"
            } else {
                "8"
            }
            .to_owned(),
            "resource_type" => "TransitGateway".to_owned(),
            "tgw_id" => "tgw-0123456789abcdef0".to_owned(),
            "tgw_attachment_id" | "tgw_pair_attachment_id" => format!("tgw-attach-{:017x}", rng.u8(..4)),
            "encryption_status" => pick(rng, &["0", "1", "1", "-"]),
            "next_hop_interface_id" | "tgw_src_eni" | "tgw_dst_eni" => format!("eni-{:017x}", rng.u8(..32)),
            name if name.ends_with("account_id") => self.account.to_owned(),
            name if name.ends_with("vpc_id") => format!("vpc-{:017x}", rng.u8(..4)),
            name if name.ends_with("subnet_id") => format!("subnet-{:017x}", rng.u8(..8)),
            name if name.ends_with("az_id") => format!("euw1-az{}", rng.u8(1..4)),
            name if name.ends_with("_arn") => {
                format!("arn:aws:ecs:eu-west-1:123456789010:{}/{:x}", name.trim_end_matches("_arn"), rng.u8(..))
            }
            name if name.starts_with("packets_lost") => pick(rng, &["0", "0", "0", "3"]),
            name if name.starts_with("ecs_") || name.ends_with("_tag") => {
                pick(rng, &["web", "api%20gateway", "batch", "-"])
            }
            _ => "-".to_owned(),
        }
    }

    fn no_data(&self) -> [String; 14] {
        let mut values: [String; 14] = std::array::from_fn(|_| "-".to_owned());
        values[0] = "2".to_owned();
        values[1] = self.account.to_owned();
        values[2] = self.id.clone();
        values[13] = "NODATA".to_owned();
        values
    }

    fn flow(&self, rng: &mut Rng) -> [String; 14] {
        let (port, protocol) = service(rng);
        let peer = if rng.u8(..3) == 0 {
            format!("{}.{}.{}.{}", rng.u8(3..223), rng.u8(..), rng.u8(..), rng.u8(1..255))
        } else {
            self.peers[rng.usize(..self.peers.len())].clone()
        };
        let ephemeral = if port == 0 { 0 } else { rng.u16(32768..61000) };
        let rejected = rng.u8(..12) == 0;
        let packets = if rejected { 1 } else { u64::from(rng.u16(1..=400)) };
        let bytes = if rejected { [40, 52, 60][rng.usize(..3)] } else { packets * 40 + rng.u64(..packets * 900) };
        let (srcaddr, dstaddr, srcport, dstport) = if rng.bool() {
            (self.address.clone(), peer, ephemeral, port)
        } else {
            (peer, self.address.clone(), port, ephemeral)
        };
        let action = if rejected { "REJECT" } else { "ACCEPT" };
        [
            "2".to_owned(),
            self.account.to_owned(),
            self.id.clone(),
            srcaddr,
            dstaddr,
            srcport.to_string(),
            dstport.to_string(),
            protocol.to_string(),
            packets.to_string(),
            bytes.to_string(),
            String::new(),
            String::new(),
            action.to_owned(),
            "OK".to_owned(),
        ]
    }
}

fn service(rng: &mut Rng) -> (u16, u8) {
    let total: u32 = SERVICES.iter().map(|(_, _, weight)| weight).sum();
    let mut at = rng.u32(..total);
    for (port, protocol, weight) in SERVICES {
        if at < weight {
            return (port, protocol);
        }
        at -= weight;
    }
    (SERVICES[0].0, SERVICES[0].1)
}
