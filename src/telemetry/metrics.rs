//! What a service counts and measures, in the text form that Prometheus reads (its exposition format, version 0.0.4).
//!
//! Names are constants of this program, so that a wrong one is a fault of it, which a test finds: promtool reads every page.

use prometheus::core::Collector;
use prometheus::{GaugeVec, Histogram, HistogramOpts, IntCounterVec, Opts, Registry, TextEncoder};

use crate::types::Span;

/// Counts that only go up, one for each value of a label, or one alone.
#[derive(Debug, Clone)]
pub struct Counters(IntCounterVec);

impl Counters {
    /// Counts by `label`, all of which stand at 0.
    ///
    /// # Panics
    /// The name is not of the form that Prometheus knows.
    #[must_use]
    pub fn by(label: &str, values: &[&str], name: &str, help: &str) -> Self {
        let counters = Self(IntCounterVec::new(Opts::new(name, help), &[label]).expect("the name is one of ours"));
        for value in values {
            counters.0.with_label_values(&[value]);
        }
        counters
    }

    /// One count, which stands at 0.
    ///
    /// # Panics
    /// The name is not of the form that Prometheus knows.
    #[must_use]
    pub fn one(name: &str, help: &str) -> Self {
        let counters = Self(IntCounterVec::new(Opts::new(name, help), &[]).expect("the name is one of ours"));
        counters.0.with_label_values::<&str>(&[]);
        counters
    }

    /// One more, for this value of the label; none for a count alone.
    pub fn add(&self, value: Option<&str>) {
        self.0.with_label_values(value.as_slice()).inc();
    }
}

/// How long something took, each time.
#[derive(Debug, Clone)]
pub struct Durations(Histogram);

impl Durations {
    /// Counts durations up to each of these bounds, in seconds.
    ///
    /// # Panics
    /// The name is not of the form that Prometheus knows.
    #[must_use]
    pub fn up_to(bounds: &[f64], name: &str, help: &str) -> Self {
        let opts = HistogramOpts::new(name, help).buckets(bounds.to_vec());
        Self(Histogram::with_opts(opts).expect("the name is one of ours, and bounds go up"))
    }

    /// It took so long.
    pub fn took(&self, span: Span) {
        self.0.observe(seconds(span));
    }
}

/// A span in the unit of Prometheus.
#[must_use]
pub fn seconds(span: Span) -> f64 {
    span.std().as_secs_f64()
}

/// A page of metrics as they stand at one instant, by their names.
#[derive(Debug, Default)]
pub struct Page(Registry);

impl Page {
    /// Shows counts.
    pub fn counters(&mut self, counters: &Counters) {
        self.show(counters.0.clone());
    }

    /// Shows durations.
    pub fn durations(&mut self, durations: &Durations) {
        self.show(durations.0.clone());
    }

    /// Shows a value, where there is one.
    pub fn gauge(&mut self, name: &str, help: &str, value: Option<f64>) {
        self.gauges(name, help, &[], value.map(|value| (vec![], value)));
    }

    /// Shows values, each by what its labels say; nothing where there are none.
    ///
    /// # Panics
    /// The name is not of the form that Prometheus knows.
    pub fn gauges(&mut self, name: &str, help: &str, labels: &[&str], values: impl IntoIterator<Item = (Vec<String>, f64)>) {
        let gauges = GaugeVec::new(Opts::new(name, help), labels).expect("the name is one of ours");
        for (said, value) in values {
            gauges.with_label_values(&said).set(value);
        }
        self.show(gauges);
    }

    fn show(&mut self, metric: impl Collector + 'static) {
        self.0.register(Box::new(metric)).expect("each name is shown once");
    }

    /// The page.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // What is gathered is sorted and has no empty families, and a text takes whatever is written.
        if let Err(why) = TextEncoder::new().encode_utf8(&self.0.gather(), &mut text) {
            tracing::error!(%why, "metrics can't be written");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_names_each_metric_its_kind_and_what_it_says() {
        let counters = Counters::by("reason", &["epoch", "log"], "jkeys_refusals_total", "Refused.");
        counters.add(Some("log"));
        counters.add(Some("log"));
        let swaps = Durations::up_to(&[0.1, 1.0], "jkeys_swap_duration_seconds", "Swaps.");
        swaps.took(Span(250));
        let mut page = Page::default();
        page.counters(&counters);
        page.durations(&swaps);
        page.gauge("jkeys_epoch", "Term.", Some(3.0));
        page.gauge("jkeys_unknown", "Absent.", None);
        page.gauges("jkeys_age_seconds", "Age.", &["profile"], [(vec!["a\"b".to_owned()], 1.5)]);
        let expected = "\
# HELP jkeys_age_seconds Age.
# TYPE jkeys_age_seconds gauge
jkeys_age_seconds{profile=\"a\\\"b\"} 1.5
# HELP jkeys_epoch Term.
# TYPE jkeys_epoch gauge
jkeys_epoch 3
# HELP jkeys_refusals_total Refused.
# TYPE jkeys_refusals_total counter
jkeys_refusals_total{reason=\"epoch\"} 0
jkeys_refusals_total{reason=\"log\"} 2
# HELP jkeys_swap_duration_seconds Swaps.
# TYPE jkeys_swap_duration_seconds histogram
jkeys_swap_duration_seconds_bucket{le=\"0.1\"} 0
jkeys_swap_duration_seconds_bucket{le=\"1\"} 1
jkeys_swap_duration_seconds_bucket{le=\"+Inf\"} 1
jkeys_swap_duration_seconds_sum 0.25
jkeys_swap_duration_seconds_count 1
";
        assert_eq!(page.text(), expected);
    }

    #[test]
    fn a_count_alone_stands_at_nothing_until_it_is_added_to() {
        let lost = Counters::one("jkeys_lost_total", "Lost.");
        let text = || {
            let mut page = Page::default();
            page.counters(&lost);
            page.text()
        };
        assert!(text().ends_with("jkeys_lost_total 0\n"));
        lost.add(None);
        assert!(text().ends_with("jkeys_lost_total 1\n"));
    }
}
