//! Profiles: how fast a device of a real cloud is, as data files in which every figure names what it rests on.
//!
//! A profile is one TOML file: its `kind` says which table it has, and *every* figure of that table must be named
//! either by a row of the calibration tables (`[[rows]]`, with the row's own text carried over) or under `[rests_on]`,
//! which marks it as assumed and says from what. A figure that is neither is an error: decision 13 of the design.
//!
//! ```toml
//! name = "my-store"
//! kind = "object_store"          # object_store_express, volume, network, nfs, host
//! grade = "partial"              # measured: fitted to p50, p90 and p99; partial: some rows; assumed: none
//! about = "What it is, from where it was measured, how it was fitted"
//!
//! [object_store]
//! get.first_byte = { min = "18.6 ms", p50 = "24.7 ms", p90 = "38.8 ms", p99 = "86.7 ms", p99_9 = "150 ms", max = "10 s" }
//! # ...
//!
//! [rests_on]
//! head = "no row; taken as a GET without a body"
//!
//! [[rows]]
//! figure = "get"                 # the figure it speaks of
//! id = "S3-A-GET-4_KiB-p50"      # row of the calibration tables, or an address of your own
//! at = "p50"                     # its percentile, value and unit as printed there
//! value = 25.18
//! unit = "ms"
//! bytes = 4096
//! use = "fit"                    # fit: fitted to; check: held out and compared; context: read, not compared
//! ```
//!
//! Rows with the same figure, size, percentile and set-up that are both `fit` are **pooled** by their geometric mean
//! (two runs of one benchmark differ by more than the fit may: see the files), and the fit's error is that against
//! the pool.
//!
//! A row measured by a client whose own network interface was full says so (`connections`, `link_mb_per_sec`, taken
//! from a throughput row of the same run): [`Profile::model`] then slows the transfers by what Little's law says, see
//! [`SizedLatency::slowdown_of_shared_link`](crate::cloud::latency::SizedLatency::slowdown_of_shared_link). So the figures
//! themselves are those of a client with bandwidth to spare, and the simulated hosts' interfaces do the slowing.

mod figures;
mod raw;

pub use figures::{
    FigureRef, Figures, HostFigures, LinkFigures, NetworkFigures, NfsFigures, ObjectStoreFigures, VolumeFigures,
};

use crate::cloud::data_file::{DataError, DataFile, nanos_per};
use crate::cloud::latency::{Latency, SizedLatency};
use raw::{RawProfile, RawRow, RawValue, Reader};
use std::fmt;
use toml::Spanned;
use wavetank_sim::{Nanos, SortedMap};

/// How far a profile can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// Rests on what is known of the thing's kind, and says on what.
    Assumed,
    /// Some of its figures rest on rows, the others are assumed.
    Partial,
    /// Its distributions are fitted to measured ones; a test bounds the error.
    Measured,
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Grade::Assumed => "assumed",
            Grade::Partial => "partial",
            Grade::Measured => "measured",
        })
    }
}

/// What kind of device a profile is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A regional object store.
    ObjectStore,
    /// An object store in one availability zone, made for latency.
    ObjectStoreExpress,
    /// A block volume.
    Volume,
    /// A region's network.
    Network,
    /// A shared file system.
    Nfs,
    /// A broker's service times.
    Host,
}

const KINDS: [(&str, Kind); 6] = [
    ("object_store", Kind::ObjectStore),
    ("object_store_express", Kind::ObjectStoreExpress),
    ("volume", Kind::Volume),
    ("network", Kind::Network),
    ("nfs", Kind::Nfs),
    ("host", Kind::Host),
];
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, _) = KINDS.iter().find(|(_, kind)| kind == self).expect("every kind is listed");
        f.pad(name)
    }
}

const GRADES: [(&str, Grade); 3] =
    [("measured", Grade::Measured), ("partial", Grade::Partial), ("assumed", Grade::Assumed)];
const ROLES: [(&str, Role); 3] = [("fit", Role::Fit), ("check", Role::Check), ("context", Role::Context)];

/// What a row is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The figure was fitted to it.
    Fit,
    /// Held out of the fit, and compared with it.
    Check,
    /// Says where a figure comes from; nothing to compare.
    Context,
}

