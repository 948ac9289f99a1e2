//! Reading data files (profiles, prices, instance types): TOML, with errors that name file, line, key, what is wrong
//! and what would be right.
//!
//! An unknown key is an error. What `serde` cannot know (an order of percentiles, a price below zero) is checked after
//! parsing, on values that kept their place in the file ([`toml::Spanned`]), so those errors name a line too.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::ops::Range;
use toml::Spanned;
use wavetank_sim::Nanos;

/// What is wrong with a data file, where, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct DataError {
    /// The file's name, as its reader gave it.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The key or table, dotted; empty where the text is no TOML.
    pub key: String,
    /// What is wrong.
    pub problem: String,
    /// What would be right.
    pub help: String,
}

impl fmt::Display for DataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file, self.line)?;
        if !self.key.is_empty() {
            write!(f, "`{}`: ", self.key)?;
        }
        f.write_str(&self.problem)?;
        if !self.help.is_empty() {
            write!(f, " (right would be: {})", self.help)?;
        }
        Ok(())
    }
}

/// A data file being read: its name and text, for errors that point into it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DataFile<'a> {
    pub(crate) name: &'a str,
    pub(crate) text: &'a str,
}

impl DataFile<'_> {
    /// The file as `T`.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Result<T, DataError> {
        toml::from_str(self.text).map_err(|error| {
            let at = error.span().unwrap_or(0..0);
            let message = error.message().replace('\n', "; ");
            let help = match message.split_once(", expected ") {
                Some((_, expected)) => expected.to_owned(),
                None if message.starts_with("missing field") => "every key of this table, none left out".to_owned(),
                None => String::new(),
            };
            let problem = message.split_once(", expected ").map_or(message.as_str(), |(problem, _)| problem);
            self.error(at.clone(), self.key_at(at.start), problem, help)
        })
    }

    /// An error at a place in the text.
    pub(crate) fn error(
        &self,
        at: Range<usize>,
        key: impl Into<String>,
        problem: impl Into<String>,
        help: impl Into<String>,
    ) -> DataError {
        let before = self.text.get(..at.start).unwrap_or("");
        let line = before.matches('\n').count() + 1;
        DataError { file: self.name.to_owned(), line, key: key.into(), problem: problem.into(), help: help.into() }
    }

    /// An error at a value that kept its place.
    pub(crate) fn error_at<T>(
        &self,
        value: &Spanned<T>,
        key: impl Into<String>,
        problem: impl Into<String>,
        help: impl Into<String>,
    ) -> DataError {
        self.error(value.span(), key, problem, help)
    }

    /// The last `[table]` heading above a place and the key of its line: near enough for a person to find it.
    fn key_at(&self, at: usize) -> String {
        let line_end = self.text.get(at..).and_then(|rest| rest.find('\n')).map_or(self.text.len(), |i| at + i);
        let above = self.text.get(..line_end).unwrap_or("");
        let table = above.lines().rev().find_map(|line| {
            let heading = line.trim().strip_prefix('[')?;
            heading.rsplit_once(']').map(|(name, _)| name.trim_matches(['[', ']', ' ']).to_owned())
        });
        let last = above.lines().last().unwrap_or("").trim();
        let key = last.split_once('=').map(|(key, _)| key.trim()).filter(|_| !last.starts_with('['));
        match (table, key) {
            (Some(table), Some(key)) => format!("{table}.{key}"),
            (Some(only), None) => only,
            (None, Some(only)) => only.to_owned(),
            (None, None) => String::new(),
        }
    }

    /// A value that must be above zero and finite.
    pub(crate) fn above_zero(&self, value: &Spanned<f64>, key: &str) -> Result<f64, DataError> {
        let x = *value.get_ref();
        if x.is_finite() && x > 0.0 {
            return Ok(x);
        }
        Err(self.error_at(value, key, format!("{x} is not above zero"), "a number above zero"))
    }
}

/// A span of time as written in a data file: a number and a unit, `"28.4 ms"`.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct Span(Spanned<String>);

impl Span {
    /// In nanoseconds.
    pub(crate) fn nanos(&self, file: &DataFile<'_>, key: &str) -> Result<Nanos, DataError> {
        parse_span(self.0.get_ref()).ok_or_else(|| {
            let problem = format!("\"{}\" is no span of time", self.0.get_ref());
            file.error_at(&self.0, key, problem, "a number and one of ns, us, ms, s, min: \"28.4 ms\"")
        })
    }

    /// Where it stands.
    pub(crate) fn span(&self) -> Range<usize> {
        self.0.span()
    }
}

/// `"28.4 ms"` as nanoseconds; none for anything else, or what does not fit.
pub(crate) fn parse_span(text: &str) -> Option<Nanos> {
    let (number, unit) = text.trim().split_once(' ')?;
    let nanos_each = nanos_per(unit.trim())?;
    let number: f64 = number.parse().ok().filter(|n: &f64| n.is_finite() && *n >= 0.0)?;
    let nanos = number * nanos_each;
    (nanos < 9e18).then_some(Nanos((nanos + 0.5) as u64))
}

/// How many nanoseconds a unit of time has; none for what is no unit of time.
pub(crate) fn nanos_per(unit: &str) -> Option<f64> {
    match unit {
        "ns" => Some(1.0),
        "us" => Some(1e3),
        "ms" => Some(1e6),
        "s" => Some(1e9),
        "min" => Some(60e9),
        "h" => Some(3600e9),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Thing {
        #[allow(dead_code)]
        inner: Inner,
    }
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        wait: Span,
    }

    #[test]
    fn spans_of_time_are_read_exactly() {
        let read = |text| parse_span(text);
        assert_eq!(read("28.4 ms"), Some(Nanos(28_400_000)));
        assert_eq!(read("6 min"), Some(Nanos::secs(360)));
        assert_eq!(read("0 ns"), Some(Nanos::ZERO));
        for bad in ["28.4", "ms", "28,4 ms", "-1 ms", "1 fortnight", "NaN ms", "1e300 s", ""] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn errors_name_file_line_key_and_what_would_be_right() {
        let error = |text| {
            let file = DataFile { name: "x.toml", text };
            file.parse::<Thing>()
                .and_then(|t| t.inner.wait.nanos(&file, "inner.wait"))
                .expect_err("a bad file was accepted")
                .to_string()
        };
        assert_eq!(
            error("\n[inner]\nwiat = \"1 ms\"\n"),
            "x.toml:3: `inner.wiat`: unknown field `wiat` (right would be: `wait`)"
        );
        assert_eq!(
            error("[inner]\nwait = \"1 parsec\"\n"),
            "x.toml:2: `inner.wait`: \"1 parsec\" is no span of time \
             (right would be: a number and one of ns, us, ms, s, min: \"28.4 ms\")"
        );
        assert!(error("[inner]\n").starts_with("x.toml:1: `inner`: missing field `wait`"));
        assert!(error("[inner\n").starts_with("x.toml:1: "));
    }
}
