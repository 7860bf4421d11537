//! Configurations as messages show them: without what is secret.
//!
//! A message shows the whole line that it is about, on which a password may stand beside what is wrong. What is secret is told
//! by the names of keys, and within a URI by its form; where the text is no TOML, line by line, and rather too much is hidden.

use std::ops::Range;
use std::sync::Arc;

use super::ConfigFile;
use super::tree::{Node, NodeValue};

/// Parts of the names of keys whose values are secret, also in tables below them.
const SECRET: [&str; 12] = [
    "access_key",
    "api_key",
    "apikey",
    "authorization",
    "cookie",
    "credential",
    "headers",
    "passphrase",
    "passwd",
    "password",
    "private_key",
    "secret",
];

/// Whether what a key holds is not to be shown.
pub(super) fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase().replace('-', "_");
    // Or is one that was misspelt.
    let is_like = |other: &str, most| strsim::damerau_levenshtein(&key, other) <= most;
    SECRET.iter().any(|part| key.contains(part))
        || key.ends_with("_token")
        || is_like("token", 1)
        || is_like("password", 2)
}

/// The files with all that is secret covered by asterisks, so that everything keeps its place.
pub(super) fn hidden(files: &[ConfigFile]) -> Arc<[ConfigFile]> {
    files.iter().enumerate().map(|(index, file)| hidden_in(index, file)).collect()
}

fn hidden_in(index: usize, file: &ConfigFile) -> ConfigFile {
    let mut mistakes = Vec::new();
    let root = Node::parse(index, &file.text, &mut mistakes);
    let mut ranges = Vec::new();
    find(&root, false, &file.text, &mut ranges);
    find_in_uris(&file.text, &mut ranges);
    if !mistakes.is_empty() {
        find_in_lines(&file.text, &mut ranges);
    }
    let mut text = file.text.clone().into_bytes();
    for range in ranges {
        let range = range.start.min(text.len())..range.end.min(text.len());
        text[range].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b'*');
    }
    // Where a range ends within a character, what is left of that is no text.
    ConfigFile { name: file.name.clone(), text: String::from_utf8_lossy(&text).into_owned() }
}

/// Values of secret keys, and below them.
fn find(node: &Node, is_hidden: bool, text: &str, ranges: &mut Vec<Range<usize>>) {
    match &node.value {
        NodeValue::Table(members) => {
            members.iter().for_each(|(key, node)| find(node, is_hidden || is_secret(&key.name), text, ranges));
        }
        NodeValue::Array(nodes) => nodes.iter().for_each(|node| find(node, is_hidden, text, ranges)),
        _ if is_hidden => {
            let range = within_quotes(text, &node.place.range);
            if !is_variable(text.get(range.clone()).unwrap_or_default()) {
                ranges.push(range);
            }
        }
        _ => {}
    }
}

/// A value without its quotes.
fn within_quotes(text: &str, range: &Range<usize>) -> Range<usize> {
    let written = text.get(range.clone()).unwrap_or_default();
    let quotes = match written.as_bytes() {
        [b'"', b'"', b'"', ..] | [b'\'', b'\'', b'\'', ..] if written.len() >= 6 => 3,
        [b'"' | b'\'', _, ..] => 1,
        _ => 0,
    };
    range.start + quotes..range.end - quotes
}

