#!/usr/bin/python3
"""An HTTP server that does things wrong, one way for each first word of a path. Started by C tests (servers.h): prints "http other https" ports and the
authority's certificate, lives until its standard input ends. Two plain ports, so that there is another origin, and one with TLS."""
import hashlib
import os
import re
import socket
import ssl
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import certs

lock = threading.Lock()
hits = {}
log = []
OLD = "Thu, 01 Jan 2026 00:00:00 GMT"


def body(name, size=200000):
    """Bytes that say where they are from, the same in the test."""
    salt = len(name)
    return bytes((i * 7 + (i >> 8) * 13 + salt) & 255 for i in range(size))


class Hostile(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def count(self):
        with lock:
            hits[self.path] = hits.get(self.path, 0) + 1
            return hits[self.path]

    def head(self, status, length, **headers):
        self.send_response_only(status)
        self.send_header("Date", self.date_time_string())
        if length is not None:
            self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def give(self, status, data, **headers):
        self.head(status, len(data), **headers)
        if self.command != "HEAD":
            self.wfile.write(data)

    def drop(self):
        self.wfile.flush()
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def part(self, data, etag, cut=None, **headers):
        """As a good server would, but stopping after `cut` bytes of the body."""
        if etag:
            headers["ETag"] = etag
        if etag and self.headers.get("If-None-Match") == etag:
            return self.head(304, None, **headers)
        if etag and self.headers.get("If-Match", etag) != etag:
            return self.give(412, b"")
        status, start, end = 200, 0, len(data)
        want = self.headers.get("Range")
        if want:
            first, last = want.removeprefix("bytes=").split("-")
            start, end = int(first), min(int(last) + 1 if last else len(data), len(data))
            if start >= len(data):
                return self.give(416, b"", Content_Range="bytes */%d" % len(data))
            status = 206
            headers["Content_Range"] = "bytes %d-%d/%d" % (start, end - 1, len(data))
        piece = data[start:end]
        self.head(status, len(piece), **headers)
        if self.command != "HEAD":
            self.wfile.write(piece if cut is None else piece[:cut])
        if cut is not None:
            self.drop()
        return None

    def do_GET(self):
        n = self.count()
        with lock:
            log.append("%s %s auth=%s range=%s proxy=%s" % (self.command, self.path, self.headers.get("Authorization"), self.headers.get("Range"),
                                                              self.headers.get("Proxy-Authorization")))
        self.path = re.sub("^http://[^/]*", "", self.path)  # as a proxy gets it
        kind, name = (self.path.split("?")[0].strip("/") + "/x").split("/")[:2]
        getattr(self, "do_" + kind.replace("-", "_"), self.do_status)(name, n)

    do_HEAD = do_POST = do_PUT = do_GET

    def do_PROPFIND(self):
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        folder = self.path.strip("/") + "/"
        kind = folder.split("/")[0]
        if not hasattr(self, "list_" + kind):
            return self.give(405, b"")
        return self.give(207, getattr(self, "list_" + kind)(folder).encode(), Content_Type="application/xml")

    # ---- lists that are wrong, by the first word of the path

    def multistatus(self, hrefs):
        items = "".join("<D:response><D:href>%s</D:href><D:propstat><D:prop><D:resourcetype>%s</D:resourcetype></D:prop></D:propstat></D:response>"
                        % (h, "<D:collection/>" if h.endswith("/") else "") for h in hrefs)
        return "<?xml version='1.0'?><D:multistatus xmlns:D='DAV:'>%s</D:multistatus>" % items

    def list_evil(self, folder):
        return self.multistatus(["/evil/", "/evil/../../etc/passwd", "/etc/passwd", "http://elsewhere/evil/fine.x", "/evil/fine", "/evil/a%2Fb", "/evil/%00x",
                               "/evil/.hidden", "/evil/sub/deep", "/evil/loop/", "/evil", "/evil/%zz", "/evil/a%20b", "x" * 3000, "/evil/" + "n" * 300])

    def list_bomb(self, folder):
        return '<!DOCTYPE a [<!ENTITY b "xxxxxxxxxx"><!ENTITY c "&b;&b;&b;&b;">]><a>&c;&c;&c;</a>'

    def list_half(self, folder):
        return self.multistatus(["/half/", "/half/one"])[:-20]

    def list_deep(self, folder):
        return self.multistatus(["/" + folder, "/" + folder + "d/"])

    def list_wide(self, folder):
        return self.multistatus(["/" + folder + "d%d/" % i for i in range(500)])

    def list_long(self, folder):
        return "<a>" + "x" * 10000 + "</a>"

    def list_nested(self, folder):
        return "<a>" * 100 + "</a>" * 100

    # ---- ways to be, by the first word of the path

    def do_plain(self, name, n):
        self.part(body(name), '"v1"', Last_Modified=OLD)

    def do_cut(self, name, n):
        self.part(body(name), '"v1"', 70000 if n == 1 else None)

    def do_cut_changed(self, name, n):
        self.part(body(name if n == 1 else name + "2"), '"v%d"' % n, 70000 if n == 1 else None)

    def do_cut_lies(self, name, n):
        """Changes in the middle and does not look at If-Match."""
        del self.headers["If-Match"]
        self.part(body(name if n == 1 else name + "2"), '"v%d"' % n, 70000 if n == 1 else None)

    def do_cut_plain(self, name, n):
        self.part(body(name), None, 70000 if n == 1 else None)

    def do_cut_always(self, name, n):
        self.part(body(name), '"v1"', 10)

    def do_cut_far(self, name, n):
        """Cut often, but with much in between."""
        self.part(body(name, 800000), '"v1"', 130000)

    def do_wrong_range(self, name, n):
        self.give(206, body(name)[11:], Content_Range="bytes 11-199999/200000", ETag='"v1"')

    def do_bare_range(self, name, n):
        self.give(206, body(name)[10:], ETag='"v1"')

    def do_odd_range(self, name, n):
        self.give(206, body(name)[10:], Content_Range="bytes 10-5/99999999999999999999999", ETag='"v1"')

    def do_ignores_range(self, name, n):
        self.give(200, body(name), ETag='"v1"')

    def do_shy(self, name, n):
        """Like Apache: does not say how long it is when a part is behind its end."""
        if self.headers.get("Range") and not self.headers["Range"].startswith("bytes=0"):
            self.give(416, b"")
        else:
            self.part(body(name), '"v1"')

    def do_generous(self, name, n):
        self.give(206, body(name)[10:], Content_Range="bytes 10-19/200000", ETag='"v1"')

    def do_endless(self, name, n):
        self.head(200, None, Connection="close")
        try:
            while True:
                self.wfile.write(b"x" * 65536)
        except OSError:
            self.close_connection = True

    def do_continues(self, name, n):
        try:
            while True:
                self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        except OSError:
            self.close_connection = True

    def do_stalls(self, name, n):
        self.head(200, 200000, ETag='"v1"')
        self.wfile.write(b"x" * 1000)
        self.wfile.flush()
        ended.wait(20)
        self.drop()

    # A byte now and then: of a body, of headers that do not end, of a status line.
    def do_drips(self, name, n):
        start = {"body": b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n", "headers": b"HTTP/1.1 200 OK\r\n", "status": b"HTTP/1.1 200 "}[name]
        try:
            self.wfile.write(start)
            while not ended.wait(0.03):
                self.wfile.write({"body": b"x", "headers": b"X: y\r\n", "status": b"O"}[name])
                self.wfile.flush()
        except OSError:
            pass
        self.close_connection = True

    def do_thinks(self, name, n):
        ended.wait(int(name) / 1000)
        self.give(200, b"thought")

    def do_huge_header(self, name, n):
        self.give(200, b"", X_Long="x" * 90000)

    def do_giant_header(self, name, n):
        self.give(200, b"", X_Long="x" * 2000000)

    def do_many_headers(self, name, n):
        self.give(200, b"", **{"X_%d" % i: "y" * 50 for i in range(5000)})

    def do_flaky(self, name, n):
        if n <= 2:
            self.give(503, b"later", Retry_After="0")
        else:
            self.part(body(name), '"v1"')

    def do_away(self, name, n):
        self.give(503, b"back tomorrow", Retry_After="86400")

    def do_status(self, name, n):
        self.give(int(name) if name.isdigit() else 404, b"because\x1b[31m of this")

    def do_echo(self, name, n):
        self.give(403, b"you sent " + (self.headers.get("Authorization") or "nothing").encode())

    def do_young(self, name, n):
        self.part(b"young", '"v1"', Last_Modified=self.date_time_string())

    def do_weak(self, name, n):
        self.part(b"weak", 'W/"v1"')

    def do_odd_etag(self, name, n):
        self.part(b"odd", {"long": '"' + "e" * 300 + '"', "space": '"a b"', "bare": "bare"}[name])

    def do_encoded(self, name, n):
        self.give(200, b"\x1f\x8b", Content_Encoding="gzip")

    def do_unasked(self, name, n):
        self.head(304, None, ETag='"v1"')

    def do_partial(self, name, n):
        self.give(206, b"part", Content_Range="bytes 0-3/8")

    def do_empty(self, name, n):
        self.give(204, b"")

    def do_redirect(self, name, n):
        to = self.path.split("?", 1)[1]
        self.give(int(name), b"", Location=to.replace("HTTP", "http://127.0.0.1:%d" % ports[0]).replace(
            "OTHER", "http://127.0.0.1:%d" % ports[1]).replace("TLS", "https://localhost:%d" % ports[2]))

    def do_loop(self, name, n):
        self.give(302, b"", Location="/loop/" + name)

    def do_nowhere(self, name, n):
        self.give(302, b"")

    def do_junk(self, name, n):
        self.wfile.write(b"\x00\xff not HTTP\r\n\r\n")
        self.drop()

    def do_silent(self, name, n):
        self.drop()

    def do_post(self, name, n):
        if self.headers.get("Transfer-Encoding") == "chunked":
            data = b""
            while True:
                size = int(self.rfile.readline(), 16)
                data += self.rfile.read(size)
                self.rfile.readline()
                if size == 0:
                    break
        else:
            data = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.give(200, b"%d %s" % (len(data), hashlib.sha256(data).hexdigest().encode()), X_Answer="  as asked ")

    def do_circle(self, name, n):
        """A list of an object store whose pages lead back to themselves."""
        self.give(200, b"<l><IsTruncated>true</IsTruncated><NextContinuationToken>again</NextContinuationToken>"
                       b"<Contents><Key>x/../evil</Key></Contents><Contents><Key>other/a</Key></Contents><Contents><Key>x/fine</Key></Contents></l>")

    def do_log(self, name, n):
        with lock:
            text = "".join(line + "\n" for line in log if name in line)
        self.give(200, text.encode())


class Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):  # a client that goes away in the middle is what the tests are about
            super().handle_error(request, client_address)


ended = threading.Event()
ports = []
with tempfile.TemporaryDirectory() as work:
    certs.make(work)
    servers = [Quiet(("127.0.0.1", 0), Hostile) for _ in range(3)]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(work, "host.pem"), os.path.join(work, "host.key"))
    servers[2].socket = context.wrap_socket(servers[2].socket, server_side=True, do_handshake_on_connect=False)
    ports.extend(s.server_port for s in servers)
    for s in servers:
        threading.Thread(target=s.serve_forever, daemon=True).start()
    print(*ports, os.path.join(work, "ca.pem"), flush=True)
    sys.stdin.read()
    ended.set()
