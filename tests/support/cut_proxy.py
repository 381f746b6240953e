"""Passes a server's connections on, but breaks off the first CUTS answers to /v1/pull after BYTES bytes. Prints its port; then
"cut" for each. Ends when it is killed.   cut_proxy.py PORT CUTS BYTES"""
import signal
import socket
import sys
import threading

target, left, most = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
lock = threading.Lock()


class Passage:
    def __init__(self, client):
        self.client = client
        self.server = socket.create_connection(("127.0.0.1", target))
        self.room = None  # bytes of the answer that still pass; None: all of them

    def asks(self):
        global left
        try:
            while data := self.client.recv(65536):
                if b"POST /v1/pull" in data:
                    with lock:
                        self.room = most if left > 0 else None
                        left -= left > 0
                self.server.sendall(data)
        except OSError:
            pass
        self.end()

    def answers(self):
        try:
            while data := self.server.recv(65536):
                if self.room is not None:
                    data, self.room = data[: self.room], self.room - len(data)
                self.client.sendall(data)
                if self.room is not None and self.room <= 0:
                    print("cut", flush=True)
                    break
        except OSError:
            pass
        self.end()

    def end(self):
        for s in (self.client, self.server):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def accept(listener):
    while True:
        passage = Passage(listener.accept()[0])
        for way in (passage.asks, passage.answers):
            threading.Thread(target=way, daemon=True).start()


listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
threading.Thread(target=accept, args=(listener,), daemon=True).start()
signal.pause()
