//! VPC Flow Log lines ([AWS]).
//!
//! A line's fields stand in the order of the flow log's format, with spaces between. CloudWatch Logs carries no header,
//! so that a reader must know the format; this module knows the default one, of the 14 fields of version 2.
//!
//! [AWS]: https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html

mod field;
mod record;

pub use field::{Field, FieldKind};
pub use record::{FlowLog, FlowLogError, Value};
