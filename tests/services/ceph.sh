#!/bin/sh
# ceph.sh DIR: one monitor, one manager, one disk in memory and the S3 gateway on loopback, on free ports, with the user PROPHET:prophetsecret and the bucket
# "bucket". Prints the gateway's port when all of it answers; ends with its standard input, and removes DIR.
set -e
D=$1
exec 3>&1 >"$D/out" 2>&1 # the one line goes to 3
mkdir -p "$D/mon" "$D/osd" "$D/mgr" "$D/run" "$D/log" "$D/rgw"
export CEPH_CONF="$D/ceph.conf"

finish() {
    for name in client.rgw osd.0 mgr.x mon.a; do
        [ -s "$D/run/$name.pid" ] && kill -9 "$(cat "$D/run/$name.pid")"
    done
    rm -rf "$D"
}
trap finish EXIT
trap 'exit 1' INT TERM

ports=$(python3 -c '
import socket
s = [socket.socket() for _ in range(2)]
for x in s: x.bind(("127.0.0.1", 0))
print(*[x.getsockname()[1] for x in s])')
gateway=${ports% *} monitor=${ports#* }
cat >"$CEPH_CONF" <<C
[global]
fsid = $(cat /proc/sys/kernel/random/uuid)
mon_initial_members = a
mon_host = [v2:127.0.0.1:$monitor/0]
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
ms_bind_ipv6 = false
keyring = $D/keyring
admin_socket = $D/run/\$name.asok
run_dir = $D/run
log_file = $D/log/\$name.log
pid_file = $D/run/\$name.pid
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 4
osd_pool_default_pgp_num = 4
osd_crush_chooseleaf_type = 0
osd_pool_default_pg_autoscale_mode = off
mon_allow_pool_size_one = true
mon_warn_on_pool_no_redundancy = false
mon_max_pg_per_osd = 1000
[mon]
mon_data = $D/mon
mon_data_avail_crit = 1
mon_data_avail_warn = 2
[mgr]
mgr_data = $D/mgr
mgr_initial_modules =
[osd]
osd_data = $D/osd
osd_objectstore = memstore
memstore_device_bytes = 268435456
[client.rgw]
rgw_frontends = beast endpoint=127.0.0.1:$gateway
rgw_data = $D/rgw
rgw_thread_pool_size = 16
C
ceph-authtool --create-keyring "$D/keyring" --gen-key -n mon. --cap mon 'allow *'
ceph-authtool "$D/keyring" --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
ceph-authtool "$D/keyring" --gen-key -n mgr.x --cap mon 'allow profile mgr' --cap osd 'allow *'
ceph-authtool "$D/keyring" --gen-key -n osd.0 --cap mon 'allow profile osd' --cap mgr 'allow profile osd' --cap osd 'allow *'
ceph-authtool "$D/keyring" --gen-key -n client.rgw --cap mon 'allow rw' --cap osd 'allow rwx' --cap mgr 'allow rw'
monmaptool --create --clobber --addv a "[v2:127.0.0.1:$monitor]" --fsid "$(sed -n 's/^fsid = //p' "$CEPH_CONF")" "$D/monmap"
ceph-mon --mkfs -i a --monmap "$D/monmap" --keyring "$D/keyring"
ceph-mon -i a
ceph-mgr -i x
ceph config set mon auth_allow_insecure_global_id_reclaim false
uuid=$(cat /proc/sys/kernel/random/uuid)
ceph osd new "$uuid"
ceph osd crush add osd.0 1.0 root=default host=h
ceph-osd -i 0 --mkfs --osd-uuid "$uuid"
ceph-osd -i 0
radosgw -n client.rgw
python3 - "$gateway" <<'P'
import socket, sys, time
for _ in range(600):
    try:
        socket.create_connection(("127.0.0.1", int(sys.argv[1])), 1).close()
        sys.exit(0)
    except OSError:
        time.sleep(0.1)
sys.exit(1)
P
radosgw-admin user create --uid=prophet --display-name=Prophet --access-key=PROPHET --secret-key=prophetsecret
tests=$(dirname "$0")
python3 "$tests/s3.py" "http://127.0.0.1:$gateway" PROPHET prophetsecret PUT /bucket
echo "$gateway" >&3
exec 3>&-
cat >/dev/null # until our input ends
