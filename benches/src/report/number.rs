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

/// A mean and half its interval: `12.3±0.4`.
pub(super) fn with_interval(mean: f64, half_width: Option<f64>) -> String {
    match half_width {
        None => amount(mean),
        Some(0.0) => format!("{}±0", amount(mean)),
        Some(half) => format!("{}±{}", amount(mean), digits(half, 2)),
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
    format!("{} {unit}", amount(value))
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
        if index > 0 && (digits.len() - index) % 3 == 0 {
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

/// A share as percent.
pub(super) fn percent(share: f64) -> String {
    format!("{} %", amount(share * 100.0))
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
    fn units_suit_the_size() {
        assert_eq!(time(0.002146), "2.15 ms");
        assert_eq!(time(0.9996), "1.00 s");
        assert_eq!(time(90.0), "90.0 s");
        assert_eq!(time(0.0), "0 s");
        assert_eq!((clock(61.2), clock(3_725.0)), ("1:01".into(), "1:02:05".into()));
        assert_eq!((bytes(999.0), bytes(1.5e9)), ("999 B".into(), "1.50 GB".into()));
        assert_eq!((usd(0.5), usd(1_234_567.4)), ("$0.50".into(), "$1,234,567".into()));
        assert_eq!((count(0), count(999), count(1_000)), ("0".into(), "999".into(), "1,000".into()));
    }

    #[test]
    fn an_interval_has_two_digits() {
        assert_eq!(with_interval(12.34, Some(0.412)), "12.3±0.41");
        assert_eq!(with_interval(5.0, Some(0.0)), "5.00±0");
        assert_eq!(with_interval(5.0, None), "5.00");
    }
}
