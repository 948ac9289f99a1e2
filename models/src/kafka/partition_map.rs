//! Something of every partition, found by its number: for what is looked up many times a request.

use super::ids::{TopicId, TopicIdPartition};

/// A map of partitions, in their order. A place is taken for each number below the highest that is used: topics' ids count
/// from zero, and so do partitions.
#[derive(Clone, Debug)]
pub struct PartitionMap<T> {
    topics: Vec<Vec<Option<T>>>,
}

impl<T> Default for PartitionMap<T> {
    fn default() -> PartitionMap<T> {
        PartitionMap { topics: Vec::new() }
    }
}

impl<T> PartitionMap<T> {
    /// What there is of a partition.
    pub fn get(&self, tp: TopicIdPartition) -> Option<&T> {
        self.topics.get(tp.topic.0 as usize)?.get(tp.partition as usize)?.as_ref()
    }

    /// What there is of a partition, to be changed.
    pub fn get_mut(&mut self, tp: TopicIdPartition) -> Option<&mut T> {
        self.topics.get_mut(tp.topic.0 as usize)?.get_mut(tp.partition as usize)?.as_mut()
    }

    /// What there is of a partition, made first if there is nothing.
    pub fn entry(&mut self, tp: TopicIdPartition) -> &mut T
    where
        T: Default,
    {
        let (topic, partition) = (tp.topic.0 as usize, tp.partition as usize);
        if self.topics.len() <= topic {
            self.topics.resize_with(topic + 1, Vec::new);
        }
        let partitions = &mut self.topics[topic];
        if partitions.len() <= partition {
            partitions.resize_with(partition + 1, || None);
        }
        partitions[partition].get_or_insert_default()
    }

    /// All there is, in the order of partitions.
    pub fn iter(&self) -> impl Iterator<Item = (TopicIdPartition, &T)> {
        self.topics.iter().zip(0..).flat_map(|(partitions, topic)| {
            partitions.iter().zip(0..).filter_map(move |(item, partition)| {
                Some((TopicIdPartition { topic: TopicId(topic), partition }, item.as_ref()?))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_come_in_their_order() {
        let tp = |topic, partition| TopicIdPartition { topic: TopicId(topic), partition };
        let mut map = PartitionMap::<u32>::default();
        for (topic, partition) in [(2, 1), (0, 3), (2, 0)] {
            *map.entry(tp(topic, partition)) += topic * 10 + partition;
        }
        *map.entry(tp(2, 1)) += 100;
        assert_eq!(map.iter().collect::<Vec<_>>(), [(tp(0, 3), &3), (tp(2, 0), &20), (tp(2, 1), &121)]);
        assert_eq!((map.get(tp(2, 1)), map.get(tp(1, 0)), map.get(tp(9, 9))), (Some(&121), None, None));
    }
}