/// A row of the calibration tables, carried over, and how the profile reads it.
#[derive(Clone, Debug)]
pub struct Row {
    /// The dotted name of the figure that it speaks of.
    pub figure: String,
    /// Its id in the tables, or the address of a source of the user's own.
    pub id: String,
    /// Its percentile column, verbatim.
    pub at: String,
    /// Its value, verbatim; a number where it is one.
    pub value: RowValue,
    /// Its unit, verbatim.
    pub unit: String,
    /// What it is there for.
    pub role: Role,
    /// The percentile to read it as, where `at` is only words ("typical").
    pub read_as: Option<String>,
    /// Bytes of the requests measured.
    pub bytes: u64,
    /// How many requests were measured: where in the distribution their maximum is expected.
    pub samples: Option<u64>,
    /// Connections of a client whose network interface was full, and the bytes a second that it moved.
    pub shared_link: Option<(u64, f64)>,
    /// Whether it is a round trip of which the figure is one way.
    pub round_trip: bool,
    /// For a checked row that the profile does not meet: why not.
    pub disagrees: Option<String>,
    /// The line in the profile's file.
    pub line: usize,
}

/// A row's value as printed.
#[derive(Clone, Debug, PartialEq)]
pub enum RowValue {
    /// A number.
    Number(f64),
    /// Anything else: "200-400", "<1".
    Text(String),
}

/// Where in a distribution a row lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Place {
    /// At this quantile (0..=1).
    Quantile(f64),
    /// The mean.
    Mean,
}

/// A profile: figures, and what they rest on.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Its name, by which scenarios refer to it.
    pub name: String,
    /// What kind of device it is of.
    pub kind: Kind,
    /// How far it can be trusted.
    pub grade: Grade,
    /// What it is, from where it was measured, how it was fitted.
    pub about: String,
    /// The figures.
    pub figures: Figures,
    /// The rows they rest on or were compared with.
    pub rows: Vec<Row>,
    /// For each assumed figure (or the table that holds it), what it rests on.
    pub rests_on: SortedMap<String, String>,
}

macro_rules! builtin {
    ($($name:literal),* $(,)?) => {
        /// The profiles that come with wavetank: file name and text.
        const BUILTIN: &[(&str, &str)] = &[$((
            concat!("models/data/profiles/", $name, ".toml"),
            include_str!(concat!("../../../data/profiles/", $name, ".toml")),
        )),*];
    };
}
builtin!(
    "s3-standard",
    "s3-standard-2019",
    "s3-express",
    "ebs-gp3",
    "ebs-io2",
    "nvme-local",
    "gcp-regional-pd",
    "azure-disk-zrs",
    "alibaba-regional-essd",
    "fsx-ontap-multi-az",
    "efs",
    "network-aws-same-region",
    "host-kafka",
);

impl Profile {
    /// The profiles that come with wavetank, in a fixed order.
    ///
    /// # Panics
    /// When one of them is broken: a bug of ours, which a test of this module finds.
    pub fn builtin() -> Vec<Profile> {
        let parse = |(file, text): &(&str, &str)| Profile::parse(file, text).unwrap_or_else(|error| panic!("{error}"));
        BUILTIN.iter().map(parse).collect()
    }

    /// The profile of that name among those that come with wavetank.
    pub fn named(name: &str) -> Option<Profile> {
        let is_it = |(file, _): &&(&str, &str)| file.rsplit('/').next() == Some(&format!("{name}.toml"));
        let (file, text) = BUILTIN.iter().find(is_it)?;
        Some(Profile::parse(file, text).unwrap_or_else(|error| panic!("{error}")))
    }

