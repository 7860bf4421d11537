//! A line on the terminal that says how far a read has come, while its rows go elsewhere.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{HumanBytes, HumanCount, HumanDuration, ProgressBar, ProgressStyle};
use kinesis_logs_source::StatsHandle;

pub(crate) struct Progress {
    bar: ProgressBar,
    stats: StatsHandle,
}

impl Progress {
    /// Shown if a person sees stderr, and stdout is not the same screen.
    pub(crate) fn start(stats: StatsHandle) -> Self {
        let bar = if std::io::stderr().is_terminal() && !std::io::stdout().is_terminal() {
            let bar = ProgressBar::new_spinner();
            // A style of fixed text cannot be wrong.
            if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        } else {
            ProgressBar::hidden()
        };
        Progress { bar, stats }
    }

    pub(crate) fn update(&self, rows: u64) {
        if self.bar.is_hidden() {
            return;
        }
        let stats = self.stats.get();
        let behind = match stats.progress.millis_behind_latest {
            Some(millis @ 1000..) => {
                format!(" · {} behind", HumanDuration(Duration::from_millis(millis.unsigned_abs())))
            }
            _ => String::new(),
        };
        self.bar.set_message(format!(
            "{} rows from {} records, {} · {} of {} shards open{behind}",
            HumanCount(rows),
            HumanCount(stats.records),
            HumanBytes(stats.bytes),
            stats.progress.reading,
            stats.progress.shards,
        ));
    }

    /// Says something on stderr without tearing the line.
    pub(crate) fn say(&self, text: &str) {
        self.bar.suspend(|| crate::say(text));
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
