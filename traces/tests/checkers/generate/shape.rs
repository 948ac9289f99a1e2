//! What a random history looks like.

use proptest::prelude::*;

/// The knobs of a random history. Shares are in percent.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Decides everything that the knobs leave open.
    pub seed: u64,
    /// Partitions, each a key.
    pub keys: usize,
    /// Processes at work at one time.
    pub processes: usize,
    /// Ops before the final polls, assignments included.
    pub ops: usize,
    /// The most micro-ops of an op.
    pub micros: usize,
    /// The most records a poll returns for one key.
    pub batch: usize,
    /// Share of the sends that run in a transaction; an op that both sends and polls always does.
    pub transactional: u8,
    /// Share of the ops that fail.
    pub fail: u8,
    /// Share of the ops whose outcome stays unknown.
    pub info: u8,
    /// Share of the ops that never complete.
    pub open: u8,
    /// Share of the values that are strings rather than integers.
    pub strings: u8,
    /// Consumers subscribe, and are rebalanced, rather than assign.
    pub subscribe: bool,
}

/// Shapes from a few ops of two processes up to about sixty of eight.
pub fn shapes() -> impl Strategy<Value = Shape> {
    let sizes = (any::<u64>(), 1..=4_usize, 2..=8_usize, 0..=60_usize, 1..=5_usize, 1..=6_usize);
    let shares = (0..=100_u8, 0..=30_u8, 0..=30_u8, 0..=6_u8, prop_oneof![Just(0_u8), 0..=100_u8], any::<bool>());
    (sizes, shares).prop_map(|((seed, keys, processes, ops, micros, batch), shares)| {
        let (transactional, fail, info, open, strings, subscribe) = shares;
        Shape { seed, keys, processes, ops, micros, batch, transactional, fail, info, open, strings, subscribe }
    })
}
