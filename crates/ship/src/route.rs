//! Which lines a sink gets.

use mainstay_wire::layout::base_name;
use mainstay_wire::level::Level;
use mainstay_wire::{pattern, sinks};
use regex_lite::Regex;

use crate::line::Line;

/// A sink's route with its patterns made ready.
#[derive(Debug, Clone)]
pub struct Route {
    rule: sinks::Route,
    matches: Vec<Regex>,
    except: Vec<Regex>,
}

impl Route {
    /// Makes the patterns ready.
    ///
    /// # Errors
    /// Says which is no pattern; the reader of the configuration lets none such through.
    pub fn new(rule: &sinks::Route) -> Result<Self, String> {
        let ready = |patterns: &[String]| -> Result<Vec<Regex>, String> {
            let one = |text: &String| Regex::new(text).map_err(|error| format!("`{text}` is not a pattern: {error}"));
            patterns.iter().map(one).collect()
        };
        Ok(Self { matches: ready(&rule.matches)?, except: ready(&rule.except)?, rule: rule.clone() })
    }

    /// Whether any line of this service can go here: whose files need not be read otherwise.
    #[must_use]
    pub fn takes_service(&self, service: &str) -> bool {
        // `web` is every instance of it too: `web@2`.
        let base = base_name(service).0;
        let fits = |pattern: &String| pattern::matches(pattern, service) || pattern::matches(pattern, base);
        self.rule.services.iter().any(fits)
    }

    /// Whether this line of such a service goes here.
    #[must_use]
    pub fn takes(&self, line: &Line) -> bool {
        let grave_enough = self.rule.min_level.is_none_or(|least| line.level.unwrap_or(Level::Info) >= least);
        if !grave_enough || !self.rule.streams.contains(&line.stream) {
            return false;
        }
        if self.matches.is_empty() && self.except.is_empty() {
            return true;
        }
        let text = String::from_utf8_lossy(&line.text);
        let found = |patterns: &[Regex]| patterns.iter().any(|pattern| pattern.is_match(&text));
        (self.matches.is_empty() || found(&self.matches)) && !found(&self.except)
    }
}

#[cfg(test)]
mod tests {
    use mainstay_wire::sinks::Stream;

    use super::*;

    #[test]
    fn a_line_must_fit_everything() {
        let rule = |text: &str| {
            let text = format!("[sinks.a]\ntype = 'stdout'\n{text}");
            let platform = mainstay_wire::spec::Platform::Linux;
            let sinks = sinks::read(&text, platform, std::path::Path::new("/")).unwrap();
            Route::new(&sinks[0].route).unwrap()
        };
        let line = |stream, level, text: &str| Line {
            time: jiff::Timestamp::UNIX_EPOCH,
            service: "web@2".into(),
            stream,
            level,
            run: None,
            text: text.into(),
        };
        let info = line(Stream::Stdout, None, "GET /health");
        let error = line(Stream::Stderr, Some(Level::Error), "payment failed");
        for (text, takes) in [
            ("", [true, true]),
            ("streams = ['stderr']", [false, true]),
            ("min-level = 'info'", [true, true]),
            ("min-level = 'warn'", [false, true]),
            ("match = ['fail', 'x']", [false, true]),
            ("except = ['/health']", [false, true]),
            ("match = ['.']\nexcept = ['a']", [false, false]),
        ] {
            let route = rule(text);
            assert_eq!([route.takes(&info), route.takes(&error)], takes, "{text}");
        }
        for (services, service, takes) in [
            ("['web*', 'pay']", "web@2", true),
            ("['web*', 'pay']", "pay", true),
            ("['web*', 'pay']", "payment", false),
            ("['web']", "web@2", true),
            ("['web@1']", "web@2", false),
            ("['*']", "any", true),
        ] {
            let route = rule(&format!("services = {services}"));
            assert_eq!(route.takes_service(service), takes, "{services} {service}");
        }
    }
}
