//! Situations that processes mark, by name: steps that a fault can wait for. A test holds the list against the sources.

/// All of them, in the order of the alphabet.
pub(super) const ALL: [&str; 96] = [
    "admin: a group had members, and its offsets were not reset",
    "admin: a group's offsets were reset",
    "admin: a partition was reassigned",
    "admin: a reassignment was refused",
    "admin: a reset of offsets was given up",
    "admin: a topic's settings were altered",
    "boat: a connection was reset under it",
    "boat: found its pier gone",
    "boat: gave up waiting and connected anew",
    "broker: a batch that is in the log already came again",
    "broker: gave its controlled shutdown up",
    "broker: shut down in good order",
    "client: an older view of the cluster was not taken",
    "compaction: a plan was abandoned",
    "compaction: a read raced with it",
    "compaction: objects below a stream's start were dropped",
    "compaction: stream objects were joined",
    "compaction: stream-set objects were compacted",
    "consumer: a fetch session was lost",
    "consumer: closed without having left its group",
    "consumer: heard nothing of its coordinator for a session",
    "consumer: left its group in good order",
    "consumer: left its group, for it did not poll",
    "consumer: lost its partitions",
    "controller: a change waits for its majority",
    "controller: a commit was retried after it was applied",
    "controller: a follower cut what parted from its leader's log",
    "controller: a leader resigned without quorum",
    "controller: a stream came back before its fast close was uploaded",
    "controller: a stream was closed fast",
    "controller: a voter was so far behind that it got a snapshot",
    "controller: an old epoch's commit was refused",
    "controller: election with split vote",
    "controller: gave its vote",
    "controller: halted on a storage error",
    "controller: recovery cut off an unsynced tail of the metadata log",
    "controller: the balancer moved partitions",
    "coordinator: group offsets were compacted",
    "flink: a checkpoint was completed after its execution had failed",
    "flink: a checkpoint's metadata is written, and the pointer not moved",
    "flink: a group has no committed offset to begin at",
    "flink: a job is rescaled",
    "flink: a job manager was deposed",
    "flink: a sink sent again what it had written",
    "flink: a source was sent back, and did not go",
    "flink: a source's position was out of range",
    "flink: a task manager lost its job manager",
    "flink: a task manager was lost",
    "flink: an acknowledgement of an earlier execution came",
    "flink: an offset commit failed, and the job went on",
    "flink: the job fails for a checkpoint that failed",
    "flink: the table refused a late write",
    "object client: a refused PUT was one's own success",
    "object client: a slow PUT was sent again",
    "pier: acknowledged a resent record from its log",
    "pier: an upload met its own earlier attempt",
    "pier: an upload was tried again",
    "pier: halted on a storage error",
    "pier: recovered a log after a crash",
    "pier: recovery cut off an unsynced tail",
    "producer: a batch of unknown fate was acknowledged by another leader",
    "producer: a batch of unknown fate was written again under a new epoch",
    "producer: a record waited for memory for max.block.ms",
    "producer: raised its epoch",
    "reader: blocks that were read ahead left unread",
    "recovery: a log had records that were in no object",
    "recovery: a record did not follow on",
    "retention: segments were deleted",
    "retention: segments were deleted by their topic's own settings",
    "storage: a commit was asked for",
    "storage: a former leader died before it had closed a partition",
    "storage: a multipart upload began anew",
    "storage: a read went to objects",
    "storage: a rescue was called off",
    "storage: a rescuer lost the log",
    "storage: a stream had its next owner before it was open",
    "storage: a stream was not closed yet",
    "storage: a trim waited for a read",
    "storage: a trim was refused",
    "storage: an append backed off",
    "storage: catch-up reads waited for their turn",
    "storage: objects were prepared",
    "wal: a fenced owner's PUT landed after the new owner's list",
    "wal: a lease was lost while nothing was written",
    "wal: a trim lay between crash and recovery",
    "wal: an owner's client was fenced",
    "wal: list crossed a page",
    "wal: over capacity",
    "wal: the device refused a fenced owner",
    "wal: verify found another owner",
    "watchman: an answer was ambiguous",
    "watchman: appended to the express store",
    "watchman: found the share's lock taken",
    "watchman: lost its lease or file handle",
    "watchman: the share forgot an unstable write",
    "watchman: wrote to the share",
];

#[cfg(test)]
mod tests {
    use super::ALL;
    use std::path::Path;
    use wavetank_sim::SortedSet;

    /// Literals of a text that read like a mark of one of these subjects.
    fn marks_in(text: &str, subjects: &SortedSet<&str>) -> Vec<String> {
        let is_mark = |literal: &&str| {
            let subject = literal.split_once(": ").map(|(subject, _)| subject);
            subject.is_some_and(|subject| subjects.contains(subject)) && !literal.contains(['{', '\n', '\\'])
        };
        text.split('"').filter(is_mark).map(str::to_owned).collect()
    }

    fn collect(folder: &Path, subjects: &SortedSet<&str>, into: &mut SortedSet<String>) {
        for entry in std::fs::read_dir(folder).expect("the sources are there") {
            let path = entry.expect("it can be listed").path();
            if path.is_dir() {
                collect(&path, subjects, into);
            } else if path.extension().is_some_and(|it| it == "rs") {
                let text = std::fs::read_to_string(&path).expect("it can be read");
                into.extend(marks_in(&text, subjects));
            }
        }
    }

    #[test]
    fn the_list_is_what_the_sources_mark() {
        let subjects: SortedSet<&str> = ALL.iter().filter_map(|mark| Some(mark.split_once(": ")?.0)).collect();
        let mut found = SortedSet::new();
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        for folder in ["../models/src", "src/harbour", "src/cluster"] {
            collect(&here.join(folder), &subjects, &mut found);
        }
        assert_eq!(ALL.map(str::to_owned).to_vec(), found.into_iter().collect::<Vec<_>>());
    }
}
