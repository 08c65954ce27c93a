//! `${MAINSTAY_SERVICE}`, `${MAINSTAY_INSTANCE}` and `${MAINSTAY_PORT}` in a spec: what makes one text the spec of every instance.

use mainstay_core::spec::Instance;

/// What these names stand for in the spec that is being read.
#[derive(Debug, Clone)]
pub(super) struct Fill {
    /// The service's full name.
    pub(super) service: String,
    /// Its number, where it is one of several.
    pub(super) number: Option<u32>,
    /// Its port.
    pub(super) port: Option<u16>,
    /// The spec is read as written, for all instances; the rest is that of the first.
    pub(super) template: bool,
}

impl Fill {
    /// For one service that is not one of several.
    pub(super) fn plain(service: &str, instance: Option<Instance>) -> Self {
        let port = instance.and_then(|instance| instance.port);
        Self { service: service.to_owned(), number: None, port, template: false }
    }

    /// For one of several, or as the first of them would be if the spec is read as written.
    pub(super) fn instance(service: &str, instance: Instance, template: bool) -> Self {
        Self { service: service.to_owned(), number: Some(instance.number), port: instance.port, template }
    }

    /// The text with what is known put in.
    pub(super) fn put_in(&self, text: &str) -> String {
        if self.template { text.to_owned() } else { self.sample(text) }
    }

    /// The text as the first instance has it.
    pub(super) fn sample(&self, text: &str) -> String {
        let replaced = replaced(text, "${MAINSTAY_SERVICE}", Some(self.service.clone()));
        let replaced = self::replaced(&replaced, "${MAINSTAY_INSTANCE}", self.number.map(|number| number.to_string()));
        self::replaced(&replaced, "${MAINSTAY_PORT}", self.port.map(|port| port.to_string()))
    }
}

/// `$${…}` is a literal `${…}`, so it is none of ours.
fn replaced(text: &str, name: &str, value: Option<String>) -> String {
    let Some(value) = value else { return text.to_owned() };
    let mut made = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once(name) {
        made.push_str(before);
        made.push_str(if before.ends_with('$') { name } else { &value });
        rest = behind;
    }
    made + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_three_names_are_put_in() {
        let instance = Instance { number: 2, port: Some(8081) };
        let fill = Fill::instance("web@2", instance, false);
        let text =
            "${MAINSTAY_SERVICE} ${MAINSTAY_INSTANCE}:${MAINSTAY_PORT} ${MAINSTAY_RUN} $${MAINSTAY_PORT} ${PORT}";
        assert_eq!(fill.put_in(text), "web@2 2:8081 ${MAINSTAY_RUN} $${MAINSTAY_PORT} ${PORT}");
        assert_eq!(Fill { template: true, ..fill }.put_in(text), text);
        let plain = Fill::plain("web", Some(Instance { number: 1, port: Some(80) }));
        assert_eq!(plain.put_in("${MAINSTAY_PORT}${MAINSTAY_INSTANCE}"), "80${MAINSTAY_INSTANCE}");
    }
}
