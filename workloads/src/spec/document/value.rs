//! Values of a tree as what they mean: spans of time, bytes, rates, counts, names. Each says what would be right.

use super::{Node, Value};
use crate::spec::near::advice;
use std::ops::Range;
use wavetank_sim::Nanos;

/// What is wrong with a value, and what would be right.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wrong {
    pub(crate) problem: String,
    pub(crate) help: String,
    /// The place, when it is a part of the value.
    pub(crate) at: Option<Range<usize>>,
}

impl Wrong {
    pub(crate) fn new(problem: impl Into<String>, help: impl Into<String>) -> Wrong {
        Wrong { problem: problem.into(), help: help.into(), at: None }
    }

    /// Another kind of value than belongs here.
    pub(crate) fn kind(node: &Node, wanted: &str) -> Wrong {
        let problem = match &node.value {
            Value::Text(text) => format!("\"{}\" where {wanted} belongs", shorten(text)),
            Value::Int(it) => format!("{it} where {wanted} belongs"),
            Value::Float(it) => format!("{it} where {wanted} belongs"),
            other => format!("{} where {wanted} belongs", other.kind()),
        };
        Wrong::new(problem, "")
    }

    fn help(mut self, help: impl Into<String>) -> Wrong {
        self.help = help.into();
        self
    }
}

/// A text for a message: one line, not too long.
pub(crate) fn shorten(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match line.chars().count() {
        0..=60 => line,
        _ => line.chars().take(57).chain("...".chars()).collect(),
    }
}

/// A text.
pub(crate) fn text(node: &Node) -> Result<String, Wrong> {
    match &node.value {
        Value::Text(text) if !text.trim().is_empty() => Ok(text.clone()),
        Value::Text(_) => Err(Wrong::new("is empty", "some text")),
        _ => Err(Wrong::kind(node, "a text").help("\"text in quotes\"")),
    }
}

/// A name that others refer to: letters, digits, `.`, `_`, `-`.
pub(crate) fn name(node: &Node) -> Result<String, Wrong> {
    let text = text(node)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    match text.chars().all(plain) {
        true => Ok(text),
        false => Err(Wrong::new(format!("\"{}\" is no name", shorten(&text)), "letters, digits, '.', '_' and '-'")),
    }
}

/// True or false.
pub(crate) fn boolean(node: &Node) -> Result<bool, Wrong> {
    match &node.value {
        Value::Bool(it) => Ok(*it),
        _ => Err(Wrong::kind(node, "true or false").help("true or false, without quotes")),
    }
}

/// A whole number within bounds.
pub(crate) fn count(min: u64, max: u64) -> impl Fn(&Node) -> Result<u64, Wrong> {
    move |node| {
        let right = || format!("a whole number from {min} to {}", grouped(max));
        let Value::Int(it) = &node.value else {
            return Err(Wrong::kind(node, "a whole number").help(right()));
        };
        match u64::try_from(*it) {
            Ok(it) if (min..=max).contains(&it) => Ok(it),
            _ if *it < 0 => Err(Wrong::new(format!("{it} is below zero"), right())),
            _ if *it < i128::from(min) => Err(Wrong::new(format!("{it} is too small"), right())),
            _ => Err(Wrong::new(format!("{it} is too large"), right())),
        }
    }
}

/// The same for 32 bits.
pub(crate) fn count32(min: u32, max: u32) -> impl Fn(&Node) -> Result<u32, Wrong> {
    let wide = count(min.into(), max.into());
    move |node| wide(node).map(|it| u32::try_from(it).expect("within bounds of 32 bits"))
}

/// A number within bounds.
pub(crate) fn number(min: f64, max: f64) -> impl Fn(&Node) -> Result<f64, Wrong> {
    move |node| {
        let right = format!("a number from {min} to {max}");
        let it = match &node.value {
            Value::Int(it) => *it as f64,
            Value::Float(it) => *it,
            _ => return Err(Wrong::kind(node, "a number").help(right)),
        };
        match (min..=max).contains(&it) {
            true => Ok(it),
            false => Err(Wrong::new(format!("{it} is out of bounds"), right)),
        }
    }
}

