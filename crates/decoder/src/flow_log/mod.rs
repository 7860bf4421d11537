//! VPC and Transit Gateway Flow Log lines ([AWS]).
//!
//! A line's fields stand in the order of the flow log's [`Format`], with spaces between. CloudWatch Logs carries no
//! header, so that a reader must be told the format, or guess: see [`Format::infer`], and [`Formats`] for a stream with
//! several.
//!
//! ```
//! use kinesis_logs_decoder::flow_log::{Format, Value};
//!
//! let format: Format = "${flow-direction} ${traffic-path} ${srcaddr} ${dstport}".parse()?;
//! let flow = format.parse_line("egress 8 10.0.0.71 443")?;
//! assert_eq!(flow.flow_direction(), Some("egress"));
//! assert_eq!(flow.traffic_path(), Some(8));
//! let values: Vec<_> = flow.values().collect();
//! assert_eq!(values[3], ("dstport", Value::Integer(443)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [AWS]: https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html

mod by_name;
#[cfg(feature = "arrow")]
mod columns;
mod field;
mod format;
mod formats;
mod json;
mod layout;
mod look;
mod marks;
mod names;
mod record;
#[cfg(feature = "serde")]
mod serialize;
mod tail;
mod tokens;

#[cfg(feature = "arrow")]
pub use columns::{AddressColumns, ColumnOptions, Columns, ColumnsError};
pub use field::{Field, FieldKind};
pub use format::{Format, FormatColumn, FormatError, MAX_FIELDS};
pub use formats::Formats;
pub(crate) use json::{write_inferred, write_line};
pub use names::{TcpFlags, encryption_status_name, protocol_name, traffic_path_name};
pub use record::{FlowLog, FlowLogError, Value};
