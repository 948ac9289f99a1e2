//! Metadata changes in order, and their commit.
//!
//! A commit is always of a prefix, and a sync commits all that came before it, whoever did it (jbd2 has one running
//! transaction for the whole file system; XFS forces its log up to the inode's last change, which on one log is a
//! prefix too).

use super::content::Content;
use super::op::{FileId, FileName};
use std::collections::VecDeque;

/// One metadata change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Create { name: FileName, file: FileId },
    Rename { from: FileName, to: FileName },
    Delete { name: FileName },
    Grow { file: FileId, len: u64 },
    Truncate { file: FileId, len: u64 },
}

/// The changes that are not committed, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Journal {
    changes: VecDeque<(u64, Change)>,
    next_seq: u64,
}

impl Journal {
    pub(super) fn push(&mut self, change: Change) -> u64 {
        let seq = self.next_seq;
        self.next_seq += 1;
        self.changes.push_back((seq, change));
        seq
    }

    /// Every change so far has a smaller number.
    pub(super) fn next_seq(&self) -> u64 {
        self.next_seq
    }

    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether a change of that file, or of its name, waits for a commit.
    pub(super) fn concerns(&self, wanted: FileId) -> bool {
        self.changes.iter().any(|(_, change)| match change {
            Change::Create { file, .. } | Change::Grow { file, .. } | Change::Truncate { file, .. } => *file == wanted,
            Change::Rename { .. } | Change::Delete { .. } => false,
        })
    }

    /// The number of the `n`-th uncommitted change.
    pub(super) fn nth(&self, n: usize) -> Option<u64> {
        self.changes.get(n).map(|(seq, _)| *seq)
    }

    fn pop_through(&mut self, seq: u64) -> Option<(u64, Change)> {
        let (first, _) = self.changes.front()?;
        if *first <= seq { self.changes.pop_front() } else { None }
    }

    /// Drops what is left, oldest first.
    pub(super) fn take_all(&mut self) -> VecDeque<(u64, Change)> {
        std::mem::take(&mut self.changes)
    }
}

impl Content {
    /// Makes every change up to and including number `seq` durable.
    pub(super) fn commit(&mut self, seq: u64) {
        while let Some((seq, change)) = self.journal.pop_through(seq) {
            match change {
                Change::Create { name, file } => {
                    self.committed_names.insert(name, file);
                }
                Change::Rename { from, to } => {
                    let file = self.committed_names.remove(&from).expect("committed in order");
                    if let Some(replaced) = self.committed_names.insert(to, file) {
                        self.free(replaced);
                    }
                }
                Change::Delete { name } => {
                    let file = self.committed_names.remove(&name).expect("committed in order");
                    self.free(file);
                }
                Change::Grow { file, len } => self.inode_mut(file).committed_len = len,
                Change::Truncate { file, len } => self.commit_truncate(seq, file, len),
            }
        }
    }

    /// Makes every change before number `seq` durable.
    pub(super) fn commit_before(&mut self, seq: u64) {
        if let Some(last) = seq.checked_sub(1) {
            self.commit(last);
        }
    }

    /// Commits all changes so far.
    pub(super) fn commit_all(&mut self) {
        self.commit(self.journal.next_seq());
        assert!(self.journal.is_empty(), "a commit of everything left something");
    }

    fn inode_mut(&mut self, file: FileId) -> &mut super::content::Inode {
        self.inodes.get_mut(&file).expect("a change of a file comes before its end")
    }

    fn commit_truncate(&mut self, seq: u64, file: FileId, len: u64) {
        let inode = self.inode_mut(file);
        inode.committed_len = len;
        inode.stable.clear(len..u64::MAX);
        inode.truncated_at.retain(|&other| other != seq);
        let flights = inode.flights.clone();
        for id in flights {
            if let Some(flight) = self.flights.get_mut(&id)
                && flight.seq <= seq
            {
                flight.clip = flight.clip.min(len);
            }
        }
    }

    /// The last durable name is gone. The kernel's own view let go of the file before.
    fn free(&mut self, file: FileId) {
        if let Some(inode) = self.inodes.get(&file) {
            assert!(!inode.linked, "a file in use was freed");
            self.inodes.remove(&file);
        }
    }
}
