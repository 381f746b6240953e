"""What a rude client or server does, for tests of live peers, and a plain web server that tells what it was asked.   rude.py MODE PORT

  drip       a request's head, a byte each 50 ms: prints "cut" and the seconds until the server ends it
  crowd      opens 12 connections, one after the other, and asks something on each: prints how many the server keeps, and how many of these answer again
  headers    a header of a mebibyte: prints the status, or "cut"
  body       says that 64 MiB will follow: prints the status, or "cut"
  leave      ends what it sends in the middle of a body, 3 times: prints the most seconds until the server lets go
  redirect   (PORT is where to: a URL) a server that sends everybody there: prints its port, ends when killed
  files      (PORT is a directory: its files) prints its port, then each path; ends when killed"""
import functools
import http.server
import socket
import sys
import time

mode, port = sys.argv[1], sys.argv[2]


def dial():
    s = socket.create_connection(("127.0.0.1", int(port)))
    s.settimeout(10)
    return s


def answer(s):
    try:
        line = s.recv(4096).split(b"\r\n")[0].decode("ascii")
    except OSError:
        line = ""
    return line.split(" ")[1] if line else "cut"


def drip():
    s, start = dial(), time.monotonic()
    s.settimeout(0.05)
    s.sendall(b"GET /v1/head HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
    while time.monotonic() - start < 10:
        try:
            s.sendall(b"x")
            if not s.recv(1024):
                break
        except TimeoutError:
            continue
        except OSError:
            break
    print("cut", time.monotonic() - start)


def asks(s):
    try:
        s.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return answer(s) == "200"
    except OSError:
        return False


def crowd():
    kept = []
    for _ in range(12):
        s = dial()
        kept += [s] if asks(s) else []  # who is answered is counted by the server, and stays
    print(len(kept), sum(asks(s) for s in kept))


def headers():
    s = dial()
    try:
        s.sendall(b"GET /v1/head HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * (1 << 20) + b"\r\n\r\n")
    except OSError:
        pass
    print(answer(s))


def body():
    s = dial()
    s.sendall(b"POST /v1/pull HTTP/1.1\r\nHost: localhost\r\nContent-Length: 67108864\r\n\r\n" + b"x" * 65536)
    print(answer(s))


def leave():
    most = 0
    for _ in range(3):
        s, start = dial(), time.monotonic()
        s.sendall(b"POST /v1/pull HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 65536)
        s.shutdown(socket.SHUT_WR)
        try:
            s.recv(1)
        except OSError:
            pass
        most = max(most, time.monotonic() - start)
    print(most)


class Redirect(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(302)
        self.send_header("Location", port)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET

    def log_message(self, *args):
        pass


def redirect():
    server = http.server.HTTPServer(("127.0.0.1", 0), Redirect)
    print(server.server_port, flush=True)
    server.serve_forever()


class Files(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        print(self.command, self.path, flush=True)


def files():
    server = http.server.HTTPServer(("127.0.0.1", 0), functools.partial(Files, directory=port))
    print(server.server_port, flush=True)
    server.serve_forever()


{"files": files, "drip": drip, "crowd": crowd, "headers": headers, "body": body, "leave": leave, "redirect": redirect}[mode]()
