//! What Lambda itself says of a function's invocations, as text ([AWS]).
//!
//! [AWS]: https://docs.aws.amazon.com/lambda/latest/dg/python-logging.html

/// One of Lambda's own lines, such as `REPORT`. Fields are looked for when asked for; nothing is copied.
///
/// Fields are separated by tabs, and those of X-Ray stand on a second line of the same message.
///
/// ```
/// use kinesis_logs_decoder::log_type::lambda::{PlatformLine, PlatformLineKind};
///
/// let message = "REPORT RequestId: 5a1b0c52-0d3f-4a8e-9d55-6f2f8f2f5f10\tDuration: 31.07 ms\tBilled Duration: 32 ms\t\
///     Memory Size: 256 MB\tMax Memory Used: 71 MB\t\nXRAY TraceId: 1-65f0c1d2-1c2d3e4f5061728394a5b6c7\tSampled: true\t\n";
/// let line = PlatformLine::parse(message).unwrap();
/// assert_eq!(line.kind(), PlatformLineKind::Report);
/// assert_eq!(line.request_id(), Some("5a1b0c52-0d3f-4a8e-9d55-6f2f8f2f5f10"));
/// assert_eq!(line.duration_millis(), Some(31.07));
/// assert_eq!(line.max_memory_used_mb(), Some(71));
/// assert_eq!(line.init_duration_millis(), None); // there only where the function started
/// assert_eq!(line.fields().last(), Some(("Sampled", "true")));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlatformLine<'a> {
    kind: PlatformLineKind,
    fields: &'a str,
}

/// The word that a [`PlatformLine`] begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum PlatformLineKind {
    /// `START`: an invocation begins.
    Start,
    /// `END`: an invocation ended.
    End,
    /// `REPORT`: what an invocation took.
    Report,
    /// `INIT_START`: an execution environment starts.
    InitStart,
    /// `INIT_REPORT`: what starting took, where it failed or where a snapshot was taken.
    InitReport,
    /// `RESTORE_START`: a snapshot is being restored.
    RestoreStart,
    /// `RESTORE_REPORT`: what restoring took.
    RestoreReport,
    /// `EXTENSION`: an extension was registered.
    Extension,
    /// `LOGS`: an extension subscribed to logs.
    Logs,
    /// `TELEMETRY`: an extension subscribed to telemetry.
    Telemetry,
}

/// All kinds, and what each begins with behind its word: functions may write such words too.
const KINDS: [(PlatformLineKind, &str); 10] = [
    (PlatformLineKind::Start, "RequestId:"),
    (PlatformLineKind::End, "RequestId:"),
    (PlatformLineKind::Report, "RequestId:"),
    (PlatformLineKind::InitStart, "Runtime Version:"),
    (PlatformLineKind::InitReport, "Init Duration:"),
    (PlatformLineKind::RestoreStart, "Runtime Version:"),
    (PlatformLineKind::RestoreReport, "Restore Duration:"),
    (PlatformLineKind::Extension, "Name:"),
    (PlatformLineKind::Logs, "Name:"),
    (PlatformLineKind::Telemetry, "Name:"),
];

impl PlatformLineKind {
    /// The word as it stands in the line: `INIT_START`.
    pub const fn name(self) -> &'static str {
        match self {
            PlatformLineKind::Start => "START",
            PlatformLineKind::End => "END",
            PlatformLineKind::Report => "REPORT",
            PlatformLineKind::InitStart => "INIT_START",
            PlatformLineKind::InitReport => "INIT_REPORT",
            PlatformLineKind::RestoreStart => "RESTORE_START",
            PlatformLineKind::RestoreReport => "RESTORE_REPORT",
            PlatformLineKind::Extension => "EXTENSION",
            PlatformLineKind::Logs => "LOGS",
            PlatformLineKind::Telemetry => "TELEMETRY",
        }
    }
}