    /// A profile from the text of a file; `file` is its name in errors.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line, its key and what would be right.
    pub fn parse(file: &str, text: &str) -> Result<Profile, DataError> {
        let file = DataFile { name: file, text };
        let raw: RawProfile = file.parse()?;
        let kind = one_of(&file, &raw.kind, "kind", &KINDS)?;
        let grade = one_of(&file, &raw.grade, "grade", &GRADES)?;
        let figures = read_figures(&file, kind, &raw)?;
        let rows = raw.rows.iter().map(|row| read_row(&file, row, &figures)).collect::<Result<Vec<_>, _>>()?;
        for name in raw.rests_on.keys() {
            known_figure(&file, name, "rests_on", &figures)?;
        }
        let profile = Profile {
            name: raw.name.get_ref().clone(),
            kind,
            grade,
            about: raw.about,
            figures,
            rows,
            rests_on: raw.rests_on.into_iter().map(|(name, text)| (name.into_inner(), text)).collect(),
        };
        profile.check_sources(&file, &raw.name)?;
        profile.check_grade(&file, &raw.grade)?;
        Ok(profile)
    }

    /// Every figure has a row or an assumption.
    fn check_sources(&self, file: &DataFile<'_>, name: &Spanned<String>) -> Result<(), DataError> {
        let sources: Vec<&str> =
            self.rows.iter().map(|row| row.figure.as_str()).chain(self.rests_on.keys().map(String::as_str)).collect();
        for (figure, _) in self.figures.all() {
            if !sources.iter().any(|source| is_within(&figure, source)) {
                let help = format!("a row with figure = \"{figure}\", or rests_on.\"{figure}\" = \"from what\"");
                return Err(file.error_at(name, figure, "names no source", help));
            }
        }
        Ok(())
    }

    /// The grade is not better than the rows allow.
    fn check_grade(&self, file: &DataFile<'_>, grade: &Spanned<String>) -> Result<(), DataError> {
        let fitted_at =
            |p| self.rows.iter().any(|row| row.role == Role::Fit && row.place() == Some(Place::Quantile(p)));
        match self.grade {
            Grade::Measured if ![0.5, 0.9, 0.99].into_iter().all(fitted_at) => {
                let problem = "`measured`, but not fitted to rows at p50, p90 and p99";
                Err(file.error_at(grade, "grade", problem, "partial, or rows with use = \"fit\""))
            }
            Grade::Partial if self.rows.is_empty() => {
                let problem = "`partial`, but no row is cited";
                Err(file.error_at(grade, "grade", problem, "assumed, or rows that its figures rest on"))
            }
            Grade::Measured | Grade::Partial | Grade::Assumed => Ok(()),
        }
    }

    /// What the profile says where the row measured, in the row's unit. None where there is nothing to compare: a row
    /// of words, or of a figure that is no distribution.
    pub fn model(&self, row: &Row) -> Option<f64> {
        let place = row.place()?;
        let nanos = match self.figures.get(&row.figure)? {
            FigureRef::Latency(latency) => at_place(latency, place),
            FigureRef::Sized(sized) => sized_at_place(sized, row, place),
            FigureRef::Span(span) => span,
            FigureRef::Number(_) => return None,
        };
        let ways = if row.round_trip { 2.0 } else { 1.0 };
        in_unit(nanos.0 as f64 * ways, &row.unit)
    }

    /// What a row says, pooled with the other fitted rows of the same figure, size, place and set-up: their geometric
    /// mean. None for a row of words.
    pub fn pooled(&self, row: &Row) -> Option<f64> {
        let same = |other: &&Row| {
            other.role == row.role
                && other.figure == row.figure
                && other.bytes == row.bytes
                && other.place_name() == row.place_name()
                && other.shared_link == row.shared_link
        };
        let values: Option<Vec<f64>> = match row.role {
            Role::Fit => self.rows.iter().filter(same).map(|row| row.value.number()).collect(),
            Role::Check | Role::Context => Some(vec![row.value.number()?]),
        };
        let values = values?;
        let sum: f64 = values.iter().map(|&value| libm::log(value)).sum();
        Some(libm::exp(sum / values.len() as f64))
    }
}

impl RowValue {
    /// The number, where it is one.
    pub fn number(&self) -> Option<f64> {
        match self {
            RowValue::Number(number) => Some(*number),
            RowValue::Text(_) => None,
        }
    }
}

impl fmt::Display for RowValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RowValue::Number(number) => f.pad(&number.to_string()),
            RowValue::Text(text) => f.pad(text),
        }
    }
}

