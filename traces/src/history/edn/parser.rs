//! Reads EDN and writes JSON, without a tree between them: what a form becomes is appended to a text as it is read.

use super::source::{Place, Source};
use super::{Fields, atom};
use crate::history::{ReadError, ReadErrorKind, reader};
use std::io::BufRead;

/// Forms inside forms. What reads the JSON has a limit of 128.
const MAX_DEPTH: u32 = 100;

/// How a form begins, or what is there instead.
enum Start {
    /// Nothing: the end.
    End,
    /// The end of what encloses: this bracket.
    Close(u8),
    /// A map, and the namespace of its keys.
    Map(Option<String>),
    /// A vector or a list, up to this bracket.
    List(u8),
    /// A set.
    Set,
    /// A string, its quote taken.
    String,
    /// A regular expression, likewise.
    Regex,
    /// A character, its backslash taken.
    Character,
    /// `##Inf` and the like, one # taken.
    Symbolic,
    /// A token, nothing of it taken.
    Token,
}

/// What there was to read.
enum Read {
    /// A form.
    Form {
        /// Which was a keyword.
        keyword: bool,
    },
    /// None: the end of what encloses.
    Close(u8),
    /// None: the end.
    End,
}

/// Reads operations.
pub(super) struct Parser<R> {
    source: Source<R>,
    depth: u32,
    /// Where the form began that is being read.
    form: Place,
    /// What ends the vector of all operations, while in one.
    enclosing: Option<u8>,
}

type Result<T> = std::result::Result<T, ReadError>;

impl<R: BufRead> Parser<R> {
    pub(super) fn new(bytes: R, name: &str) -> Parser<R> {
        let source = Source::new(bytes, name);
        let form = source.place();
        Parser { source, depth: 0, form, enclosing: None }
    }

    pub(super) fn error(&self, kind: ReadErrorKind) -> ReadError {
        self.source.error_here(kind)
    }

    fn wrong<T>(&self, at: Place, message: &str) -> Result<T> {
        Err(self.source.error(at, message))
    }

    /// Reads the next operation; false at the end.
    pub(super) fn next_op(&mut self, op: &mut Fields) -> Result<bool> {
        op.clear();
        loop {
            self.source.allow(reader::MAX_LINE);
            match (self.start()?, self.enclosing) {
                (Start::End, None) => return Ok(false),
                (Start::End, Some(_)) => {
                    return self.wrong(self.form, "the file ends inside of the list of operations");
                }
                (Start::Close(close), Some(enclosing)) if close == enclosing => self.enclosing = None,
                (Start::List(close), None) => self.enclosing = Some(close),
                (Start::Map(namespace), _) => return self.op(namespace.as_deref(), op).map(|()| true),
                _ => return self.wrong(self.form, "expected an operation: a map, {:type :invoke, ...}"),
            }
        }
    }

    fn op(&mut self, namespace: Option<&str>, op: &mut Fields) -> Result<()> {
        let opened = self.form;
        loop {
            let name = op.text.len();
            if !self.key(namespace, opened, &mut op.text)? {
                return Ok(());
            }
            let value = op.text.len();
            if let Some(twice) = op.has_already(name..value) {
                return self.wrong(self.form, &format!("the operation has the key {twice} already"));
            }
            self.required("a key needs a value", &mut op.text)?;
            op.places.push((name..value, value..op.text.len()));
        }
    }