impl<'a> PlatformLine<'a> {
    /// The message as one of Lambda's own lines; `None` if it is none.
    pub fn parse(message: &'a str) -> Option<PlatformLine<'a>> {
        let message = message.trim_ascii();
        KINDS.iter().find_map(|&(kind, first)| {
            let fields = message.strip_prefix(kind.name())?.strip_prefix([' ', '\t'])?;
            fields.starts_with(first).then_some(PlatformLine { kind, fields })
        })
    }

    /// What the line says.
    pub fn kind(&self) -> PlatformLineKind {
        self.kind
    }

    /// All fields in their order, known or not, as `(name, value)` with their units. What has no colon is a name with
    /// an empty value.
    pub fn fields(&self) -> impl Iterator<Item = (&'a str, &'a str)> + Clone + use<'a> {
        let mut rest = self.fields;
        std::iter::from_fn(move || {
            rest = rest.trim_ascii_start();
            if rest.is_empty() {
                return None;
            }
            let end = rest.find(['\t', '\n']).unwrap_or(rest.len());
            let (name, value) = rest[..end].split_once(':').unwrap_or((&rest[..end], ""));
            let mut value = value.trim_ascii_start();
            let mut behind = end;
            // `START` has a space where the other lines have a tab, and no id has one.
            if name == REQUEST_ID
                && let Some((id, others)) = value.split_once(' ')
            {
                value = id;
                behind = end - others.len();
            }
            rest = &rest[behind..];
            Some((name, value.trim_ascii_end()))
        })
    }

    /// The value of a field as it stands, with its unit; of several with the same name the first.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.fields().find(|(other, _)| *other == name).map(|(_, value)| value)
    }

    /// The invocation's id.
    pub fn request_id(&self) -> Option<&'a str> {
        self.get(REQUEST_ID)
    }

    /// The function's version, such as `$LATEST`. `START` has it.
    pub fn version(&self) -> Option<&'a str> {
        self.get("Version")
    }

    /// The runtime's version, such as `python:3.13.v20`. `INIT_START` and `RESTORE_START` have it.
    pub fn runtime_version(&self) -> Option<&'a str> {
        self.get("Runtime Version")
    }

    /// How long the handler ran, in milliseconds.
    pub fn duration_millis(&self) -> Option<f64> {
        self.millis("Duration")
    }

    /// The time that is charged for, in milliseconds.
    pub fn billed_duration_millis(&self) -> Option<f64> {
        self.millis("Billed Duration")
    }

    /// How long the function took to start, in milliseconds.
    pub fn init_duration_millis(&self) -> Option<f64> {
        self.millis("Init Duration")
    }

    /// How long restoring a snapshot took, in milliseconds
    /// ([AWS](https://docs.aws.amazon.com/lambda/latest/dg/snapstart-monitoring.html)).
    pub fn restore_duration_millis(&self) -> Option<f64> {
        self.millis("Restore Duration")
    }

    /// The part of [`restore_duration_millis`](Self::restore_duration_millis) that is charged for, in milliseconds.
    pub fn billed_restore_duration_millis(&self) -> Option<f64> {
        self.millis("Billed Restore Duration")
    }

    /// The memory that the function is given, in megabytes.
    pub fn memory_size_mb(&self) -> Option<u64> {
        self.megabytes("Memory Size")
    }

    /// The most memory that the execution environment has used so far, in megabytes.
    pub fn max_memory_used_mb(&self) -> Option<u64> {
        self.megabytes("Max Memory Used")
    }

    /// X-Ray's id of the trace.
    pub fn trace_id(&self) -> Option<&'a str> {
        self.get("XRAY TraceId")
    }

    /// X-Ray's id of the segment.
    pub fn segment_id(&self) -> Option<&'a str> {
        self.get("SegmentId")
    }

    /// Whether X-Ray sampled the trace.
    pub fn sampled(&self) -> Option<bool> {
        self.get("Sampled")?.parse().ok()
    }

    /// What went wrong, such as `timeout`. Mostly not there where nothing did.
    pub fn status(&self) -> Option<&'a str> {
        self.get("Status")
    }

    fn millis(&self, name: &str) -> Option<f64> {
        let number = self.get(name)?.strip_suffix("ms")?.trim_ascii_end();
        // Rust reads `inf` and `nan` too.
        number.parse().ok().filter(|millis: &f64| millis.is_finite())
    }

    fn megabytes(&self, name: &str) -> Option<u64> {
        self.get(name)?.strip_suffix("MB")?.trim_ascii_end().parse().ok()
    }
}

