//! What has no parts, as JSON.

use serde_json::Value;

/// A token that is neither a string nor a character, as JSON: nil, true, false, a keyword, a number or a symbol. The
/// error says what is wrong.
pub(super) fn token(token: &str) -> Result<Value, String> {
    match token {
        "nil" => Ok(Value::Null),
        "true" => Ok(true.into()),
        "false" => Ok(false.into()),
        _ if token.starts_with(':') => keyword(token),
        _ if is_number(token) => number(token).ok_or_else(|| format!("{token:?} is not a number")),
        _ => Ok(token.into()),
    }
}

fn keyword(token: &str) -> Result<Value, String> {
    match token.trim_start_matches(':') {
        "" => Err("a keyword has a name".to_owned()),
        name => Ok(name.into()),
    }
}

fn is_number(token: &str) -> bool {
    token.strip_prefix(['+', '-']).unwrap_or(token).starts_with(|first: char| first.is_ascii_digit())
}

fn number(token: &str) -> Option<Value> {
    let token = token.strip_prefix('+').unwrap_or(token);
    if let Some((above, below)) = token.split_once('/') {
        return (whole(above).is_some() && is_digits(below)).then(|| token.into());
    }
    whole(token.strip_suffix('N').unwrap_or(token)).or_else(|| hexadecimal(token)).or_else(|| decimal(token))
}

/// A number as `#object[...]` has them. Not EDN, but Clojure.
fn hexadecimal(token: &str) -> Option<Value> {
    let digits = token.strip_prefix("0x")?;
    let is_hexadecimal = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_hexadecimal.then(|| u64::from_str_radix(digits, 16).map_or_else(|_| token.into(), Value::from))
}

/// A whole number: itself if 64 bits hold it, its digits as a string if not.
fn whole(text: &str) -> Option<Value> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    // Leading zeros would be octal in Clojure, and are not EDN.
    if !is_digits(digits) || (digits.len() > 1 && digits.starts_with('0')) {
        return None;
    }
    let signed = text.parse::<i64>().ok().map(Value::from);
    Some(signed.or_else(|| text.parse::<u64>().ok().map(Value::from)).unwrap_or_else(|| text.into()))
}

/// A number with a point or an exponent. An exact one (`M`) of more digits than a double keeps is a string.
fn decimal(token: &str) -> Option<Value> {
    let (text, exact) = token.strip_suffix('M').map_or((token, false), |text| (text, true));
    if !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')) {
        return None;
    }
    whole(text.split(['.', 'e', 'E']).next()?)?;
    let number = text.parse::<f64>().ok()?;
    let digits = text.split(['e', 'E']).next().unwrap_or_default().bytes().filter(u8::is_ascii_digit).count();
    if !number.is_finite() || (exact && digits > 15) {
        return Some(text.into());
    }
    Some(if exact { whole(text) } else { None }.unwrap_or_else(|| number.into()))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The character that is written `\name`.
pub(super) fn character(name: &str) -> Option<char> {
    let mut chars = name.chars();
    if let (Some(only), None) = (chars.next(), chars.next()) {
        return Some(only);
    }
    match name {
        "newline" => Some('\n'),
        "space" => Some(' '),
        "tab" => Some('\t'),
        "return" => Some('\r'),
        "formfeed" => Some('\u{c}'),
        "backspace" => Some('\u{8}'),
        _ => {
            let (radix, digits) =
                name.strip_prefix('u').map(|hex| (16, hex)).or(name.strip_prefix('o').map(|octal| (8, octal)))?;
            // `from_str_radix` would take a sign.
            let digits = Some(digits).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
            u32::from_str_radix(digits, radix).ok().filter(|code| *code <= 0xffff).and_then(char::from_u32)
        }
    }
}
