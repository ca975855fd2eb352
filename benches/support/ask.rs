//! Single requests: what an operator would ask with curl.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::figures::Failure;
use crate::load::Answer;

/// Asks without a body; gives the status and the body of the answer.
pub fn ask(addr: SocketAddr, method: &str, path: &str) -> Result<(u16, Vec<u8>), Failure> {
    let mut stream = TcpStream::connect(addr)?;
    stream.set_nodelay(true)?;
    stream.write_all(format!("{method} {path} HTTP/1.1\r\nHost: {addr}\r\n\r\n").as_bytes())?;
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; 64 << 10]);
    loop {
        if let Some(answer) = Answer::parse(&bytes)?
            && bytes.len() >= answer.head + answer.length
        {
            return Ok((answer.status, bytes.split_off(answer.head)));
        }
        match stream.read(&mut buffer)? {
            0 => return Err(format!("{method} {path}: the answer broke off").into()),
            read => bytes.extend(&buffer[..read]),
        }
    }
}

/// As [`ask`], for JSON.
pub fn ask_json(addr: SocketAddr, path: &str) -> Result<serde_json::Value, Failure> {
    let (status, body) = ask(addr, "GET", path)?;
    if status != 200 {
        return Err(format!("GET {path}: {status}").into());
    }
    Ok(serde_json::from_slice(&body)?)
}
