//! What the last start of each service took, read from the journals, and the chain that took longest.

use std::collections::BTreeMap;
use std::time::Duration;

use mainstay_agent::order::Graph;
use mainstay_agent::services::Services;
use mainstay_os::clock;
use mainstay_wire::record::{Record, What};
use mainstay_wire::spec::Kind;
use mainstay_wire::units::duration_rough;
use serde_json::{Value, json};

use super::twig::{self, Style, Twig};
use crate::cli::Context;
use crate::cli::records;

/// The last start of each spec that has had one since the machine was started.
#[derive(Debug, Default)]
pub(super) struct Times(BTreeMap<String, Time>);

/// Instants in nanoseconds since boot. Of instances: the first that was wanted, the last that was ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Time {
    /// Somebody wanted it, or it had to be started again.
    wanted: u64,
    /// What it waited for was there.
    begun: u64,
    /// It was ready; of kind `once`: done.
    ready: u64,
}

impl Time {
    fn waited(self) -> Duration {
        Duration::from_nanos(self.begun.saturating_sub(self.wanted))
    }

    fn took(self) -> Duration {
        Duration::from_nanos(self.ready.saturating_sub(self.begun))
    }

    fn with(self, other: Self) -> Self {
        let begun = if other.ready > self.ready { other.begun } else { self.begun };
        Self { wanted: self.wanted.min(other.wanted), begun, ready: self.ready.max(other.ready) }
    }
}

impl Times {
    pub(super) fn read(context: &Context, services: &Services) -> Self {
        let boot = clock::boot_id();
        let mut times: BTreeMap<String, Time> = BTreeMap::new();
        for base in services.specs() {
            let once = services.spec(base).is_some_and(|spec| spec.kind == Kind::Once);
            let of_instances = services.of(base).into_iter();
            let found = of_instances.filter_map(|name| last_start(&records::all(context, &name), &boot, once));
            if let Some(time) = found.reduce(Time::with) {
                times.insert(base.to_owned(), time);
            }
        }
        Self(times)
    }

    /// The chain of services, each after the one before, whose starts add up to the most.
    fn chain(&self, graph: &Graph, named: &[String]) -> Vec<String> {
        let took = self.0.iter().map(|(name, time)| (name.clone(), time.took()));
        let took: BTreeMap<String, Duration> = took.filter(|(name, _)| self.leads_to(graph, name, named)).collect();
        graph.critical_chain(&took).into_iter().map(|(name, _)| name).collect()
    }

    /// It is one of those named, or comes before one.
    fn leads_to(&self, graph: &Graph, name: &str, named: &[String]) -> bool {
        let mut ahead = vec![name.to_owned()];
        let mut seen: Vec<String> = Vec::new();
        while let Some(next) = ahead.pop() {
            if named.contains(&next) {
                return true;
            }
            if !seen.contains(&next) {
                ahead.extend(graph.dependents_of(&next));
                seen.push(next);
            }
        }
        false
    }

    pub(super) fn text(&self, graph: &Graph, named: &[String], style: Style) -> String {
        let chain = self.chain(graph, named);
        let times: Vec<(&String, Time)> = chain.iter().filter_map(|name| Some((name, *self.0.get(name)?))).collect();
        let (Some(begin), Some((last, end))) = (times.iter().map(|(_, time)| time.wanted).min(), times.last()) else {
            return "nothing of this was started since the machine was".to_owned();
        };
        let mut twig: Option<Twig> = None;
        // From the last to the first, as one asks: what did this one wait for?
        for (name, time) in &times {
            let at = Duration::from_nanos(time.ready.saturating_sub(begin));
            let details = format!(
                "ready at {}: waited {}, took {}",
                duration_rough(at),
                duration_rough(time.waited()),
                duration_rough(time.took())
            );
            twig = Some(Twig { name: (*name).clone(), details, below: twig.into_iter().collect() });
        }
        let total = duration_rough(Duration::from_nanos(end.ready.saturating_sub(begin)));
        let tree = twig::text(&twig.into_iter().collect::<Vec<_>>(), style);
        format!("{last} was ready {total} after the first of these was wanted:\n{tree}")
    }

    /// Milliseconds; null: it was not started since the machine was.
    pub(super) fn json(&self, graph: &Graph, base: &str) -> Value {
        let Some(time) = self.0.get(base) else { return Value::Null };
        let ms = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let chain = self.chain(graph, &[base.to_owned()]);
        json!({ "waited_ms": ms(time.waited()), "took_ms": ms(time.took()), "chain": chain })
    }
}

