//! Instance types: cores, memory, network, volume and price of a host, as data.
//!
//! Types come with wavetank (`models/data/instances/aws.toml`) and from users, in the same format. A file holds any number
//! of `[[instance]]` tables; each figure that is in a row of the calibration tables says so under `rows`, and what
//! the others rest on is in `rests_on`.
//!
//! **Simpler than reality:** a burst is what the interface may reach for a while (network credits); how long is for the host
//! model to say. Memory bandwidth, NUMA, caches and hyper-threads are not told apart: a vCPU is a vCPU.

use crate::cloud::data_file::{DataError, DataFile};
use crate::cloud::price::{PicoUsd, PriceSource};
use serde::Deserialize;
use toml::Spanned;
use wavetank_sim::SortedMap;

/// A host's hardware and price.
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceType {
    /// Its name, by which scenarios refer to it.
    pub name: String,
    /// Virtual cores.
    pub vcpus: u32,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// What its network interface moves all the time, in bytes a second for each direction.
    pub network_baseline_bytes_per_sec: u64,
    /// What it may reach for a while.
    pub network_burst_bytes_per_sec: u64,
    /// What it moves to and from network-attached volumes all the time, in bytes a second.
    pub volume_baseline_bytes_per_sec: u64,
    /// What it may reach there for a while.
    pub volume_burst_bytes_per_sec: u64,
    /// Operations on network-attached volumes a second, all the time.
    pub volume_baseline_iops: u64,
    /// Its own disks.
    pub local_disks: Option<LocalDisks>,
    /// For a burstable type, how its cores are rationed.
    pub cpu_credits: Option<CpuCredits>,
    /// Price for each hour.
    pub hour: PicoUsd,
    /// Where the price comes from.
    pub price_source: PriceSource,
    /// Rows that it carries over.
    pub rows: Vec<InstanceRow>,
    /// What the figures without a row rest on.
    pub rests_on: String,
}

/// Disks of an instance, lost with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalDisks {
    /// How many.
    pub count: u32,
    /// Bytes of each.
    pub bytes_each: u64,
    /// Bytes a second that all of them read.
    pub read_bytes_per_sec: u64,
    /// Bytes a second that all of them write.
    pub write_bytes_per_sec: u64,
}

/// How a burstable type rations its cores. One credit is one core for one minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuCredits {
    /// The share of each core that is there all the time, in percent.
    pub baseline_percent: u32,
    /// Credits earned in an hour.
    pub credits_per_hour: u32,
    /// Credits kept at most.
    pub credits_max: u32,
}