const REQUEST_ID: &str = "RequestId";

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "77f0a3b1-2f64-4f6f-8a58-0f4f4c1d9b3e";

    fn parse(message: &str) -> PlatformLine<'_> {
        PlatformLine::parse(message).unwrap_or_else(|| panic!("{message:?} was not recognised"))
    }

    #[test]
    fn a_report_gives_numbers_and_the_ids_of_its_second_line() {
        let message = format!(
            "REPORT RequestId: {ID}\tDuration: 812.5 ms\tBilled Duration: 1205 ms\tMemory Size: 1024 MB\t\
             Max Memory Used: 230 MB\tInit Duration: 391.42 ms\t\nXRAY TraceId: 1-66aa0b1c-00112233445566778899aabb\t\
             SegmentId: 0011223344556677\tSampled: false\t\n"
        );
        let line = parse(&message);
        assert_eq!((line.kind(), line.request_id()), (PlatformLineKind::Report, Some(ID)));
        assert_eq!((line.duration_millis(), line.billed_duration_millis()), (Some(812.5), Some(1205.0)));
        assert_eq!((line.memory_size_mb(), line.max_memory_used_mb()), (Some(1024), Some(230)));
        assert_eq!(line.init_duration_millis(), Some(391.42));
        assert_eq!(line.trace_id(), Some("1-66aa0b1c-00112233445566778899aabb"));
        assert_eq!((line.segment_id(), line.sampled()), (Some("0011223344556677"), Some(false)));
        assert_eq!((line.version(), line.status(), line.restore_duration_millis()), (None, None, None));
        assert_eq!(line.fields().count(), 9);
    }

    #[test]
    fn a_start_has_its_version_behind_a_space() {
        let message = format!("START RequestId: {ID} Version: $LATEST\n");
        let line = parse(&message);
        assert_eq!((line.request_id(), line.version()), (Some(ID), Some("$LATEST")));
        assert_eq!(line.fields().collect::<Vec<_>>(), [("RequestId", ID), ("Version", "$LATEST")]);
    }

    #[test]
    fn every_kind_is_told_by_its_word_and_first_field() {
        for (kind, first) in KINDS {
            assert_eq!(parse(&format!("{} {first} x", kind.name())).kind(), kind);
            assert_eq!(PlatformLine::parse(&format!("{} of sale", kind.name())), None);
            assert_eq!(PlatformLine::parse(&format!("a {} {first} x", kind.name())), None);
        }
        assert_eq!(
            parse("EXTENSION\tName: watcher\tState: Ready\tEvents: [INVOKE, SHUTDOWN]").get("State"),
            Some("Ready")
        );
    }

    #[test]
    fn a_start_of_the_environment_keeps_colons_in_its_values() {
        let line = parse(
            "INIT_START Runtime Version: nodejs:22.v31\tRuntime Version ARN: arn:aws:lambda:eu-west-1::runtime:ab\n",
        );
        assert_eq!(line.runtime_version(), Some("nodejs:22.v31"));
        assert_eq!(line.get("Runtime Version ARN"), Some("arn:aws:lambda:eu-west-1::runtime:ab"));
    }

    #[test]
    fn fields_that_nobody_knows_yet_are_kept_and_odd_values_are_no_numbers() {
        let line = parse(
            "REPORT RequestId: a\tDuration: nan ms\tBilled Duration: 10 s\tMemory Size: -1 MB\tStatus: timeout\tMood: fine\todd",
        );
        assert_eq!((line.duration_millis(), line.billed_duration_millis(), line.memory_size_mb()), (None, None, None));
        assert_eq!(line.status(), Some("timeout"));
        let last: Vec<_> = line.fields().skip(5).collect();
        assert_eq!(last, [("Mood", "fine"), ("odd", "")]);
        assert_eq!(line.get("Duration"), Some("nan ms"));
    }
}
