"""What request smuggling is made of: each of these has two readings, or none."""

from __future__ import annotations

POST = b"POST /echo HTTP/1.1\r\nHost: x\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n"
NEXT = b"GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"

REFUSED: dict[str, bytes] = {
    # two framings
    "CL.TE": POST + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
    "TE.CL": CHUNKED + b"Content-Length: 4\r\n\r\n5c\r\n" + NEXT,
    "two equal lengths": POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "two lengths": POST + b"Content-Length: 3\r\nContent-Length: 40\r\n\r\nabc" + NEXT,
    "a list of lengths": POST + b"Content-Length: 3, 3\r\n\r\nabc",
    # lengths that are no numbers
    "+3": POST + b"Content-Length: +3\r\n\r\nabc",
    "-3": POST + b"Content-Length: -3\r\n\r\nabc",
    "0x3": POST + b"Content-Length: 0x3\r\n\r\nabc",
    "3 3": POST + b"Content-Length: 3 3\r\n\r\nabc",
    "3;": POST + b"Content-Length: 3;\r\n\r\nabc",
    "no length": POST + b"Content-Length: \r\n\r\nabc",
    "a length beyond 64 bits": POST + b"Content-Length: 18446744073709551619\r\n\r\nabc",
    "a vertical tab before the length": POST + b"Content-Length: \x0b3\r\n\r\nabc",
    # transfer codings
    "xchunked": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + NEXT,
    "chunked twice": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" + NEXT,
    "chunked, then identity": CHUNKED + b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n" + NEXT,
    "identity, then chunked": POST
    + b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "identity": POST + b"Transfer-Encoding: identity\r\n\r\nabc",
    "chunked, identity": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "gzip, chunked": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "a vertical tab before chunked": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + NEXT,
    "quoted": POST + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n' + NEXT,
    "with a parameter": POST + b"Transfer-Encoding: chunked;a=b\r\n\r\n0\r\n\r\n" + NEXT,
    "with an empty member": POST + b"Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n",
    "no coding": POST + b"Transfer-Encoding: \r\n\r\n" + NEXT,
    "folded": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + NEXT,
    "a space before the colon": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + NEXT,
    "a tab before the colon": POST + b"Content-Length\t: 3\r\n\r\nabc",
    "CR before the line end": POST + b"Transfer-Encoding: chunked\r\r\n\r\n0\r\n\r\n" + NEXT,
    "chunked in HTTP/1.0": b"POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + NEXT,
    "an underscore": POST + b"Content_Length: 35\r\n\r\n" + NEXT,
    "another underscore": POST + b"Transfer_Encoding: chunked\r\n\r\n" + NEXT,
    # chunks
    "a chunk size with 0x": CHUNKED + b"\r\n0x3\r\nabc\r\n0\r\n\r\n",
    "a negative chunk": CHUNKED + b"\r\n-3\r\nabc\r\n0\r\n\r\n",
    "a chunk size with +": CHUNKED + b"\r\n+3\r\nabc\r\n0\r\n\r\n",
    "a chunk size with _": CHUNKED + b"\r\n0_3\r\nabc\r\n0\r\n\r\n",
    "a chunk size with a space": CHUNKED + b"\r\n3 \r\nabc\r\n0\r\n\r\n",
    "a chunk beyond 64 bits": CHUNKED + b"\r\nfffffffffffffffff\r\nabc\r\n0\r\n\r\n",
    "a chunk without size": CHUNKED + b"\r\n\r\n\r\n",
    "LF after the chunk size": CHUNKED + b"\r\n3\nabc\r\n0\r\n\r\n",
    "LF after the chunk": CHUNKED + b"\r\n3\r\nabc\n0\r\n\r\n",
    "nothing after the chunk": CHUNKED + b"\r\n3\r\nabc0\r\n\r\n",
    "LF in a chunk extension": CHUNKED + b"\r\n3;\nabc\r\n0\r\n\r\n",
    "NUL in a chunk extension": CHUNKED + b"\r\n3;a\x00b\r\nabc\r\n0\r\n\r\n",
    "a chunk longer than it says": CHUNKED + b"\r\n3\r\nabcdef\r\n0\r\n\r\n",
    "a length in the trailer": CHUNKED + b"\r\n0\r\nContent-Length: 3\r\n\r\n",
    "a coding in the trailer": CHUNKED + b"\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n",
    # lines
    "LF alone": b"GET /echo HTTP/1.1\nHost: x\n\n",
    "LF after a field": b"GET /echo HTTP/1.1\r\nHost: x\nX: y\r\n\r\n",
    "LF at the end of the head": b"GET /echo HTTP/1.1\r\nHost: x\r\n\n",
    "CR in a value": b"GET /echo HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n",
    "NUL in a value": b"GET /echo HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n",
    "NUL in a name": b"GET /echo HTTP/1.1\r\nHost: x\r\nX\0Y: b\r\n\r\n",
    "a folded field": b"GET /echo HTTP/1.1\r\nHost: x\r\nX: y\r\n z\r\n\r\n",
    "a space before the first field": b"GET /echo HTTP/1.1\r\n Host: x\r\n\r\n",
    "a field without a name": b"GET /echo HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n",
    "a line without a colon": b"GET /echo HTTP/1.1\r\nHost: x\r\nfoo\r\n\r\n",
    # who is asked, and how
    "no Host": b"GET /echo HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET /echo HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    "a list of Hosts": b"GET /echo HTTP/1.1\r\nHost: x, y\r\n\r\n",
    "a Host with a path": b"GET /echo HTTP/1.1\r\nHost: x/y\r\n\r\n",
    "a Host with a user": b"GET /echo HTTP/1.1\r\nHost: a@x\r\n\r\n",
    "HTTP/0.9": b"GET /echo\r\n\r\n",
    "HTTP/2": b"GET /echo HTTP/2.0\r\nHost: x\r\n\r\n",
    "HTTP/1.2": b"GET /echo HTTP/1.2\r\nHost: x\r\n\r\n",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "RTSP": b"DESCRIBE /echo RTSP/1.0\r\nHost: x\r\n\r\n",
    "a method of ICE": b"SOURCE /echo ICE/1.0\r\nHost: x\r\n\r\n",
    "a space after the version": b"GET /echo HTTP/1.1 \r\nHost: x\r\n\r\n",
    "a tab in the line": b"GET\t/echo HTTP/1.1\r\nHost: x\r\n\r\n",
    "an unknown method": b"FOO /echo HTTP/1.1\r\nHost: x\r\n\r\n",
    "a method in lower case": b"get /echo HTTP/1.1\r\nHost: x\r\n\r\n",
    "a control character in the target": b"GET /echo\x01 HTTP/1.1\r\nHost: x\r\n\r\n",
    "a fragment": b"GET /echo#a HTTP/1.1\r\nHost: x\r\n\r\n",
    "a relative target": b"GET echo HTTP/1.1\r\nHost: x\r\n\r\n",
    "a star": b"GET * HTTP/1.1\r\nHost: x\r\n\r\n",
    "another scheme": b"GET ftp://x/echo HTTP/1.1\r\nHost: x\r\n\r\n",
    "a target with a user": b"GET http://a@x/echo HTTP/1.1\r\nHost: x\r\n\r\n",
    "CONNECT": b"CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n",
    "an unknown expectation": POST + b"Expect: 200-ok\r\nContent-Length: 3\r\n\r\nabc",
    "a handshake with a body": (
        b"GET /echo HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Content-Length: 35\r\n\r\n" + NEXT
    ),
}