/// The last run of this boot that became ready, from the order or the end before it.
fn last_start(records: &[Record], boot: &str, once: bool) -> Option<Time> {
    let other = |record: &Record| matches!(&record.what, What::GuardStarted { boot: b, .. } if b != boot);
    let own = |record: &Record| matches!(&record.what, What::GuardStarted { boot: b, .. } if b == boot);
    let before = records.iter().rposition(other).map(|place| place + 1);
    let later = records.get(before.unwrap_or(0)..)?;
    let records = if before.is_some() { later.get(later.iter().position(own)?..)? } else { later };
    let (mut wanted, mut begun, mut found) = (None, None, None);
    for record in records {
        match &record.what {
            What::Ordered { verb, .. } if matches!(verb.as_str(), "start" | "start-now" | "restart") => {
                wanted = Some(record.mono);
            }
            What::Waiting { .. } => wanted = wanted.or(Some(record.mono)),
            What::Starting { .. } => begun = Some(record.mono),
            What::Ready { .. } if !once => found = time(&mut wanted, begun, record.mono).or(found),
            What::Done { .. } if once => found = time(&mut wanted, begun, record.mono).or(found),
            What::Exited { .. } | What::Down => wanted = wanted.filter(|wanted| Some(*wanted) > begun),
            _ => {}
        }
    }
    found
}

fn time(wanted: &mut Option<u64>, begun: Option<u64>, ready: u64) -> Option<Time> {
    let begun = begun?;
    Some(Time { wanted: wanted.take().map_or(begun, |wanted| wanted.min(begun)), begun, ready })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    const MS: u64 = 1_000_000;

    fn records(events: &[(u64, What)]) -> Vec<Record> {
        let record = |(number, (ms, what)): (usize, &(u64, What))| Record {
            seq: number as u64 + 1,
            time: Timestamp::UNIX_EPOCH,
            mono: ms * MS,
            service: "web".to_owned(),
            what: what.clone(),
        };
        events.iter().enumerate().map(record).collect()
    }

    fn guard(boot: &str) -> What {
        let (version, containment) = ("0.1.0".to_owned(), "cgroup".to_owned());
        What::GuardStarted { version, pid: 1, boot: boot.to_owned(), containment, ended: 0 }
    }

    fn order(verb: &str) -> What {
        What::Ordered { verb: verb.to_owned(), by: "root".to_owned() }
    }

    fn starting(run: u64) -> What {
        What::Starting { run, restarts: 0, failures: 0 }
    }

    #[test]
    fn a_start_is_counted_from_the_order_to_readiness() {
        let events = [
            (5, guard("old")),
            (6, order("start")),
            (7, starting(1)),
            (8, What::Ready { run: 1, after: 1 }),
            (1, guard("now")),
            (2, order("start")),
            (3, What::Waiting { services: vec!["db".to_owned()] }),
            (50, starting(2)),
            (90, What::Ready { run: 2, after: 40 }),
        ];
        let time = last_start(&records(&events), "now", false).unwrap();
        assert_eq!((time.waited(), time.took()), (Duration::from_millis(48), Duration::from_millis(40)));
        let before = last_start(&records(&events[..5]), "now", false);
        assert_eq!(before, None, "what was before the machine was started counts no more");
    }

    #[test]
    fn the_chain_names_what_the_start_waited_for() {
        let graph = Graph::new(
            [("web", vec!["api"]), ("api", vec!["db", "cache"]), ("db", vec![]), ("cache", vec![]), ("other", vec![])]
                .map(|(name, after)| (name.to_owned(), after.into_iter().map(str::to_owned).collect())),
        );
        let time =
            |wanted: u64, begun: u64, ready: u64| Time { wanted: wanted * MS, begun: begun * MS, ready: ready * MS };
        let times = Times(
            [
                ("web", time(0, 300, 400)),
                ("api", time(0, 200, 300)),
                ("db", time(0, 0, 200)),
                ("cache", time(0, 0, 50)),
                ("other", time(0, 0, 9_000)),
            ]
            .map(|(name, time)| (name.to_owned(), time))
            .into(),
        );
        assert_eq!(times.chain(&graph, &["web".to_owned()]), ["db", "api", "web"]);
        let all = ["web", "other"].map(str::to_owned);
        assert_eq!(times.chain(&graph, &all), ["other"]);
        let text = times.text(&graph, &["web".to_owned()], Style::Ascii);
        assert!(text.starts_with("web was ready 400ms after"), "{text}");
        assert_eq!(text.lines().count(), 4, "{text}");
    }
}
