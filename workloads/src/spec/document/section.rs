//! A table being read: each key is asked for once, and what nobody asked for is unknown.

use super::value::Wrong;
use super::{Entry, Log, Node, Severity, Table, Value};
use crate::spec::near::{advice, nearest};
use std::cell::RefCell;
use std::ops::Range;

/// A table being read.
pub(crate) struct Section<'a> {
    /// Its key, dotted from the top; empty for the file itself.
    pub(crate) path: String,
    /// Where it begins.
    pub(crate) span: Range<usize>,
    pub(crate) table: &'a Table,
    pub(crate) log: &'a Log<'a>,
    known: RefCell<Vec<&'static str>>,
}

impl<'a> Section<'a> {
    /// The file as a whole.
    pub(crate) fn top(table: &'a Table, log: &'a Log<'a>) -> Section<'a> {
        Section { path: String::new(), span: 0..0, table, log, known: RefCell::default() }
    }

    /// A table within.
    pub(crate) fn within(&self, path: String, span: Range<usize>, table: &'a Table) -> Section<'a> {
        Section { path, span, table, log: self.log, known: RefCell::default() }
    }

    /// A key's full name.
    pub(crate) fn full(&self, key: &str) -> String {
        let key = if key.contains('.') { format!("\"{key}\"") } else { key.to_owned() };
        if self.path.is_empty() { key } else { format!("{}.{key}", self.path) }
    }

    /// The entry of a key, if it is there.
    pub(crate) fn entry(&self, key: &'static str) -> Option<&'a Entry> {
        let mut known = self.known.borrow_mut();
        if !known.contains(&key) {
            known.push(key);
        }
        drop(known);
        self.table.entries.iter().find(|entry| entry.key == key)
    }

    /// The value of a key; none when it is missing or wrong.
    pub(crate) fn optional<T>(&self, key: &'static str, read: impl Fn(&Node) -> Result<T, Wrong>) -> Option<T> {
        let entry = self.entry(key)?;
        self.read(entry, read)
    }

    /// The value of a key, or what holds when it is missing.
    pub(crate) fn or<T>(&self, key: &'static str, default: T, read: impl Fn(&Node) -> Result<T, Wrong>) -> T {
        self.optional(key, read).unwrap_or(default)
    }

    /// The value of a key that must be there. `fallback` goes on in its place when it is not: the file is refused.
    pub(crate) fn need<T>(
        &self,
        key: &'static str,
        fallback: T,
        right: &str,
        read: impl Fn(&Node) -> Result<T, Wrong>,
    ) -> T {
        match self.entry(key) {
            Some(entry) => self.read(entry, read).unwrap_or(fallback),
            None => {
                self.log.error(self.span.clone(), &self.full(key), "is missing", right);
                fallback
            }
        }
    }

    fn read<T>(&self, entry: &Entry, read: impl Fn(&Node) -> Result<T, Wrong>) -> Option<T> {
        match read(&entry.node) {
            Ok(value) => Some(value),
            Err(wrong) => {
                let at = wrong.at.unwrap_or_else(|| entry.node.span.clone());
                self.log.error(at, &self.full(&entry.key), wrong.problem, wrong.help);
                None
            }
        }
    }

    /// A table of this one.
    pub(crate) fn section(&self, key: &'static str) -> Option<Section<'a>> {
        let entry = self.entry(key)?;
        self.as_section(entry)
    }

    /// An entry as a table.
    pub(crate) fn as_section(&self, entry: &'a Entry) -> Option<Section<'a>> {
        let path = self.full(&entry.key);
        let Value::Table(table) = &entry.node.value else {
            let problem = format!("{} where a table belongs", entry.node.value.kind());
            self.log.error(entry.node.span.clone(), &path, problem, format!("[{path}]"));
            return None;
        };
        Some(self.within(path, entry.key_span.clone(), table))
    }

    /// The tables of a `[[list]]`.
    pub(crate) fn sections(&self, key: &'static str) -> Vec<Section<'a>> {
        let Some(entry) = self.entry(key) else { return Vec::new() };
        let path = self.full(key);
        let wrong = |node: &Node| {
            let problem = format!("{} where a list of tables belongs", node.value.kind());
            self.log.error(node.span.clone(), &path, problem, format!("[[{path}]]"));
        };
        let Value::List(nodes) = &entry.node.value else {
            wrong(&entry.node);
            return Vec::new();
        };
        let section = |(i, node): (usize, &'a Node)| match &node.value {
            Value::Table(table) => Some(self.within(format!("{path}[{i}]"), node.span.clone(), table)),
            _ => {
                wrong(node);
                None
            }
        };
        nodes.iter().enumerate().filter_map(section).collect()
    }

    /// An error at a key, or at the table when the key is not there.
    pub(crate) fn error(&self, key: &str, problem: impl Into<String>, help: impl Into<String>) {
        self.log.error(self.place(key), &self.full(key), problem, help);
    }

    /// A warning there.
    pub(crate) fn warn(&self, key: &str, problem: impl Into<String>, help: impl Into<String>) {
        self.log.warn(self.place(key), &self.full(key), problem, help);
    }

    fn place(&self, key: &str) -> Range<usize> {
        let entry = self.table.entries.iter().find(|entry| entry.key == key);
        entry.map_or_else(|| self.span.clone(), |entry| entry.node.span.clone())
    }

    /// Whether nothing was wrong so far: what goes together with what is only then worth a word, since fallbacks stand
    /// in for what was wrong.
    pub(crate) fn is_sound(&self) -> bool {
        !self.log.has_errors()
    }

    /// Takes down every key that nobody asked for. `hints` are words that people write for something else.
    pub(crate) fn finish(&self, severity: Severity, hints: &[(&str, &str)]) {
        let known = self.known.borrow();
        for entry in self.table.entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let hint = hints.iter().find(|(word, _)| *word == entry.key).map(|(_, hint)| (*hint).to_owned());
            let (at, key) = (entry.key_span.clone(), self.full(&entry.key));
            let names = known.iter().copied();
            match severity {
                Severity::Error => {
                    self.log.error(
                        at,
                        &key,
                        "is no key of this table",
                        hint.unwrap_or_else(|| advice(&entry.key, names)),
                    );
                }
                Severity::Warning => {
                    let near = nearest(&entry.key, names).map(|name| format!("{name}?"));
                    self.log.warn(at, &key, "is not known, and has no effect", hint.or(near).unwrap_or_default());
                }
            }
        }
    }
}
