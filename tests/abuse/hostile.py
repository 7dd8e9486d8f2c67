"""Hostile connections. Each says what it did, checks what it got, and returns nothing; anything unexpected is an Unexpected."""

import asyncio
import contextlib
import os
import random
import socket
import ssl
import struct

SSL_REQUEST = struct.pack("!II", 8, 80877103)
GSS_REQUEST = struct.pack("!II", 8, 80877104)
PATIENCE = 60  # seconds for anything that has to come


class Unexpected(Exception):
    """The proxy did not do what it has to do."""


class Peer:
    """One connection to the proxy."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    async def send(self, data):
        # It may have turned us away already, which is what reading will tell.
        with contextlib.suppress(ConnectionError):
            self.writer.write(data)
            await self.writer.drain()

    async def rest(self, within=PATIENCE):
        """Everything up to the end of the stream; a reset is an end."""
        data = b""
        try:
            async with asyncio.timeout(within):
                while chunk := await self.reader.read(65536):
                    data += chunk
        except ConnectionError:
            pass
        except TimeoutError:
            raise Unexpected(f"still open after {within} s, having said {data[:60]!r}") from None
        return data

    async def byte(self):
        try:
            return await asyncio.wait_for(self.reader.readexactly(1), PATIENCE)
        except (asyncio.IncompleteReadError, ConnectionError):
            raise Unexpected("closed instead of an answer") from None
        except TimeoutError:
            raise Unexpected("no answer") from None

    async def message(self):
        """Type and body of the next message."""
        try:
            head = await asyncio.wait_for(self.reader.readexactly(5), PATIENCE)
            body = await asyncio.wait_for(self.reader.readexactly(struct.unpack("!I", head[1:])[0] - 4), PATIENCE)
        except (asyncio.IncompleteReadError, ConnectionError):
            raise Unexpected("closed instead of a message") from None
        except TimeoutError:
            raise Unexpected("no message") from None
        return head[:1], body

    async def until(self, kind):
        while True:
            tag, body = await self.message()
            if tag == kind:
                return body
            if tag == b"E":
                raise Unexpected(f"error instead of {kind!r}: {fields(body)}")

    async def closes_silently(self, within=PATIENCE):
        said = await self.rest(within)
        if said:
            raise Unexpected(f"said {said[:80]!r} before it closed")

    async def refuses(self, sqlstate):
        tag, body = await self.message()
        if tag != b"E" or fields(body).get("V") != "FATAL" or fields(body).get("C") != sqlstate:
            raise Unexpected(f"not FATAL {sqlstate}: {tag!r} {body[:200]!r}")
        await self.closes_silently()

    def reset(self):
        """Goes without a goodbye: the other side gets a reset."""
        connection = self.writer.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


def startup(parameters, code=3 << 16):
    body = b"".join(key.encode() + b"\0" + value.encode() + b"\0" for key, value in parameters.items()) + b"\0"
    return struct.pack("!II", len(body) + 8, code) + body


def message(tag, body):
    return tag + struct.pack("!I", len(body) + 4) + body


def fields(body):
    return {field[:1].decode(): field[1:].decode(errors="replace") for field in body.split(b"\0") if field}


TRUSTED = {"user": "trusted", "database": "postgres"}
ASKED = {"user": "postgres", "database": "postgres"}


async def garbage(peer, deadline):
    # A first byte above zero is a length above 16 MB, or (0x16) a handshake that is none.
    await peer.send(bytes([random.randrange(1, 256)]) + os.urandom(random.randrange(3, 3000)))
    said = await peer.rest()
    if said and said[:1] != b"\x15":  # a TLS alert is a proper answer to a broken handshake
        raise Unexpected(f"said {said[:80]!r}")


async def gigabyte_length(peer, deadline):
    await peer.send(struct.pack("!II", 1 << 30, 3 << 16) + b"user\0")
    await peer.closes_silently()


async def cut_startup(peer, deadline):
    packet = startup(TRUSTED)
    await peer.send(packet[: random.randrange(1, len(packet))])
    peer.writer.write_eof()
    await peer.closes_silently()


async def unknown_code(peer, deadline):
    await peer.send(startup({}, random.choice([0, 2 << 16, 4 << 16, 80877105])))
    await peer.refuses("0A000")


async def no_terminator(peer, deadline):
    await peer.send(struct.pack("!II", 13, 3 << 16) + b"user\0")
    await peer.refuses("08P01")


async def text_behind_ssl_request(peer, deadline):
    await peer.send(random.choice([SSL_REQUEST, GSS_REQUEST]) + startup(TRUSTED))
    await peer.closes_silently()


async def silence(peer, deadline):
    await peer.closes_silently(within=deadline + PATIENCE)


async def drip(peer, deadline):
    async def dripping():
        for byte in startup({"user": "trusted", "application_name": "x" * 5000}):
            await peer.send(bytes([byte]))
            await asyncio.sleep(deadline / 8)

    task = asyncio.ensure_future(dripping())
    try:
        await peer.closes_silently(within=deadline + PATIENCE)
    finally:
        task.cancel()


async def tls_garbage(peer, deadline):
    await peer.send(SSL_REQUEST)
    if await peer.byte() != b"S":
        raise Unexpected("no TLS offered")
    await peer.send(b"\x16\x03\x01\x40\x00" + os.urandom(random.randrange(1, 2000)))
    peer.writer.write_eof()
    said = await peer.rest()
    if said and said[:1] != b"\x15":
        raise Unexpected(f"said {said[:80]!r}")


async def tls_then_gone(peer, deadline):
    """A proper handshake, and then nothing."""
    await peer.send(SSL_REQUEST)
    if await peer.byte() != b"S":
        raise Unexpected("no TLS offered")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    loop = asyncio.get_running_loop()
    transport = await loop.start_tls(peer.writer.transport, peer.writer.transport.get_protocol(), context)
    transport.abort()


async def long_options(peer, deadline):
    """As long as a start-up packet may be: the server looks at it, and asks for a password."""
    await peer.send(startup({**ASKED, "options": "-c a.b=" + "\\ " * 4900}))
    await peer.until(b"R")
    peer.reset()


async def too_long_options(peer, deadline):
    await peer.send(startup({**ASKED, "options": "x" * 20_000}))
    await peer.closes_silently()


async def query_for_password(peer, deadline):
    await peer.send(startup(ASKED))
    await peer.until(b"R")
    await peer.send(message(b"Q", b"DROP TABLE accounts\0"))
    await peer.refuses("08P01")


async def broken_scram(peer, deadline):
    await peer.send(startup(ASKED))
    await peer.until(b"R")
    await peer.send(message(b"p", b"SCRAM-SHA-256\0" + struct.pack("!I", 1 << 30) + os.urandom(100)))
    tag, _ = await peer.message()
    if tag != b"E":
        raise Unexpected(f"{tag!r} instead of the server's error")
    await peer.closes_silently()


async def session_reset(peer, deadline):
    """A session whose client vanishes in the middle of a statement."""
    await peer.send(startup(TRUSTED))
    await peer.until(b"Z")
    await peer.send(message(b"Q", b"SELECT pg_sleep(0.05)\0"))
    peer.reset()


async def session_garbage(peer, deadline):
    """A session whose client loses its mind."""
    await peer.send(startup(TRUSTED))
    await peer.until(b"Z")
    await peer.send(random.choice([b"Q\xff\xff\xff\xff", b"Q\0\0\0\0", b"\0\0\0\0\0\0", message(b"P", b""), message(b"B", os.urandom(20)), os.urandom(50)]))
    peer.writer.write_eof()
    await peer.rest()


KINDS = [
    garbage,
    gigabyte_length,
    cut_startup,
    unknown_code,
    no_terminator,
    text_behind_ssl_request,
    silence,
    drip,
    tls_garbage,
    tls_then_gone,
    long_options,
    too_long_options,
    query_for_password,
    broken_scram,
    session_reset,
    session_garbage,
]

# What the proxy has to say in its log of such a connection: that it waited for the client in vain, or that it did not have to.
SILENT = [silence, drip]
TURNED_AWAY = [gigabyte_length, cut_startup, text_behind_ssl_request, too_long_options]
