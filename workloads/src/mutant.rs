//! The registry of mutants: known bugs, switched on by name. A sweep with one must fail, and pass without it.

mod grounds;

use crate::harbour;
use crate::scenario::UnknownName;
use wavetank_models::flink::FlinkMutant;
use wavetank_models::kafka::broker::retention::BrokerMutant;
use wavetank_models::kafka::controller::ControllerMutant;
use wavetank_models::kafka::shared_storage::mutant::StorageMutant;
use wavetank_models::kafka::wal::WalMutant;

/// A known bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// Of the harbour.
    Harbour(harbour::Mutant),
    /// Of write-ahead logs in shared storage.
    Wal(WalMutant),
    /// Of streams in shared storage.
    Storage(StorageMutant),
    /// Of brokers' partitions.
    Broker(BrokerMutant),
    /// Of controllers.
    Controller(ControllerMutant),
    /// Of Flink-style jobs.
    Flink(FlinkMutant),
}

impl Mutant {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Mutant> {
        let harbour = harbour::Mutant::ALL.into_iter().map(Mutant::Harbour);
        let wal = WalMutant::ALL.into_iter().map(Mutant::Wal);
        let controller = ControllerMutant::ALL.into_iter().map(Mutant::Controller);
        let broker = BrokerMutant::ALL.into_iter().map(Mutant::Broker);
        let storage = StorageMutant::ALL.into_iter().map(Mutant::Storage);
        let flink = FlinkMutant::ALL.into_iter().map(Mutant::Flink);
        harbour.chain(wal).chain(storage).chain(broker).chain(controller).chain(flink)
    }

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Mutant::Harbour(mutant) => mutant.name(),
            Mutant::Wal(mutant) => mutant.name(),
            Mutant::Storage(mutant) => mutant.name(),
            Mutant::Broker(mutant) => mutant.name(),
            Mutant::Controller(mutant) => mutant.name(),
            Mutant::Flink(mutant) => mutant.name(),
        }
    }

    /// One line for people.
    pub fn summary(self) -> &'static str {
        match self {
            Mutant::Harbour(mutant) => mutant.summary(),
            Mutant::Wal(mutant) => mutant.summary(),
            Mutant::Storage(mutant) => mutant.summary(),
            Mutant::Broker(mutant) => mutant.summary(),
            Mutant::Controller(mutant) => mutant.summary(),
            Mutant::Flink(mutant) => mutant.summary(),
        }
    }

    /// Of what it is a bug, for lists.
    pub fn place(self) -> &'static str {
        match self {
            Mutant::Harbour(_) => "harbour",
            Mutant::Wal(_) => "write-ahead log",
            Mutant::Storage(_) => "streams",
            Mutant::Broker(_) => "broker",
            Mutant::Controller(_) => "controller",
            Mutant::Flink(_) => "Flink-style job",
        }
    }

    /// The mutant of that name.
    ///
    /// # Errors
    /// When there is none: says which there are.
    pub fn by_name(name: &str) -> Result<Mutant, UnknownName> {
        let known = Mutant::all().map(Mutant::name);
        Mutant::all().find(|m| m.name() == name).ok_or_else(|| UnknownName::new("mutant", name, known))
    }
}

impl From<harbour::Mutant> for Mutant {
    fn from(mutant: harbour::Mutant) -> Mutant {
        Mutant::Harbour(mutant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wavetank_sim::SortedSet;

    #[test]
    fn no_two_mutants_have_one_name() {
        let names: SortedSet<_> = Mutant::all().map(Mutant::name).collect();
        assert_eq!(names.len(), Mutant::all().count());
        assert!(Mutant::all().all(|mutant| Mutant::by_name(mutant.name()) == Ok(mutant)));
    }
}
