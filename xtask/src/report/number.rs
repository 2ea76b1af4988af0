//! Numbers, durations and dates as people read them.

/// Stands for what isn't known.
pub(super) const UNKNOWN: &str = "–";

/// A number with `digits` significant digits; very large and very small ones with an exponent.
pub(super) fn significant(value: f64, digits: usize) -> String {
    if !value.is_finite() {
        return "not finite".to_owned();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    // The exponent after rounding: 99.99 has two digits before the point, 100 three.
    let rounded = format!("{value:.*e}", digits - 1);
    let (mantissa, exponent) = rounded.split_once('e').unwrap_or((&rounded, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-4..7).contains(&exponent) {
        return trimmed(mantissa, exponent);
    }
    let decimals = (digits as i32 - 1 - exponent).max(0) as usize;
    let text = format!("{value:.decimals$}");
    if exponent >= 4 { grouped(&text) } else { text }
}

/// As [`significant`], always with an exponent and without zeros at the end.
pub(super) fn exponential(value: f64, digits: usize) -> String {
    let rounded = format!("{value:.*e}", digits - 1);
    let (mantissa, exponent) = rounded.split_once('e').unwrap_or((&rounded, "0"));
    trimmed(mantissa, exponent.parse().unwrap_or(0))
}

fn trimmed(mantissa: &str, exponent: i32) -> String {
    let plain = mantissa.contains('.').then(|| mantissa.trim_end_matches('0').trim_end_matches('.'));
    format!("{}e{exponent}", plain.unwrap_or(mantissa))
}

/// As [`significant`], without zeros at the end.
pub(super) fn short(value: f64, digits: usize) -> String {
    let text = significant(value, digits);
    if text.contains('.') && !text.contains('e') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// A count with its thousands apart.
pub(super) fn count(value: u64) -> String {
    grouped(&value.to_string())
}

fn grouped(text: &str) -> String {
    let (sign, rest) = text.split_at(usize::from(text.starts_with('-')));
    let (whole, fraction) = rest.split_at(rest.find('.').unwrap_or(rest.len()));
    let mut out = sign.to_owned();
    for (i, c) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i) % 3 == 0 && whole.len() > 4 {
            out.push(',');
        }
        out.push(c);
    }
    out + fraction
}

/// A share as per cent.
pub(super) fn percent(share: f64, decimals: usize) -> String {
    if share.is_finite() { format!("{:.decimals$} %", 100.0 * share) } else { UNKNOWN.to_owned() }
}

/// A difference of shares in points of per cent.
pub(super) fn points(difference: f64) -> String {
    if !difference.is_finite() {
        return UNKNOWN.to_owned();
    }
    let text = format!("{:+.2}", 100.0 * difference);
    text.replace('-', "−")
}

/// Seconds as a duration.
pub(super) fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return UNKNOWN.to_owned();
    }
    if seconds < 10.0 {
        return format!("{seconds:.1} s");
    }
    let seconds = seconds.round() as u64;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {:02} s", seconds % 60),
        (0, ..) => format!("{hours} h {minutes:02} min"),
        _ => format!("{days} d {hours} h"),
    }
}

/// Seconds since 1970 as a date and time of UTC.
pub(crate) fn date(unix: u64) -> String {
    let (days, second) = (unix / 86_400, unix % 86_400);
    // The calendar repeats every 400 years of 146 097 days; years are counted from March.
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let march = (5 * day + 2) / 153;
    let (month, day) = (if march < 10 { march + 3 } else { march - 9 }, day - (153 * march + 2) / 5 + 1);
    let year = year + era * 400 + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02} {:02}:{:02} UTC", second / 3600, second / 60 % 60)
}

/// A date of ISO 8601 as people write it, to the minute; another text as it is.
pub(super) fn plain_date(text: &str) -> String {
    match (text.get(..10), text.get(10..11), text.get(11..16)) {
        (Some(day), Some("T"), Some(minute)) if text.ends_with('Z') => format!("{day} {minute} UTC"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_exact() {
        let texts: Vec<String> =
            [0.41234, 1234.5, 12_345.0, 1.2345e-5, -0.5, f64::NAN, 0.0].map(|v| significant(v, 3)).into();
        assert_eq!(texts, ["0.412", "1234", "12,345", "1.23e-5", "-0.500", "not finite", "0"]);
        assert_eq!(significant(99.999, 3), "100");
        assert_eq!(short(2e-5, 3), "2e-5");
        assert_eq!(short(0.25, 4), "0.25");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!((percent(0.8123, 1), points(-0.0123)), ("81.2 %".to_owned(), "−1.23".to_owned()));
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(plain_date("2026-11-23T04:12:09Z"), "2026-11-23 04:12 UTC");
        assert_eq!(plain_date("yesterday"), "yesterday");
        assert_eq!(date(0), "1970-01-01 00:00 UTC");
        assert_eq!(date(951_782_400), "2000-02-29 00:00 UTC");
        assert_eq!(date(1_704_067_199), "2023-12-31 23:59 UTC");
    }

    #[test]
    fn durations_have_two_units() {
        let texts: Vec<String> = [2.25, 59.0, 75.0, 7500.0, 200_000.0].map(duration).into();
        assert_eq!(texts, ["2.2 s", "59 s", "1 min 15 s", "2 h 05 min", "2 d 7 h"]);
    }
}
