//! What passing rows on costs: header scan and one write per chunk, beside pgwire's decode and encode of the same bytes.
//!
//! Both sides do the same job: take 64 KiB chunks as a socket would give them, find every frame, hand the bytes on.
//! The claim is the ratio between the two, printed at the end; absolute numbers belong to the machine.

#![allow(clippy::expect_used, clippy::print_stdout, reason = "a benchmark speaks to its terminal and stops at what cannot be")]

use std::hint::black_box;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use pgairlock::wire::frames::Inbox;
use pgwire::messages::{DecodeContext, PgWireBackendMessage, ProtocolVersion};

const CHUNK: usize = 64 << 10;
/// Bytes of one pass.
const VOLUME: usize = 4 << 20;

/// DataRows of one text column whose bodies have `body` bytes.
fn rows(body: usize) -> Bytes {
    let mut out = BytesMut::with_capacity(VOLUME + 2 * body);
    let value = vec![b'x'; body - 6];
    while out.len() < VOLUME {
        out.put_u8(b'D');
        out.put_u32(u32::try_from(body + 4).expect("small"));
        out.put_u16(1);
        out.put_u32(u32::try_from(value.len()).expect("small"));
        out.put_slice(&value);
    }
    out.freeze()
}

/// The way of pgairlock: approve by header, forward the run.
fn scan(stream: &Bytes, sink: &mut BytesMut) {
    let mut inbox = Inbox::default();
    for chunk in stream.chunks(CHUNK) {
        inbox.buffer().extend_from_slice(chunk);
        while inbox.peek().expect("well formed").is_some() {
            inbox.approve();
        }
        hand_on(&inbox.take_run(), sink);
    }
}

/// The way of a message library: decode each message, encode it again.
fn decode_and_encode(stream: &Bytes, sink: &mut BytesMut) {
    let context = DecodeContext::new(ProtocolVersion::PROTOCOL3_0);
    let mut buffer = BytesMut::new();
    for chunk in stream.chunks(CHUNK) {
        buffer.extend_from_slice(chunk);
        let mut out = BytesMut::with_capacity(CHUNK);
        while let Some(message) = PgWireBackendMessage::decode(&mut buffer, &context).expect("well formed") {
            message.encode(&mut out).expect("into memory");
        }
        hand_on(&out, sink);
    }
}

/// Stands for the write to a socket.
fn hand_on(bytes: &[u8], sink: &mut BytesMut) {
    sink.clear();
    sink.extend_from_slice(black_box(bytes));
}

fn frames(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("frames");
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2)).sample_size(20);
    for body in [16, 100, 1000] {
        let stream = rows(body);
        group.throughput(Throughput::Bytes(stream.len() as u64));
        let mut sink = BytesMut::with_capacity(2 * CHUNK);
        group.bench_with_input(BenchmarkId::new("header scan", body), &stream, |bencher, stream| bencher.iter(|| scan(stream, &mut sink)));
        group.bench_with_input(BenchmarkId::new("pgwire decode+encode", body), &stream, |bencher, stream| {
            bencher.iter(|| decode_and_encode(stream, &mut sink));
        });
    }
    group.finish();
    ratios();
}

/// The claim: how many times faster, from one more pass of each over the same bytes.
fn ratios() {
    println!("\nbody bytes | header scan : pgwire decode+encode");
    for body in [16, 100, 1000] {
        let stream = rows(body);
        let ratio = fastest(&stream, decode_and_encode).as_secs_f64() / fastest(&stream, scan).as_secs_f64();
        println!("{body:>10} | {ratio:.1} : 1");
    }
}

fn fastest(stream: &Bytes, job: fn(&Bytes, &mut BytesMut)) -> Duration {
    let mut sink = BytesMut::with_capacity(2 * CHUNK);
    let run = |_| {
        let start = std::time::Instant::now();
        job(stream, &mut sink);
        start.elapsed()
    };
    (0..20).map(run).min().unwrap_or_default()
}

criterion_group!(benches, frames);
criterion_main!(benches);
