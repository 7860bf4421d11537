//! Prometheus's text format, version 0.0.4.

use std::fmt::{self, Write};

/// What the format is called.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A text that grows by families of samples.
#[derive(Debug, Default)]
pub(super) struct Exposition(String);

/// What a family's numbers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
}

impl Exposition {
    /// Begins a family: all samples of a name stand together. `name` is `[a-zA-Z_:][a-zA-Z0-9_:]*`.
    pub(super) fn family(&mut self, name: &'static str, of: Type, help: &'static str) -> Family<'_> {
        Family { text: &mut self.0, name, of, help, is_begun: false }
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }
}

/// Samples of one name. A family without samples leaves no trace.
#[derive(Debug)]
pub(super) struct Family<'a> {
    text: &'a mut String,
    name: &'static str,
    of: Type,
    help: &'static str,
    is_begun: bool,
}

impl Family<'_> {
    /// Adds a number. Names of labels are `[a-zA-Z_][a-zA-Z0-9_]*`; their values may be anything.
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], number: impl Into<Number>) {
        // A `String` takes whatever is written.
        let _ = self.write(labels, number.into());
    }

    fn write(&mut self, labels: &[(&str, &str)], number: Number) -> fmt::Result {
        let Family { text, name, of, help, .. } = self;
        if !self.is_begun {
            let of = match of {
                Type::Counter => "counter",
                Type::Gauge => "gauge",
            };
            writeln!(text, "# HELP {name} {}\n# TYPE {name} {of}", Escaped { text: help, quotes: false })?;
            self.is_begun = true;
        }
        text.push_str(name);
        for (index, (label, value)) in labels.iter().enumerate() {
            let before = if index == 0 { '{' } else { ',' };
            write!(text, "{before}{label}=\"{}\"", Escaped { text: value, quotes: true })?;
        }
        if !labels.is_empty() {
            text.push('}');
        }
        writeln!(text, " {number}")
    }
}

/// A backslash, a line feed and, in a value, a quote have a backslash in front.
struct Escaped<'a> {
    text: &'a str,
    quotes: bool,
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.chars().try_for_each(|char| match char {
            '\\' => f.write_str("\\\\"),
            '\n' => f.write_str("\\n"),
            '"' if self.quotes => f.write_str("\\\""),
            char => f.write_char(char),
        })
    }
}

/// A number, as exact as it is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Number {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
}

impl From<u64> for Number {
    fn from(number: u64) -> Self {
        Number::Unsigned(number)
    }
}

impl From<i64> for Number {
    fn from(number: i64) -> Self {
        Number::Signed(number)
    }
}

impl From<f64> for Number {
    fn from(number: f64) -> Self {
        Number::Float(number)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Number::Unsigned(number) => number.fmt(f),
            Number::Signed(number) => number.fmt(f),
            Number::Float(number) if number.is_nan() => f.write_str("NaN"),
            Number::Float(f64::INFINITY) => f.write_str("+Inf"),
            Number::Float(f64::NEG_INFINITY) => f.write_str("-Inf"),
            Number::Float(number) => number.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_has_its_help_and_type_once_and_in_front() {
        let mut exposition = Exposition::default();
        let mut family = exposition.family("events_total", Type::Counter, "Events.");
        family.sample(&[("id", "a"), ("kind", "sink")], 1_u64);
        family.sample(&[], 18_446_744_073_709_551_615_u64);
        exposition.family("waiting", Type::Gauge, "Events that wait.").sample(&[("id", "a")], -3_i64);
        let expected = "# HELP events_total Events.\n# TYPE events_total counter\nevents_total{id=\"a\",kind=\"sink\"} 1\n\
             events_total 18446744073709551615\n\
             # HELP waiting Events that wait.\n# TYPE waiting gauge\nwaiting{id=\"a\"} -3\n";
        assert_eq!(exposition.into_text(), expected);
    }

    #[test]
    fn a_family_without_samples_leaves_no_trace() {
        let mut exposition = Exposition::default();
        let none: [u64; 0] = [];
        let mut family = exposition.family("nothing", Type::Gauge, "Nothing.");
        none.iter().for_each(|number| family.sample(&[], *number));
        assert_eq!(exposition.into_text(), "");
    }

    #[test]
    fn values_of_labels_are_escaped() {
        let mut exposition = Exposition::default();
        exposition.family("a", Type::Gauge, "C:\\ and\nmore \"quoted\"").sample(&[("b", "\\d\n\"é\"")], 1_u64);
        let text = exposition.into_text();
        assert_eq!(
            text, "# HELP a C:\\\\ and\\nmore \"quoted\"\n# TYPE a gauge\na{b=\"\\\\d\\n\\\"é\\\"\"} 1\n",
            "a help keeps its quotes"
        );
    }

    #[test]
    fn numbers_are_as_prometheus_reads_them() {
        let shown = |number: f64| Number::from(number).to_string();
        let numbers = [0.5, 3.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.25].map(shown);
        assert_eq!(numbers, ["0.5", "3", "NaN", "+Inf", "-Inf", "-0.25"]);
    }
}