    /// Skips what says nothing, up to where a form begins or nothing is left.
    fn start(&mut self) -> Result<Start> {
        // A tag, metadata or a namespace needs a form after it.
        let mut needs: Option<&str> = None;
        let mut namespace = None;
        loop {
            let at = self.source.place();
            self.form = at;
            let Some(byte) = self.source.peek()? else { return self.nothing(needs, Start::End) };
            if byte.is_ascii_whitespace() || byte == b',' {
                self.source.take()?;
                continue;
            }
            if namespace.is_some() && byte != b'{' {
                return self.wrong(at, "a namespace needs a map, #:name{...}");
            }
            match byte {
                b';' => while !matches!(self.source.take()?, None | Some(b'\n')) {},
                b')' | b']' | b'}' => {
                    let nothing = self.nothing(needs, Start::Close(byte))?;
                    self.source.take()?;
                    return Ok(nothing);
                }
                b'^' => {
                    self.source.take()?;
                    self.discard("^ needs metadata")?;
                    needs = Some("metadata needs a form");
                }
                b'#' => {
                    self.source.take()?;
                    match self.source.peek()? {
                        Some(b'_') => {
                            self.source.take()?;
                            self.discard("#_ needs a form to discard")?;
                        }
                        Some(b':') => {
                            self.source.take()?;
                            namespace = Some(self.token(at)?);
                            needs = Some("a namespace needs a map, #:name{...}");
                        }
                        Some(b'{') => return self.taken(Start::Set),
                        Some(b'"') => return self.taken(Start::Regex),
                        Some(b'#') => return Ok(Start::Symbolic),
                        Some(b'\'') => {
                            self.source.take()?;
                            needs = Some("#' needs a name");
                        }
                        Some(first) if first.is_ascii_alphabetic() => {
                            self.token(at)?;
                            needs = Some("a tag needs a form");
                        }
                        _ => return self.wrong(at, "# needs a set, a tag, or _ to discard a form"),
                    }
                }
                b'{' => return self.taken(Start::Map(namespace)),
                b'[' => return self.taken(Start::List(b']')),
                b'(' => return self.taken(Start::List(b')')),
                b'"' => return self.taken(Start::String),
                b'\\' => return self.taken(Start::Character),
                b'@' | b'`' | b'~' | b'\'' => return self.wrong(at, "this is code, not EDN"),
                _ => return Ok(Start::Token),
            }
        }
    }

    fn nothing(&self, needs: Option<&str>, start: Start) -> Result<Start> {
        needs.map_or(Ok(start), |message| self.wrong(self.form, message))
    }

    /// Takes the byte that was seen.
    fn taken(&mut self, start: Start) -> Result<Start> {
        self.source.take()?;
        Ok(start)
    }

    /// Reads a form, if there is one, and appends its JSON.
    fn read(&mut self, out: &mut Vec<u8>) -> Result<Read> {
        let start = self.start()?;
        let at = self.form;
        let mut keyword = false;
        match start {
            Start::End => return Ok(Read::End),
            Start::Close(close) => return Ok(Read::Close(close)),
            Start::Map(namespace) => self.nested(at, |parser| parser.map(namespace.as_deref(), at, out))?,
            Start::List(close) => self.nested(at, |parser| parser.list(close, at, out))?,
            Start::Set => self.nested(at, |parser| parser.set(at, out))?,
            Start::String => self.string(at, out)?,
            Start::Regex => self.regex(at, out)?,
            Start::Character => self.character(at, out)?,
            Start::Symbolic => {
                let name = self.token(at)?;
                json(name.trim_start_matches('#'), out);
            }
            Start::Token => {
                let token = self.token(at)?;
                keyword = token.starts_with(':');
                match atom::token(&token) {
                    Ok(value) => json(&value, out),
                    Err(message) => return self.wrong(at, &message),
                }
            }
        }
        Ok(Read::Form { keyword })
    }