/// Whether it names a variable of the environment, and nothing else.
fn is_variable(text: &str) -> bool {
    let name = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    name.is_some_and(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
}

/// The user and password of URIs, and the values of their queries.
fn find_in_uris(text: &str, ranges: &mut Vec<Range<usize>>) {
    for (at, slashes) in text.match_indices("://") {
        let start = at + slashes.len();
        let is_end = |char: char| char.is_whitespace() || matches!(char, '"' | '\'' | '<' | '>' | '`');
        let uri = &text[start..][..text[start..].find(is_end).unwrap_or(text.len() - start)];
        let authority = uri.find(['/', '?', '#']).unwrap_or(uri.len());
        if let Some(end) = uri[..authority].rfind('@').filter(|end| !is_variable(&uri[..*end])) {
            ranges.push(start..start + end);
        }
        let Some(query) = uri.find('?') else { continue };
        let mut from = start + query + 1;
        for pair in uri[query + 1..].split('&') {
            let value = pair.find('=').map_or(0, |equals| equals + 1);
            if !is_variable(&pair[value..]) {
                ranges.push(from + value..from + pair.len());
            }
            from += pair.len() + 1;
        }
    }
}

/// What lies behind secret keys, where nobody knows where their values end: all up to the end of the line, and of text over
/// several lines up to the end of that.
fn find_in_lines(text: &str, ranges: &mut Vec<Range<usize>>) {
    let (mut start, mut is_table_secret) = (0, false);
    while start < text.len() {
        let end = text[start..].find('\n').map_or(text.len(), |end| start + end + 1);
        let line = &text[start..end];
        if line.trim_start().starts_with('[') && !line.contains('=') {
            is_table_secret = is_secret(line);
        }
        let is_hidden = |equals: &usize| is_table_secret || is_secret(&line[..*equals]) || has_token(&line[..*equals]);
        let Some(equals) = line.match_indices('=').map(|(at, _)| at).find(is_hidden) else {
            start = end;
            continue;
        };
        let value = start + equals + 1;
        let behind = &text[value..];
        let opening = behind.trim_start_matches([' ', '\t']);
        let long = ["\"\"\"", "'''", "{", "["].into_iter().find(|opens| opening.starts_with(opens));
        let closes = long.map(|opens| {
            if opens == "{" {
                "}"
            } else if opens == "[" {
                "]"
            } else {
                opens
            }
        });
        let stop = closes.map(|closes| {
            let from = behind.len() - opening.len() + closes.len();
            behind.get(from..).and_then(|rest| rest.find(closes)).map_or(text.len(), |at| value + from + at)
        });
        let stop = stop.unwrap_or(end).max(end);
        ranges.push(value..stop);
        // What lies behind on the last line is looked at with it.
        start = text[stop..].find('\n').map_or(text.len(), |line| stop + line + 1).max(end);
        if stop < start {
            ranges.push(stop..start);
        }
    }
}

/// Whether a key called `token` stands last in a text.
fn has_token(text: &str) -> bool {
    let name = text.trim_end().rsplit(|char: char| !char.is_ascii_alphanumeric() && !"_-".contains(char)).next();
    text.trim_end_matches([' ', '"', '\'']).ends_with("token") || name.is_some_and(is_secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        hidden(&[ConfigFile::new("test", text)])[0].text.clone()
    }

    #[test]
    fn what_is_secret_is_covered_wherever_it_stands_and_nothing_else_moves() {
        for (text, expected) in [
            ("password = \"hunter2\"\nuser = \"u\"\n", "password = \"*******\"\nuser = \"u\"\n"),
            (
                "auth = { user = \"u\", password = 'hunter2', x = 1 }",
                "auth = { user = \"u\", password = '*******', x = 1 }",
            ),
            ("request.headers = { X-Key = \"hunter2\" }", "request.headers = { X-Key = \"*******\" }"),
            ("[sinks.out.request.headers]\nX = [\"hunter2\"]", "[sinks.out.request.headers]\nX = [\"*******\"]"),
            ("token = \"\"\"hun\nter2\"\"\"", "token = \"\"\"***\n****\"\"\""),
            ("token = \"${TOKEN}\"", "token = \"${TOKEN}\""),
            ("token = \"${TOKEN:-hunter2}\"", "token = \"*****************\""),
            ("passwrod = \"hunter2\"\ntokn = 'x'", "passwrod = \"*******\"\ntokn = '*'"),
            ("password = 1234567", "password = *******"),
            (
                "uri = \"https://ann:hunter2@h.test/in?k=hunter2&b#d\"",
                "uri = \"https://***********@h.test/in?k=*******&***\"",
            ),
        ] {
            assert_eq!(shown(text), expected);
        }
    }

    #[test]
    fn of_what_is_no_toml_all_behind_a_secret_key_is_covered() {
        for text in [
            "password = hunter2\n",
            "password = \"hunter2\nuser = \"u\"",
            "password = \"\"\"\nhunter2\n\nhunter2",
            "auth = { password = \"hunter2\" x }",
            "auth = { token = \"hunter2\" x }",
            "headers = { X = \"hunter2\", \nY = \"hunter2\" \n",
            "[sinks.out.request.headers]\nX-Key = hunter2",
            "password = \"\"\"hun\nter2 \"\"\" hunter2",
            "\"api-key\" = hunter2",
        ] {
            let shown = shown(text);
            assert!(!shown.contains("hunter2") && !shown.contains("ter2"), "{shown}");
            assert_eq!(shown.len(), text.len());
        }
        assert_eq!(shown("count = many\n"), "count = many\n");
    }
}
