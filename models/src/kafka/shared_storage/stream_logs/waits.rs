//! What partitions' logs wait for.

use super::{Log, Stage, Start, StreamLogs, Streams};
use crate::kafka::broker::link::ControllerLink;
use crate::kafka::ids::{BrokerId, TopicIdPartition};
use crate::kafka::partition_log::Ask;
use crate::world::{On, Wait, Want};

impl StreamLogs {
    pub(super) fn waits_for(&self, link: &ControllerLink, ask: Ask) -> Vec<Wait> {
        match ask {
            Ask::Recovery => match &self.start {
                Start::Recovering(recovery) => recovery.waits(link),
                Start::Waiting | Start::Running(_) | Start::Over => Vec::new(),
            },
            Ask::Rescue(broker) => self.rescue_waits(link, broker),
            Ask::Log(tp) => self.logs.get(&tp).map_or_else(Vec::new, |log| self.log_waits(link, tp, log)),
            Ask::Uploads => self.engine_waits(link),
        }
    }

    fn engine_waits(&self, link: &ControllerLink) -> Vec<Wait> {
        match &self.start {
            Start::Running(engine) => engine.waits(link),
            Start::Waiting | Start::Recovering(_) | Start::Over => Vec::new(),
        }
    }

    fn rescue_waits(&self, link: &ControllerLink, broker: BrokerId) -> Vec<Wait> {
        let Some(rescue) = self.rescues.get(&broker) else { return Vec::new() };
        match (&rescue.recovery, rescue.done) {
            (Some(recovery), _) => recovery.waits(link),
            (None, Some(_)) => vec![Wait::new("tells that the log is empty", On::Quorum, Want::Answer)],
            (None, None) => vec![Wait::on("lost the log, and tries again", On::Time)],
        }
    }

    fn log_waits(&self, link: &ControllerLink, tp: TopicIdPartition, log: &Log) -> Vec<Wait> {
        let asks = |what: &str| {
            let is_asked = self.tickets.iter().any(|(ticket, of)| *of == tp && link.is_open(*ticket));
            let on = if is_asked { On::Quorum } else { On::Nobody };
            vec![Wait::new(format!("{what} of {tp}"), on, Want::Answer)]
        };
        match &log.stage {
            Stage::Find => asks("looks for the streams"),
            Stage::Create => asks("makes the streams"),
            Stage::Name => asks("names the streams"),
            Stage::Open(_) => asks("opens the streams"),
            Stage::Closing => asks("closes the streams"),
            Stage::Await(streams) => self.await_waits(link, tp, *streams),
            Stage::ReadSnapshot(..) | Stage::Opened(_) | Stage::Flushing(..) | Stage::Settling(_) => {
                self.engine_waits(link)
            }
        }
    }

    /// Streams that are open elsewhere, or whose tail is not uploaded yet.
    fn await_waits(&self, link: &ControllerLink, tp: TopicIdPartition, streams: Streams) -> Vec<Wait> {
        if self.late.values().any(|stream| [streams.meta, streams.data].contains(stream)) {
            return self.engine_waits(link);
        }
        let image = [streams.meta, streams.data].map(|stream| link.image.streams.get(&stream));
        let Some(owner) = image.into_iter().flatten().find_map(|image| image.owner()) else {
            return vec![Wait::on(format!("has not opened the streams of {tp}, though they are closed"), On::Nobody)];
        };
        if let Some(context) = link.image.failovers().find(|context| context.broker == owner) {
            let what = format!("waits for the log of broker {owner}, which had {tp} open, to be emptied");
            return vec![Wait::new(what, On::Broker(context.rescuer), Want::Rescue(owner))];
        }
        if link.image.brokers.get(&owner).is_none_or(|state| state.fenced) {
            let what =
                format!("waits for broker {owner}, which had {tp} open and is fenced, and whose log nobody empties");
            return vec![Wait::new(what, On::Broker(owner), Want::Anything)];
        }
        let what = format!("waits for broker {owner}, which has {tp} open still");
        vec![Wait::new(what, On::Broker(owner), Want::Close(tp))]
    }
}
