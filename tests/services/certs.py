"""A certificate authority of one test: ca.pem, and host.pem with host.key for "localhost" alone."""
import os
import subprocess


def make(folder):
    def openssl(*args):
        subprocess.run(("openssl",) + args, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    openssl("req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "2", "-subj", "/CN=test authority", "-keyout", "ca.key", "-out", "ca.pem")
    openssl("req", "-newkey", "ed25519", "-nodes", "-subj", "/CN=localhost", "-keyout", "host.key", "-out", "host.csr")
    with open(os.path.join(folder, "san"), "w", encoding="ascii") as f:
        f.write("subjectAltName=DNS:localhost")
    openssl("x509", "-req", "-in", "host.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "san", "-out", "host.pem")
