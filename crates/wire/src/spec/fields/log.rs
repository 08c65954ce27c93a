//! Where output goes.

use mainstay_core::spec::{Log, Rotate};

use crate::spec::section::{Reader, Value};

/// Old log files and the size of each.
const ROTATE: Rotate = Rotate { size_bytes: 64 << 20, keep: 14 };

pub(super) fn default() -> Log {
    Log { managed: true, stdout: None, stderr: None, rotate: ROTATE }
}

pub(super) fn log<'t>(reader: &Reader<'t>, key: &str, value: Value<'_, 't>) -> Option<Log> {
    let section = reader.section(key, value)?;
    let managed = section.take("managed", |key, value| reader.boolean(key, value)).unwrap_or(true);
    let stdout = section.take("stdout", |key, value| reader.filled(key, value));
    let stderr = section.take("stderr", |key, value| reader.filled(key, value));
    let rotate = section.take("rotate", |key, value| reader.section(key, value)).map(|section| {
        let size_bytes = section.take("size", |key, value| {
            let bytes = reader.size(key, value)?;
            if bytes < 4096 {
                reader.problem(value.span(), format!("`{key}` must be at least 4KiB"), None);
            }
            Some(bytes)
        });
        let keep = section.take("keep", |key, value| reader.count(key, value, 0..=100_000));
        section.finish();
        Rotate { size_bytes: size_bytes.unwrap_or(ROTATE.size_bytes), keep: keep.unwrap_or(ROTATE.keep) }
    });
    section.finish();
    Some(Log { managed, stdout, stderr, rotate: rotate.unwrap_or(ROTATE) })
}
