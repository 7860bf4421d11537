//! From records to rows on standard output, with what could not be decoded put where the user said.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use kinesis_logs_decoder::flow_log::{Format, Formats};
use kinesis_logs_decoder::{Decoder, Limits, Payload};
use kinesis_logs_pipeline::captured;
use kinesis_logs_pipeline::rows::{Column, RowFormat, RowWriter};
use kinesis_logs_source::Record;

use crate::args::{self, RowArgs};
use crate::failure::{FAILED, Failure};
use crate::output::Output;

/// How many undecodable records are named one by one; a stream of something else must not flood the screen.
const NAMED: u64 = 20;

pub(crate) struct Rows {
    decoder: Decoder,
    writer: RowWriter,
    output: Output,
    /// Whether formats of flow logs were given, not inferred.
    format_is_given: bool,
    /// Rows left of `--count`.
    remaining: u64,
    records: u64,
    undecodable: u64,
    keep: Option<(PathBuf, BufWriter<File>)>,
}

impl Rows {
    /// Rows as `args` say, `count` of them at most if it is not 0.
    pub(crate) fn new(args: &RowArgs, count: u64) -> Result<Self, Failure> {
        let mut writer = RowWriter::new(match args.format {
            args::Format::Tsv => RowFormat::Tsv,
            args::Format::Csv => RowFormat::Csv,
            args::Format::Json => RowFormat::Json,
            args::Format::Raw => RowFormat::Raw,
        });
        let mut formats = Formats::new();
        if !args.fields.is_empty() {
            let columns: Result<Vec<Column>, _> = args.fields.iter().map(|name| Column::parse(name.trim())).collect();
            writer = writer.columns(columns.map_err(|error| Failure::usage(format!("--fields: {error}")))?);
        }
        for text in &args.flow_log_formats {
            formats = formats.rule_text(text).map_err(|error| Failure::usage(format!("--flow-log-format: {error}")))?;
        }
        writer = writer.formats(formats);
        let keep = args.undecodable.clone().map(|path| {
            let file = File::options().append(true).create(true).open(&path);
            file.with_context(|| format!("cannot open {}", path.display())).map(|file| (path, BufWriter::new(file)))
        });
        let limits = Limits::default().decompressed_bytes((args.max_record_mib as usize) << 20);
        Ok(Rows {
            decoder: Decoder::with_limits(limits).payload(match args.payload {
                args::Payload::Auto => Payload::Auto,
                args::Payload::Envelopes => Payload::Envelopes,
                args::Payload::Lines => Payload::Lines,
            }),
            format_is_given: !args.flow_log_formats.is_empty(),
            writer,
            output: Output::new(),
            remaining: if count == 0 { u64::MAX } else { count },
            records: 0,
            undecodable: 0,
            keep: keep.transpose()?,
        })
    }

    /// Whether nothing more is wanted: the count is reached, or nobody reads.
    pub(crate) fn is_done(&self) -> bool {
        self.remaining == 0 || self.output.is_closed()
    }

    /// Notes that the reader of standard output has gone.
    pub(crate) fn nobody_reads(&mut self) {
        self.output.close();
    }

    pub(crate) fn written(&self) -> u64 {
        self.writer.rows()
    }

    /// Decodes a record and writes its rows. What is wrong with it goes to `say`, a line each.
    pub(crate) fn record(&mut self, record: &Record, say: impl Fn(&str)) -> Result<(), Failure> {
        self.records += 1;
        // Containers were opened where records were read.
        let decoded = self.decoder.decode_user_record(&record.data);
        for event in decoded.events() {
            if self.remaining == 0 {
                break;
            }
            let before = self.writer.rows();
            let written = self.writer.write(&event, Some(record), &mut self.output.buffer);
            written.map_err(|error| Failure::usage(format!("--fields: {error}")))?;
            // An event may be no row: a header line of flow logs.
            self.remaining -= self.writer.rows() - before;
            self.output.flush_if_full()?;
        }
        if let Some(error) = decoded.errors().first() {
            self.undecodable += 1;
            if let Some((path, file)) = &mut self.keep {
                let line = captured::to_json(record, &error.to_string());
                writeln!(file, "{line}").with_context(|| format!("cannot write to {}", path.display()))?;
            }
            if self.undecodable <= NAMED {
                say(&format!("warning: {}: {error}", place(record)));
            }
            if self.undecodable == NAMED {
                say("warning: further records that cannot be decoded are counted only");
            }
        }
        Ok(())
    }

    /// Makes visible what was written so far.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        if let Some((path, file)) = &mut self.keep {
            file.flush().with_context(|| format!("cannot write to {}", path.display()))?;
        }
        self.output.flush()
    }

    /// Writes out the rest, sums up what went wrong, and tells the exit status.
    pub(crate) fn finish(mut self, say: impl Fn(&str)) -> Result<ExitCode, Failure> {
        self.flush()?;
        if let (Some(format), false) = (self.writer.header_format(), self.format_is_given)
            && format != Format::default_format()
        {
            say(&format!("note: flow logs are read as {} ({format}); --flow-log-format says otherwise", format.name()));
        }
        if let Some((misfits, first)) = self.writer.misfits() {
            say(&format!(
                "warning: {misfits} lines are in none of the flow log formats given, and are shown as lines; the first: {first}"
            ));
        }
        let beyond = self.writer.rows_beyond_header();
        if beyond > 0 {
            say(&format!(
                "warning: {beyond} of {} rows had fields that the header, taken from the first event, does not show; \
                 choose columns with --fields, or use --format json",
                self.writer.rows()
            ));
        }
        if self.undecodable == 0 {
            return Ok(ExitCode::SUCCESS);
        }
        let what = format!("{} of {} records could not be decoded whole", self.undecodable, self.records);
        match &self.keep {
            Some((path, _)) => {
                say(&format!("warning: {what}; they are kept in {}", path.display()));
                Ok(ExitCode::SUCCESS)
            }
            None => {
                say(&format!("error: {what}\n hint: --undecodable FILE keeps them"));
                // Who has taken what they wanted from the pipe does not care.
                Ok(if self.output.is_closed() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
            }
        }
    }
}

/// Where a record was read, for a message.
fn place(record: &Record) -> String {
    let sub = record.sub_sequence_number.map(|index| format!(", sub-sequence number {index}")).unwrap_or_default();
    if record.shard_id.as_str() == "-" {
        return format!("{}, record {}{sub}", record.stream, record.sequence_number);
    }
    format!("stream {}, {}, sequence number {}{sub}", record.stream, record.shard_id, record.sequence_number)
}
