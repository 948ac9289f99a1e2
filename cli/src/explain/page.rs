//! A page of 80 columns: headings, names with values, paragraphs; and numbers as people read them.

use textwrap::{Options, WordSplitter};

/// What a page is wide.
pub const COLUMNS: usize = 80;
/// Where values begin.
const VALUES: usize = 21;

/// Text that grows downwards.
#[derive(Default)]
pub struct Page {
    text: String,
}

impl Page {
    /// The first line, and what follows it.
    pub fn title(&mut self, title: &str, summary: &str) {
        self.fill(title, "", "");
        if !summary.is_empty() {
            self.fill(summary, "  ", "  ");
        }
    }

    /// A heading, with a line of space above it.
    pub fn heading(&mut self, heading: &str) {
        self.text.push('\n');
        self.fill(heading, "", "  ");
    }

    /// A name and what it is.
    pub fn line(&mut self, name: &str, value: &str) {
        let rest = " ".repeat(VALUES);
        match name.chars().count() + 2 < VALUES {
            true => self.fill(value, &format!("  {name:<width$}", width = VALUES - 2), &rest),
            false => {
                self.fill(name, "  ", "  ");
                self.fill(value, &rest, &rest);
            }
        }
    }

    /// A numbered line.
    pub fn numbered(&mut self, number: usize, text: &str) {
        self.fill(text, &format!("{number:>3}  "), "     ");
    }

    /// A paragraph.
    pub fn paragraph(&mut self, text: &str) {
        self.fill(text, "  ", "  ");
    }

    /// A line as it is.
    pub fn plain(&mut self, line: &str) {
        self.text += line.trim_end();
        self.text.push('\n');
    }

    /// All of it.
    pub fn into_text(self) -> String {
        self.text
    }

    fn fill(&mut self, text: &str, first: &str, rest: &str) {
        let options = Options::new(COLUMNS).initial_indent(first).subsequent_indent(rest);
        for line in textwrap::wrap(text, options.word_splitter(WordSplitter::NoHyphenation)) {
            self.text += line.trim_end();
            self.text.push('\n');
        }
    }
}

/// Bytes with a unit: `1 KiB`, `19.5 MiB`.
pub fn bytes(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let power = (0..units.len()).rev().find(|power| bytes >> (10 * power) > 0).unwrap_or(0);
    let each = 1_u64 << (10 * power);
    let tenths = (u128::from(bytes) * 10 + u128::from(each) / 2) / u128::from(each);
    match tenths % 10 {
        0 => format!("{} {}", tenths / 10, units[power]),
        tenth => format!("{}.{tenth} {}", tenths / 10, units[power]),
    }
}

/// A number and its noun: `1 topic`, `2 topics`.
pub fn many(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", wavetank_workloads::spec::grouped(count), if count == 1 { "" } else { "s" })
}

/// A ratio with a digit after the point where it needs one.
pub fn ratio(number: u64, of: u64) -> String {
    match of {
        0 => "0".into(),
        of if number.is_multiple_of(of) => wavetank_workloads::spec::grouped(number / of),
        of => format!("{:.1}", number as f64 / of as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_rounded_to_a_digit() {
        for (number, text) in
            [(0, "0 B"), (1023, "1023 B"), (1024, "1 KiB"), (20_480_000, "19.5 MiB"), (u64::MAX, "16 EiB")]
        {
            assert_eq!(bytes(number), text);
        }
    }
}
