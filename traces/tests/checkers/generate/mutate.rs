//! Small damage of any kind, for holding two checkers against each other on histories that no system would show.

use super::dice::Dice;
use super::lines::{Place, is_completion, is_invocation, partners, places, reindex, retime, sent_value};
use serde_json::{Value, json};

/// The history with one to five random edits. It stays well-formed as long as it was, but is most likely not correct any
/// more; an edit that finds nothing to act on is left out.
pub fn mutate(history: &[Value], seed: u64) -> Vec<Value> {
    let mut dice = Dice::new(seed);
    let mut lines = history.to_vec();
    for _ in 0..=dice.below(5) {
        // None says that there was nothing to act on.
        let _ = mutate_once(&mut lines, &mut dice);
    }
    reindex(&mut lines);
    lines
}

fn mutate_once(lines: &mut Vec<Value>, dice: &mut Dice) -> Option<()> {
    match dice.below(17) {
        0 => swap_values(lines, dice),
        1 => copy_value(lines, dice),
        2 => drop_record(lines, dice),
        3 => change_offset(lines, dice),
        4 => change_type(lines, dice),
        5 => forget_offset(lines, dice),
        6 => repeat_record(lines, dice),
        7 => move_completion(lines, dice),
        8 => change_polled_keys(lines, dice),
        9 => forget_completion(lines, dice),
        10 => move_record(lines, dice),
        11 => change_assignment(lines, dice),
        12 => change_rebalance_log(lines, dice),
        13 => move_poll(lines, dice),
        14 => exchange_offsets(lines, dice),
        15 => poll_each_other(lines, dice),
        _ => poll_a_stranger(lines, dice),
    }
}

fn any_place(lines: &[Value], dice: &mut Dice, fits: impl Fn(&Place) -> bool) -> Option<Place> {
    let places: Vec<Place> = places(lines).into_iter().filter(|place| fits(place)).collect();
    dice.one(&places).cloned()
}

fn any_completion(lines: &[Value], dice: &mut Dice, fits: impl Fn(&Value) -> bool) -> Option<usize> {
    let all: Vec<usize> = (0..lines.len()).filter(|&at| is_completion(&lines[at]) && fits(&lines[at])).collect();
    dice.one(&all).copied()
}

fn moves_records(line: &Value) -> bool {
    ["send", "poll", "txn"].iter().any(|f| line["f"] == *f)
}

/// Puts a value in a place. A send has it in its invocation, too.
fn set_value(lines: &mut [Value], place: &Place, value: &Value) {
    let mut sends = vec![place.line];
    if !place.is_poll() {
        sends.extend(partners(lines)[place.line]);
    }
    for line in sends {
        let record = Place { line, ..place.clone() }.get_mut(lines).as_array_mut().map(|pair| pair[1] = value.clone());
        if record.is_none() {
            *Place { line, ..place.clone() }.get_mut(lines) = value.clone();
        }
    }
}

/// Two values of one key, both sent or both polled, trade places.
fn swap_values(lines: &mut [Value], dice: &mut Dice) -> Option<()> {
    let one = any_place(lines, dice, |_| true)?;
    let other = any_place(lines, dice, |other| other.key == one.key && other.is_poll() == one.is_poll())?;
    let (first, second) = (one.value(lines).clone(), other.value(lines).clone());
    set_value(lines, &one, &second);
    set_value(lines, &other, &first);
    Some(())
}

/// A value appears where another of its key was: sent twice, or polled and its own lost.
fn copy_value(lines: &mut [Value], dice: &mut Dice) -> Option<()> {
    let from = any_place(lines, dice, |_| true)?;
    let to = any_place(lines, dice, |to| to.key == from.key)?;
    let value = from.value(lines).clone();
    set_value(lines, &to, &value);
    Some(())
}

fn drop_record(lines: &mut [Value], dice: &mut Dice) -> Option<()> {
    let place = any_place(lines, dice, Place::is_poll)?;
    let entry = place.entry?;
    place.list_mut(lines)?.remove(entry);
    Some(())
}

