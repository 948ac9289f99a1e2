//! A file as a tree in which every key and value knows its place; TOML and YAML look the same from here.

pub(crate) mod section;
mod toml;
pub(crate) mod value;
mod yaml;

use crate::spec::problem::{Parsed, Problem, Problems, Source};

pub(crate) use crate::spec::problem::Severity;
use std::cell::RefCell;
use std::ops::Range;

pub(crate) use self::toml::parse as parse_toml;
pub(crate) use self::yaml::parse as parse_yaml;

/// A value and its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) span: Range<usize>,
    pub(crate) value: Value,
}

/// A value.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    /// A date or time of TOML: nothing here takes one.
    Date,
    List(Vec<Node>),
    Table(Table),
}

/// Keys and values, in the order of the text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    pub(crate) entries: Vec<Entry>,
}

/// A key and its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Range<usize>,
    pub(crate) node: Node,
}

impl Value {
    /// What it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Int(_) => "a whole number",
            Value::Float(_) => "a number with a fraction",
            Value::Text(_) => "a text",
            Value::Date => "a date",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
        }
    }

    /// As it would be written in a properties file; none for what holds several values.
    pub(crate) fn as_setting(&self) -> Option<String> {
        match self {
            Value::Bool(it) => Some(it.to_string()),
            Value::Int(it) => Some(it.to_string()),
            Value::Float(it) => Some(it.to_string()),
            Value::Text(it) => Some(it.clone()),
            Value::Null | Value::Date | Value::List(_) | Value::Table(_) => None,
        }
    }
}

/// Takes down what is wrong while a file is read; reading goes on.
#[derive(Debug)]
pub(crate) struct Log<'a> {
    pub(crate) source: &'a Source,
    problems: RefCell<Vec<Problem>>,
}

impl<'a> Log<'a> {
    pub(crate) fn new(source: &'a Source) -> Log<'a> {
        Log { source, problems: RefCell::default() }
    }

    /// Something that makes the file unusable.
    pub(crate) fn error(&self, at: Range<usize>, key: &str, problem: impl Into<String>, help: impl Into<String>) {
        self.add(Problem::at(self.source, at, key, problem, help));
    }

    /// Something to look at.
    pub(crate) fn warn(&self, at: Range<usize>, key: &str, problem: impl Into<String>, help: impl Into<String>) {
        self.add(Problem::at(self.source, at, key, problem, help).into_warning());
    }

    pub(crate) fn add(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.problems.borrow().iter().any(|problem| problem.severity == Severity::Error)
    }

    /// The value when nothing was wrong; else everything that was. Only then may a fallback be in the value.
    pub(crate) fn close<T>(self, value: T) -> Result<Parsed<T>, Problems> {
        let failed = self.has_errors();
        let mut problems = self.problems.into_inner();
        // Problems of another file, which this one names, keep their order after this one's.
        problems.sort_by_key(|problem| (problem.file != self.source.name, problem.line, problem.column));
        problems.dedup();
        match failed {
            true => Err(Problems(problems)),
            false => Ok(Parsed { value, warnings: problems }),
        }
    }
}