/// A row of the calibration tables that an instance type carries over.
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceRow {
    /// Its id.
    pub id: String,
    /// Its value, verbatim.
    pub value: f64,
    /// Its unit, verbatim.
    pub unit: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    instance: Vec<Spanned<RawInstance>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawInstance {
    name: Spanned<String>,
    vcpus: Spanned<f64>,
    memory_gib: Spanned<f64>,
    network_baseline_gbit_per_sec: Spanned<f64>,
    network_burst_gbit_per_sec: Spanned<f64>,
    volume_baseline_mbit_per_sec: Spanned<f64>,
    volume_burst_mbit_per_sec: Spanned<f64>,
    volume_baseline_iops: Spanned<f64>,
    local_disks: Option<RawLocalDisks>,
    cpu_credits: Option<RawCpuCredits>,
    usd_per_hour: Spanned<f64>,
    price_row: Option<String>,
    price_address: Option<String>,
    price_assumed: Option<String>,
    #[serde(default)]
    rows: Vec<RawInstanceRow>,
    rests_on: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLocalDisks {
    count: Spanned<f64>,
    gb_each: Spanned<f64>,
    read_mb_per_sec: Spanned<f64>,
    write_mb_per_sec: Spanned<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCpuCredits {
    baseline_percent: Spanned<f64>,
    credits_per_hour: Spanned<f64>,
    credits_max: Spanned<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawInstanceRow {
    id: String,
    value: f64,
    unit: String,
}

const BUILTIN: (&str, &str) = ("models/data/instances/aws.toml", include_str!("../../data/instances/aws.toml"));

/// Instance types by name.
#[derive(Clone, Debug, Default)]
pub struct InstanceTypes {
    types: SortedMap<String, InstanceType>,
}

impl InstanceTypes {
    /// Those that come with wavetank.
    ///
    /// # Panics
    /// When their file is broken: a bug of ours, which a test of this module finds.
    pub fn builtin() -> InstanceTypes {
        InstanceTypes::parse(BUILTIN.0, BUILTIN.1).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Those of a file's text; `file` is its name in errors.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line, its key and what would be right.
    pub fn parse(file: &str, text: &str) -> Result<InstanceTypes, DataError> {
        let file = DataFile { name: file, text };
        let raw: RawFile = file.parse()?;
        let mut types = SortedMap::new();
        for instance in &raw.instance {
            let name = &instance.get_ref().name;
            let read = Reader { file, name: name.get_ref() }.instance(instance)?;
            if types.insert(read.name.clone(), read).is_some() {
                let problem = format!("\"{}\" is there twice", name.get_ref());
                return Err(file.error_at(name, "instance.name", problem, "a name of its own for each"));
            }
        }
        Ok(InstanceTypes { types })
    }

    /// Adds others; where both have a name, the others' counts: users override.
    pub fn extend(&mut self, others: InstanceTypes) {
        self.types.extend(others.types);
    }

    /// The type of that name.
    pub fn get(&self, name: &str) -> Option<&InstanceType> {
        self.types.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &InstanceType> {
        self.types.values()
    }
}

/// Reads one instance, for errors that name it.
struct Reader<'a> {
    file: DataFile<'a>,
    name: &'a str,
}

impl Reader<'_> {
    fn instance(&self, spanned: &Spanned<RawInstance>) -> Result<InstanceType, DataError> {
        let raw = spanned.get_ref();
        let gbit = |value, key| self.amount(value, key, 125e6);
        let mbit = |value, key| self.amount(value, key, 125e3);
        let read = InstanceType {
            name: raw.name.get_ref().clone(),
            vcpus: self.whole(&raw.vcpus, "vcpus")?,
            memory_bytes: self.amount(&raw.memory_gib, "memory_gib", 1_073_741_824.0)?,
            network_baseline_bytes_per_sec: gbit(&raw.network_baseline_gbit_per_sec, "network_baseline_gbit_per_sec")?,
            network_burst_bytes_per_sec: gbit(&raw.network_burst_gbit_per_sec, "network_burst_gbit_per_sec")?,
            volume_baseline_bytes_per_sec: mbit(&raw.volume_baseline_mbit_per_sec, "volume_baseline_mbit_per_sec")?,
            volume_burst_bytes_per_sec: mbit(&raw.volume_burst_mbit_per_sec, "volume_burst_mbit_per_sec")?,
            volume_baseline_iops: u64::from(self.whole(&raw.volume_baseline_iops, "volume_baseline_iops")?),
            local_disks: raw.local_disks.as_ref().map(|disks| self.local_disks(disks)).transpose()?,
            cpu_credits: raw.cpu_credits.as_ref().map(|credits| self.cpu_credits(credits)).transpose()?,
            hour: self.price(&raw.usd_per_hour)?,
            price_source: self.price_source(spanned)?,
            rows: raw.rows.iter().map(carry_over).collect(),
            rests_on: self.rests_on(&raw.rests_on)?,
        };
        self.bursts(raw, &read)?;
        Ok(read)
    }

    fn bursts(&self, raw: &RawInstance, read: &InstanceType) -> Result<(), DataError> {
        let pairs = [
            (
                &raw.network_burst_gbit_per_sec,
                "network_burst_gbit_per_sec",
                read.network_burst_bytes_per_sec >= read.network_baseline_bytes_per_sec,
            ),
            (
                &raw.volume_burst_mbit_per_sec,
                "volume_burst_mbit_per_sec",
                read.volume_burst_bytes_per_sec >= read.volume_baseline_bytes_per_sec,
            ),
        ];
        for (value, key, holds) in pairs {
            if !holds {
                return Err(self.error(value, key, "a burst below the baseline", "the baseline or more"));
            }
        }
        Ok(())
    }

    fn local_disks(&self, raw: &RawLocalDisks) -> Result<LocalDisks, DataError> {
        Ok(LocalDisks {
            count: self.whole(&raw.count, "local_disks.count")?,
            bytes_each: self.amount(&raw.gb_each, "local_disks.gb_each", 1e9)?,
            read_bytes_per_sec: self.amount(&raw.read_mb_per_sec, "local_disks.read_mb_per_sec", 1e6)?,
            write_bytes_per_sec: self.amount(&raw.write_mb_per_sec, "local_disks.write_mb_per_sec", 1e6)?,
        })
    }

    fn cpu_credits(&self, raw: &RawCpuCredits) -> Result<CpuCredits, DataError> {
        let credits = CpuCredits {
            baseline_percent: self.whole(&raw.baseline_percent, "cpu_credits.baseline_percent")?,
            credits_per_hour: self.whole(&raw.credits_per_hour, "cpu_credits.credits_per_hour")?,
            credits_max: self.whole(&raw.credits_max, "cpu_credits.credits_max")?,
        };
        if credits.baseline_percent > 100 {
            let (key, problem) = ("cpu_credits.baseline_percent", "more than a whole core");
            return Err(self.error(&raw.baseline_percent, key, problem, "1 to 100"));
        }
        Ok(credits)
    }

    fn price(&self, raw: &Spanned<f64>) -> Result<PicoUsd, DataError> {
        let problem = || format!("{} is no price", raw.get_ref());
        let help = "dollars an hour, zero or more, below a million";
        PicoUsd::from_usd(*raw.get_ref()).ok_or_else(|| self.error(raw, "usd_per_hour", problem(), help))
    }

    fn price_source(&self, raw: &Spanned<RawInstance>) -> Result<PriceSource, DataError> {
        let instance = raw.get_ref();
        let source =
            crate::cloud::price::source_of(&instance.price_row, &instance.price_address, &instance.price_assumed);
        let help = "exactly one of price_row = \"id\", price_address = \"https://...\", price_assumed = \"from what\"";
        source.ok_or_else(|| self.error(&instance.usd_per_hour, "usd_per_hour", "names no source, or several", help))
    }

    fn rests_on(&self, raw: &Spanned<String>) -> Result<String, DataError> {
        if raw.get_ref().trim().is_empty() {
            return Err(self.error(raw, "rests_on", "says nothing", "what the figures without a row rest on"));
        }
        Ok(raw.get_ref().clone())
    }

    /// A whole number above zero.
    fn whole(&self, raw: &Spanned<f64>, key: &str) -> Result<u32, DataError> {
        let value = *raw.get_ref();
        if value >= 1.0 && value <= f64::from(u32::MAX) && libm::floor(value) == value {
            return Ok(value as u32);
        }
        Err(self.error(raw, key, format!("{value} is no whole number above zero"), "1 or more"))
    }

    /// An amount above zero, times what its unit has of ours.
    fn amount(&self, raw: &Spanned<f64>, key: &str, unit: f64) -> Result<u64, DataError> {
        let value = *raw.get_ref();
        let ours = libm::round(value * unit);
        if value > 0.0 && (1.0..1e18).contains(&ours) {
            return Ok(ours as u64);
        }
        Err(self.error(raw, key, format!("{value} is not above zero, or absurd"), "a number above zero"))
    }

    fn error<T>(&self, at: &Spanned<T>, key: &str, problem: impl Into<String>, help: &str) -> DataError {
        self.file.error_at(at, format!("{}.{key}", self.name), problem, help)
    }
}

fn carry_over(raw: &RawInstanceRow) -> InstanceRow {
    InstanceRow { id: raw.id.clone(), value: raw.value, unit: raw.unit.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"[[instance]]
name = "tiny"
vcpus = 2
memory_gib = 8
network_baseline_gbit_per_sec = 0.5
network_burst_gbit_per_sec = 5
volume_baseline_mbit_per_sec = 600
volume_burst_mbit_per_sec = 2000
volume_baseline_iops = 4000
cpu_credits = { baseline_percent = 20, credits_per_hour = 24, credits_max = 576 }
usd_per_hour = 0.05
price_assumed = "for tests"
rests_on = "nothing but this test"
"#;

    #[test]
    fn units_are_turned_into_bytes_and_seconds() {
        let types = InstanceTypes::parse("mine.toml", GOOD).unwrap();
        let tiny = types.get("tiny").unwrap();
        assert_eq!((tiny.vcpus, tiny.memory_bytes), (2, 8 << 30));
        assert_eq!(tiny.network_baseline_bytes_per_sec, 62_500_000);
        assert_eq!(tiny.volume_burst_bytes_per_sec, 250_000_000);
        assert_eq!(tiny.hour, PicoUsd(50_000_000_000));
        assert_eq!(tiny.cpu_credits.map(|credits| credits.credits_max), Some(576));
    }

    #[test]
    fn users_bring_their_own_and_override() {
        let mut types = InstanceTypes::builtin();
        let before = types.iter().count();
        types.extend(InstanceTypes::parse("mine.toml", GOOD).unwrap());
        assert_eq!(types.iter().count(), before + 1);
        types.extend(InstanceTypes::parse("mine.toml", &GOOD.replace("\"tiny\"", "\"m7g.large\"")).unwrap());
        assert_eq!(types.get("m7g.large").map(|t| t.hour), Some(PicoUsd(50_000_000_000)));
    }

    #[test]
    fn every_mistake_is_named_with_its_line_its_key_and_what_would_be_right() {
        let error = |from: &str, to: &str| {
            assert!(GOOD.contains(from), "nothing to break: {from}");
            InstanceTypes::parse("mine.toml", &GOOD.replacen(from, to, 1)).expect_err("accepted").to_string()
        };
        let cases = [
            (
                "vcpus = 2",
                "cores = 2",
                "mine.toml:3: `instance.cores`: unknown field `cores` (right would be: one of `name`",
            ),
            (
                "vcpus = 2",
                "vcpus = 1.5",
                "mine.toml:3: `tiny.vcpus`: 1.5 is no whole number above zero (right would be: 1 or more)",
            ),
            (
                "= 8\n",
                "= -8\n",
                "mine.toml:4: `tiny.memory_gib`: -8 is not above zero, or absurd (right would be: a number above zero)",
            ),
            (
                "= 5\n",
                "= 0.1\n",
                "mine.toml:6: `tiny.network_burst_gbit_per_sec`: a burst below the baseline (right would be: the baseline or more)",
            ),
            (
                "t = 20",
                "t = 200",
                "mine.toml:10: `tiny.cpu_credits.baseline_percent`: more than a whole core (right would be: 1 to 100)",
            ),
            ("usd_per_hour = 0.05", "usd_per_hour = -1", "mine.toml:11: `tiny.usd_per_hour`: -1 is no price"),
            ("price_assumed = \"for tests\"\n", "", "mine.toml:11: `tiny.usd_per_hour`: names no source, or several"),
            ("nothing but this test", " ", "mine.toml:13: `tiny.rests_on`: says nothing"),
            ("memory_gib = 8\n", "", "mine.toml:1: `instance`: missing field `memory_gib`"),
        ];
        for (from, to, want) in cases {
            let got = error(from, to);
            assert!(got.starts_with(want), "{from} -> {to}\n got: {got}\nwant: {want}");
        }
        let twice = InstanceTypes::parse("mine.toml", &format!("{GOOD}{GOOD}")).unwrap_err().to_string();
        assert!(twice.starts_with("mine.toml:15: `instance.name`: \"tiny\" is there twice"), "{twice}");
    }

    #[test]
    fn the_types_that_come_with_wavetank_are_there() {
        let types = InstanceTypes::builtin();
        for name in ["m7g.large", "m7g.4xlarge", "r6i.large", "r6in.large", "i3en.2xlarge", "m8g.4xlarge", "t3.large"] {
            assert!(types.get(name).is_some(), "{name}");
        }
        for t in types.iter() {
            assert_eq!(t.cpu_credits.is_some(), t.name.starts_with('t'), "{}", t.name);
        }
    }
}
