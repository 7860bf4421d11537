//! Programs in VRL, Vector's language: its parsers are reachable through programs only.

use vrl::compiler::runtime::Runtime;
use vrl::compiler::{Program, TargetValue, TimeZone};
use vrl::value::{ObjectMap, Secrets, Value};

/// A compiled program, and the state that Vector keeps between events.
pub(crate) struct Script {
    program: Program,
    runtime: Runtime,
    timezone: TimeZone,
    target: TargetValue,
}

impl Script {
    pub(crate) fn new(source: &str) -> Self {
        let compiled = vrl::compiler::compile(source, &vrl::stdlib::all());
        let program = compiled.unwrap_or_else(|errors| panic!("{source}: {errors:?}")).program;
        let metadata = Value::Object(ObjectMap::new());
        let target = TargetValue { value: Value::Null, metadata, secrets: Secrets::default() };
        Script { program, runtime: Runtime::default(), timezone: TimeZone::default(), target }
    }

    /// Runs the program with `event` as `.`; gives what its last expression gave, or why it was aborted.
    pub(crate) fn run(&mut self, event: Value) -> Result<Value, String> {
        self.target.value = event;
        let result = self.runtime.resolve(&mut self.target, &self.program, &self.timezone);
        self.runtime.clear();
        result.map_err(|error| error.to_string())
    }

    /// What the program made of `.`, which is taken.
    #[allow(dead_code, reason = "the benchmark uses it")]
    pub(crate) fn take_event(&mut self) -> Value {
        std::mem::replace(&mut self.target.value, Value::Null)
    }
}
