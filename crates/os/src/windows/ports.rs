//! Listening TCP ports by process (Microsoft: "GetExtendedTcpTable function"). iphlpapi is loaded when somebody asks.

use std::ffi::c_void;
use std::io;
use std::mem::transmute;

use windows_sys::Win32::Foundation::{ERROR_INSUFFICIENT_BUFFER, ERROR_SUCCESS};
use windows_sys::core::BOOL;

use super::library::{Function, Library};
use super::win32;

type GetExtendedTcpTable = unsafe extern "system" fn(*mut c_void, *mut u32, BOOL, u32, i32, u32) -> u32;

/// `TCP_TABLE_OWNER_PID_LISTENER` of iprtrmib.h.
const LISTENERS: i32 = 3;

/// The table may grow between the two calls.
const TRIES_MAX: u32 = 5;

/// Where the numbers of a row stand, in units of 32 bits.
struct Row {
    family: u32,
    units: usize,
    port: usize,
    pid: usize,
}

/// `MIB_TCPROW_OWNER_PID` and `MIB_TCP6ROW_OWNER_PID` of tcpmib.h; AF_INET and AF_INET6.
const ROWS: [Row; 2] = [Row { family: 2, units: 6, port: 2, pid: 5 }, Row { family: 23, units: 14, port: 5, pid: 13 }];

/// The ports that these processes listen on, sorted, each once.
pub fn listening(pids: &[u32]) -> io::Result<Vec<u16>> {
    let context = |error: io::Error| io::Error::new(error.kind(), format!("cannot list the listening ports: {error}"));
    let function =
        Library::load("iphlpapi.dll").and_then(|library| library.function(c"GetExtendedTcpTable")).map_err(context)?;
    // SAFETY: the type is that of the function's page.
    let get = unsafe { transmute::<Function, GetExtendedTcpTable>(function) };
    let mut ports = Vec::new();
    for row in &ROWS {
        let table = table(get, row.family).map_err(context)?;
        ports.extend(of_pids(&table, row, pids));
    }
    ports.sort_unstable();
    ports.dedup();
    Ok(ports)
}

fn table(get: GetExtendedTcpTable, family: u32) -> io::Result<Vec<u32>> {
    let mut table: Vec<u32> = vec![0; 256];
    for _ in 0..TRIES_MAX {
        let mut bytes = size_of_val(table.as_slice()) as u32;
        // SAFETY: the buffer is aligned for the rows, which consist of u32, and has the size given.
        match unsafe { get(table.as_mut_ptr().cast(), &raw mut bytes, 0, family, LISTENERS, 0) } {
            ERROR_SUCCESS => return Ok(table),
            ERROR_INSUFFICIENT_BUFFER => table.resize((bytes as usize).div_ceil(size_of::<u32>()) + 64, 0),
            code => return Err(win32::error(code)),
        }
    }
    Err(win32::error(ERROR_INSUFFICIENT_BUFFER))
}

/// A table is its number of rows and then the rows.
fn of_pids(table: &[u32], row: &Row, pids: &[u32]) -> Vec<u16> {
    let Some((&count, rows)) = table.split_first() else { return Vec::new() };
    rows.chunks_exact(row.units)
        .take(count as usize)
        .filter(|found| found.get(row.pid).is_some_and(|pid| pids.contains(pid)))
        // In the network's order, in the low half.
        .filter_map(|found| found.get(row.port).map(|&port| (port as u16).swap_bytes()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_row_by_row_and_not_behind_its_count() {
        let [four, six] = &ROWS;
        let table = [2, 2, 0, 0x901F, 0, 0, 11, 2, 0, 0x5000, 0, 0, 12, 2, 0, 0xBB01, 0, 0, 11];
        assert_eq!(of_pids(&table, four, &[11]), [8080]);
        assert_eq!(of_pids(&table, four, &[12, 11]), [8080, 80]);
        assert_eq!(of_pids(&table, four, &[]), [0; 0]);
        assert_eq!(of_pids(&[], four, &[11]), [0; 0]);
        assert_eq!(of_pids(&[9, 1, 2], four, &[11]), [0; 0]);
        assert_eq!(of_pids(&[1, 0, 0, 0, 0, 0, 0xBB01, 0, 0, 0, 0, 0, 0, 2, 7], six, &[7]), [443]);
    }
}
