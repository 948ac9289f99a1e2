//! What can go wrong with one operation of one device, drawn or replayed.
//!
//! While exploring, each operation's fate is drawn as it happens, and what was drawn is written down under the
//! operation's name: which device, which kind of operation, the how-manieth of it. A replay draws nothing: it gives
//! exactly the listed operations their listed fates. So a failure shrinks by striking lines from the list.

use crate::cloud::nfs::{NfsFate, NfsOp, NfsRates};
use crate::cloud::object_store::{ObjectFate, ObjectOp, ObjectRates};
use crate::cloud::volume::{VolumeFate, VolumeOp, VolumeRates};
use serde::{Deserialize, Deserializer, Serialize, de};
use wavetank_sim::{Choices, Domain, SortedMap, Stream};

/// A device that operations are asked of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Entity {
    /// The n-th volume of the world.
    Volume(u32),
    /// The n-th object store.
    Object(u32),
    /// The n-th express store.
    Express(u32),
    /// The n-th file share.
    Nfs(u32),
}

impl Entity {
    /// The kinds of operations that such a device knows.
    pub fn kinds(self) -> &'static [&'static str] {
        match self {
            Entity::Volume(_) => &VolumeOp::NAMES,
            Entity::Object(_) | Entity::Express(_) => &ObjectOp::NAMES,
            Entity::Nfs(_) => &NfsOp::NAMES,
        }
    }

    fn stream(self, choices: &Choices) -> Stream {
        let (domain, number) = match self {
            Entity::Volume(n) => (Domain::new("anomaly/volume"), n),
            Entity::Object(n) => (Domain::new("anomaly/object"), n),
            Entity::Express(n) => (Domain::new("anomaly/express"), n),
            Entity::Nfs(n) => (Domain::new("anomaly/nfs"), n),
        };
        choices.stream(domain, u64::from(number))
    }
}

/// An operation's own name. (Spelt out where it is a field, serde would have every file live for ever.)
pub type Kind = &'static str;

/// One operation, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// Of which device.
    pub entity: Entity,
    /// What kind: the operation's own name, as `"Put"` or `"Sync"`.
    #[serde(deserialize_with = "known_kind")]
    pub kind: Kind,
    /// The how-manieth of that kind at that device, from 0.
    pub nth: u64,
}

/// A kind from a file: one that some device knows.
fn known_kind<'de, D: Deserializer<'de>>(deserializer: D) -> Result<&'static str, D::Error> {
    let text = String::deserialize(deserializer)?;
    let known = VolumeOp::NAMES.iter().chain(&ObjectOp::NAMES).chain(&NfsOp::NAMES);
    let names = || format!("no device has an operation \"{text}\": a store's is one of {}", ObjectOp::NAMES.join(", "));
    known.copied().find(|name| *name == text).ok_or_else(|| de::Error::custom(names()))
}

/// What happened to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Fate {
    /// To a volume's operation.
    Volume(VolumeFate),
    /// To an object store's, express or not.
    Object(ObjectFate),
    /// To a file share's.
    Nfs(NfsFate),
}

/// How often what is drawn, by family. All zero by default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnomalyRates {
    /// Volumes.
    pub volume: VolumeRates,
    /// Object stores.
    pub object: ObjectRates,
    /// Express stores.
    pub express: ObjectRates,
    /// File shares.
    pub nfs: NfsRates,
}

enum Mode {
    Off,
    Explore { rates: AnomalyRates, choices: Choices, streams: SortedMap<Entity, Stream> },
    Replay(SortedMap<Operation, Fate>),
}

/// The source of operations' fates.
pub struct Anomalies {
    mode: Mode,
    counts: SortedMap<(Entity, &'static str), u64>,
    happened: Vec<(Operation, Fate)>,
}

impl Anomalies {
    /// No operation meets anything beyond the ordinary.
    pub fn off() -> Anomalies {
        Anomalies::new(Mode::Off)
    }

    /// Fates are drawn at these rates, each device from a stream of its own.
    pub fn explore(rates: AnomalyRates, choices: &Choices) -> Anomalies {
        Anomalies::new(Mode::Explore { rates, choices: *choices, streams: SortedMap::new() })
    }

