//! Values of the environment in strings.

use super::tree::{Node, NodeValue};
use super::{Mistake, did_you_mean};

/// Keys whose text AWS writes with `$` in it.
const AS_THEY_ARE: [&str; 1] = ["flow_log_format"];

/// Replaces variables in all strings below a node. `lookup` is the environment.
pub(crate) fn interpolate(node: &mut Node, lookup: &dyn Fn(&str) -> Option<String>, mistakes: &mut Vec<Mistake>) {
    match &mut node.value {
        NodeValue::String(text) => match replace(text, lookup, &mut node.variables) {
            Ok(None) => {}
            Ok(Some(replaced)) => node.written = Some(std::mem::replace(text, replaced)),
            Err(missing) => mistakes.push(missing.mistake(node)),
        },
        NodeValue::Array(values) => values.iter_mut().for_each(|value| interpolate(value, lookup, mistakes)),
        NodeValue::Table(members) => {
            for (_, value) in members.iter_mut().filter(|(key, _)| !AS_THEY_ARE.contains(&key.name.as_str())) {
                interpolate(value, lookup, mistakes);
            }
        }
        _ => {}
    }
}

#[derive(Debug, PartialEq)]
enum Missing {
    /// The variable is not set.
    Variable(String),
    /// Nor is this one, and the configuration says what that means.
    Required(String, String),
}

impl Missing {
    fn mistake(self, node: &Node) -> Mistake {
        match self {
            Missing::Variable(name) => {
                let known = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
                let known: Vec<String> = known.collect();
                let hint = match did_you_mean(&name, known.iter().map(String::as_str)) {
                    Some(other) => format!("did you mean ${{{other}}}? "),
                    None => String::new(),
                };
                Mistake::at(node.place.clone(), format!("the environment has no variable {name}"))
                    .hint(format!("{hint}${{{name}:-default}} gives a default, $$ is a dollar sign"))
            }
            Missing::Required(name, message) => {
                Mistake::at(node.place.clone(), format!("the environment has no variable {name}: {message}"))
            }
        }
    }
}

/// The text with its variables replaced; `None` if it has none. Their values are noted, with how each is written.
fn replace(
    text: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
    variables: &mut Vec<(String, String)>,
) -> Result<Option<String>, Missing> {
    let mut out = String::new();
    let mut rest = text;
    let mut replaced = false;
    while let Some(dollar) = rest.find('$') {
        out.push_str(&rest[..dollar]);
        rest = &rest[dollar..];
        if let Some(behind) = rest.strip_prefix("$$") {
            out.push('$');
            (rest, replaced) = (behind, true);
        } else if let Some(Variable { name, fallback, behind }) = Variable::parse(rest) {
            match (lookup(name), fallback) {
                (Some(value), _) if !(value.is_empty() && fallback.is_some()) => {
                    out.push_str(&value);
                    if !value.is_empty() {
                        variables.push((value, format!("${{{name}}}")));
                    }
                }
                (_, Some(("-", default))) => out.push_str(default),
                (_, Some((_, message))) => return Err(Missing::Required(name.to_owned(), message.to_owned())),
                (_, None) => return Err(Missing::Variable(name.to_owned())),
            }
            (rest, replaced) = (behind, true);
        } else {
            out.push('$');
            rest = &rest[1..];
        }
    }
    out.push_str(rest);
    Ok(replaced.then_some(out))
}

/// `${NAME}`, `${NAME:-text}` or `${NAME:?text}`.
struct Variable<'a> {
    name: &'a str,
    /// The sign behind the colon, and what follows it.
    fallback: Option<(&'a str, &'a str)>,
    /// What stands behind the variable.
    behind: &'a str,
}

impl<'a> Variable<'a> {
    /// Takes apart what a text begins with.
    fn parse(text: &'a str) -> Option<Self> {
        let (inside, behind) = text.strip_prefix("${")?.split_once('}')?;
        let (name, fallback) = match inside.split_once(':') {
            Some((name, fallback)) => {
                (name, Some(fallback.split_at_checked(1).filter(|(sign, _)| ["-", "?"].contains(sign))?))
            }
            None => (inside, None),
        };
        let mut bytes = name.bytes();
        let starts = bytes.next().is_some_and(|byte| byte.is_ascii_uppercase() || byte == b'_');
        let goes_on = bytes.all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
        (starts && goes_on).then_some(Variable { name, fallback, behind })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str) -> Result<Option<String>, Missing> {
        let lookup = |name: &str| match name {
            "HOME" => Some("/root".to_owned()),
            "EMPTY" => Some(String::new()),
            "TRICK" => Some("${HOME}\"".to_owned()),
            _ => None,
        };
        replace(text, &lookup, &mut Vec::new())
    }

    #[test]
    fn variables_are_replaced_once_and_other_dollars_stay() {
        let text = |text: &str| Ok(Some(text.to_owned()));
        assert_eq!(with("plain"), Ok(None));
        assert_eq!(with("a ${HOME}/${HOME} b"), text("a /root//root b"));
        assert_eq!(with("${TRICK}"), text("${HOME}\""), "a value is not looked at again");
        assert_eq!(with("${NONE:-d}${EMPTY:-e}${EMPTY}"), text("de"));
        assert_eq!(with("$$HOME $${HOME}"), text("$HOME ${HOME}"));
        assert_eq!(with("${version} ${account-id} $1 ${HOME"), Ok(None), "AWS's formats stay");
        assert_eq!(with("${NONE}"), Err(Missing::Variable("NONE".to_owned())));
        assert_eq!(with("${NONE:?say it}"), Err(Missing::Required("NONE".to_owned(), "say it".to_owned())));
    }
}
