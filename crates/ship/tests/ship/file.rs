//! Files.

use crate::stand::{deliver, delivered, later, many, sink_in, two};

#[tokio::test]
async fn lines_are_put_at_the_end_of_whatever_file_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("all.log");
    let mut sink = sink_in(folder.path(), "type = 'file'\npath = 'all.log'\nformat = 'plain'");
    assert_eq!(deliver(&mut sink, &two()).await, delivered());
    assert_eq!(std::fs::read(&path).unwrap(), b"pay \"1\" \xe4\xb8\xad\na\xffb\0\n");
    // Somebody rotates it.
    std::fs::rename(&path, folder.path().join("old.log")).unwrap();
    assert_eq!(deliver(&mut sink, &many(2)).await, delivered());
    assert_eq!(std::fs::read(&path).unwrap(), b"line 0\nline 1\n");
    let mut json = sink_in(folder.path(), "type = 'file'\npath = 'all.ndjson'\nfields = { env = 'prod' }");
    assert_eq!(deliver(&mut json, &two()).await, delivered());
    let text = std::fs::read_to_string(folder.path().join("all.ndjson")).unwrap();
    let read: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(read[0]["message"], "pay \"1\" \u{4e2d}");
    assert_eq!((&read[0]["env"], &read[1]["message_base64"]), (&"prod".into(), &"Yf9iAA==".into()));
}

#[tokio::test]
async fn what_can_not_be_written_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = sink_in(folder.path(), "type = 'file'\npath = 'no/such/folder'");
    let (why, _) = later(deliver(&mut sink, &many(1)).await);
    assert!(why.starts_with("cannot write to ") && why.contains("folder"), "{why}");
    std::fs::create_dir_all(folder.path().join("no/such")).unwrap();
    assert_eq!(deliver(&mut sink, &many(1)).await, delivered());
}

/// The file of Linux that is always full.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_is_told() {
    let mut sink = crate::stand::sink("type = 'file'\npath = '/dev/full'");
    let (why, _) = later(deliver(&mut sink, &many(1)).await);
    assert!(why.contains("No space left on device"), "{why}");
}