/// The pair of offset and value in a place; a bare value becomes a pair.
fn set_offset(lines: &mut [Value], place: &Place, offset: Value) {
    let value = place.value(lines).clone();
    *place.get_mut(lines) = json!([offset, value]);
}

fn change_offset(lines: &mut [Value], dice: &mut Dice) -> Option<()> {
    let place = any_place(lines, dice, |_| true)?;
    let near = place.offset(lines).unwrap_or_default() as i64;
    let elsewhere = any_place(lines, dice, |other| other.key == place.key)?;
    let offset = match dice.below(4) {
        0 => json!(near + 1),
        1 => json!(near - 1),
        2 => json!(near + 100),
        _ => elsewhere.offset(lines).map_or(json!(0), |offset| json!(offset)),
    };
    set_offset(lines, &place, offset);
    Some(())
}

fn forget_offset(lines: &mut [Value], dice: &mut Dice) -> Option<()> {
    let place = any_place(lines, dice, |_| true)?;
    if !place.is_poll() && dice.percent(50) {
        let value = place.value(lines).clone();
        *place.get_mut(lines) = value;
    } else {
        set_offset(lines, &place, Value::Null);
    }
    Some(())
}

fn change_type(lines: &mut [Value], dice: &mut Dice) -> Option<()> {
    let at = any_completion(lines, dice, |_| true)?;
    lines[at]["type"] = json!(dice.one(&["ok", "fail", "info"])?);
    Some(())
}

fn repeat_record(lines: &mut [Value], dice: &mut Dice) -> Option<()> {
    let place = any_place(lines, dice, Place::is_poll)?;
    let record = place.get(lines).clone();
    let to = any_place(lines, dice, |to| to.is_poll() && to.key == place.key)?;
    let list = to.list_mut(lines)?;
    list.insert(dice.below(list.len() + 1), record);
    Some(())
}

/// A polled record goes to another place of its list.
fn move_record(lines: &mut [Value], dice: &mut Dice) -> Option<()> {
    let place = any_place(lines, dice, Place::is_poll)?;
    let entry = place.entry?;
    let list = place.list_mut(lines)?;
    let record = list.remove(entry);
    list.insert(dice.below(list.len() + 1), record);
    Some(())
}

/// A completion goes anywhere between its invocation and the next line of its process.
fn move_completion(lines: &mut Vec<Value>, dice: &mut Dice) -> Option<()> {
    let at = any_completion(lines, dice, |_| true)?;
    let invoked = partners(lines)[at]?;
    let same = |line: &Value| line["process"] == lines[at]["process"];
    let next = (at + 1..lines.len()).find(|&later| same(&lines[later])).unwrap_or(lines.len());
    // With the line out, it may stand in any place after its invocation and up to its successor's.
    let completion = lines.remove(at);
    lines.insert(invoked + 1 + dice.below(next - 1 - invoked), completion);
    retime(lines);
    reindex(lines);
    Some(())
}

/// A poll lists a key with no records, or no longer lists one.
fn change_polled_keys(lines: &mut [Value], dice: &mut Dice) -> Option<()> {
    let place = any_place(lines, dice, |_| true)?;
    let poll = any_place(lines, dice, Place::is_poll)?;
    let polled = lines[poll.line]["value"][poll.micro][1].as_object_mut()?;
    match dice.below(3) {
        0 => drop(polled.remove(&poll.key)),
        1 => drop(polled.insert(poll.key, json!([]))),
        _ => drop(polled.entry(place.key).or_insert(json!([]))),
    }
    Some(())
}

/// The last op of a process stays open.
fn forget_completion(lines: &mut Vec<Value>, dice: &mut Dice) -> Option<()> {
    let last = |at: usize| lines[at + 1..].iter().all(|later| later["process"] != lines[at]["process"]);
    let all: Vec<usize> = (0..lines.len()).filter(|&at| is_completion(&lines[at]) && last(at)).collect();
    lines.remove(*dice.one(&all)?);
    reindex(lines);
    Some(())
}

