//! Java's `.properties` format (`java.util.Properties.load`), with the place of every entry.

use std::iter::Peekable;
use std::ops::Range;
use std::str::CharIndices;

/// A key, its value, and where both are: the line from 0, and the bytes of the natural line it begins on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Property {
    pub(super) key: String,
    pub(super) value: String,
    /// The line that it begins on, from 0.
    pub(super) line: usize,
    /// Bytes of the value within that line; empty at its end when the value is empty or begins later.
    pub(super) value_at: Range<usize>,
    /// Bytes of the key within that line.
    pub(super) key_at: Range<usize>,
}

/// All entries of a text, in order; what Java reads as a key without a value has an empty one.
pub(super) fn parse(text: &str) -> Vec<Property> {
    let lines: Vec<&str> = text.split('\n').map(|line| line.trim_end_matches('\r')).collect();
    let mut properties = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let (first, begin) = (lines[at], at);
        let indent = first.len() - first.trim_start().len();
        let body = &first[indent..];
        at += 1;
        if body.is_empty() || body.starts_with(['#', '!']) {
            continue;
        }
        let mut logical = body.to_owned();
        while ends_in_odd_backslashes(&logical) {
            logical.pop();
            let Some(next) = lines.get(at) else { break };
            logical += next.trim_start();
            at += 1;
        }
        let key_end = key_end(&logical);
        let value_start = value_start(&logical, key_end);
        let within = |at: usize| (indent + at).min(first.len());
        properties.push(Property {
            key: unescape(&logical[..key_end]),
            value: unescape(&logical[value_start..]),
            line: begin,
            key_at: within(0)..within(key_end),
            value_at: within(value_start)..within(logical.len()),
        });
    }
    properties
}

fn ends_in_odd_backslashes(line: &str) -> bool {
    line.chars().rev().take_while(|c| *c == '\\').count() % 2 == 1
}

/// The first `=`, `:` or white space that no backslash stands before.
fn key_end(line: &str) -> usize {
    let mut escaped = false;
    for (at, c) in line.char_indices() {
        if !escaped && (c == '=' || c == ':' || is_space(c)) {
            return at;
        }
        escaped = !escaped && c == '\\';
    }
    line.len()
}

/// After white space, one `=` or `:`, and white space.
fn value_start(line: &str, key_end: usize) -> usize {
    let rest = line[key_end..].trim_start_matches(is_space);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest).trim_start_matches(is_space);
    line.len() - rest.len()
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\x0c')
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.char_indices().peekable();
    while let Some((_, c)) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some(_)) => out.push(escape(text, &mut chars)),
            _ => out.push(c),
        }
    }
    out
}

/// The character after a backslash; one that stands for nothing else stands for itself.
fn escape(text: &str, chars: &mut Peekable<CharIndices<'_>>) -> char {
    let Some((at, c)) = chars.next() else { return '\\' };
    match c {
        't' => '\t',
        'n' => '\n',
        'r' => '\r',
        'f' => '\x0c',
        'u' => {
            match text.get(at + 1..at + 5).and_then(|hex| u32::from_str_radix(hex, 16).ok()).and_then(char::from_u32) {
                Some(it) => {
                    chars.nth(3);
                    it
                }
                None => 'u',
            }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_as_java_reads_them() {
        let text =
            "# one\n! two\n\n  acks=all\nlinger.ms : 5\r\nretries\t3\nempty\nlong=a,\\\n    b\n\\u0061\\=b = c\\\\d\n";
        let read: Vec<(String, String, usize)> =
            parse(text).into_iter().map(|it| (it.key, it.value, it.line)).collect();
        let entry = |key: &str, value: &str, line| (key.to_owned(), value.to_owned(), line);
        assert_eq!(
            read,
            [
                entry("acks", "all", 3),
                entry("linger.ms", "5", 4),
                entry("retries", "3", 5),
                entry("empty", "", 6),
                entry("long", "a,b", 7),
                entry("a=b", "c\\d", 9)
            ]
        );
        // Of two backslashes one is meant, and the line ends there.
        let two: Vec<String> = parse("a=b\\\\\nc=d").into_iter().map(|it| it.value).collect();
        assert_eq!(two, ["b\\", "d"]);
        let acks = &parse(text)[0];
        assert_eq!((acks.key_at.clone(), acks.value_at.clone()), (2..6, 7..10));
    }
}
