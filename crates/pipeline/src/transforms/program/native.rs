//! Conditions that need no interpreter: members and metadata compared with literals by `==` and `!=`, joined by `&&`, `||`,
//! `!` and parentheses. They say what VRL says of the same text; tests hold the two together on random conditions and
//! events.

use std::net::IpAddr;

use kinesis_logs_decoder::flow_log::Field;
use memchr::memmem::Finder;
use vrl::parser::ast::{Container, Expr, Literal as AstLiteral, Opcode, QueryTarget, RootExpr, Unary};
use vrl::path::{OwnedSegment, PathPrefix};

use super::target::field_of;
use crate::component::{Event, Value, ValueRef};

/// A condition that was recognised.
#[derive(Debug, Clone)]
pub(crate) struct Native {
    expression: Expression,
    /// Texts without which it cannot hold for an event that lies as it was read: members of those stand in the line.
    needed: Vec<Finder<'static>>,
}

#[derive(Debug, Clone)]
enum Expression {
    Literal(bool),
    Equals { name: String, field: Option<Field>, literal: Literal },
    Not(Box<Expression>),
    And(Box<[Expression; 2]>),
    Or(Box<[Expression; 2]>),
}

#[derive(Debug, Clone)]
enum Literal {
    Null,
    Boolean(bool),
    Integer(i64),
    /// A text, and the address that it is how addresses are written, if it is one.
    Text(String, Option<IpAddr>),
}

impl Native {
    /// Recognises a condition, which compiles.
    pub(super) fn recognise(source: &str) -> Option<Native> {
        let program = vrl::parser::parse(source).ok()?;
        let [expression] = <[_; 1]>::try_from(program.0).ok()?;
        let RootExpr::Expr(expression) = expression.into_inner() else { return None };
        let expression = Expression::recognise(expression.into_inner())?;
        let mut needed = Vec::new();
        expression.needed(&mut needed);
        Some(Native { expression, needed })
    }

    /// Whether it holds for an event.
    pub(super) fn holds(&self, event: &Event<'_>) -> bool {
        if let (Some(read), None) = (event.read(), event.changes()) {
            let line = read.message();
            // What a forwarder wrapped in JSON may be written with escapes.
            let is_plain = !line.trim_start().starts_with('{');
            if is_plain && self.needed.iter().any(|text| text.find(line.as_bytes()).is_none()) {
                return false;
            }
        }
        self.expression.holds(event)
    }
}

