//! One network interface's traffic, line by line.

use fastrand::Rng;

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

/// The 14 values of one line, as text.
pub(crate) struct Line {
    pub(crate) values: [String; 14],
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

    pub(crate) fn next_line(&mut self, rng: &mut Rng) -> Line {
        if rng.u8(..8) == 0 {
            self.seconds += 1;
        }
        let start = self.seconds + u64::from(rng.u8(..12));
        let end = start + 59 - u64::from(rng.u8(..20));
        let mut values = if rng.u16(..500) == 0 { self.no_data() } else { self.flow(rng) };
        values[10] = start.to_string();
        values[11] = end.to_string();
        Line { values, seconds: start }
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
