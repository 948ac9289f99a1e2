//! How many of something stand in each availability zone.

use super::cluster::Cluster;
use crate::spec::document::value::{Wrong, count32};
use crate::spec::document::{Node, Value};
use crate::spec::near::advice;

/// How many of something stand in each availability zone, in the cluster's order of zones; zones without any are there
/// with zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// Zone and number.
    pub per_az: Vec<(String, u32)>,
}

impl Placement {
    /// So many, one zone after the other.
    pub fn spread(count: u32, azs: &[String]) -> Placement {
        let zones = u32::try_from(azs.len()).expect("few zones").max(1);
        let share = |(i, az): (usize, &String)| {
            let i = u32::try_from(i).expect("few zones");
            (az.clone(), count / zones + u32::from(i < count % zones))
        };
        Placement { per_az: azs.iter().enumerate().map(share).collect() }
    }

    /// How many in each zone.
    pub fn counts(&self) -> Vec<u32> {
        self.per_az.iter().map(|(_, count)| *count).collect()
    }

    /// All of them.
    pub fn total(&self) -> u32 {
        self.per_az.iter().map(|(_, count)| count).sum()
    }

    /// Reads a number, or a number for each zone.
    pub(super) fn reader<'c>(cluster: &'c Cluster, least: u32) -> impl Fn(&Node) -> Result<Placement, Wrong> + 'c {
        const MOST: u32 = 100_000;
        move |node| {
            let Value::Table(table) = &node.value else {
                return match &node.value {
                    Value::Int(_) => count32(least, MOST)(node).map(|count| Placement::spread(count, &cluster.azs)),
                    _ => Err(Wrong::kind(node, "a number")).map_err(|wrong| Wrong {
                        help: "how many, spread over the zones: 4; or in each: { a = 2, b = 2 }".into(),
                        ..wrong
                    }),
                };
            };
            let mut per_az: Vec<(String, u32)> = cluster.azs.iter().map(|az| (az.clone(), 0)).collect();
            for entry in &table.entries {
                let at = |wrong: Wrong, at| Wrong { at: Some(at), ..wrong };
                let Some(place) = per_az.iter_mut().find(|(az, _)| *az == entry.key) else {
                    let names = cluster.azs.iter().map(String::as_str);
                    let wrong = Wrong::new(format!("there is no zone \"{}\"", entry.key), advice(&entry.key, names));
                    return Err(at(wrong, entry.key_span.clone()));
                };
                place.1 = count32(0, MOST)(&entry.node).map_err(|wrong| at(wrong, entry.node.span.clone()))?;
            }
            let placement = Placement { per_az };
            match placement.total() {
                total if total < least => Err(Wrong::new("leaves nobody", format!("{least} or more"))),
                _ => Ok(placement),
            }
        }
    }
}
