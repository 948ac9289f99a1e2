//! Where consumers stood, and why they went on elsewhere.

use super::{Case, Piece, all, all_if, process_of};
use crate::check::anomaly::Anomaly;
use crate::check::proof::Proof;
use crate::check::ranges::intersect;
use crate::contract::class::Class;
use crate::contract::context::OffsetReset;
use crate::contract::facts::Facts;
use crate::history::{Kind, OpId};
use std::ops::Range;

type Excused = Vec<(Range<u64>, Class)>;

/// The operations between which the case's consumer went wrong.
fn ends(case: &Case) -> Option<(OpId, OpId)> {
    match case.proof {
        Proof::Step { from, to, .. } => Some((*from, *to)),
        Proof::DoubleConsumption { readers: [from, to], .. } => Some((*from, *to)),
        _ => None,
    }
}

/// Between operations, a rebalance may give a subscriber's keys to others and back.
pub fn subscribed(facts: &Facts, case: &Case, piece: &Piece) -> Excused {
    let Proof::Step { anomaly: Anomaly::PollSkip, to, .. } = case.proof else { return Vec::new() };
    all_if(facts.is_subscribed(*to), piece, || Class::allowed(subscription(facts, *to)))
}

/// A subscription, in words.
pub fn subscription(facts: &Facts, id: OpId) -> String {
    format!("the subscription of {}: a rebalance moves positions", process_of(facts, id))
}

/// Who seeks forward leaves out what lies before; who seeks back consumes again.
pub fn moved(facts: &Facts, case: &Case, piece: &Piece) -> Excused {
    let Some((from, to)) = ends(case) else { return Vec::new() };
    let Some(moved) = facts.move_between(case.key, from, to) else { return Vec::new() };
    let class = Class::allowed(moved.by.clone());
    let again = matches!(case.proof, Proof::DoubleConsumption { .. });
    match moved.floor() {
        None => all_if(!again, piece, || class),
        Some(floor) => {
            let offsets = if again { floor..i64::MAX } else { 0..floor };
            piece.at(&offsets).map(|values| (values, class)).into_iter().collect()
        }
    }
}

/// A poll of an operation that did not end well has moved its consumer all the same: nothing but a seek takes it back.
pub fn delivered_between(facts: &Facts, case: &Case, piece: &Piece) -> Excused {
    let Some((from, to)) = ends(case) else { return Vec::new() };
    let history = facts.history();
    let failed = facts.polls_between(from, to).filter(|id| history.op(*id).kind != Kind::Ok);
    failed
        .flat_map(|id| {
            let polled = history.polls(id).filter(|run| run.key == case.key).map(|run| run.values());
            let polled: Vec<_> = polled.collect();
            let class = Class::allowed(format!("{}: its poll moved the consumer", ended(facts, id)));
            intersect(&piece.values, polled.iter()).into_iter().map(move |values| (values, class.clone()))
        })
        .collect()
}

fn ended(facts: &Facts, id: OpId) -> String {
    let op = facts.history().op(id);
    format!("operation {}, which ended with {}", op.index, op.kind.name())
}

/// Under `auto.offset.reset=latest`, a consumer whose position is gone goes on at the log's end.
pub fn reset_to_latest(facts: &Facts, case: &Case, piece: &Piece) -> Excused {
    let (Some(reader), Proof::Step { values: [before, _], .. }) = (case.reader, case.proof) else {
        return Vec::new();
    };
    let latest = facts.client(reader).auto_offset_reset == Some(OffsetReset::Latest);
    // It wanted the record after the last one that it has read.
    let next = facts.key(case.key).offset_of(before.0).map(|offset| offset + 1);
    let gone = next.is_some_and(|next| next < facts.starts[case.key.0 as usize].at(case.until));
    all_if(latest && gone, piece, || {
        Class::allowed(format!("auto.offset.reset=latest of {}", process_of(facts, reader)))
    })
}

/// A record that a poll returned was not lost before that, whatever became of the operation.
pub fn delivered(facts: &Facts, case: &Case, piece: &Piece) -> Excused {
    let delivered = facts.key(case.key).delivered.overlapping(&piece.values);
    let class = Class::allowed("its delivery to an operation that did not end well, which moved the consumer");
    intersect(&piece.values, delivered).into_iter().map(|values| (values, class.clone())).collect()
}

/// The same at the end of the history, where it may have been lost later: that depends on where the log ends.
pub fn delivered_and_there(facts: &Facts, case: &Case, piece: &Piece) -> Excused {
    let end = facts.key(case.key).context.and_then(|context| context.end.as_ref());
    let end = end.and_then(|end| end.high_watermark.or(end.log_end_offset)).map(crate::contract::signed);
    let there = end.map(|end| piece.at(&(0..end)));
    let mut excused = delivered(facts, case, piece);
    if let Some(there) = there {
        let there = there.as_slice();
        excused = excused
            .into_iter()
            .flat_map(|(values, class)| {
                intersect(&values, there.iter()).into_iter().map(move |values| (values, class.clone()))
            })
            .collect();
    } else {
        for (_, class) in &mut excused {
            *class = Class::unknown(
                "delivered to an operation that did not end well; whether it is still there, only the log's end would say",
            );
        }
    }
    excused
}

/// What was not read may be read yet, unless somebody went past it.
pub fn not_quiesced(facts: &Facts, _: &Case, piece: &Piece) -> Excused {
    if piece.passed {
        return Vec::new();
    }
    match facts.context.quiesced {
        Some(true) => Vec::new(),
        Some(false) => all(piece, Class::unknown("the history ends before consumers could read to the end")),
        None => all(piece, Class::unknown("nobody knows whether consumers had the time to read to the end (quiesced)")),
    }
}
