//! A log group of flow logs, record by record.

use fastrand::Rng;

use crate::gzip;
use crate::line::{DEFAULT_FIELDS, Interface, Line};

/// An endless series of records, each of one network interface, as `ByLogStream` distribution sends them.
pub struct FlowLogs {
    rng: Rng,
    interfaces: Vec<Interface>,
    next: usize,
    events_per_record: usize,
    extracted_fields: bool,
    fields: Vec<&'static str>,
    log_group: String,
}

/// One generated record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The bytes to put into the stream.
    pub data: Vec<u8>,
    /// The envelope's size before compression.
    pub json_len: usize,
    /// The flow log lines inside, in order.
    pub lines: Vec<String>,
    /// 32 hexadecimal digits, as CloudWatch Logs has them.
    pub partition_key: String,
}

impl FlowLogs {
    /// Records of 100 events from 8 interfaces, determined by `seed`.
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let interfaces = (0..8).map(|index| Interface::new(&mut rng, index, 1_758_700_800)).collect();
        FlowLogs {
            rng,
            interfaces,
            next: 0,
            events_per_record: 100,
            extracted_fields: false,
            fields: DEFAULT_FIELDS.to_vec(),
            log_group: "/vpc/flow-logs".to_owned(),
        }
    }

    /// Sets how many events each record holds.
    pub fn events_per_record(mut self, events: usize) -> Self {
        self.events_per_record = events;
        self
    }

    /// Sets whether events carry `extractedFields`, as with a filter pattern that names the fields.
    pub fn extracted_fields(mut self, extracted: bool) -> Self {
        self.extracted_fields = extracted;
        self
    }

    /// Sets the flow logs' format: the names of its fields, with underscores. Those that AWS documents have values that
    /// make sense together, others have none.
    pub fn fields(mut self, fields: &[&'static str]) -> Self {
        self.fields = fields.to_vec();
        self
    }

    /// Sets the log group's name.
    pub fn log_group(mut self, name: &str) -> Self {
        self.log_group = name.to_owned();
        self
    }

    /// The next record, of the next interface in turn.
    pub fn next_record(&mut self) -> Record {
        let index = self.next % self.interfaces.len();
        self.next += 1;
        let lines: Vec<Line> = (0..self.events_per_record)
            .map(|_| self.interfaces[index].next_line(&mut self.rng, &self.fields))
            .collect();
        let json = self.envelope(index, &lines);
        Record {
            data: gzip(json.as_bytes()),
            json_len: json.len(),
            lines: lines.iter().map(|line| line.values.join(" ")).collect(),
            partition_key: format!("{:032x}", self.rng.u128(..)),
        }
    }

    /// Nothing in it needs JSON escapes.
    fn envelope(&mut self, index: usize, lines: &[Line]) -> String {
        let interface = &self.interfaces[index];
        let mut json = format!(
            r#"{{"messageType":"DATA_MESSAGE","owner":"{}","logGroup":"{}","logStream":"{}-all","subscriptionFilters":["flow-logs"],"logEvents":["#,
            interface.account, self.log_group, interface.id
        );
        let batch = u128::from(self.rng.u64(..)) << 32;
        for (n, line) in lines.iter().enumerate() {
            if n > 0 {
                json.push(',');
            }
            let id = event_id(line.seconds * 1000, batch + n as u128);
            let message = line.values.join(" ");
            json.push_str(&format!(r#"{{"id":"{id}","timestamp":{},"message":"{message}""#, line.seconds * 1000));
            if self.extracted_fields {
                let fields: Vec<String> = self
                    .fields
                    .iter()
                    .zip(&line.values)
                    .map(|(name, value)| format!(r#""{name}":"{value}""#))
                    .collect();
                json.push_str(&format!(r#","extractedFields":{{{}}}"#, fields.join(",")));
            }
            json.push('}');
        }
        json.push_str("]}");
        json
    }
}

/// 56 decimal digits whose upper bits are the event's time, as seen in real ones; events of a batch count up.
fn event_id(millis: u64, low: u128) -> String {
    // millis * 2^144 + low, in decimal, without a big integer: base 10^18 limbs, least significant first.
    const BASE: u128 = 1_000_000_000_000_000_000;
    let mut limbs = [u128::from(millis), 0, 0, 0];
    for _ in 0..144 / 24 {
        let mut carry = 0;
        for limb in &mut limbs {
            let wide = (*limb << 24) + carry;
            *limb = wide % BASE;
            carry = wide / BASE;
        }
    }
    let mut carry = low;
    for limb in &mut limbs {
        let wide = *limb + carry;
        *limb = wide % BASE;
        carry = wide / BASE;
    }
    let digits: String = limbs.iter().rev().map(|limb| format!("{limb:018}")).collect();
    digits.trim_start_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_compress_as_real_flow_logs_do() {
        let mut flow_logs = FlowLogs::new(7).events_per_record(500);
        let records: Vec<Record> = (0..40).map(|_| flow_logs.next_record()).collect();
        let events = 40.0 * 500.0;
        let gzip = records.iter().map(|record| record.data.len()).sum::<usize>() as f64 / events;
        let json = records.iter().map(|record| record.json_len).sum::<usize>() as f64 / events;
        assert!((29.0..=33.0).contains(&gzip), "{gzip:.1} bytes of gzip an event");
        assert!((214.0..=226.0).contains(&json), "{json:.1} bytes of JSON an event");
    }

    #[test]
    fn the_seed_determines_every_byte() {
        let record = |seed| FlowLogs::new(seed).extracted_fields(true).next_record();
        assert_eq!(record(3), record(3));
        assert_ne!(record(3), record(4));
    }

    #[test]
    fn event_ids_carry_the_time_in_their_upper_bits() {
        // 2^144 * 1 + 5
        assert_eq!(event_id(1, 5), "22300745198530623141535718272648361505980421");
        assert_eq!(event_id(1_758_700_800_000, 0).len(), 56);
    }
}
