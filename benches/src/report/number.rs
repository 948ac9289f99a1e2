//! Numbers for people: three significant digits, no exponents.

/// With three significant digits; from ten thousand on in thousands, millions…
pub(super) fn amount(value: f64) -> String {
    digits(value, 3)
}

/// With so many significant digits (at least).
fn digits(value: f64, significant: i32) -> String {
    let size = value.abs();
    if size == 0.0 {
        return "0".into();
    }
    // What rounds up to the next unit is written in it: 999,950 is 1.00M.
    let scaled = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")];
    for (from, suffix) in scaled {
        if size >= from * 0.9995 {
            let unit = if suffix == "k" { 1e3 } else { from };
            return format!("{}{suffix}", fixed(value / unit, significant));
        }
    }
    if size < 0.000_95 {
        return if value > 0.0 { "<0.001".into() } else { ">-0.001".into() };
    }
    fixed(value, significant)
}

fn fixed(value: f64, significant: i32) -> String {
    // Places of the whole part, after rounding: 9.996 has two.
    let magnitude = |value: f64| (1..=15).find(|places| value.abs() < 10f64.powi(*places)).unwrap_or(15);
    let decimals = |value: f64| match value.abs() {
        size if size < 0.0095 => 4.min(significant + 1),
        size if size < 0.095 => 3.min(significant + 1),
        size if size < 1.0 => significant.min(3),
        _ => (significant - magnitude(value)).max(0),
    };
    let rough = format!("{value:.*}", decimals(value) as usize).parse().unwrap_or(value);
    format!("{value:.*}", decimals(rough) as usize)
}

/// The same without zeros at the end: for axes.
pub(super) fn short(value: f64) -> String {
    let text = amount(value);
    let (digits, suffix) = match text.strip_suffix(['k', 'M', 'G', 'T']) {
        Some(digits) => (digits, &text[digits.len()..]),
        None => (text.as_str(), ""),
    };
    let digits = if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits };
    format!("{digits}{suffix}")
}

/// A mean and half its interval, to the digits of the mean: `12.3±0.4`. What is smaller than half of its last digit is
/// `±0`, and so is nothing.
pub(super) fn with_interval(mean: f64, half_width: Option<f64>) -> String {
    let text = amount(mean);
    let Some(half) = half_width else { return text };
    let decimals = text.split_once('.').map_or(0, |(_, decimals)| decimals.trim_end_matches(char::is_alphabetic).len());
    let (suffix, unit) = [("k", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12)]
        .into_iter()
        .find(|(suffix, _)| text.ends_with(suffix))
        .unwrap_or(("", 1.0));
    let half = format!("{:.decimals$}", half / unit);
    let nothing = half.chars().all(|c| matches!(c, '0' | '.'));
    if nothing { format!("{text}±0") } else { format!("{text}±{half}{suffix}") }
}

/// The same of what is counted: whole numbers have no places.
pub(super) fn count_with_interval(mean: f64, half_width: Option<f64>) -> String {
    let is_whole = mean.fract() == 0.0 && (0.0..1e4).contains(&mean);
    match half_width {
        None if is_whole => format!("{mean}"),
        Some(0.0) if is_whole => format!("{mean}±0"),
        _ => with_interval(mean, half_width),
    }
}

/// A time in the unit that suits it.
pub(super) fn time(seconds: f64) -> String {
    let (value, unit) = match seconds.abs() {
        0.0 => (0.0, "s"),
        size if size < 0.999_5e-6 => (seconds * 1e9, "ns"),
        size if size < 0.999_5e-3 => (seconds * 1e6, "µs"),
        size if size < 0.999_5 => (seconds * 1e3, "ms"),
        size if size < 600.0 => (seconds, "s"),
        size if size < 36_000.0 => (seconds / 60.0, "min"),
        _ => (seconds / 3_600.0, "h"),
    };
    // They belong on one line.
    format!("{}\u{a0}{unit}", amount(value))
}