/// One of several words.
pub(crate) fn choice<T: Copy>(choices: &[(&'static str, T)]) -> impl Fn(&Node) -> Result<T, Wrong> {
    move |node| {
        let names = choices.iter().map(|(name, _)| *name);
        let Value::Text(word) = &node.value else {
            let all: Vec<&str> = names.collect();
            return Err(Wrong::kind(node, "a word").help(format!("one of {}", all.join(", "))));
        };
        let found = choices.iter().find(|(name, _)| name == word);
        found.map(|(_, it)| *it).ok_or_else(|| {
            Wrong::new(format!("there is no \"{}\"", shorten(word)), advice(word, names.collect::<Vec<_>>()))
        })
    }
}

/// A list, each item read by `item`.
pub(crate) fn list<T>(item: impl Fn(&Node) -> Result<T, Wrong>) -> impl Fn(&Node) -> Result<Vec<T>, Wrong> {
    move |node| {
        let Value::List(nodes) = &node.value else {
            return Err(Wrong::kind(node, "a list").help("[first, second]"));
        };
        let read = |node: &Node| {
            item(node).map_err(|wrong| Wrong { at: wrong.at.or_else(|| Some(node.span.clone())), ..wrong })
        };
        nodes.iter().map(read).collect()
    }
}

/// A span of time: `"30 s"`.
pub(crate) fn span(node: &Node) -> Result<Nanos, Wrong> {
    let right = "a number and one of us, ms, s, min, h: \"30 s\"";
    match &node.value {
        Value::Text(text) => {
            parse_span(text).ok_or_else(|| Wrong::new(format!("\"{}\" is no span of time", shorten(text)), right))
        }
        Value::Int(it) => {
            Err(Wrong::new(format!("{it} has no unit"), format!("\"{it} s\", or another of us, ms, min, h")))
        }
        _ => Err(Wrong::kind(node, "a span of time").help(right)),
    }
}

/// A span of time above zero.
pub(crate) fn span_above_zero(node: &Node) -> Result<Nanos, Wrong> {
    match span(node)? {
        Nanos::ZERO => Err(Wrong::new("is no time at all", "more than zero: \"30 s\"")),
        span => Ok(span),
    }
}

/// Bytes: a whole number, or `"1 KiB"`.
pub(crate) fn bytes(node: &Node) -> Result<u64, Wrong> {
    let right = "a whole number of bytes, or one with a unit of B, KB, KiB, MB, MiB, GB, GiB, TB, TiB: \"1 KiB\"";
    match &node.value {
        Value::Int(it) if *it < 0 => Err(Wrong::new(format!("{it} is below zero"), right)),
        Value::Int(it) => u64::try_from(*it).map_err(|_| Wrong::new(format!("{it} is too large"), right)),
        Value::Text(text) => {
            parse_bytes(text).ok_or_else(|| Wrong::new(format!("\"{}\" is no amount of bytes", shorten(text)), right))
        }
        _ => Err(Wrong::kind(node, "an amount of bytes").help(right)),
    }
}

/// Messages a second: a whole number, or `"20000 msg/s"`.
pub(crate) fn rate(node: &Node) -> Result<u64, Wrong> {
    let right = "messages a second, above zero: 20000 or \"20000 msg/s\"";
    let it = match &node.value {
        Value::Int(it) => u64::try_from(*it).ok(),
        Value::Text(text) => {
            let unit = |text: &str| matches!(text, "msg/s" | "msgs/s" | "messages/s" | "/s");
            let text = text.replace('_', "");
            let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
            text[..split].parse().ok().filter(|_| unit(text[split..].trim()))
        }
        _ => return Err(Wrong::kind(node, "a rate").help(right)),
    };
    match (it, &node.value) {
        (Some(it @ 1..=1_000_000_000_000), _) => Ok(it),
        (_, Value::Text(text)) => Err(Wrong::new(format!("\"{}\" is no rate", shorten(text)), right)),
        (_, Value::Int(it)) => Err(Wrong::new(format!("{it} is no rate"), right)),
        _ => Err(Wrong::kind(node, "a rate").help(right)),
    }
}

/// `"28.4 ms"` as nanoseconds; none for anything else, or what does not fit into 290 years.
pub fn parse_span(text: &str) -> Option<Nanos> {
    let (number, unit) = number_and_unit(text)?;
    scaled(number, nanos_each(unit)?).map(Nanos)
}

/// Flink's way: the same, and a bare number counts milliseconds.
pub(crate) fn parse_flink_span(text: &str) -> Option<Nanos> {
    match number_and_unit(text)? {
        (number, "") => scaled(number, 1e6).map(Nanos),
        (number, unit) => scaled(number, nanos_each(unit)?).map(Nanos),
    }
}

/// `"1 KiB"` as bytes; none for anything else.
pub(crate) fn parse_bytes(text: &str) -> Option<u64> {
    let (number, unit) = number_and_unit(text)?;
    let each = match unit {
        "" | "B" | "bytes" => 1.0,
        "KB" | "kB" => 1e3,
        "KiB" => 1024.0,
        "MB" => 1e6,
        "MiB" => 1_048_576.0,
        "GB" => 1e9,
        "GiB" => 1_073_741_824.0,
        "TB" => 1e12,
        "TiB" => 1_099_511_627_776.0,
        _ => return None,
    };
    scaled(number, each)
}

/// Flink's `MemorySize`: every unit is a power of 1024, in any case.
pub(crate) fn parse_flink_bytes(text: &str) -> Option<u64> {
    let (number, unit) = number_and_unit(text)?;
    let each = match unit.to_ascii_lowercase().as_str() {
        "" | "b" | "bytes" => 1.0,
        "k" | "kb" | "kibibytes" => 1024.0,
        "m" | "mb" | "mebibytes" => 1_048_576.0,
        "g" | "gb" | "gibibytes" => 1_073_741_824.0,
        "t" | "tb" | "tebibytes" => 1_099_511_627_776.0,
        _ => return None,
    };
    scaled(number, each)
}

/// A plain decimal number, not negative, and the word after it.
pub(crate) fn number_and_unit(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..split].parse().ok()?;
    number.is_finite().then_some((number, text[split..].trim()))
}

fn scaled(number: f64, each: f64) -> Option<u64> {
    let it = number * each;
    (it < 9.2e18).then_some((it + 0.5) as u64)
}

/// How many nanoseconds a unit of time has.
pub(crate) fn nanos_each(unit: &str) -> Option<f64> {
    match unit {
        "ns" | "nano" | "nanos" | "nanosecond" | "nanoseconds" => Some(1.0),
        "us" | "µs" | "micro" | "micros" | "microsecond" | "microseconds" => Some(1e3),
        "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => Some(1e6),
        "s" | "sec" | "secs" | "second" | "seconds" => Some(1e9),
        "m" | "min" | "mins" | "minute" | "minutes" => Some(60e9),
        "h" | "hour" | "hours" => Some(3600e9),
        "d" | "day" | "days" => Some(86_400e9),
        _ => None,
    }
}

/// A number with commas between its thousands.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let comma = |(i, c): (usize, char)| {
        let left = digits.len() - i;
        (i > 0 && left.is_multiple_of(3)).then_some(',').into_iter().chain([c])
    };
    digits.chars().enumerate().flat_map(comma).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_exactly() {
        for (text, nanos) in
            [("30 s", 30_000_000_000), ("28.4 ms", 28_400_000), ("30s", 30_000_000_000), ("1 h", 3_600_000_000_000)]
        {
            assert_eq!(parse_span(text), Some(Nanos(nanos)), "{text}");
        }
        for text in ["", "s", "30", "-1 s", "1e3 s", "1 fortnight", "99999999999999 d", "1..2 s", "NaN s"] {
            assert_eq!(parse_span(text), None, "{text}");
        }
        assert_eq!(parse_flink_span("200"), Some(Nanos::millis(200)));
        assert_eq!(
            (parse_bytes("1 KiB"), parse_bytes("1.5 MB"), parse_bytes("7")),
            (Some(1024), Some(1_500_000), Some(7))
        );
        assert_eq!((parse_bytes("1 kb"), parse_flink_bytes("1 kb")), (None, Some(1024)));
        assert_eq!(
            (grouped(0), grouped(999), grouped(1_000), grouped(12_345_678)),
            ("0".into(), "999".into(), "1,000".into(), "12,345,678".into())
        );
    }
}