    /// Exactly these operations meet exactly these fates.
    pub fn replay(list: impl IntoIterator<Item = (Operation, Fate)>) -> Anomalies {
        Anomalies::new(Mode::Replay(list.into_iter().collect()))
    }

    fn new(mode: Mode) -> Anomalies {
        Anomalies { mode, counts: SortedMap::new(), happened: Vec::new() }
    }

    /// What happened so far, in order: the list that replays it.
    pub fn happened(&self) -> &[(Operation, Fate)] {
        &self.happened
    }

    /// From now on nothing beyond the ordinary happens; what happened stays listed.
    pub(crate) fn end(&mut self) {
        self.mode = Mode::Off;
    }

    pub(crate) fn volume(&mut self, entity: Entity, kind: &'static str) -> VolumeFate {
        let draw = |rates: &AnomalyRates, stream: &mut Stream| Fate::Volume(VolumeFate::draw(&rates.volume, stream));
        match self.next(entity, kind, Fate::Volume(VolumeFate::None), draw) {
            Fate::Volume(fate) => fate,
            Fate::Object(_) | Fate::Nfs(_) => VolumeFate::None,
        }
    }

    pub(crate) fn object(&mut self, entity: Entity, kind: &'static str) -> ObjectFate {
        let draw = |rates: &AnomalyRates, stream: &mut Stream| {
            let rates = if matches!(entity, Entity::Express(_)) { &rates.express } else { &rates.object };
            Fate::Object(ObjectFate::draw(rates, stream))
        };
        match self.next(entity, kind, Fate::Object(ObjectFate::OK), draw) {
            Fate::Object(fate) => fate,
            Fate::Volume(_) | Fate::Nfs(_) => ObjectFate::OK,
        }
    }

    pub(crate) fn nfs(&mut self, entity: Entity, kind: &'static str) -> NfsFate {
        let draw = |rates: &AnomalyRates, stream: &mut Stream| Fate::Nfs(NfsFate::draw(&rates.nfs, stream));
        match self.next(entity, kind, Fate::Nfs(NfsFate::default()), draw) {
            Fate::Nfs(fate) => fate,
            Fate::Volume(_) | Fate::Object(_) => NfsFate::default(),
        }
    }

    /// The next operation's fate; written down when it is not the ordinary one.
    fn next(
        &mut self,
        entity: Entity,
        kind: &'static str,
        ordinary: Fate,
        draw: impl FnOnce(&AnomalyRates, &mut Stream) -> Fate,
    ) -> Fate {
        if let Mode::Off = self.mode {
            return ordinary;
        }
        let count = self.counts.entry((entity, kind)).or_default();
        let operation = Operation { entity, kind, nth: *count };
        *count += 1;
        let fate = match &mut self.mode {
            Mode::Off => ordinary,
            Mode::Explore { rates, choices, streams } => {
                draw(rates, streams.entry(entity).or_insert_with(|| entity.stream(choices)))
            }
            Mode::Replay(list) => list.get(&operation).copied().unwrap_or(ordinary),
        };
        if fate != ordinary {
            self.happened.push((operation, fate));
        }
        fate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_gives_the_same_operations_the_same_fates_and_no_others() {
        let object =
            ObjectRates { slow_down_ppm: 100_000, reset_ppm: 100_000, applied_ppm: 500_000, ..ObjectRates::default() };
        let rates = AnomalyRates { object, ..AnomalyRates::default() };
        let mut explored = Anomalies::explore(rates, &Choices::new(7));
        let fates = |a: &mut Anomalies| (0..500).map(|_| a.object(Entity::Object(0), "Put")).collect::<Vec<_>>();
        let drawn = fates(&mut explored);
        let mut list = explored.happened().to_vec();
        assert!((50..200).contains(&list.len()), "{}", list.len());
        assert_eq!(fates(&mut Anomalies::replay(list.clone())), drawn);
        // Struck from the list, an operation is ordinary again, and no other changes.
        let (struck, _) = list.remove(3);
        let shrunk = fates(&mut Anomalies::replay(list));
        for (nth, (a, b)) in shrunk.iter().zip(&drawn).enumerate() {
            assert_eq!(a == b, nth as u64 != struck.nth);
        }
    }
}
