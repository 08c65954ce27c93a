//! How many lines a second a sink sends, and in how much memory: `rate receive PORT` in one terminal, in another
//! `rate send LINES "type = 'fluentd'; address = '127.0.0.1:PORT'"`, or any other keys of a sink. The receiver speaks the Fluentd forward
//! protocol and looks at nothing but the ids that it must acknowledge.

use std::error::Error;
use std::io::{self, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::Instant;

use mainstay_ship::{Batch, Line, Outcome, Sink, Stream};
use mainstay_wire::sinks;
use mainstay_wire::spec::Platform;

/// What a sink sends at once by default.
const BATCH_LINES: u64 = 5_000;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["receive", port] => receive(port.parse()?),
        ["send", lines, keys] => send(lines.parse()?, keys),
        _ => Err("usage: rate receive PORT | rate send LINES KEYS".into()),
    }
}

/// Lines of about 100 bytes, as CRI files hold them, in batches one after the other.
fn send(lines: u64, keys: &str) -> Result<(), Box<dyn Error>> {
    let text = format!("[sinks.rate]\n{}\n", keys.replace("; ", "\n"));
    let read = sinks::read(&text, Platform::named(std::env::consts::OS), Path::new("/"))?;
    let config = read.first().ok_or("there is no sink")?;
    let mut sink = Sink::open(config, "machine")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let started = Instant::now();
    for number in 0..lines.div_ceil(BATCH_LINES) {
        let batch = batch(number);
        match runtime.block_on(sink.deliver(&batch)) {
            Outcome::Delivered { .. } => {}
            Outcome::Later { why, .. } => return Err(why.into()),
        }
    }
    let sent = lines.div_ceil(BATCH_LINES) * BATCH_LINES;
    let seconds = started.elapsed().as_secs_f64();
    println!("{sent} lines in {seconds:.2} s: {:.0} lines/s", f64::from(u32::try_from(sent)?) / seconds);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    for line in status.lines().filter(|line| line.starts_with("VmHWM")) {
        println!("most memory: {}", line.trim_start_matches("VmHWM:").trim());
    }
    Ok(())
}

fn batch(number: u64) -> Batch {
    let service: std::sync::Arc<str> = "web".into();
    let time = jiff::Timestamp::now();
    let line = |index: u64| Line {
        time,
        service: std::sync::Arc::clone(&service),
        stream: Stream::Stdout,
        level: None,
        run: Some(1),
        text: format!(
            "{number:08} {index:08} GET /api/v1/orders/12345678?expand=items HTTP/1.1 200 1532 0.012 user-agent/1.0 abc"
        )
        .into_bytes(),
    };
    Batch { id: number.to_string(), lines: (0..BATCH_LINES).map(line).collect() }
}

fn receive(port: u16) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    for stream in listener.incoming() {
        let mut bytes = 0;
        match acknowledge(stream?, &mut bytes) {
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error.into()),
            Ok(()) | Err(_) => println!("{bytes} bytes of entries"),
        }
    }
    Ok(())
}

/// `[tag, bin, {"size": …, "chunk": id, …}]`, as this project's own sink writes it.
fn acknowledge(mut stream: TcpStream, bytes: &mut u64) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(1 << 16, stream.try_clone()?);
    let wrong = |_| io::Error::other("not what this receiver is for");
    loop {
        rmp::decode::read_array_len(&mut reader).map_err(|_| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        let tag = rmp::decode::read_str_len(&mut reader).map_err(wrong)?;
        io::copy(&mut (&mut reader).take(tag.into()), &mut io::sink())?;
        let entries = rmp::decode::read_bin_len(&mut reader).map_err(wrong)?;
        *bytes += io::copy(&mut (&mut reader).take(entries.into()), &mut io::sink())?;
        let options = rmp::decode::read_map_len(&mut reader).map_err(wrong)?;
        let mut id = String::new();
        for _ in 0..options {
            match text(&mut reader)?.as_str() {
                "size" => drop(rmp::decode::read_int::<u64, _>(&mut reader)),
                "chunk" => id = text(&mut reader)?,
                _ => drop(text(&mut reader)?),
            }
        }
        let mut ack = Vec::new();
        rmp::encode::write_map_len(&mut ack, 1)?;
        rmp::encode::write_str(&mut ack, "ack")?;
        rmp::encode::write_str(&mut ack, &id)?;
        stream.write_all(&ack)?;
    }
}

fn text(reader: &mut impl Read) -> io::Result<String> {
    let length = rmp::decode::read_str_len(reader).map_err(|error| io::Error::other(error.to_string()))?;
    let mut text = String::new();
    reader.take(length.into()).read_to_string(&mut text)?;
    Ok(text)
}
