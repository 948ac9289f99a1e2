//! What is taken away, and in which order: see the [module above](super).

use super::{Shrinker, Stop, smaller};
use crate::case::Case;
use crate::storm::{Aim, Blow, Entry, Met, Operations, Storm};
use std::collections::BTreeSet;
use wavetank_models::anomaly::{AnomalyRates, Entity};
use wavetank_sim::Nanos;
use wavetank_traces::artifact::Outcome;

/// Rounds of all passes at most; mostly the second takes nothing more away.
const ROUNDS: usize = 5;

impl Shrinker<'_> {
    pub(super) fn all_passes(&mut self) -> Result<(), Stop> {
        for _ in 0..ROUNDS {
            let before = self.taken;
            self.cut_off_the_rest()?;
            self.shorten()?;
            self.delete_families()?;
            self.delete_entries()?;
            self.simplify_aims()?;
            self.delete_fates()?;
            self.reduce()?;
            if self.taken == before {
                break;
            }
        }
        self.round_times()
    }

    fn take_one(&mut self, pass: &str, case: Case) -> Result<bool, Stop> {
        Ok(self.take_first(pass, vec![case], false)?.is_some())
    }

    /// When it showed.
    fn shown_at(&self) -> Option<Nanos> {
        match &self.ran.outcome {
            Outcome::Ended(ended) => ended.findings.first().map(|finding| Nanos(finding.at_ns)),
            Outcome::Panicked(_) => None,
        }
    }

    /// What begins after the violation has no part in it; then the storm is over just after it.
    fn cut_off_the_rest(&mut self) -> Result<(), Stop> {
        const PASS: &str = "what comes after";
        let Some(at) = self.shown_at().filter(|_| !self.fingerprint.is_stall()) else { return Ok(()) };
        let mut case = self.best.case.clone();
        case.storm_mut().entries.retain(|entry| entry.start <= at);
        self.take_one(PASS, case)?;
        let until = at + Nanos::millis(1);
        if until < self.best.case.storm_ends()
            && let Some(case) = self.best.case.with_storm_until(until)
        {
            self.take_one(PASS, case)?;
        }
        if let Some(case) = smaller::ending_at(&self.best.case, until) {
            self.take_one(PASS, case)?;
        }
        Ok(())
    }

    /// The storm is over earlier: an eighth of its time, a quarter, half of it, three quarters, seven eighths.
    fn shorten(&mut self) -> Result<(), Stop> {
        loop {
            let ends = self.best.case.storm_ends();
            if ends < Nanos::millis(1) {
                break;
            }
            let parts = [(1, 8), (1, 4), (1, 2), (3, 4), (7, 8)];
            let shorter =
                parts.into_iter().filter_map(|(num, den)| self.best.case.with_storm_until(ends.scale(num, den)));
            if self.take_first("time", shorter.collect(), true)?.is_none() {
                break;
            }
        }
        if self.fingerprint.is_stall() {
            return Ok(());
        }
        while self.take_first("time", smaller::shorter_tails(&self.best.case), true)?.is_some() {}
        Ok(())
    }

    fn delete_families(&mut self) -> Result<(), Stop> {
        let families: BTreeSet<String> =
            self.best.case.storm().entries.iter().map(|entry| entry.family.clone()).collect();
        for family in families {
            let mut case = self.best.case.clone();
            case.storm_mut().entries.retain(|entry| entry.family != family);
            self.take_one("families of faults", case)?;
        }
        Ok(())
    }

    fn delete_entries(&mut self) -> Result<(), Stop> {
        self.delete("faults", |storm| storm.entries.len(), |storm, range| drop(storm.entries.drain(range)))
    }

    /// What waits for a step: at the time at which it struck; or at the first occurrence, at half the count, at one before.
    fn simplify_aims(&mut self) -> Result<(), Stop> {
        const PASS: &str = "aims";
        for place in 0..self.best.case.storm().entries.len() {
            while let Some(aim) = self.best.case.storm().entries[place].aim {
                let with = |entry: Entry| {
                    let mut case = self.best.case.clone();
                    case.storm_mut().entries[place] = entry;
                    case
                };
                let entry = &self.best.case.storm().entries[place];
                let struck = self.ran.struck.iter().find(|struck| struck.entry == place);
                let mut simpler: Vec<Entry> = struck.map(|struck| entry.at_time(*struck)).into_iter().collect();
                let earlier = smaller::below(aim.nth.into(), 1).into_iter();
                simpler.extend(earlier.map(|nth| Entry { aim: Some(Aim { nth: nth as u32, ..aim }), ..entry.clone() }));
                let cases = simpler.into_iter().map(with).collect();
                if self.take_first(PASS, cases, false)?.is_none() {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Deletes what it can of a list: all of it, halves, quarters, down to single ones.
    fn delete(
        &mut self,
        pass: &str,
        count: impl Fn(&Storm) -> usize,
        remove: impl Fn(&mut Storm, std::ops::Range<usize>),
    ) -> Result<(), Stop> {
        let mut size = count(self.best.case.storm());
        while size > 0 {
            let mut at = 0;
            while at < count(self.best.case.storm()) {
                let there = count(self.best.case.storm());
                let starts: Vec<usize> = (at..there).step_by(size).collect();
                let without = |start: &usize| {
                    let mut case = self.best.case.clone();
                    remove(case.storm_mut(), *start..there.min(start + size));
                    case
                };
                let cases = starts.iter().map(without).collect();
                match self.take_first(pass, cases, false)? {
                    // What follows has moved up to its place.
                    Some(n) => at = starts[n],
                    None => break,
                }
            }
            size /= 2;
        }
        Ok(())
    }

    fn with_operations(&self, operations: Operations) -> Case {
        let mut case = self.best.case.clone();
        case.storm_mut().operations = operations;
        case
    }

    /// All fates, those of a kind of device, then single ones: for that, rates become the list of what they drew.
    fn delete_fates(&mut self) -> Result<(), Stop> {
        const PASS: &str = "fates of single operations";
        match self.operations() {
            Operations::Ordinary => return Ok(()),
            Operations::Rates(_) | Operations::Fates(_) => {}
        }
        if self.take_one(PASS, self.with_operations(Operations::Ordinary))? {
            return Ok(());
        }
        for quiet in [quiet_volumes, quiet_object, quiet_express, quiet_nfs] {
            if let Operations::Rates(rates) = self.operations() {
                let mut rates = (**rates).clone();
                quiet(&mut rates);
                self.take_one(PASS, self.with_operations(Operations::at(rates)))?;
            }
        }
        if matches!(self.operations(), Operations::Rates(_)) {
            let listed = Operations::listed(&self.ran.met);
            if !self.take_one(PASS, self.with_operations(listed))? {
                return Ok(());
            }
        }
        // What no operation met any more.
        if let Operations::Fates(list) = self.operations() {
            let met: BTreeSet<_> = self.ran.met.iter().map(|(operation, _)| *operation).collect();
            let list = list.iter().filter(|it| met.contains(&it.operation)).copied().collect();
            self.take_one(PASS, self.with_operations(Operations::Fates(list)))?;
        }
        for entity in self.entities() {
            if let Operations::Fates(list) = self.operations() {
                let list = list.iter().filter(|it| it.operation.entity != entity).copied().collect();
                self.take_one(PASS, self.with_operations(Operations::Fates(list)))?;
            }
        }
        self.delete(
            PASS,
            |storm| fates(storm).len(),
            |storm, range| {
                if let Operations::Fates(list) = &mut storm.operations {
                    list.drain(range);
                }
            },
        )?;
        if fates(self.best.case.storm()).is_empty() {
            self.take_one(PASS, self.with_operations(Operations::Ordinary))?;
        }
        Ok(())
    }

    fn entities(&self) -> BTreeSet<Entity> {
        fates(self.best.case.storm()).iter().map(|met| met.operation.entity).collect()
    }

    /// Size and knobs, one after the other, each as far as it goes.
    fn reduce(&mut self) -> Result<(), Stop> {
        for (pass, smaller) in smaller::DIMENSIONS {
            while self.take_first(pass, smaller(&self.best.case), true)?.is_some() {}
        }
        Ok(())
    }

    /// To whole seconds, tenths, hundredths, milliseconds: everything at once, or else entry by entry.
    fn round_times(&mut self) -> Result<(), Stop> {
        const PASS: &str = "digits of times";
        const UNITS: [Nanos; 4] = [Nanos::secs(1), Nanos::millis(100), Nanos::millis(10), Nanos::millis(1)];
        let all = |case: &Case, unit| {
            let mut case = case.clone();
            let ends = case.storm_ends();
            case.storm_mut().entries.iter_mut().for_each(|entry| round_entry(entry, unit, ends));
            case
        };
        let cases = UNITS.into_iter().map(|unit| all(&self.best.case, unit)).collect();
        self.take_first(PASS, cases, false)?;
        for n in 0..self.best.case.storm().entries.len() {
            let one = |unit| {
                let mut case = self.best.case.clone();
                let ends = case.storm_ends();
                round_entry(&mut case.storm_mut().entries[n], unit, ends);
                case
            };
            let cases = UNITS.into_iter().map(one).collect();
            self.take_first(PASS, cases, false)?;
        }
        let cases = UNITS.into_iter().filter_map(|unit| smaller::rounded(&self.best.case, unit)).collect();
        self.take_first(PASS, cases, false)?;
        Ok(())
    }
}

fn fates(storm: &Storm) -> &[Met] {
    match &storm.operations {
        Operations::Fates(list) => list,
        Operations::Ordinary | Operations::Rates(_) => &[],
    }
}

fn quiet_volumes(rates: &mut AnomalyRates) {
    rates.volume = AnomalyRates::default().volume;
}

fn quiet_object(rates: &mut AnomalyRates) {
    rates.object = AnomalyRates::default().object;
}

fn quiet_express(rates: &mut AnomalyRates) {
    rates.express = AnomalyRates::default().express;
}

fn quiet_nfs(rates: &mut AnomalyRates) {
    rates.nfs = AnomalyRates::default().nfs;
}

/// To the nearest unit; an entry that lasts for a while goes on lasting for a while.
fn round_entry(entry: &mut Entry, unit: Nanos, ends: Nanos) {
    let had_time = entry.start < entry.end;
    (entry.start, entry.end) = (nearest(entry.start, unit), nearest(entry.end, unit).min(ends));
    if had_time && entry.start >= entry.end {
        entry.end = (entry.start + unit).min(ends);
    }
    entry.start = entry.start.min(entry.end);
    if let Some(aim) = &mut entry.aim {
        (aim.after, aim.lasts) = (nearest(aim.after, unit), nearest(aim.lasts, unit));
    }
    if let Blow::Clock { jump_ns, .. } = &mut entry.what {
        let unit = unit.0 as i64;
        *jump_ns = jump_ns.saturating_add(unit / 2).div_euclid(unit) * unit;
    }
}

/// The nearest multiple of a unit.
fn nearest(time: Nanos, unit: Nanos) -> Nanos {
    unit * (time.saturating_add(unit / 2).0 / unit.0)
}
