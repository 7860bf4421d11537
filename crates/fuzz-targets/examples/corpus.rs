//! Writes every target's seeds, and what was found before, to `fuzz/corpus`, where libFuzzer begins.

use std::path::Path;

use kinesis_logs_fuzz_targets::{TARGETS, regressions};

fn main() -> std::io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for target in TARGETS {
        let folder = corpus.join(target.name);
        std::fs::create_dir_all(&folder)?;
        let inputs = (target.seeds)().into_iter().chain(regressions(target.name)?);
        for (index, input) in inputs.enumerate() {
            std::fs::write(folder.join(format!("seed-{index:03}")), input)?;
        }
    }
    Ok(())
}
