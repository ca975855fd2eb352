//! Single requests: what an operator would ask with curl.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::figures::Failure;
use crate::load::Answer;

/// Asks without a body; gives the status and the body of the answer.
pub fn ask(addr: SocketAddr, method: &str, path: &str) -> Result<(u16, Vec<u8>), Failure> {
    exchange(addr, &format!("{method} {path} HTTP/1.1\r\nHost: {addr}\r\n\r\n"))
}

/// Posts JSON; gives what `"data"` holds in the answer to a query of GraphQL.
pub fn ask_graphql(addr: SocketAddr, query: &str) -> Result<serde_json::Value, Failure> {
    let body = serde_json::json!({ "query": query }).to_string();
    let (status, answer) = exchange(
        addr,
        &format!(
            "POST /api/graphql HTTP/1.1\r\nHost: {addr}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        ),
    )?;
    let answer: serde_json::Value = serde_json::from_slice(&answer)?;
    if status != 200 || !answer["errors"].is_null() {
        return Err(format!("{query}: {status}, {answer}").into());
    }
    Ok(answer["data"].clone())
}

/// One request on a connection of its own.
fn exchange(addr: SocketAddr, request: &str) -> Result<(u16, Vec<u8>), Failure> {
    let mut stream = TcpStream::connect(addr)?;
    stream.set_nodelay(true)?;
    stream.write_all(request.as_bytes())?;
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; 64 << 10]);
    loop {
        if let Some(answer) = Answer::parse(&bytes)?
            && bytes.len() >= answer.head + answer.length
        {
            return Ok((answer.status, bytes.split_off(answer.head)));
        }
        match stream.read(&mut buffer)? {
            0 => return Err(format!("the answer broke off, to {request}").into()),
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