/// Minutes and seconds of a timeline.
pub(super) fn clock(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole / 3_600 {
        0 => format!("{}:{:02}", whole / 60, whole % 60),
        hours => format!("{hours}:{:02}:{:02}", whole / 60 % 60, whole % 60),
    }
}

/// Bytes in powers of ten.
pub(super) fn bytes(value: f64) -> String {
    let (value, unit) = match value {
        size if size < 999.5 => (value, "B"),
        size if size < 999.5e3 => (value / 1e3, "kB"),
        size if size < 999.5e6 => (value / 1e6, "MB"),
        size if size < 999.5e9 => (value / 1e9, "GB"),
        _ => (value / 1e12, "TB"),
    };
    format!("{} {unit}", amount(value))
}

/// A whole number with commas.
pub(super) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Dollars: cents below a hundred.
pub(super) fn usd(value: f64) -> String {
    if value.abs() < 99.995 { format!("${value:.2}") } else { format!("${}", count(value.round().max(0.0) as u64)) }
}

/// A share as percent, with two digits.
pub(super) fn percent(share: f64) -> String {
    format!("{}\u{a0}%", digits(share * 100.0, 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_whatever_the_size() {
        let cases = [
            (0.0, "0"),
            (0.0004, "<0.001"),
            (0.00512, "0.0051"),
            (0.0512, "0.051"),
            (0.512, "0.512"),
            (0.9996, "1.00"),
            (2.146, "2.15"),
            (9.996, "10.0"),
            (65.852, "65.9"),
            (502.4, "502"),
            (1_234.4, "1234"),
            (9_996.0, "10.0k"),
            (12_345.0, "12.3k"),
            (999_960.0, "1.00M"),
            (3.2e9, "3.20G"),
            (-12.34, "-12.3"),
        ];
        for (value, want) in cases {
            assert_eq!(amount(value), want, "{value}");
        }
    }

    #[test]
    fn axes_have_no_zeros_at_the_end() {
        for (value, want) in [(0.0, "0"), (250.0, "250"), (1e6, "1M"), (2.5, "2.5"), (15_000.0, "15k"), (100.0, "100")]
        {
            assert_eq!(short(value), want);
        }
        assert_eq!(
            (percent(0.25), percent(0.12159), percent(1.0)),
            ("25\u{a0}%".into(), "12\u{a0}%".into(), "100\u{a0}%".into())
        );
    }

    #[test]
    fn units_suit_the_size() {
        assert_eq!(time(0.002146), "2.15\u{a0}ms");
        assert_eq!(time(0.9996), "1.00\u{a0}s");
        assert_eq!(time(90.0), "90.0\u{a0}s");
        assert_eq!(time(0.0), "0\u{a0}s");
        assert_eq!((clock(61.2), clock(3_725.0)), ("1:01".into(), "1:02:05".into()));
        assert_eq!((bytes(999.0), bytes(1.5e9)), ("999 B".into(), "1.50 GB".into()));
        assert_eq!((usd(0.5), usd(1_234_567.4)), ("$0.50".into(), "$1,234,567".into()));
        assert_eq!((count(0), count(999), count(1_000)), ("0".into(), "999".into(), "1,000".into()));
    }

    #[test]
    fn an_interval_has_the_digits_of_its_mean() {
        assert_eq!(with_interval(12.34, Some(0.412)), "12.3±0.4");
        assert_eq!(with_interval(12_345.0, Some(1_260.0)), "12.3k±1.3k");
        assert_eq!(with_interval(5.0, Some(0.0)), "5.00±0");
        assert_eq!(with_interval(5.0, Some(0.001)), "5.00±0");
        assert_eq!(with_interval(5.0, None), "5.00");
        assert_eq!(count_with_interval(13.0, Some(0.0)), "13±0");
        assert_eq!(count_with_interval(13.0, None), "13");
        assert_eq!(count_with_interval(13.0, Some(0.4)), "13.0±0.4");
        assert_eq!(count_with_interval(13.5, Some(0.0)), "13.5±0");
        assert_eq!(count_with_interval(12_000.0, Some(0.0)), "12.0k±0");
    }
}
