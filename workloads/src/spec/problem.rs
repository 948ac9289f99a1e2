//! What is wrong with a file: where, which key, what, and what would be right.

use std::fmt;
use std::ops::Range;

/// A file being read: its name, as people know it, and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its name, for messages.
    pub name: String,
    /// Its text.
    pub text: String,
}

impl Source {
    /// A source of that name and text.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Source {
        Source { name: name.into(), text: text.into() }
    }

    /// Line and column of a place in the text, both from 1; columns count characters.
    pub(crate) fn position(&self, at: usize) -> (usize, usize) {
        let at = self.boundary(at);
        let before = &self.text[..at];
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    /// The start of a line's text, from 1; the end of the text for a line beyond it.
    pub(crate) fn line_start(&self, line: usize) -> usize {
        match line {
            0 | 1 => 0,
            line => self.text.match_indices('\n').nth(line - 2).map_or(self.text.len(), |(i, _)| i + 1),
        }
    }

    /// The line that holds a place, without its end.
    pub(crate) fn line_at(&self, at: usize) -> &str {
        let at = self.boundary(at);
        let start = self.text[..at].rfind('\n').map_or(0, |i| i + 1);
        let end = self.text[at..].find('\n').map_or(self.text.len(), |i| at + i);
        self.text[start..end].trim_end_matches('\r')
    }

    /// The nearest place at or before this one that is no middle of a character.
    fn boundary(&self, at: usize) -> usize {
        let mut at = at.min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }
}

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The file means something all the same; somebody should look.
    Warning,
    /// The file cannot be used.
    Error,
}

/// One thing that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Whether the file can be used all the same.
    pub severity: Severity,
    /// The file's name.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, in characters, from 1.
    pub column: usize,
    /// The key, dotted from the top of the file; empty where the text as a whole is meant.
    pub key: String,
    /// What is wrong.
    pub problem: String,
    /// What would be right; empty where nobody can know.
    pub help: String,
    /// The line's text.
    shown: String,
    /// How many characters of it are meant, from `column` on.
    width: usize,
}

impl Problem {
    /// A problem at a place in a source.
    pub(crate) fn at(
        source: &Source,
        span: Range<usize>,
        key: &str,
        problem: impl Into<String>,
        help: impl Into<String>,
    ) -> Problem {
        let (line, column) = source.position(span.start);
        let shown = source.line_at(span.start).to_owned();
        let meant =
            source.text.get(span).map_or(1, |text| text.lines().next().unwrap_or("").trim_end().chars().count());
        let rest = shown.chars().count().saturating_sub(column - 1);
        Problem {
            severity: Severity::Error,
            file: source.name.clone(),
            line,
            column,
            key: key.to_owned(),
            problem: problem.into(),
            help: help.into(),
            shown,
            width: meant.min(rest).max(1),
        }
    }

    /// The same as a warning.
    pub(crate) fn into_warning(mut self) -> Problem {
        self.severity = Severity::Warning;
        self
    }

    /// Several lines for people: the message, the place, the line with the place underlined, and what would be right.
    pub fn render(&self, columns: usize) -> String {
        let severity = match self.severity {
            Severity::Warning => "warning: ",
            Severity::Error => "error: ",
        };
        let key = if self.key.is_empty() { String::new() } else { format!("{}: ", self.key) };
        let gutter = self.line.to_string().len();
        let pad = " ".repeat(gutter);
        let message = textwrap::fill(
            &format!("{severity}{key}{}", self.problem),
            textwrap::Options::new(columns).subsequent_indent("  ").break_words(false),
        );
        let (shown, before) = self.window(columns.saturating_sub(gutter + 3).max(20));
        let mut out = format!("{message}\n{pad}--> {}:{}:{}\n{pad} |\n", self.file, self.line, self.column);
        out += format!("{} | {shown}", self.line).trim_end();
        let left = shown.chars().count().saturating_sub(before);
        out += &format!("\n{pad} | {}{}\n", " ".repeat(before), "^".repeat(self.width.min(left).max(1)));
        if !self.help.is_empty() {
            let first = format!("{pad} = right would be: ");
            let rest = format!("{pad}   ");
            let options = textwrap::Options::new(columns).initial_indent(&first).subsequent_indent(&rest);
            out += &textwrap::fill(&self.help, options.break_words(false));
            out.push('\n');
        }
        out
    }

    /// The part of the line that fits, tabs as one space, and how many characters stand before the place in it.
    fn window(&self, columns: usize) -> (String, usize) {
        let skipped = if self.column - 1 + self.width.min(20) > columns { self.column.saturating_sub(10) } else { 0 };
        let visible = |c: char| if c.is_control() { ' ' } else { c };
        (self.shown.chars().skip(skipped).take(columns).map(visible).collect(), self.column - 1 - skipped)
    }
}

impl fmt::Display for Problem {
    /// One line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: ", self.file, self.line, self.column)?;
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

/// Why a file cannot be used: every error that was found in it, and its warnings, in the order of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// Those that make the file unusable.
    pub fn errors(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter().filter(|problem| problem.severity == Severity::Error)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            write!(f, "{}{problem}", if i == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// What a file means, and what somebody should look at in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed<T> {
    /// What it means.
    pub value: T,
    /// Warnings, in the order of the text.
    pub warnings: Vec<Problem>,
}

impl<T> Parsed<T> {
    /// The same with the value as something else.
    pub fn map<U>(self, into: impl FnOnce(T) -> U) -> Parsed<U> {
        Parsed { value: into(self.value), warnings: self.warnings }
    }
}
