//! Anomalies planted by a small edit of a correct history.

use super::dice::Dice;
use super::lines::{Place, places};
use super::plant::Anomaly;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The history with the anomaly edited into it; none where no such edit is known or none fits.
pub fn edit(history: &[Value], anomaly: Anomaly, dice: &mut Dice) -> Option<Vec<Value>> {
    let mut lines = history.to_vec();
    let mut all = places(history);
    // Which of the places that fit is taken is left to chance.
    dice.shuffle(&mut all);
    match anomaly {
        Anomaly::InconsistentOffsets => share_an_offset(&mut lines, &all),
        Anomaly::Duplicate => move_to_another_offset(&mut lines, &all),
        Anomaly::G1a => fail_a_writer(&mut lines, &all),
        Anomaly::PrecommittedRead => read_own_send(&mut lines, &all),
        Anomaly::LostWrite => forget(&mut lines, &all, true),
        Anomaly::Unseen => forget(&mut lines, &all, false),
        Anomaly::IntPollSkip => drop_a_middle(&mut lines, &all),
        Anomaly::IntNonmonotonicPoll => swap_neighbours(&mut lines, &all),
        Anomaly::PollSkip => skip_to_the_second(&mut lines, dice),
        Anomaly::NonmonotonicPoll => repeat_the_last(&mut lines, dice),
        Anomaly::NoWriterOfValue => poll_what_nobody_sent(&mut lines, &all),
        Anomaly::G1c
        | Anomaly::G1cRealtime
        | Anomaly::G0
        | Anomaly::G0Realtime
        | Anomaly::NonmonotonicSend
        | Anomaly::IntNonmonotonicSend
        | Anomaly::IntSendSkip => None,
    }?;
    Some(lines)
}

/// Whether a place other than those of one line and list tells the offset of this record: a poll, or an ok send.
fn known_elsewhere(lines: &[Value], all: &[Place], record: &Place) -> bool {
    all.iter().any(|other| {
        other.key == record.key
            && other.line != record.line
            && other.value(lines) == record.value(lines)
            && other.offset(lines).is_some()
            && (other.is_poll() || other.is_ok(lines))
    })
}

fn is_exempt(lines: &[Value], place: &Place) -> bool {
    let entries = lines[place.line]["rebalance-log"].as_array();
    entries
        .into_iter()
        .flatten()
        .any(|entry| entry["keys"].as_array().into_iter().flatten().any(|key| key.as_str() == Some(&place.key)))
}

fn share_an_offset(lines: &mut [Value], all: &[Place]) -> Option<()> {
    let place = all.iter().find(|place| place.entry.is_some_and(|entry| entry > 0))?;
    let entry = place.entry?;
    let list = place.list_mut(lines)?;
    list[entry][0] = list[entry - 1][0].clone();
    Some(())
}

fn move_to_another_offset(lines: &mut [Value], all: &[Place]) -> Option<()> {
    let free = all.iter().filter_map(|place| place.offset(lines)).max()? + 1;
    let place = all.iter().find(|place| place.is_poll() && known_elsewhere(lines, all, place))?;
    place.get_mut(lines)[0] = json!(free);
    Some(())
}

fn fail_a_writer(lines: &mut [Value], all: &[Place]) -> Option<()> {
    let read = |writer: &&Place| {
        all.iter().any(|other| {
            let same = other.key == writer.key && other.value(lines) == writer.value(lines);
            same && other.is_poll() && other.is_ok(lines) && other.line != writer.line
        })
    };
    let writer = all.iter().filter(|place| !place.is_poll()).find(read)?;
    lines[writer.line]["type"] = json!("fail");
    Some(())
}

fn read_own_send(lines: &mut [Value], all: &[Place]) -> Option<()> {
    let polls =
        |line: usize, key: &str| all.iter().find(|place| place.is_poll() && place.line == line && place.key == key);
    let sent = |place: &&Place| !place.is_poll() && place.offset(lines).is_some();
    let (send, poll) = all.iter().filter(sent).find_map(|send| polls(send.line, &send.key).map(|poll| (send, poll)))?;
    let record = send.get(lines).clone();
    poll.list_mut(lines)?.push(record);
    Some(())
}