    fn nested<T>(&mut self, at: Place, inner: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth == MAX_DEPTH {
            return self.wrong(at, "forms are nested too deeply; at most 100 deep");
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    /// Reads a form that has to be there.
    fn required(&mut self, message: &str, out: &mut Vec<u8>) -> Result<()> {
        match self.read(out)? {
            Read::Form { .. } => Ok(()),
            Read::Close(_) | Read::End => self.wrong(self.form, message),
        }
    }

    /// Reads a form for nothing.
    fn discard(&mut self, message: &str) -> Result<()> {
        let at = self.source.place();
        self.nested(at, |parser| parser.required(message, &mut Vec::new()))
    }

    /// Reads an element of what `close` ends; false if it ended.
    fn element(&mut self, close: u8, opened: Place, out: &mut Vec<u8>) -> Result<Option<bool>> {
        match self.read(out)? {
            Read::Form { keyword } => Ok(Some(keyword)),
            Read::Close(found) if found == close => Ok(None),
            Read::Close(found) => self
                .wrong(self.form, &format!("{:?} closes nothing; expected {:?}", char::from(found), char::from(close))),
            Read::End => self.wrong(opened, &format!("this has no end; expected {:?}", char::from(close))),
        }
    }

    fn list(&mut self, close: u8, opened: Place, out: &mut Vec<u8>) -> Result<()> {
        out.push(b'[');
        let start = out.len();
        loop {
            let comma = separate(start, out);
            if self.element(close, opened, out)?.is_none() {
                out.truncate(comma);
                out.push(b']');
                return Ok(());
            }
        }
    }

    fn set(&mut self, opened: Place, out: &mut Vec<u8>) -> Result<()> {
        let mut elements = Vec::new();
        loop {
            let mut element = Vec::new();
            if self.element(b'}', opened, &mut element)?.is_none() {
                break;
            }
            elements.push(element);
        }
        elements.sort_by(|a, b| {
            order(a).partial_cmp(&order(b)).unwrap_or(std::cmp::Ordering::Equal).then_with(|| a.cmp(b))
        });
        out.push(b'[');
        out.extend(elements.join(&b','));
        out.push(b']');
        Ok(())
    }

    fn map(&mut self, namespace: Option<&str>, opened: Place, out: &mut Vec<u8>) -> Result<()> {
        out.push(b'{');
        let start = out.len();
        loop {
            let comma = separate(start, out);
            if !self.key(namespace, opened, out)? {
                out.truncate(comma);
                out.push(b'}');
                return Ok(());
            }
            out.push(b':');
            self.required("a key needs a value", out)?;
        }
    }

    /// Reads a map's key, as a JSON string; false if the map ended.
    fn key(&mut self, namespace: Option<&str>, opened: Place, out: &mut Vec<u8>) -> Result<bool> {
        let start = out.len();
        let Some(keyword) = self.element(b'}', opened, out)? else { return Ok(false) };
        if let Some(namespace) = namespace.filter(|_| keyword && !out[start..].contains(&b'/')) {
            let mut prefix = Vec::new();
            json(namespace, &mut prefix);
            prefix.pop();
            prefix.push(b'/');
            out.splice(start..=start, prefix);
        } else if out[start] != b'"' {
            let text = String::from_utf8_lossy(&out.split_off(start)).into_owned();
            json(text.as_str(), out);
        }
        Ok(true)
    }

    /// Reads a token.
    fn token(&mut self, at: Place) -> Result<String> {
        self.rest_of_token(at, Vec::new())
    }

    fn rest_of_token(&mut self, at: Place, mut token: Vec<u8>) -> Result<String> {
        while let Some(byte) = self.source.peek()?.filter(|byte| !ends_token(*byte)) {
            token.push(byte);
            self.source.take()?;
        }
        self.utf8(at, token)
    }

    fn utf8(&self, at: Place, bytes: Vec<u8>) -> Result<String> {
        String::from_utf8(bytes).or_else(|_| self.wrong(at, "this is not UTF-8"))
    }

    /// Reads the name of a character, from after its backslash.
    fn character(&mut self, at: Place, out: &mut Vec<u8>) -> Result<()> {
        // Its first byte may be anything, a bracket too.
        let first = self.source.take()?;
        let name = self.rest_of_token(at, first.into_iter().collect())?;
        match atom::character(&name) {
            Some(character) => json(character.encode_utf8(&mut [0; 4]), out),
            None => return self.wrong(at, &format!("\\{name} is not a character")),
        }
        Ok(())
    }

    fn regex(&mut self, at: Place, out: &mut Vec<u8>) -> Result<()> {
        let mut text = Vec::new();
        loop {
            match self.source.take()? {
                Some(b'"') => break,
                Some(b'\\') => text.extend([b'\\'].into_iter().chain(self.source.take()?)),
                Some(byte) => text.push(byte),
                None => return self.wrong(at, "this has no end; expected '\"'"),
            }
        }
        let text = self.utf8(at, text)?;
        json(text.as_str(), out);
        Ok(())
    }

    fn string(&mut self, at: Place, out: &mut Vec<u8>) -> Result<()> {
        let mut text = Vec::new();
        loop {
            let here = self.source.place();
            match self.source.take()? {
                Some(b'"') => break,
                Some(b'\\') => {
                    let character = self.escape(here)?;
                    text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                }
                Some(byte) => text.push(byte),
                None => return self.wrong(at, "this has no end; expected '\"'"),
            }
        }
        let text = self.utf8(at, text)?;
        json(text.as_str(), out);
        Ok(())
    }

    /// Reads an escape in a string, from after its backslash.
    fn escape(&mut self, at: Place) -> Result<char> {
        let named = match self.source.take()? {
            Some(b't') => '\t',
            Some(b'r') => '\r',
            Some(b'n') => '\n',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(byte @ (b'\\' | b'"')) => byte.into(),
            Some(b'u') => return self.unicode(at),
            Some(first @ b'0'..=b'7') => return self.octal(first),
            _ => {
                return self.wrong(
                    at,
                    "an escape is \\t, \\r, \\n, \\b, \\f, \\\\, \\\", \\u and 4 digits, or up to 3 octal digits",
                );
            }
        };
        Ok(named)
    }

    fn octal(&mut self, first: u8) -> Result<char> {
        let mut code = u32::from(first - b'0');
        for _ in 0..2 {
            let Some(digit) = self.source.peek()?.filter(|byte| matches!(byte, b'0'..=b'7')) else { break };
            self.source.take()?;
            code = code * 8 + u32::from(digit - b'0');
        }
        // At most 0o777.
        Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    /// Reads the rest of a `\u` escape, and of the one after it if it takes both to make a character.
    fn unicode(&mut self, at: Place) -> Result<char> {
        let mut units = vec![self.four_digits(at)?];
        if (0xd800..0xdc00).contains(&units[0]) && self.source.take_if(b'\\')? && self.source.take_if(b'u')? {
            units.push(self.four_digits(at)?);
        }
        match char::decode_utf16(units).next() {
            Some(Ok(character)) => Ok(character),
            _ => self.wrong(at, "this is half a character"),
        }
    }

    fn four_digits(&mut self, at: Place) -> Result<u16> {
        let mut code = 0;
        for _ in 0..4 {
            match self.source.take()?.and_then(|byte| char::from(byte).to_digit(16)) {
                Some(digit) => code = code * 16 + digit as u16,
                None => return self.wrong(at, "\\u needs 4 hexadecimal digits"),
            }
        }
        Ok(code)
    }
}

/// Whether a token cannot go on with this byte.
fn ends_token(byte: u8) -> bool {
    byte.is_ascii_whitespace() || b",\";()[]{}^@`~\\".contains(&byte)
}

/// Appends a comma where an element may follow another. Returns where, to take it back.
fn separate(start: usize, out: &mut Vec<u8>) -> usize {
    let here = out.len();
    if here > start {
        out.push(b',');
    }
    here
}

/// How a set is sorted: numbers by size, before all else.
fn order(json: &[u8]) -> (bool, f64) {
    let number = std::str::from_utf8(json).ok().and_then(|text| text.parse::<f64>().ok());
    (number.is_none(), number.unwrap_or(0.0))
}

fn json<T: serde::Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("strings and plain values are JSON, and memory takes everything");
}
