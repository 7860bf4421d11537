//! The fields of a flow log line.

/// A field of the default format, in the order they stand in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
#[repr(usize)]
pub enum Field {
    /// `version`: the highest version among the fields of the format.
    Version,
    /// `account-id`: the owner of the network interface; may be `unknown`.
    AccountId,
    /// `interface-id`: the network interface (`eni-...`).
    InterfaceId,
    /// `srcaddr`: the source address as seen at the interface.
    Srcaddr,
    /// `dstaddr`: the destination address as seen at the interface.
    Dstaddr,
    /// `srcport`: the source port; 0 for protocols without ports.
    Srcport,
    /// `dstport`: the destination port; 0 for protocols without ports.
    Dstport,
    /// `protocol`: the IANA protocol number.
    Protocol,
    /// `packets` in the interval.
    Packets,
    /// `bytes` in the interval.
    Bytes,
    /// `start`: when the first packet came, in Unix seconds.
    Start,
    /// `end`: when the last packet came, in Unix seconds.
    End,
    /// `action`: `ACCEPT` or `REJECT`.
    Action,
    /// `log-status`: `OK`, `NODATA` or `SKIPDATA`.
    LogStatus,
}

/// What a field's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldKind {
    /// A whole number, zero or above.
    Integer,
    /// An IPv4 or IPv6 address.
    Address,
    /// Text.
    Text,
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

    /// The name as columns have it, with underscores: `account_id`.
    pub const fn name(self) -> &'static str {
        match self {
            Field::Version => "version",
            Field::AccountId => "account_id",
            Field::InterfaceId => "interface_id",
            Field::Srcaddr => "srcaddr",
            Field::Dstaddr => "dstaddr",
            Field::Srcport => "srcport",
            Field::Dstport => "dstport",
            Field::Protocol => "protocol",
            Field::Packets => "packets",
            Field::Bytes => "bytes",
            Field::Start => "start",
            Field::End => "end",
            Field::Action => "action",
            Field::LogStatus => "log_status",
        }
    }

    /// What the field's values are.
    pub const fn kind(self) -> FieldKind {
        match self {
            Field::Version
            | Field::Srcport
            | Field::Dstport
            | Field::Protocol
            | Field::Packets
            | Field::Bytes
            | Field::Start
            | Field::End => FieldKind::Integer,
            Field::Srcaddr | Field::Dstaddr => FieldKind::Address,
            Field::AccountId | Field::InterfaceId | Field::Action | Field::LogStatus => FieldKind::Text,
        }
    }

    /// The largest number that the field can hold.
    pub(crate) const fn max(self) -> u64 {
        match self {
            Field::Srcport | Field::Dstport => u16::MAX as u64,
            Field::Version | Field::Protocol => u8::MAX as u64,
            _ => i64::MAX as u64,
        }
    }
}
