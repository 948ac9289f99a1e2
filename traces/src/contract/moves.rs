//! When consumers' positions moved other than by polling: seeks and resets.

use super::context::{At, Context, Move, Target};
use crate::history::{Function, History, KeyId, Kind, OpId, Process};
use std::collections::BTreeMap;

/// A move, placed in the order of operations.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed {
    /// It comes after all operations before this place, and perhaps later.
    first: u32,
    /// It comes before the operation at this place, and perhaps earlier.
    last: u32,
    /// Where to.
    pub target: Target,
    /// What it was, in words.
    pub by: String,
}

impl Placed {
    /// The first offset that it asks for; `None` if that is the end, wherever that was.
    pub fn floor(&self) -> Option<i64> {
        match self.target {
            Target::Offset(offset) => Some(super::signed(offset)),
            Target::Beginning => Some(0),
            Target::End => None,
        }
    }
}

/// All moves, by process and key, in order.
#[derive(Debug, Default)]
pub struct Moves {
    of: BTreeMap<(Process, KeyId), Vec<Placed>>,
}

impl Moves {
    /// Those that the context lists and those that the history's assignments make.
    pub fn new(history: &History, context: &Context) -> Moves {
        let mut moves = Moves::default();
        let ids: Vec<_> = history.ids().collect();
        for moved in &context.seeks {
            moves.add(history, &ids, moved, "an explicit seek");
        }
        for moved in &context.offset_resets {
            moves.add(history, &ids, moved, "an offset reset");
        }
        for id in ids {
            moves.add_assignment(history, id);
        }
        for placed in moves.of.values_mut() {
            placed.sort_by_key(|placed| placed.first);
        }
        moves
    }

    fn add(&mut self, history: &History, ids: &[OpId], moved: &Move, what: &str) {
        let Some(key) = history.find_key(&moved.key) else { return };
        let (first, last) = match moved.at {
            At::Index(index) => {
                let place = ids.partition_point(|id| history.op(*id).index < index);
                (place, place)
            }
            At::Time(time) => (
                ids.partition_point(|id| history.op(*id).time < time),
                ids.partition_point(|id| history.op(*id).time <= time),
            ),
        };
        let by = format!("{what} of process {} to {}", moved.process, moved.to);
        let placed = Placed { first: first as u32, last: last as u32, target: moved.to, by };
        self.of.entry((Process(moved.process), key)).or_default().push(placed);
    }

    fn add_assignment(&mut self, history: &History, id: OpId) {
        let op = history.op(id);
        let Some(process) = op.process.filter(|_| op.function == Function::Assign && op.seek_to_beginning) else {
            return;
        };
        if matches!(op.kind, Kind::Ok | Kind::Info) {
            for key in history.assigned(id) {
                let by = format!("an assign with seek-to-beginning? of process {process}");
                let placed = Placed { first: id.0, last: id.0, target: Target::Beginning, by };
                self.of.entry((process, *key)).or_default().push(placed);
            }
        }
    }

    /// How many moves of a process in a key there were before an operation, and the last of them.
    pub fn before(&self, process: Option<Process>, key: KeyId, id: OpId) -> (usize, Option<&Placed>) {
        let all = process.and_then(|process| self.of.get(&(process, key))).map_or(&[][..], Vec::as_slice);
        let count = all.partition_point(|placed| placed.first <= id.0);
        (count, all[..count].last())
    }

    /// The last move of a process in a key after one operation and before another.
    pub fn between(&self, process: Option<Process>, key: KeyId, from: OpId, to: OpId) -> Option<&Placed> {
        self.before(process, key, to).1.filter(|placed| placed.last > from.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Draft;

    /// Operations of process 1 at places 0 to 5, with indices 10, 20… and times 0, 100, 100, 100, 200, 300.
    fn history() -> History {
        let mut history = History::new();
        history.key("x");
        for (place, time) in [0, 100, 100, 100, 200, 300].into_iter().enumerate() {
            let mut draft = Draft::default();
            draft.index = place as u64 * 10 + 10;
            draft.time = time;
            draft.kind = if place % 2 == 0 { Kind::Invoke } else { Kind::Ok };
            draft.process = Some(Process(1));
            draft.function = Function::Poll;
            history.push(&draft).unwrap();
        }
        history
    }

    fn moves(at: At) -> Moves {
        let seek = Move { process: 1, key: "x".into(), to: Target::End, at, comment: None };
        Moves::new(&history(), &Context { seeks: vec![seek], ..Context::default() })
    }

    #[test]
    fn a_move_lies_between_the_operations_around_it() {
        // Between operations at these places: is the move there?
        let cases = [
            (At::Index(30), (1, 3), true),
            (At::Index(30), (1, 2), true),
            (At::Index(30), (2, 3), false),
            (At::Index(30), (0, 1), false),
            (At::Index(25), (1, 2), true),
            (At::Index(31), (2, 3), true),
            (At::Time(100), (1, 2), true),
            (At::Time(100), (3, 4), true),
            (At::Time(100), (0, 1), true),
            (At::Time(100), (4, 5), false),
            (At::Time(99), (0, 1), true),
            (At::Time(99), (1, 2), false),
            (At::Time(101), (3, 4), true),
            (At::Time(101), (2, 3), false),
        ];
        for (at, (from, to), there) in cases {
            let moves = moves(at);
            let found = moves.between(Some(Process(1)), KeyId(0), OpId(from), OpId(to));
            assert_eq!(found.is_some(), there, "{at:?} between {from} and {to}");
        }
        assert_eq!(moves(At::Index(20)).between(Some(Process(2)), KeyId(0), OpId(0), OpId(5)), None);
        assert_eq!(moves(At::Index(20)).between(Some(Process(1)), KeyId(1), OpId(0), OpId(5)), None);
    }

    #[test]
    fn the_last_of_several_moves_counts() {
        let seek = |to, index| Move { process: 1, key: "x".into(), to, at: At::Index(index), comment: None };
        let seeks = vec![seek(Target::Offset(9), 40), seek(Target::Beginning, 20)];
        let moves = Moves::new(&history(), &Context { seeks, ..Context::default() });
        let before = |id| {
            let (count, last) = moves.before(Some(Process(1)), KeyId(0), OpId(id));
            (count, last.and_then(Placed::floor))
        };
        assert_eq!((before(0), before(1), before(3)), ((0, None), (1, Some(0)), (2, Some(9))));
    }
}
