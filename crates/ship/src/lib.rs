//! Sinks: what log lines become on their way to each kind of receiver.
