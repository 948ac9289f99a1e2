//! Settings: what was set, what has no effect here, and the defaults of the rest.

use super::page::{COLUMNS, Page};
use wavetank_workloads::spec::settings::{Class, Given, Scope};

/// What the column of keys is wide.
const KEYS: usize = 60;

/// Those of these scopes that were set and not, each scope once.
pub fn explain(page: &mut Page, given: &Given, scopes: &[Scope]) {
    for scope in scopes {
        let of = given.of(*scope);
        let listed = |class| {
            let settings = of.iter().filter(|it| it.setting.class == class);
            settings.map(|it| format!("{}={}", it.setting.key, it.text)).collect::<Vec<_>>().join(", ")
        };
        let (modelled, inert) = (listed(Class::Modelled), listed(Class::Inert));
        if !modelled.is_empty() {
            page.line(scope.name(), &modelled);
        }
        if !inert.is_empty() {
            page.line(if modelled.is_empty() { scope.name() } else { "" }, &format!("without effect: {inert}"));
        }
    }
}

/// Defaults of these scopes.
pub fn defaults(page: &mut Page, given: &Given, scopes: &[Scope]) {
    for scope in scopes {
        let rows = given.defaults(*scope).map(|row| format!("{}={}", row.key, row.default.unwrap_or("(unset)")));
        page.line(scope.name(), &rows.collect::<Vec<_>>().join(", "));
    }
}

/// Every setting there is.
pub fn all() -> String {
    let mut page = Page::default();
    page.title(
        "Settings that wavetank knows",
        "Modelled ones change a run and have a default here. The others are \
        accepted, and change nothing.",
    );
    for scope in Scope::ALL {
        page.heading(&format!("{}, modelled", capital(scope.name())));
        for row in scope.table().iter().filter(|row| row.class == Class::Modelled) {
            let default = row.default.unwrap_or("(unset)");
            match 2 + KEYS + default.len() <= COLUMNS {
                true => page.plain(&format!("  {:<KEYS$}{default}", row.key)),
                false => {
                    page.plain(&format!("  {}", row.key));
                    page.plain(&format!("  {:>width$}", default, width = COLUMNS - 4));
                }
            }
        }
        page.heading(&format!("{}, without effect", capital(scope.name())));
        let inert = scope.table().iter().filter(|row| row.class == Class::Inert).map(|row| row.key);
        page.paragraph(&inert.collect::<Vec<_>>().join(", "));
    }
    page.into_text()
}

/// With a capital letter.
fn capital(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
