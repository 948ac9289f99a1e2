//! TOML into the tree.

use super::{Entry, Log, Node, Table, Value};
use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

/// The tree of a TOML text. What is no TOML is taken down, and what is left is read all the same.
pub(crate) fn parse(log: &Log<'_>) -> Table {
    let (table, errors) = DeTable::parse_recoverable(&log.source.text);
    // What follows the first error is mostly its echo.
    for error in errors.into_iter().take(1) {
        let message = error.message().replace('\n', "; ");
        let (problem, help) = message.split_once(", expected ").unwrap_or((&message, ""));
        log.error(error.span().unwrap_or(0..0), "", format!("this is no TOML: {problem}"), help);
    }
    into_table(table.into_inner())
}

fn into_table(table: DeTable<'_>) -> Table {
    let entry = |(key, value): (Spanned<_>, Spanned<DeValue<'_>>)| {
        let key: Spanned<std::borrow::Cow<'_, str>> = key;
        Entry { key_span: key.span(), key: key.into_inner().into_owned(), node: into_node(value) }
    };
    let mut entries: Vec<Entry> = table.into_iter().map(entry).collect();
    entries.sort_by_key(|entry| entry.key_span.start);
    Table { entries }
}

fn into_node(value: Spanned<DeValue<'_>>) -> Node {
    let span = value.span();
    let value = match value.into_inner() {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Integer(integer) => into_integer(&integer),
        DeValue::Float(float) => float.as_str().parse().map_or(Value::Null, Value::Float),
        DeValue::Boolean(it) => Value::Bool(it),
        DeValue::Datetime(_) => Value::Date,
        DeValue::Array(list) => Value::List(list.into_iter().map(into_node).collect()),
        DeValue::Table(table) => Value::Table(into_table(table)),
    };
    Node { span, value }
}

/// A number beyond 128 bits keeps its text: it is refused as such where it is used.
fn into_integer(integer: &DeInteger<'_>) -> Value {
    i128::from_str_radix(integer.as_str(), integer.radix())
        .map_or_else(|_| Value::Text(integer.as_str().to_owned()), Value::Int)
}