/// An assignment turns into a subscription or back, or lists one key more or less; the same in its invocation.
fn change_assignment(lines: &mut [Value], dice: &mut Dice) -> Option<()> {
    let at = any_completion(lines, dice, |line| line["f"] == "assign" || line["f"] == "subscribe")?;
    let key = any_place(lines, dice, |_| true)?.key;
    let flip = dice.percent(40);
    for line in [Some(at), partners(lines)[at]].into_iter().flatten() {
        let line = &mut lines[line];
        if flip {
            line["f"] = if line["f"] == "assign" { json!("subscribe") } else { json!("assign") };
            continue;
        }
        let Some(keys) = line["value"].as_array_mut() else { continue };
        match keys.iter().position(|listed| listed.as_str() == Some(&key)) {
            Some(place) => drop(keys.remove(place)),
            None => keys.push(json!(key)),
        }
    }
    Some(())
}

fn change_rebalance_log(lines: &mut [Value], dice: &mut Dice) -> Option<()> {
    let place = any_place(lines, dice, Place::is_poll)?;
    let fields = lines[place.line].as_object_mut()?;
    if fields.remove("rebalance-log").is_none() {
        fields.insert("rebalance-log".to_owned(), json!([{ "keys": [place.key], "type": "assigned" }]));
    }
    Some(())
}

/// What one completed poll returned, another returns.
fn move_poll(lines: &mut [Value], dice: &mut Dice) -> Option<()> {
    let from = any_place(lines, dice, Place::is_poll)?;
    let to = any_place(lines, dice, Place::is_poll)?;
    let polled = lines[from.line]["value"][from.micro].clone();
    lines[to.line]["value"][to.micro] = polled;
    Some(())
}

/// A poll returns what nobody sent, seldom; or what an op sent that it should not have seen.
fn poll_a_stranger(lines: &mut [Value], dice: &mut Dice) -> Option<()> {
    let poll = any_place(lines, dice, Place::is_poll)?;
    let send = any_place(lines, dice, |place| !place.is_poll() && place.key == poll.key)?;
    let offset = any_place(lines, dice, |place| place.key == poll.key)?.offset(lines);
    let value = if dice.percent(15) { json!("a stranger") } else { send.value(lines).clone() };
    poll.list_mut(lines)?.push(json!([offset, value]));
    Some(())
}

/// Two offsets of a key change places everywhere: the log is as consistent as before, but in another order.
fn exchange_offsets(lines: &mut [Value], dice: &mut Dice) -> Option<()> {
    let one = any_place(lines, dice, |place| place.offset(lines).is_some())?;
    let other = any_place(lines, dice, |other| other.key == one.key && other.offset(lines).is_some())?;
    let (first, second) = (one.offset(lines)?, other.offset(lines)?);
    for place in places(lines).into_iter().filter(|place| place.key == one.key) {
        match place.offset(lines) {
            Some(offset) if offset == first => place.get_mut(lines)[0] = json!(second),
            Some(offset) if offset == second => place.get_mut(lines)[0] = json!(first),
            _ => (),
        }
    }
    Some(())
}

/// Of two ops that both send and poll each polls what the other sent.
fn poll_each_other(lines: &mut [Value], dice: &mut Dice) -> Option<()> {
    let all = places(lines);
    let poll_of = |sender: &Place| {
        all.iter().find(|poll| poll.is_poll() && poll.line == sender.line && poll.key == sender.key).cloned()
    };
    let one = any_place(lines, dice, |place| !place.is_poll() && poll_of(place).is_some())?;
    let other = any_place(lines, dice, |place| {
        let fits = !place.is_poll() && place.key == one.key && place.line != one.line;
        fits && poll_of(place).is_some()
    })?;
    for (sender, poller) in [(&one, &other), (&other, &one)] {
        let record = json!([sender.offset(lines), sender.value(lines)]);
        poll_of(poller)?.list_mut(lines)?.push(record);
    }
    Some(())
}