/// Takes a value that was acknowledged at an offset out of all polls. If others past it must stay read, it is lost.
fn forget(lines: &mut [Value], all: &[Place], must_be_passed: bool) -> Option<()> {
    let passed = |record: &Place| {
        all.iter().any(|other| {
            other.key == record.key
                && other.is_poll()
                && other.is_ok(lines)
                && other.offset(lines) > record.offset(lines)
        })
    };
    let acknowledged = |place: &&Place| !place.is_poll() && place.is_ok(lines) && place.offset(lines).is_some();
    let record = all.iter().filter(acknowledged).find(|place| !must_be_passed || passed(place))?;
    let value = record.value(lines).clone();
    for place in all.iter().filter(|place| place.key == record.key && place.is_poll()) {
        place.list_mut(lines)?.retain(|polled| polled[1] != value);
    }
    Some(())
}

fn drop_a_middle(lines: &mut [Value], all: &[Place]) -> Option<()> {
    let place = all.iter().find(|place| {
        let between = place.entry.is_some_and(|entry| entry > 0 && entry + 1 < place.list_len(lines));
        between && !is_exempt(lines, place) && known_elsewhere(lines, all, place)
    })?;
    let entry = place.entry?;
    place.list_mut(lines)?.remove(entry);
    Some(())
}

fn swap_neighbours(lines: &mut [Value], all: &[Place]) -> Option<()> {
    let place = all.iter().find(|place| place.entry.is_some_and(|entry| entry > 0) && !is_exempt(lines, place))?;
    let entry = place.entry?;
    place.list_mut(lines)?.swap(entry - 1, entry);
    Some(())
}

fn poll_what_nobody_sent(lines: &mut [Value], all: &[Place]) -> Option<()> {
    let place = all.iter().find(|place| place.is_poll())?;
    place.get_mut(lines)[1] = json!("nobody sent this");
    Some(())
}

/// Each pair of consecutive polls of a key by one process, with no assignment in between: the last record of the one and
/// the first of the other. The first is ok.
fn consecutive_polls(lines: &[Value]) -> Vec<(Place, Place)> {
    let mut steps = Vec::new();
    let mut last: BTreeMap<(i64, String), Place> = BTreeMap::new();
    let by_line = |line: usize| places(&lines[line..=line]).into_iter().map(move |place| Place { line, ..place });
    for (line, op) in lines.iter().enumerate() {
        let Some(process) = op["process"].as_i64() else { continue };
        if op["f"] == "assign" || op["f"] == "subscribe" {
            last.retain(|(other, _), _| *other != process);
            continue;
        }
        // An empty list says that the position is not known.
        let empty = op["value"].as_array().into_iter().flatten().flat_map(|micro| micro[1].as_object()).flatten();
        for (key, _) in empty.filter(|(_, records)| records.as_array().is_some_and(Vec::is_empty)) {
            last.remove(&(process, key.clone()));
        }
        let polled: Vec<Place> = by_line(line).filter(Place::is_poll).collect();
        let keys: BTreeSet<&String> = polled.iter().map(|place| &place.key).collect();
        for key in keys {
            let of_key: Vec<&Place> = polled.iter().filter(|place| &place.key == key).collect();
            if let (Some(before), Some(first)) = (last.get(&(process, key.clone())), of_key.first()) {
                steps.push((before.clone(), (*first).clone()));
            }
            if let Some(end) = of_key.last().filter(|_| op["type"] == "ok") {
                last.insert((process, key.clone()), (*end).clone());
            }
        }
    }
    steps
}

fn skip_to_the_second(lines: &mut [Value], dice: &mut Dice) -> Option<()> {
    let all = places(lines);
    let mut steps = consecutive_polls(lines);
    dice.shuffle(&mut steps);
    let fits = |first: &Place| first.list_len(lines) > 1 && known_elsewhere(lines, &all, first);
    // After a rebalance the first poll may already lie behind the last, and then nothing need be skipped.
    let forward = |before: &Place, first: &Place| before.offset(lines) < first.offset(lines);
    let (_, first) = steps.iter().find(|(before, first)| fits(first) && forward(before, first))?;
    first.list_mut(lines)?.remove(0);
    Some(())
}

fn repeat_the_last(lines: &mut [Value], dice: &mut Dice) -> Option<()> {
    let steps = consecutive_polls(lines);
    let (before, first) = dice.one(&steps)?;
    let record = before.get(lines).clone();
    first.list_mut(lines)?.insert(0, record);
    Some(())
}
