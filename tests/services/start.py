#!/usr/bin/python3
"""start.py NAME DIR: runs a real server on loopback, on ports that are free, with all it has in DIR. Prints one line when it answers, lives until its standard
input ends. The line is the folder it uses below DIR (PLACE), and what the functions below say; NAME is one of them."""
import os
import pwd
import socket
import subprocess
import sys
import time

import certs

USER = pwd.getpwuid(os.getuid()).pw_name
children = []


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def write(folder, name, text, mode=0o644):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(path, mode)
    return path


def answers(port, child):
    for _ in range(500):
        if child.poll() is not None:
            return False
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        except OSError:
            time.sleep(0.02)
    return False


def run(argv, port, folder):
    """false: it ended, most likely because somebody was faster at one of its ports"""
    with open(os.path.join(folder, "log"), "ab") as log:
        child = subprocess.Popen(argv, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    if answers(port, child):
        children.append(child)
        return True
    child.kill()
    child.wait()
    return False


def password(folder):
    line = subprocess.run(["openssl", "passwd", "-apr1", "secret"], check=True, capture_output=True, text=True).stdout
    write(folder, "htpasswd", "prophet:" + line)


def nginx(folder):
    """PORT TLSPORT CA: files of PLACE/www below /, over both; WebDAV of PLACE/dav below /dav/ with prophet:secret"""
    port, tls = free_port(), free_port()
    certs.make(folder)
    password(folder)
    for name in ("www", "dav", "tmp"):
        os.makedirs(os.path.join(folder, name), exist_ok=True)
    write(folder, "nginx.conf", f"""
load_module /usr/lib/nginx/modules/ngx_http_dav_ext_module.so;
{f'user {USER};' if os.getuid() == 0 else ''}
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/log; events {{}}
http {{
  access_log off; client_body_temp_path {folder}/tmp; proxy_temp_path {folder}/tmp/p; fastcgi_temp_path {folder}/tmp/f;
  uwsgi_temp_path {folder}/tmp/u; scgi_temp_path {folder}/tmp/s;
  server {{
    listen 127.0.0.1:{port}; listen 127.0.0.1:{tls} ssl http2; ssl_certificate host.pem; ssl_certificate_key host.key;
    root {folder}/www;
    location ~ ^/to-plain/(.*)$ {{ return 302 http://127.0.0.1:{port}/$1; }}
    location /to-ftp/ {{ return 302 ftp://127.0.0.1/d.depot; }}
    location /to-file/ {{ return 302 file:///etc/passwd; }}
    location /dav/ {{ root {folder}; dav_methods PUT DELETE MKCOL; dav_ext_methods PROPFIND OPTIONS; client_max_body_size 0;
                     auth_basic dav; auth_basic_user_file {folder}/htpasswd; }}
  }}
}}
""")
    ok = run(["/usr/sbin/nginx", "-e", folder + "/log", "-p", folder, "-c", folder + "/nginx.conf"], port, folder)
    return ok and f"{port} {tls} {folder}/ca.pem"


def apache(folder):
    """PORT: WebDAV of PLACE/dav below /dav/ with prophet:secret"""
    port = free_port()
    password(folder)
    os.makedirs(os.path.join(folder, "dav"), exist_ok=True)
    modules = "mpm_event authn_core authn_file authz_core authz_user auth_basic dav dav_fs setenvif".split()
    loads = "\n".join(f"LoadModule {m}_module /usr/lib/apache2/modules/mod_{m}.so" for m in modules)
    write(folder, "apache.conf", f"""
{loads}
ServerRoot {folder}
ServerName localhost
Listen 127.0.0.1:{port}
PidFile {folder}/pid
ErrorLog {folder}/log
DavLockDB {folder}/lock
Mutex file:{folder}
{'User www-data' if os.getuid() == 0 else ''}
DocumentRoot {folder}
<Directory {folder}/dav>
  Dav On
  AuthType Basic
  AuthName dav
  AuthUserFile {folder}/htpasswd
  Require valid-user
</Directory>
""")
    if os.getuid() == 0:  # it refuses to serve as root
        os.chmod(os.path.dirname(folder), 0o711)
        subprocess.run(["chown", "-R", "www-data", folder], check=True)
    return run(["/usr/sbin/apache2", "-X", "-f", folder + "/apache.conf"], port, folder) and f"{port}"


def rsyncd(folder):
    """PORT: the module "place" is PLACE/place, with prophet:secret"""
    port = free_port()
    os.makedirs(os.path.join(folder, "place"), exist_ok=True)
    write(folder, "secrets", "prophet:secret\n", 0o600)
    write(folder, "rsyncd.conf", f"""
use chroot = no
address = 127.0.0.1
[place]
path = {folder}/place
read only = no
auth users = prophet
secrets file = {folder}/secrets
uid = {os.getuid()}
gid = {os.getgid()}
socket options = TCP_NODELAY
""")
    argv = ["rsync", "--daemon", "--no-detach", f"--port={port}", f"--config={folder}/rsyncd.conf", f"--log-file={folder}/log"]
    return run(argv, port, folder) and f"{port}"


def sshd(folder):
    """PORT PROGRAM: PROGRAM is an ssh that knows the key and the host; its usual key exchange takes a tenth of a second"""
    port = free_port()
    for name in ("host", "id"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", os.path.join(folder, name)], check=True)
    with open(os.path.join(folder, "id.pub"), encoding="ascii") as f:
        write(folder, "authorized_keys", f.read(), 0o600)
    with open(os.path.join(folder, "host.pub"), encoding="ascii") as f:
        write(folder, "known", f"[127.0.0.1]:{port} {f.read()}")
    if os.getuid() == 0:
        os.makedirs("/run/sshd", exist_ok=True)
    # bash under sshd reads ~/.bashrc, whatever that starts: at the first level only
    write(folder, "sshd_config", f"""
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host
PidFile {folder}/pid
AuthorizedKeysFile {folder}/authorized_keys
PasswordAuthentication no
UsePAM no
StrictModes no
PermitRootLogin prohibit-password
AcceptEnv none
SetEnv SHLVL=2
""")
    program = write(folder, "ssh", f"#!/bin/sh\nexec ssh -F none -i {folder}/id -o UserKnownHostsFile={folder}/known -o IdentitiesOnly=yes -o KexAlgorithms=curve25519-sha256 \"$@\"\n", 0o755)
    return run(["/usr/sbin/sshd", "-D", "-e", "-f", folder + "/sshd_config"], port, folder) and f"{port} {program}"


def main():
    kind, folder = sys.argv[1], os.path.realpath(sys.argv[2])
    line = None
    for attempt in range(5):
        place = os.path.join(folder, f"{kind}{attempt}")
        os.makedirs(place)
        line = globals()[kind](place)
        if line:
            break
    if not line:
        with open(os.path.join(place, "log"), encoding="utf-8", errors="replace") as f:
            sys.stderr.write(f.read())
        sys.exit(1)
    print(place, line, flush=True)
    sys.stdin.read()
    for child in children:
        child.terminate()
    for child in children:
        child.wait()


if __name__ == "__main__":
    main()