impl Row {
    /// Where in the distribution the row lies; none where its words do not say.
    pub fn place(&self) -> Option<Place> {
        match self.place_name() {
            "min" => Some(Place::Quantile(0.0)),
            "mean" | "avg" => Some(Place::Mean),
            // The greatest of n draws is expected near the quantile 1 - 1/n.
            "max" => self.samples.map(|n| Place::Quantile(1.0 - 1.0 / n as f64)),
            name => quantile_of(name).map(Place::Quantile),
        }
    }

    /// The place's name: `p50`, `min`, `mean`, or words that say nothing.
    pub fn place_name(&self) -> &str {
        self.read_as.as_deref().unwrap_or(&self.at)
    }
}

fn quantile_of(name: &str) -> Option<f64> {
    let percent: f64 = name.strip_prefix('p')?.parse().ok()?;
    // Rounded to the sixth digit, so that "p99.9" is the float 0.999.
    (0.0..=100.0).contains(&percent).then(|| libm::round(percent * 1e4) / 1e6)
}

fn at_place(latency: &Latency, place: Place) -> Nanos {
    match place {
        Place::Quantile(p) => latency.quantile(p),
        Place::Mean => latency.mean(),
    }
}

fn sized_at_place(sized: &SizedLatency, row: &Row, place: Place) -> Nanos {
    let slowdown = row.shared_link.map_or(1.0, |(connections, bytes_per_sec)| {
        sized.slowdown_of_shared_link(row.bytes, connections, bytes_per_sec)
    });
    match place {
        Place::Quantile(p) => sized.quantile_slowed(row.bytes, p, slowdown),
        Place::Mean => {
            let transfer = sized.transfer_mean(row.bytes).0 as f64;
            sized.first_byte.mean() + Nanos((transfer * slowdown) as u64)
        }
    }
}

/// Nanoseconds (for a MiB, where the unit is a rate) in a unit of the tables.
fn in_unit(nanos: f64, unit: &str) -> Option<f64> {
    match unit {
        "MB/s" => Some(1.048576e9 / nanos),
        "MiB/s" => Some(1e9 / nanos),
        "us RTT" | "ms RTT" => in_unit(nanos, &unit[..2]),
        _ => nanos_per(unit.strip_suffix("/MiB").unwrap_or(unit)).map(|each| nanos / each),
    }
}

