//! Set-ups in our terms: a scenario, what of it is changed, a platform, seeds.

use wavetank_workloads::spec::scenario::{PlatformKind, Scenario, builtin};
use wavetank_workloads::spec::{Folder, Source};

/// A set-up.
pub struct Setup {
    /// Its name in tables.
    pub name: &'static str,
    /// The scenario.
    pub text: Text,
    /// What of its text is replaced by what.
    pub changes: &'static [(&'static str, &'static str)],
    /// The platform.
    pub platform: PlatformKind,
    /// A mutant that makes our protocol theirs.
    pub mutant: Option<&'static str>,
    /// Seeds 1 to this one.
    pub seeds: u64,
    /// One line for people.
    pub about: &'static str,
}

/// A scenario's text.
pub enum Text {
    /// Of a scenario that comes with wavetank.
    Builtin(&'static str),
    /// Of a file of `benches/published`.
    File(&'static str, &'static str),
}

macro_rules! file {
    ($name:literal) => {
        Text::File($name, include_str!(concat!("../../published/", $name)))
    };
}

/// As Kafka's own clients can be set: without idempotence there may be more than five requests on their way.
const NO_LIMIT_IN_FLIGHT: (&str, &str) = (
    "\"linger.ms\" = 5\n",
    "\"linger.ms\" = 5\n\"enable.idempotence\" = false\n\"max.in.flight.requests.per.connection\" = 1000\n\"buffer.memory\" = 1073741824\n",
);

/// All of them.
pub const SETUPS: &[Setup] = &[
    Setup {
        name: "group-commit",
        text: file!("group-commit.toml"),
        changes: &[],
        platform: PlatformKind::S3Wal,
        mutant: Some("wal-no-verify-before-ack"),
        seeds: 1,
        about: "64 unlimited clients, 6,210 records of 420 B a second, batchInterval 100 ms; acknowledged when the PUT has succeeded, as SlateDB does",
    },
    Setup {
        name: "group-commit-verified",
        text: file!("group-commit.toml"),
        changes: &[],
        platform: PlatformKind::S3Wal,
        mutant: None,
        seeds: 1,
        about: "the same, with the reservation read before the acknowledgement, as AutoMQ does",
    },
    Setup {
        name: "automq-perf",
        text: file!("automq-perf.toml"),
        changes: &[],
        platform: PlatformKind::S3Wal,
        mutant: None,
        seeds: 3,
        about: "one broker, 10 topics of 12 partitions, a producer and a consumer each, 100 records of 200 B a second, batch.size 0",
    },
    Setup {
        name: "steady-idle",
        text: Text::Builtin("steady"),
        changes: &[("rate = \"20000 msg/s\"", "rate = \"100 msg/s\"")],
        platform: PlatformKind::S3Wal,
        mutant: None,
        seeds: 1,
        about: "`steady` at 100 records a second",
    },
    Setup {
        name: "steady-unlimited",
        text: Text::Builtin("steady"),
        changes: &[NO_LIMIT_IN_FLIGHT],
        platform: PlatformKind::S3Wal,
        mutant: None,
        seeds: 1,
        about: "`steady` (20 MiB/s into 3 brokers), any number of requests in flight",
    },
    Setup {
        name: "steady",
        text: Text::Builtin("steady"),
        changes: &[],
        platform: PlatformKind::S3Wal,
        mutant: None,
        seeds: 1,
        about: "`steady` as it is: idempotent producers, five requests in flight a connection, linger.ms 5",
    },
    Setup {
        name: "express-50ms",
        text: Text::Builtin("steady"),
        changes: &[
            NO_LIMIT_IN_FLIGHT,
            (
                "[platform.ebs-wal.expect]",
                "[platform.s3-express-wal]\n\"s3.wal.path\" = \"0@s3://wal--az1--x-s3?batchInterval=50\"\n\n[platform.ebs-wal.expect]",
            ),
        ],
        platform: PlatformKind::S3ExpressWal,
        mutant: None,
        seeds: 1,
        about: "`steady` over S3 Express, batchInterval 50 ms, any number of requests in flight",
    },
    Setup {
        name: "nfs",
        text: Text::Builtin("steady"),
        changes: &[],
        platform: PlatformKind::NfsWal,
        mutant: None,
        seeds: 1,
        about: "`steady` over a file on FSx for ONTAP in two zones",
    },
    Setup {
        name: "rebalance",
        text: Text::Builtin("rebalance"),
        changes: &[],
        platform: PlatformKind::S3Wal,
        mutant: None,
        seeds: 3,
        about: "`rebalance`: the balancer fills a new broker, another one hands its partitions over and leaves",
    },
];

impl Setup {
    /// The set-up of that name.
    pub fn named(name: &str) -> Option<&'static Setup> {
        SETUPS.iter().find(|setup| setup.name == name)
    }

    /// Its scenario.
    ///
    /// # Panics
    /// When the text is no scenario or does not have what is to be changed: a test holds that of all of them.
    pub fn scenario(&self) -> Scenario {
        let (file, mut text) = match self.text {
            Text::Builtin(name) => {
                let (_, text) = builtin::ALL.iter().find(|(known, _)| *known == name).expect("it comes with wavetank");
                (name, (*text).to_owned())
            }
            Text::File(name, text) => (name, text.to_owned()),
        };
        for (from, to) in self.changes {
            assert!(text.contains(from), "{}: there is no {from:?} in {file}", self.name);
            text = text.replacen(from, to, 1);
        }
        let parsed = Scenario::parse(&Source::new(file, text), &Folder(".".as_ref()));
        parsed.unwrap_or_else(|problems| panic!("{}: {problems:?}", self.name)).value
    }
}
