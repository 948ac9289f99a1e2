//! A run's story: what of it is asked for, and 80 columns of it.

use clap::Args;
use textwrap::{Options, WordSplitter};
use wavetank_sim::Nanos;
use wavetank_workloads::lab::story::{Beat, Choice, Story, Told};

/// A story's lines, when all of it is not asked for: with what stands around it, a screen or two.
const LINES_MAX: usize = 56;
const COLUMNS: usize = 80;
/// Of the column of names; a longer name pushes its words to the right.
const NAMES: usize = 12;
/// How much before and after a moment is around it.
const AROUND: Nanos = Nanos::secs(1);

#[derive(Args)]
pub struct Asked {
    /// Tell what happened until then, in virtual seconds
    #[arg(long, value_name = "T", value_parser = time)]
    until: Option<Nanos>,
    /// Tell what happened around a moment: seconds, and how many before and after [default: 1]
    #[arg(long, value_name = "T[±S]", value_parser = around)]
    around: Option<(Nanos, Nanos)>,
    /// Tell what this node did, and what hit it
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
    /// Tell everything, whether it matters to what is wrong or not
    #[arg(long)]
    all: bool,
}

impl Asked {
    pub fn choice(&self) -> Choice {
        let Asked { until, around, node, all } = self;
        Choice { until: *until, between: *around, node: node.clone(), all: *all }
    }

    /// Whether a story is wanted of a run in which nothing is wrong.
    pub fn is_explicit(&self) -> bool {
        self.all || self.until.is_some() || self.around.is_some() || self.node.is_some()
    }
}

/// Reads seconds, as `12.5` or `12.5s`.
fn time(text: &str) -> Result<Nanos, String> {
    let wrong = || format!("'{text}' is no time: write virtual seconds, for example 12.5");
    let number = text.trim();
    Nanos::in_seconds(number.strip_suffix('s').unwrap_or(number).trim_end()).ok_or_else(wrong)
}

/// Reads a moment and how much around it: `12.5`, `12.5±2`, `12.5+-2`.
fn around(text: &str) -> Result<(Nanos, Nanos), String> {
    let (at, span) = match text.split_once('±').or_else(|| text.split_once("+-")) {
        Some((at, span)) => (time(at)?, time(span)?),
        None => (time(text)?, AROUND),
    };
    Ok((at.saturating_sub(span), at.saturating_add(span)))
}

/// The story as text.
///
/// # Errors
/// When a node is asked for that is not there: says which there are.
pub fn told(story: &Story, asked: &Asked) -> Result<String, String> {
    let lines = |beat: &Beat| rendered(beat).lines().count();
    let Told { about, beats, left_out } =
        story.tell(&asked.choice(), LINES_MAX, lines).map_err(|error| error.to_string())?;
    let about: Vec<String> = about.iter().map(ToString::to_string).collect();
    let heading = match about.is_empty() {
        true => "the story".into(),
        false => format!("the story of {}", about.join(", ")),
    };
    let mut page = format!("\n{}\n", textwrap::fill(&heading, Options::new(COLUMNS).subsequent_indent("  ")));
    page.extend(beats.iter().map(rendered));
    if left_out > 0 {
        page += &format!("left out: {left_out} others (--all, --node NAME, --around T, --until T)\n");
    }
    Ok(page)
}

/// `    12.345 s  broker-1      leads ...`
fn rendered(beat: &Beat) -> String {
    let millis = beat.from.0 / 1_000_000;
    let first = format!("{:>6}.{:03} s  {:<NAMES$}  ", millis / 1_000, millis % 1_000, beat.who);
    let rest = " ".repeat(6 + 4 + 4 + NAMES + 2);
    let options = Options::new(COLUMNS).initial_indent(&first).subsequent_indent(&rest);
    textwrap::fill(&beat.to_string(), options.word_splitter(WordSplitter::NoHyphenation)) + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_seconds_and_what_is_around_them() {
        assert_eq!(time("12.5"), Ok(Nanos::millis(12_500)));
        assert_eq!(time("12.5 s"), Ok(Nanos::millis(12_500)));
        assert_eq!(around("3"), Ok((Nanos::secs(2), Nanos::secs(4))));
        assert_eq!(around("3±0.5"), Ok((Nanos::millis(2_500), Nanos::millis(3_500))));
        assert_eq!(around("3+-5"), Ok((Nanos::ZERO, Nanos::secs(8))));
        for bad in ["", "soon", "-1", "3±", "1e3", "3±x"] {
            assert!(around(bad).is_err_and(|error| error.contains("write virtual seconds")), "{bad}");
        }
    }
}
