//! The name that somebody probably meant.

/// The known name nearest to a wrong one, when it is near enough to be meant: at most a quarter of its letters differ.
pub(crate) fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A long text is no misspelt name, and the distance costs its square.
    if wrong.chars().count() > 100 {
        return None;
    }
    let plain = |name: &str| name.to_lowercase().replace(['_', '-', '.'], "");
    let wanted = plain(wrong);
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&wanted, &plain(name)), name))
        .filter(|(distance, name)| {
            let letters = plain(name).chars().count();
            *distance <= (letters / 4).max(1) && *distance < letters
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// What to say of a wrong name: the nearest known one, or all of them when they are few, or nothing.
pub(crate) fn advice<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    if let Some(name) = nearest(wrong, known.clone()) {
        return format!("{name}?");
    }
    let all: Vec<&str> = known.into_iter().collect();
    match all.len() {
        0 => String::new(),
        1..=30 => format!("one of {}", all.join(", ")),
        _ => "see the list in `wavetank explain --settings`".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_understood_and_a_foreign_word_is_not() {
        let known = ["partitionsPerTopic", "messageSize", "linger.ms"];
        for (wrong, meant) in [
            ("partitonsPerTopic", Some("partitionsPerTopic")),
            ("partitions_per_topic", Some("partitionsPerTopic")),
            ("mesageSize", Some("messageSize")),
            ("linger_ms", Some("linger.ms")),
            ("banana", None),
            ("", None),
        ] {
            assert_eq!(nearest(wrong, known), meant, "{wrong}");
        }
        assert_eq!(nearest(&"x".repeat(1_000_000), known), None);
    }
}