/// Whether a source named for `source` covers the figure: it is that figure, or a table that holds it.
fn is_within(figure: &str, source: &str) -> bool {
    figure.strip_prefix(source).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn one_of<T: Copy>(
    file: &DataFile<'_>,
    value: &Spanned<String>,
    key: &str,
    choices: &[(&str, T)],
) -> Result<T, DataError> {
    let found = choices.iter().find(|(name, _)| name == value.get_ref());
    found.map(|(_, choice)| *choice).ok_or_else(|| {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        file.error_at(value, key, format!("unknown \"{}\"", value.get_ref()), format!("one of {}", names.join(", ")))
    })
}

fn known_figure(file: &DataFile<'_>, name: &Spanned<String>, key: &str, figures: &Figures) -> Result<(), DataError> {
    let all = figures.all();
    if all.iter().any(|(figure, _)| is_within(figure, name.get_ref())) {
        return Ok(());
    }
    let names: Vec<&str> = all.iter().map(|(figure, _)| figure.as_str()).collect();
    let problem = format!("no figure is called \"{}\"", name.get_ref());
    Err(file.error_at(name, key, problem, format!("one of {}", names.join(", "))))
}

fn read_figures(file: &DataFile<'_>, kind: Kind, raw: &RawProfile) -> Result<Figures, DataError> {
    let reader = Reader(*file);
    let tables = [
        ("object_store", raw.object_store.is_some()),
        ("volume", raw.volume.is_some()),
        ("network", raw.network.is_some()),
        ("nfs", raw.nfs.is_some()),
        ("host", raw.host.is_some()),
    ];
    let given: Vec<&str> = tables.iter().filter(|(_, there)| *there).map(|(name, _)| *name).collect();
    let figures = match kind {
        Kind::ObjectStore | Kind::ObjectStoreExpress => {
            raw.object_store.as_ref().map(|table| reader.object_store(table).map(Figures::ObjectStore))
        }
        Kind::Volume => raw.volume.as_ref().map(|table| reader.volume(table).map(Figures::Volume)),
        Kind::Network => raw.network.as_ref().map(|table| reader.network(table).map(Figures::Network)),
        Kind::Nfs => raw.nfs.as_ref().map(|table| reader.nfs(table).map(Figures::Nfs)),
        Kind::Host => raw.host.as_ref().map(|table| reader.host(table).map(Figures::Host)),
    };
    match figures {
        Some(figures) if given.len() == 1 => figures,
        Some(_) | None => {
            let kind = raw.kind.get_ref();
            let problem = format!("kind \"{kind}\" with {given:?}");
            let help = format!("one table, [{}]", kind.trim_end_matches("_express"));
            Err(file.error_at(&raw.kind, "kind", problem, help))
        }
    }
}

fn read_row(file: &DataFile<'_>, raw: &Spanned<RawRow>, figures: &Figures) -> Result<Row, DataError> {
    let row = raw.get_ref();
    known_figure(file, &row.figure, "rows.figure", figures)?;
    let role = one_of(file, &row.role, "rows.use", &ROLES)?;
    let link = row.link_mb_per_sec.as_ref().map(|rate| file.above_zero(rate, "rows.link_mb_per_sec")).transpose()?;
    let shared_link = match (row.connections, link) {
        (Some(connections), Some(mb_per_sec)) => Some((connections, mb_per_sec * 1e6)),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => {
            let (problem, help) = ("half of a shared link", "both connections and link_mb_per_sec, or neither");
            return Err(file.error_at(raw, "rows", problem, help));
        }
    };
    if let Some(samples) = row.samples.as_ref().filter(|samples| *samples.get_ref() < 2) {
        return Err(file.error_at(samples, "rows.samples", "fewer than two", "the number of requests measured"));
    }
    let read = Row {
        figure: row.figure.get_ref().clone(),
        id: row.id.clone(),
        at: row.at.clone(),
        value: match &row.value {
            RawValue::Integer(number) => RowValue::Number(*number as f64),
            RawValue::Float(number) => RowValue::Number(*number),
            RawValue::Text(text) => RowValue::Text(text.clone()),
        },
        unit: row.unit.clone(),
        role,
        read_as: row.read_as.as_ref().map(|place| place.get_ref().clone()),
        bytes: row.bytes.unwrap_or(0),
        samples: row.samples.as_ref().map(|samples| *samples.get_ref()),
        shared_link,
        round_trip: row.round_trip.unwrap_or(false),
        disagrees: row.disagrees.clone(),
        line: file.error_at(raw, "", "", "").line,
    };
    check_comparable(file, raw, &read, figures)?;
    Ok(read)
}

/// A row that is to be compared must say where it lies, in a unit we know, above zero.
fn check_comparable(file: &DataFile<'_>, raw: &Spanned<RawRow>, row: &Row, figures: &Figures) -> Result<(), DataError> {
    if row.role == Role::Context || matches!(figures.get(&row.figure), Some(FigureRef::Number(_))) {
        return Ok(());
    }
    let wrong = |key: &str, problem: String, help: &str| Err(file.error_at(raw, key, problem, help));
    if figures.get(&row.figure).is_none() {
        let problem = format!("\"{}\" is a table of figures", row.figure);
        return wrong("rows.figure", problem, "one figure, to compare with");
    }
    if row.place().is_none() && row.place_name() != "max" {
        let problem = format!("\"{}\" is no place in a distribution", row.place_name());
        return wrong("rows.at", problem, "read_as = \"p50\" (or p90, p99.9, min, max, mean), or use = \"context\"");
    }
    if in_unit(1.0, &row.unit).is_none() {
        return wrong("rows.unit", format!("unknown unit \"{}\"", row.unit), "ns, us, ms, s, ms/MiB, MB/s or MiB/s");
    }
    match row.value.number() {
        Some(number) if number.is_finite() && number > 0.0 => Ok(()),
        Some(number) => wrong("rows.value", format!("{number} is not above zero"), "a number above zero"),
        None => wrong("rows.value", format!("\"{}\" is no number", row.value), "a number, or use = \"context\""),
    }
}

#[cfg(test)]
mod tests;
