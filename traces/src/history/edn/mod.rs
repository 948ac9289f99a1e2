//! Turns the `history.edn` that Jepsen stores into the JSON lines that [`reader`](super::reader) reads.
//!
//! Operations may come one a line, as Jepsen writes them, or in any other layout: several a line, one on many lines, or
//! all in one vector or list; as maps, or as records (`#jepsen.history.Op{...}`). Everything they say is kept:
//!
//! * A keyword, a symbol or a character becomes a string (`:send` is `"send"`), nil null, a set a sorted array, a list an
//!   array, a map an object whose keys are strings (`{5 [[0 1]]}` is `{"5": [[0, 1]]}`).
//! * A number stays the same number, if JSON's readers keep it; a ratio and a number of more digits become strings.
//! * A tag, `#inst "..."`, says nothing: what it tags is kept. Metadata, comments and discarded forms are gone.
//!
//! Lines are numbered from 0, as findings refer to operations by `index`. Where an operation's own index differs from its
//! line, it is kept as `orig-index`.
//!
//! ```
//! # use wavetank_traces::history::edn;
//! let stored = "{:index 4, :time 12, :type :ok, :process 0, :f :poll, :value [[:poll {5 [[0 7] [1 8]]}]]}";
//! let mut lines = Vec::new();
//! edn::convert(stored.as_bytes(), "history.edn", &mut lines)?;
//! assert_eq!(
//!     String::from_utf8_lossy(&lines),
//!     r#"{"index":0,"time":12,"process":0,"type":"ok","f":"poll","value":[["poll",{"5":[[0,7],[1,8]]}]],"orig-index":4}
//! "#
//! );
//! # Ok::<(), wavetank_traces::history::ReadError>(())
//! ```

mod atom;
mod parser;
mod source;

use super::{ReadError, ReadErrorKind};
use parser::Parser;
use std::io::{self, BufRead, Write};

/// What [`convert`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Operations written, those that are no client's included.
    pub ops: u64,
    /// Those of them whose index had to change.
    pub renumbered: u64,
}

/// Writes each operation of `edn`, which errors call `name`, as a line of JSON; what `convert` holds in memory is one
/// operation. After an error, `out` has the operations before it.
pub fn convert(edn: impl BufRead, name: &str, out: impl Write) -> Result<Summary, ReadError> {
    let mut parser = Parser::new(edn, name);
    let mut out = io::BufWriter::new(out);
    let mut op = Fields::default();
    let mut summary = Summary::default();
    while parser.next_op(&mut op)? {
        let renumbered = op.write(summary.ops, &mut out).map_err(|error| parser.error(ReadErrorKind::Output(error)))?;
        summary.ops += 1;
        summary.renumbered += u64::from(renumbered);
    }
    out.flush().map_err(|error| parser.error(ReadErrorKind::Output(error)))?;
    Ok(summary)
}

/// The order in which the fields are written that a reader needs to know first.
const FIRST: [&[u8]; 5] = [br#""time""#, br#""process""#, br#""type""#, br#""f""#, br#""value""#];
const INDEX: &[u8] = br#""index""#;
const ORIG_INDEX: &[u8] = br#""orig-index""#;

/// An operation's fields: names and values, as JSON.
#[derive(Default)]
struct Fields {
    text: Vec<u8>,
    /// Where in the text each has its name, and its value.
    places: Vec<(std::ops::Range<usize>, std::ops::Range<usize>)>,
}

impl Fields {
    fn clear(&mut self) {
        self.text.clear();
        self.places.clear();
    }

    /// All, in the order of the file.
    fn all(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.places.iter().map(|(name, value)| (&self.text[name.clone()], &self.text[value.clone()]))
    }

    fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.all().find(|(other, _)| *other == name).map(|(_, value)| value)
    }

    /// The name at this place, if it means something and is there before.
    fn has_already(&self, name: std::ops::Range<usize>) -> Option<String> {
        let name = &self.text[name];
        let matters = FIRST.contains(&name) || name == INDEX || name == ORIG_INDEX;
        (matters && self.get(name).is_some()).then(|| String::from_utf8_lossy(name).into_owned())
    }

    /// Writes the operation as a line. Returns whether its index had to change.
    fn write(&self, index: u64, out: &mut impl Write) -> io::Result<bool> {
        write!(out, "{{\"index\":{index}")?;
        let mut field = |name: &[u8], value: &[u8]| -> io::Result<()> {
            out.write_all(b",")?;
            out.write_all(name)?;
            out.write_all(b":")?;
            out.write_all(value)
        };
        for name in FIRST {
            if let Some(value) = self.get(name) {
                field(name, value)?;
            }
        }
        let original = self.get(INDEX).filter(|own| *own != b"null" && *own != index.to_string().as_bytes());
        for (name, value) in self.all() {
            let written = FIRST.contains(&name) || name == INDEX || (name == ORIG_INDEX && original.is_some());
            if !written {
                field(name, value)?;
            }
        }
        if let Some(original) = original {
            field(ORIG_INDEX, original)?;
        }
        out.write_all(b"}\n")?;
        Ok(original.is_some())
    }
}