impl Expression {
    fn recognise(expression: Expr) -> Option<Expression> {
        match expression {
            Expr::Literal(literal) => match literal.into_inner() {
                AstLiteral::Boolean(boolean) => Some(Expression::Literal(boolean)),
                _ => None,
            },
            Expr::Container(container) => match container.into_inner() {
                Container::Group(group) => Expression::recognise(group.into_inner().into_inner().into_inner()),
                _ => None,
            },
            Expr::Unary(unary) => {
                let Unary::Not(not) = unary.into_inner();
                let (_, inner) = not.into_inner().take();
                Some(Expression::Not(Box::new(Expression::recognise(inner.into_inner())?)))
            }
            Expr::Op(op) => {
                let op = op.into_inner();
                let (left, right) = (op.0.into_inner(), op.2.into_inner());
                match op.1.into_inner() {
                    Opcode::And => Some(Expression::And(both(left, right)?)),
                    Opcode::Or => Some(Expression::Or(both(left, right)?)),
                    Opcode::Eq => Expression::equals(left, right),
                    Opcode::Ne => Expression::equals(left, right).map(|equals| Expression::Not(Box::new(equals))),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn equals(left: Expr, right: Expr) -> Option<Expression> {
        let (query, literal) = match (left, right) {
            (Expr::Query(query), Expr::Literal(literal)) | (Expr::Literal(literal), Expr::Query(query)) => {
                (query.into_inner(), literal.into_inner())
            }
            _ => return None,
        };
        let QueryTarget::External(prefix) = query.target.into_inner() else { return None };
        let segments = query.path.into_inner().segments;
        let name = match (prefix, segments.as_slice()) {
            (PathPrefix::Event, [OwnedSegment::Field(name)]) => name.to_string(),
            (PathPrefix::Metadata, [OwnedSegment::Field(space), OwnedSegment::Field(name)])
                if Event::METADATA.contains(&[space.as_str(), name.as_str()]) =>
            {
                format!("%{space}.{name}")
            }
            _ => return None,
        };
        let literal = match literal {
            AstLiteral::Null => Literal::Null,
            AstLiteral::Boolean(boolean) => Literal::Boolean(boolean),
            AstLiteral::Integer(number) => Literal::Integer(number),
            AstLiteral::RawString(text) => Literal::text(text),
            // Of nothing it has no parts.
            AstLiteral::String(template) if template.0.is_empty() => Literal::text(String::new()),
            AstLiteral::String(template) => Literal::text(template.as_literal_string()?.to_owned()),
            _ => return None,
        };
        let is_metadata_by_another_name = prefix == PathPrefix::Event && name.starts_with('%');
        let field = field_of(&name);
        (!is_metadata_by_another_name).then_some(Expression::Equals { name, field, literal })
    }

    fn holds(&self, event: &Event<'_>) -> bool {
        match self {
            Expression::Literal(boolean) => *boolean,
            Expression::Equals { name, field, literal } => literal.is(event.get_known(name, *field)),
            Expression::Not(inner) => !inner.holds(event),
            Expression::And(both) => both[0].holds(event) && both[1].holds(event),
            Expression::Or(both) => both[0].holds(event) || both[1].holds(event),
        }
    }

    /// Texts that the line of an event must hold for this to be true.
    fn needed(&self, texts: &mut Vec<Finder<'static>>) {
        match self {
            Expression::And(both) => both.iter().for_each(|expression| expression.needed(texts)),
            // An address may be written in other ways.
            Expression::Equals { name, literal: Literal::Text(text, None), .. } if !name.starts_with('%') => {
                texts.push(Finder::new(text.as_bytes()).into_owned());
            }
            _ => {}
        }
    }
}

fn both(left: Expr, right: Expr) -> Option<Box<[Expression; 2]>> {
    Some(Box::new([Expression::recognise(left)?, Expression::recognise(right)?]))
}

impl Literal {
    fn text(text: String) -> Self {
        let address = text.parse::<IpAddr>().ok();
        Literal::Text(text, address)
    }

    /// Whether it is equal to a value, as VRL has it: what is missing is null, numbers are compared as floats.
    fn is(&self, value: Option<ValueRef<'_>>) -> bool {
        let value = value.unwrap_or(ValueRef::Null);
        match (self, value) {
            (Literal::Null, ValueRef::Null) => true,
            (Literal::Integer(literal), ValueRef::Integer(number)) => *literal as f64 == number as f64,
            (Literal::Text(literal, _), ValueRef::Text(text)) => *literal == *text,
            // Only as it is written anew.
            (Literal::Text(literal, Some(known)), ValueRef::Address(address)) => {
                *known == address && *literal == address.to_string()
            }
            (literal, ValueRef::Value(value)) => match (literal, &*value) {
                (Literal::Null, Value::Null) => true,
                (Literal::Boolean(literal), Value::Boolean(boolean)) => literal == boolean,
                (Literal::Integer(literal), Value::Integer(number)) => *literal as f64 == *number as f64,
                (Literal::Integer(literal), Value::Float(number)) => *literal as f64 == *number,
                (Literal::Text(literal, _), Value::Text(text)) => literal == text,
                _ => false,
            },
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kinesis_logs_decoder::flow_log::Formats;
    use kinesis_logs_decoder::{Decoded, Decoder, Payload};
    use kinesis_logs_source::Record;
    use proptest::prelude::*;

    use super::super::Program;
    use super::*;
    use crate::component::{Acknowledgement, Batch, Changes};

    #[test]
    fn plain_comparisons_are_recognised_and_nothing_else() {
        for source in [
            r#".action == "REJECT" && .dstport == 22"#,
            r#"!(.a == null || "b" != .b) && %aws.log_group == s'g'"#,
            r#"."quoted name" == true"#,
            "true",
        ] {
            assert!(Native::recognise(source).is_some(), "{source}");
        }
        for source in [
            "exists(.a)",
            ".a.b == 1",
            ".a == .b",
            ".a == 1.5",
            ".a == r'x'",
            ".a == t'2026-01-01T00:00:00Z'",
            "%mine == 1",
            "x = 1; .a == 1",
            "(.a ?? 1) == 1",
            r#"x = "y"; .a == "{{ x }}""#,
        ] {
            assert!(Native::recognise(source).is_none(), "{source}");
        }
    }

    #[test]
    fn only_what_must_stand_in_the_line_is_looked_for() {
        let needed = |source: &str| {
            let native = Native::recognise(source).unwrap();
            native.needed.iter().map(|text| String::from_utf8_lossy(text.needle()).into_owned()).collect::<Vec<_>>()
        };
        assert_eq!(needed(r#".action == "REJECT" && .dstport == 22 && .az_id == "use1-az1""#), ["REJECT", "use1-az1"]);
        assert!(needed(r#".srcaddr == "10.0.0.1" && %aws.log_group == "g""#).is_empty());
        assert!(needed(r#".action != "REJECT" || .action == "ACCEPT""#).is_empty());
    }

    const LINES: [&str; 8] = [
        "2 123456789010 eni-1235b8ca123456789 10.0.0.1 2001:DB8::1 49152 22 6 1 40 1418530010 1418530070 REJECT OK",
        "2 123456789010 eni-1235b8ca123456789 10.0.0.2 10.0.0.1 22 443 17 10 4000 1418530010 1418530070 ACCEPT OK",
        "2 123456789010 eni-1235b8ca123456789 - - - - - - - 1431280876 1431280934 - NODATA",
        "2 123456789010 eni-1235b8ca123456789 10.0.0.1 10.0.0.9 0022 022 6 1 40 1418530010 1418530070 REJECT SKIPDATA",
        "some text with REJECT in it",
        r#"{"message":"2 123456789010 eni-1235b8ca123456789 10.0.0.1 10.0.0.9 1 22 6 1 40 1418530010 1418530070 REJ\u0045CT OK"}"#,
        "REJECT",
        "",
    ];

    fn literal() -> impl Strategy<Value = String> {
        prop::sample::select(vec![
            "null",
            "true",
            "false",
            "22",
            "443",
            "0",
            "-1",
            "40",
            "9007199254740993",
            r#""REJECT""#,
            r#""ACCEPT""#,
            "s'OK'",
            r#""10.0.0.1""#,
            r#""2001:db8::1""#,
            r#""2001:DB8::1""#,
            r#""22""#,
            r#""""#,
            r#""NODATA""#,
            r#""test""#,
            r#""-""#,
        ])
        .prop_map(str::to_owned)
    }

    fn condition() -> impl Strategy<Value = String> {
        let names = [
            ".action",
            ".dstport",
            ".srcport",
            ".srcaddr",
            ".dstaddr",
            ".log_status",
            ".message",
            ".timestamp",
            ".missing",
            ".set",
            ".extracted_fields",
            "%kinesis.stream",
            "%aws.log_group",
            "%kinesis.event_index",
        ];
        let comparison = (prop::sample::select(names.to_vec()), any::<[bool; 2]>(), literal()).prop_map(
            |(name, [is_equal, is_turned], literal)| {
                let operator = if is_equal { "==" } else { "!=" };
                if is_turned { format!("{literal} {operator} {name}") } else { format!("{name} {operator} {literal}") }
            },
        );
        let leaf = prop_oneof![9 => comparison, 1 => Just("true".to_owned()), 1 => Just("false".to_owned())];
        leaf.prop_recursive(4, 16, 2, |inner| {
            prop_oneof![
                (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("({left}) && ({right})")),
                (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("{left} && {right}")),
                (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("{left} || {right}")),
                inner.prop_map(|inner| format!("!({inner})")),
            ]
        })
    }

    fn value() -> impl Strategy<Value = Value> {
        prop::sample::select(vec![
            Value::Null,
            Value::Boolean(true),
            Value::Integer(22),
            Value::Integer(9_007_199_254_740_992),
            Value::Float(22.0),
            Value::Float(0.5),
            Value::from("REJECT"),
            Value::from("22"),
            Value::Array(vec![Value::Integer(22)]),
        ])
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn a_condition_says_what_vrl_says(
            source in condition(),
            line in prop::sample::select(LINES.to_vec()),
            changed in prop::option::of((prop::sample::select(vec!["set", "action", "dstport", "message"]), value())),
        ) {
            // What VRL refuses, such as a comparison that can only be true, is refused before this is asked.
            let Ok(mut program) = Program::compile(&source, "condition") else { return Ok(()) };
            let native = Native::recognise(&source).unwrap();
            let mut builder = Batch::builder(Arc::new(Formats::new()));
            let record = Record::new("test", "-", "1", line.as_bytes().to_vec());
            let mut decoded = Decoded::default();
            Decoder::new().payload(Payload::Lines).decode_user_record_into(&record.data, &mut decoded);
            builder.record(record, decoded);
            let mut batch = builder.build(Acknowledgement::none());
            if let Some((name, value)) = changed {
                batch.update(|_, changes: &mut Changes| changes.set(name, value.clone()));
            }
            for event in batch.events() {
                let expected = program.run(&event).unwrap();
                prop_assert_eq!(vrl::value::Value::Boolean(native.holds(&event)), expected, "{} of {}", source, line);
            }
        }
    }
}
