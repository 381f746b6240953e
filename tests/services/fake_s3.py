#!/usr/bin/python3
"""An object store in memory that checks every signature with s3.py: what it cannot prove it refuses. Prints its port, lives until its standard input ends.
Keys: PROPHET:prophetsecret, and SESSION:other with the session token "passing". Lists have pages of three names."""
import hashlib
import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.sax.saxutils import escape

import s3

SECRETS = {"PROPHET": "prophetsecret", "SESSION": "other"}
lock = threading.Lock()
store = {}


class Refused(Exception):
    pass


class Store(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def give(self, status, data=b"", **headers):
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def check(self, path, query, data):
        kind, _, rest = self.headers.get("Authorization", "").partition(" ")
        if kind != "AWS4-HMAC-SHA256":
            raise Refused("AccessDenied")
        words = dict(w.strip().split("=", 1) for w in rest.split(","))
        key, date, region = words["Credential"].split("/")[:3]
        signed = words["SignedHeaders"].split(";")
        headers = {n.lower(): v for n, v in self.headers.items()}
        if not {"host", "x-amz-content-sha256", "x-amz-date"} <= set(signed):
            raise Refused("too little is signed")
        if headers["x-amz-content-sha256"] != hashlib.sha256(data).hexdigest():
            raise Refused("XAmzContentSHA256Mismatch")
        if key == "SESSION" and (headers.get("x-amz-security-token") != "passing" or "x-amz-security-token" not in signed):
            raise Refused("InvalidToken")
        want = s3.signature(SECRETS.get(key, "?"), region, self.command, path, query, headers, signed, headers["x-amz-date"])
        if region != "eu-test-1" or date != headers["x-amz-date"][:8] or want != words["Signature"]:
            raise Refused("SignatureDoesNotMatch")

    def handle_it(self):
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path, _, query = self.path.partition("?")
        try:
            self.check(path, query, data)
        except Refused as why:
            return self.give(403, b"<Error><Code>%s</Code></Error>" % str(why).encode())
        if query:
            return self.list(path.strip("/"), urllib.parse.parse_qs(query, keep_blank_values=True))
        with lock:
            return getattr(self, "on_" + self.command)(path.strip("/"), data)

    do_GET = do_PUT = do_DELETE = do_HEAD = handle_it

    def on_GET(self, key, _):
        data = store.get(key)
        if data is None:
            return self.give(404, b"<Error><Code>NoSuchKey</Code></Error>")
        etag = '"%s"' % hashlib.md5(data).hexdigest()
        if self.headers.get("If-None-Match") == etag:
            return self.give(304, ETag=etag)
        if self.headers.get("If-Match", etag) != etag:
            return self.give(412)
        want = self.headers.get("Range")
        if not want:
            return self.give(200, data, ETag=etag)
        first, last = want.removeprefix("bytes=").split("-")
        end = min(int(last) + 1 if last else len(data), len(data))
        if int(first) >= len(data):
            return self.give(416)
        return self.give(206, data[int(first):end], ETag=etag, Content_Range="bytes %d-%d/%d" % (int(first), end - 1, len(data)))

    on_HEAD = on_GET

    def on_PUT(self, key, data):
        old = store.get(key)
        etag = old is not None and '"%s"' % hashlib.md5(old).hexdigest()
        if self.headers.get("If-None-Match") == "*" and old is not None:
            return self.give(412)
        if self.headers.get("If-Match") and self.headers["If-Match"] != etag:
            return self.give(412 if old is not None else 404)
        store[key] = data
        return self.give(200, ETag='"%s"' % hashlib.md5(data).hexdigest())

    def on_DELETE(self, key, _):
        store.pop(key, None)
        return self.give(204)

    def list(self, bucket, query):
        if query.get("list-type") != ["2"]:
            return self.give(400)
        with lock:
            names = sorted(k[len(bucket) + 1:] for k in store if k.startswith(bucket + "/" + query["prefix"][0]))
        after = query.get("continuation-token", [""])[0].removeprefix("after/+ ")
        names = [n for n in names if n > after]
        page, more = names[:3], len(names) > 3
        items = "".join(f"<Contents><Key>{escape(n)}</Key><Size>{len(store[bucket + '/' + n])}</Size></Contents>" for n in page)
        mark = f"<NextContinuationToken>{escape('after/+ ' + page[-1])}</NextContinuationToken>" if more else ""
        text = f"<?xml version='1.0'?><ListBucketResult xmlns='x'><IsTruncated>{str(more).lower()}</IsTruncated>{items}{mark}</ListBucketResult>"
        return self.give(200, text.encode())


server = ThreadingHTTPServer(("127.0.0.1", 0), Store)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_port, flush=True)
sys.stdin.read()
